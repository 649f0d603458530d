"""Writes a small network with several inputs as an ONNX model, of made-up weights.

    pair_onnx.py [OUT]

OUT is tests/models/pair.onnx unless given. The file is committed; the same run gives the same bytes. Two pictures go through the same
layers; `distance` is how far apart they are, `scores` are made of what they have in common and of a vector.
"""
import pathlib
import sys

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1] / "models/pair.onnx"
RNG = np.random.default_rng(23)

nodes, weights = [], []


def op(kind, inputs, output, **attributes):
    nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
    return output


def weight(name, *shape):
    bound = np.sqrt(6 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
    weights.append(numpy_helper.from_array(RNG.uniform(-bound, bound, shape).astype(np.float32), name))
    return name


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

graph = helper.make_graph(
    nodes,
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
    weights,
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="pair_onnx.py")
checker.check_model(model)
OUT.write_bytes(model.SerializeToString())
