"""Writes a small network with several inputs as an ONNX model, of made-up weights.

    pair_onnx.py [OUT]

OUT is tests/models/pair.onnx unless given. The file is committed; the same run gives the same bytes. Two pictures go through the same
layers; `distance` is how far apart they are, `scores` are made of what they have in common and of a vector.
"""
import pathlib
import sys

from onnx import TensorProto, helper

from small_onnx import Model

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1] / "models/pair.onnx"
MODEL = Model(23)
op, weight = MODEL.op, MODEL.weight

stem = [weight("stem.weight", 8, 3, 3, 3), weight("stem.bias", 8)]
block = [weight("block.weight", 8, 8, 3, 3), weight("block.bias", 8)]


def embedded(picture):
    x = op("Relu", [op("Conv", [picture, *stem], f"{picture}.stem", strides=[2, 2], pads=[1] * 4)], f"{picture}.stem.relu")
    y = op("Add", [op("Conv", [x, *block], f"{picture}.block", pads=[1] * 4), x], f"{picture}.sum")
    y = op("GlobalAveragePool", [op("Relu", [y], f"{picture}.relu")], f"{picture}.pool")
    return op("Flatten", [y], f"{picture}.embedding")


left, right = embedded("left"), embedded("right")
apart = op("Abs", [op("Sub", [left, right], "difference")], "apart")
op("ReduceMean", [apart], "distance", axes=[1], keepdims=1)
joined = op("Concat", [op("Mul", [left, right], "common"), "type"], "joined", axis=1)
op("Gemm", [joined, weight("fc.weight", 4, 11), weight("fc.bias", 4)], "scores", transB=1)

MODEL.write(
    OUT,
    "pair",
    [
        helper.make_tensor_value_info("left", TensorProto.FLOAT, ["batch", 3, 16, 16]),
        helper.make_tensor_value_info("right", TensorProto.FLOAT, ["batch", 3, 16, 16]),
        helper.make_tensor_value_info("type", TensorProto.FLOAT, ["batch", 3]),
    ],
    [
        helper.make_tensor_value_info("distance", TensorProto.FLOAT, ["batch", 1]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 4]),
    ],
    "pair_onnx.py",
)
