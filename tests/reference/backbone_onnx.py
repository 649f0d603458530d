"""Writes a small backbone with several outputs as an ONNX model, of made-up weights.

    backbone_onnx.py [OUT]

OUT is examples/embed/models/backbone.onnx unless given. The file is committed; the same run gives the same bytes. Outputs: `c2` and
`c3`, maps of two sizes; `embedding`, the mean of `c3`; `logits`.
"""
import pathlib
import sys

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2] / "examples/embed/models/backbone.onnx"
RNG = np.random.default_rng(11)

nodes, weights = [], []


def op(kind, inputs, output, **attributes):
    nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
    return output


def weight(name, *shape):
    bound = np.sqrt(6 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
    weights.append(numpy_helper.from_array(RNG.uniform(-bound, bound, shape).astype(np.float32), name))
    return name


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

graph = helper.make_graph(
    nodes,
    "backbone",
    [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 32, 32])],
    [
        helper.make_tensor_value_info("c2", TensorProto.FLOAT, ["batch", 8, 16, 16]),
        helper.make_tensor_value_info("c3", TensorProto.FLOAT, ["batch", 16, 8, 8]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 16]),
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10]),
    ],
    weights,
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="backbone_onnx.py")
checker.check_model(model)
OUT.write_bytes(model.SerializeToString())
