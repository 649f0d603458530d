"""Writes a small backbone with several outputs as an ONNX model, of made-up weights.

    backbone_onnx.py [OUT]

OUT is examples/embed/models/backbone.onnx unless given. The file is committed; the same run gives the same bytes. Outputs: `c2` and
`c3`, maps of two sizes; `embedding`, the mean of `c3`; `logits`.
"""
import pathlib
import sys

from onnx import TensorProto, helper

from small_onnx import Model

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2] / "examples/embed/models/backbone.onnx"
MODEL = Model(11)
op, weight = MODEL.op, MODEL.weight


def conv(x, output, channels, kernel, stride):
    inputs, outputs = channels
    kernels = weight(f"{output}.weight", outputs, inputs, kernel, kernel)
    bias = weight(f"{output}.bias", outputs)
    return op("Conv", [x, kernels, bias], output, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[kernel // 2] * 4)


x = op("Relu", [conv("image", "stem", (3, 8), 3, 2)], "stem.relu")
y = op("Add", [conv(x, "layer1", (8, 8), 3, 1), x], "layer1.sum")
c2 = op("Relu", [y], "c2")
y = op("Add", [conv(c2, "layer2", (8, 16), 3, 2), conv(c2, "layer2.shortcut", (8, 16), 1, 2)], "layer2.sum")
c3 = op("Relu", [y], "c3")
pooled = op("GlobalAveragePool", [c3], "pool")
embedding = op("Flatten", [pooled], "embedding")
op("Gemm", [embedding, weight("fc.weight", 10, 16), weight("fc.bias", 10)], "logits", transB=1)

MODEL.write(
    OUT,
    "backbone",
    [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 32, 32])],
    [
        helper.make_tensor_value_info("c2", TensorProto.FLOAT, ["batch", 8, 16, 16]),
        helper.make_tensor_value_info("c3", TensorProto.FLOAT, ["batch", 16, 8, 8]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 16]),
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10]),
    ],
    "backbone_onnx.py",
)
