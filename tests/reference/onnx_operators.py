"""Writes a tiny ONNX model per operator and per way of using it, with what ONNX Runtime makes of it.

    onnx_operators.py [OUT]

OUT is compiler/tests/onnx_operators unless given: `CASE.onnx`, `CASE.x.npy`, `CASE.y.npy`. The files are committed; the same run
gives the same bytes.
"""
import pathlib
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2] / "compiler/tests/onnx_operators"
OWN = "com.microsoft"
RNG = np.random.default_rng(7)


def random(*shape):
    return RNG.uniform(-1, 1, shape).astype(np.float32)


def ints(*values):
    return np.array(values, dtype=np.int64)


class Case:
    """A model that is written when the block ends."""

    def __init__(self, name, shape, opset=13, dynamic=False):
        self.name, self.shape, self.opset, self.dynamic = name, shape, opset, dynamic
        self.nodes, self.initializers, self.last = [], [], "x"

    def __enter__(self):
        return self

    def constant(self, value):
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, kind, *inputs, **attributes):
        """Applies an operator; arrays become constants, no input means the last result."""
        inputs = [name if isinstance(name, str) else self.constant(name) for name in (inputs or (self.last,))]
        self.last = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [self.last], name=self.last, **attributes))
        return self.last

    def split(self, x, lengths=None, outputs=None, axis=0):
        """Splits a value; the results are not the last value."""
        count = len(lengths) if outputs is None else outputs
        names = [f"s{len(self.nodes)}_{index}" for index in range(count)]
        inputs = [x] if lengths is None else [x, self.constant(lengths)]
        self.nodes.append(helper.make_node("Split", inputs, names, name=names[0], axis=axis))
        return names

    def __exit__(self, *failed):
        if failed[0]:
            return
        shape = ["batch", *self.shape[1:]] if self.dynamic else self.shape
        graph = helper.make_graph(
            self.nodes, self.name,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, None)],
            self.initializers,
        )
        opsets = [helper.make_opsetid("", self.opset)]
        opsets += [helper.make_opsetid(OWN, 1) for _ in range(any(node.domain == OWN for node in self.nodes))]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="onnx_operators.py")
        x = random(*self.shape)
        (y,) = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})
        (OUT / f"{self.name}.onnx").write_bytes(model.SerializeToString())
        np.save(OUT / f"{self.name}.x.npy", x)
        np.save(OUT / f"{self.name}.y.npy", y)


OUT.mkdir(parents=True, exist_ok=True)
SMALL = [1, 4, 6, 5]

with Case("conv_bias", SMALL) as c:
    c.op("Conv", "x", random(3, 4, 3, 3), random(3), pads=[1, 1, 1, 1])
with Case("conv_asymmetric_stride_dilation", [2, 4, 9, 8]) as c:
    c.op("Conv", "x", random(3, 4, 3, 2), pads=[0, 1, 2, 0], strides=[2, 3], dilations=[2, 1])
with Case("conv_groups", SMALL) as c:
    c.op("Conv", "x", random(6, 2, 3, 3), group=2, pads=[1, 1, 1, 1])
for rule in ["SAME_UPPER", "SAME_LOWER", "VALID"]:
    with Case(f"conv_{rule.lower()}", SMALL) as c:
        c.op("Conv", "x", random(3, 4, 3, 4), auto_pad=rule, strides=[2, 2])
with Case("batch_normalization", SMALL) as c:
    c.op("BatchNormalization", "x", random(4), random(4), random(4), random(4) + np.float32(1.5), epsilon=1e-3)
with Case("batch_normalization_of_vector", [2, 4, 2, 2], opset=9) as c:
    c.op("GlobalAveragePool")
    c.op("Flatten")
    c.op("BatchNormalization", c.last, random(4), random(4), random(4), random(4) + np.float32(1.5))
with Case("clip_as_relu", SMALL) as c:
    c.op("Clip", "x", np.float32(0))
with Case("clip_of_nothing_opset_9", SMALL, opset=9) as c:
    c.op("Clip")
    c.op("Relu")
with Case("add_and_sum", SMALL) as c:
    a = c.op("Relu", "x")
    b = c.op("Add", "x", a)
    c.op("Sum", a, b, "x")
with Case("affine_constants", SMALL) as c:
    c.op("Mul", "x", random(4, 1, 1))
    c.op("Add", c.last, random(1, 4, 1, 1))
    c.op("Sub", c.last, np.float32(0.25))
    c.op("Div", c.last, random(4, 1, 1) + np.float32(2))
    c.op("Sub", random(4, 1, 1), c.last)
with Case("conv_then_bias", SMALL) as c:
    c.op("Conv", "x", random(3, 4, 1, 1))
    c.op("Add", c.last, random(3, 1, 1))
with Case("conv_then_bias_read_twice", SMALL) as c:
    conv = c.op("Conv", "x", random(3, 4, 1, 1))
    biased = c.op("Add", conv, random(3, 1, 1))
    c.op("Add", conv, biased)
with Case("max_pool", SMALL) as c:
    c.op("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
with Case("max_pool_ceil", [1, 4, 8, 7]) as c:
    c.op("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
with Case("max_pool_same", SMALL) as c:
    c.op("MaxPool", "x", kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER")
for counted in [0, 1]:
    with Case(f"average_pool_count_{counted}", SMALL) as c:
        c.op("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 1], pads=[1, 1, 0, 1], count_include_pad=counted)
with Case("average_pool_ceil", [1, 4, 8, 7], opset=19) as c:
    c.op("AveragePool", "x", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
with Case("average_pool_whole", SMALL) as c:
    c.op("AveragePool", "x", kernel_shape=[6, 5])
with Case("reduce_mean_attribute", SMALL, opset=13) as c:
    c.op("ReduceMean", "x", axes=[2, 3], keepdims=0)
with Case("reduce_mean_input", SMALL, opset=18) as c:
    c.op("ReduceMean", "x", ints(-1, -2), keepdims=1)
    c.op("Reshape", c.last, ints(0, -1))
with Case("reduce_mean_channels_last", [2, 6, 5, 4], opset=13) as c:
    c.op("Transpose", "x", perm=[0, 3, 1, 2])
    c.op("Conv", c.last, random(3, 4, 3, 3))
    c.op("Transpose", c.last, perm=[0, 2, 3, 1])
    c.op("ReduceMean", c.last, axes=[1, 2], keepdims=0)
with Case("gemm", [2, 4, 3, 2]) as c:
    c.op("Flatten")
    c.op("Gemm", c.last, random(24, 5), random(1, 5), alpha=0.5, beta=2.0)
with Case("gemm_transposed_scalar_bias", [2, 4, 1, 1], opset=11) as c:
    c.op("Reshape", "x", ints(2, 4))
    c.op("Gemm", c.last, random(5, 4), random(1), transB=1)
with Case("mat_mul_add", [2, 4, 3, 2]) as c:
    c.op("Reshape", "x", ints(0, -1))
    c.op("MatMul", c.last, random(24, 5))
    c.op("Add", random(5), c.last)
with Case("mat_mul_folded_transpose", [2, 4, 1, 1]) as c:
    c.op("Squeeze", "x", ints(2, 3))
    weights = c.op("Transpose", random(5, 4), perm=[1, 0])
    c.op("MatMul", "v0", weights)
for opset, attributes in [(11, {}), (11, {"axis": -1}), (13, {}), (13, {"axis": 1})]:
    with Case(f"softmax_{opset}_{attributes.get('axis', 'default')}".replace("-", "minus_"), [2, 7, 1, 1], opset=opset) as c:
        c.op("Flatten")
        c.op("Softmax", c.last, **attributes)
with Case("softmax_of_map", [2, 7, 1, 1]) as c:
    c.op("Softmax", "x", axis=1)
with Case("squeeze_unsqueeze_conv", [2, 4, 3, 3], opset=11) as c:
    c.op("GlobalAveragePool")
    c.op("Squeeze", c.last, axes=[3, 2])
    c.op("Unsqueeze", c.last, axes=[2, 3])
    c.op("Conv", c.last, random(3, 4, 1, 1))
with Case("flatten_by_shape", [3, 4, 1, 1], dynamic=True) as c:
    c.op("Relu")
    shape = c.op("Shape", "v0")
    n = c.op("Gather", shape, np.array(0, dtype=np.int64), axis=0)
    n = c.op("Unsqueeze", n, ints(0))
    shape = c.op("Concat", n, ints(-1), axis=0)
    c.op("Reshape", "v0", shape)
with Case("flatten_by_arithmetic", [3, 4, 2, 2], dynamic=True, opset=15) as c:
    c.op("Relu")
    rest = c.op("Shape", "v0", start=1)
    rest = c.op("Cast", rest, to=TensorProto.FLOAT)
    rest = c.op("Div", rest, np.float32(2))
    rest = c.op("Cast", rest, to=TensorProto.INT64)
    rest = c.op("Mul", rest, ints(2))
    a = c.op("Slice", rest, ints(-1), ints(-5), ints(0), ints(-1))
    a = c.op("Gather", a, ints(2, -2))
    a = c.op("Sub", a, ints(1, 1))
    a = c.op("Add", a, np.array(1, dtype=np.int64))
    first = c.op("Slice", a, ints(0), ints(1))
    area = c.op("Mul", first, ints(4))
    n = c.op("ConstantOfShape", ints(1), value=numpy_helper.from_array(ints(-1), "value"))
    shape = c.op("Concat", n, area, axis=0)
    c.op("Reshape", "v0", shape)
with Case("subsample_and_pad", [1, 4, 7, 6]) as c:
    c.op("Slice", "x", ints(0), ints(2**63 - 1), ints(2), ints(2))
    c.op("Slice", c.last, ints(0), ints(2**31 - 1), ints(-1), ints(2))
    c.op("Pad", c.last, ints(0, 2, 0, 0, 0, 2, 0, 0), np.float32(0))
with Case("slice_both_then_zeros", [1, 4, 7, 6]) as c:
    c.op("Slice", "x", ints(0, 0), ints(100, 100), ints(2, 3), ints(2, 3))
    c.op("Concat", c.last, np.zeros((1, 3, 4, 2), np.float32), axis=1)
with Case("pad_opset_18_axes", SMALL, opset=18) as c:
    c.op("Pad", "x", ints(1, 2, 0, 3), "", ints(2, -1))
with Case("pad_attribute_opset_9", SMALL, opset=9) as c:
    c.op("Pad", "x", pads=[0, 0, 1, 1, 0, 0, 1, 1])
    c.op("MaxPool", c.last, kernel_shape=[3, 3], strides=[2, 2])
with Case("channels_last_input", [2, 6, 5, 3]) as c:
    c.op("Sub", "x", random(3))
    c.op("Transpose", c.last, perm=[0, 3, 1, 2])
    c.op("Conv", c.last, random(4, 3, 3, 3), strides=[2, 2])
with Case("cancelling_transposes", SMALL) as c:
    c.op("Relu")
    c.op("Transpose", c.last, perm=[0, 2, 3, 1])
    c.op("Add", c.last, random(4))
    c.op("Transpose", c.last, perm=[0, 3, 1, 2])
    c.op("Conv", c.last, random(2, 4, 1, 1))
with Case("identity_dropout_cast", SMALL) as c:
    c.op("Identity")
    c.op("Dropout", c.last)
    c.op("Cast", c.last, to=TensorProto.FLOAT)
    c.op("Relu", c.last)
with Case("half_weights", SMALL) as c:
    weights = c.op("Cast", random(3, 4, 1, 1).astype(np.float16), to=TensorProto.FLOAT)
    c.op("Conv", "x", weights)
with Case("double_weights", SMALL) as c:
    weights = c.op("Cast", random(3, 4, 1, 1).astype(np.float64), to=TensorProto.FLOAT)
    weights = c.op("Mul", weights, random(3, 1, 1, 1))
    weights = c.op("Expand", weights, ints(3, 4, 1, 1))
    c.op("Conv", "x", weights)
with Case("activations", SMALL, opset=14) as c:
    c.op("Sigmoid")
    c.op("Mul", "x", c.last)
    a = c.op("Tanh", c.last)
    b = c.op("HardSwish", "x")
    c.op("Add", a, b)
    a = c.op("HardSigmoid", c.last, alpha=1 / 6, beta=0.5)
    b = c.op("Clip", "x", np.float32(0), np.float32(6))
    c.op("Add", a, b)
with Case("swish_opset_24", SMALL, opset=24) as c:
    c.op("Swish")
with Case("squeeze_excite", [2, 4, 6, 5]) as c:
    c.op("GlobalAveragePool")
    c.op("Conv", c.last, random(2, 4, 1, 1), random(2))
    c.op("Relu", c.last)
    c.op("Conv", c.last, random(4, 2, 1, 1), random(4))
    c.op("Sigmoid", c.last)
    c.op("Mul", c.last, "x")
with Case("squeeze_excite_dense", [2, 4, 6, 5]) as c:
    c.op("ReduceMean", "x", axes=[2, 3], keepdims=0)
    c.op("MatMul", c.last, random(4, 4))
    c.op("HardSigmoid", c.last, alpha=1 / 6)
    c.op("Reshape", c.last, ints(2, 4, 1, 1))
    c.op("Mul", "x", c.last)
with Case("squeeze_excite_channels_last", [2, 6, 5, 4]) as c:
    c.op("Transpose", "x", perm=[0, 3, 1, 2])
    conv = c.op("Conv", c.last, random(3, 4, 1, 1))
    gate = c.op("GlobalMaxPool", conv)
    gate = c.op("Transpose", gate, perm=[0, 2, 3, 1])
    map = c.op("Transpose", conv, perm=[0, 2, 3, 1])
    c.op("Mul", map, gate)
    c.op("ReduceMax", c.last, axes=[1, 2], keepdims=0)
with Case("reduce_max_opset_18", [2, 5, 3, 4], opset=18) as c:
    c.op("ReduceMax", "x", ints(2, 3), keepdims=1)
with Case("product_of_maps", SMALL) as c:
    c.op("Sigmoid")
    c.op("Mul", c.last, "x")
    c.op("Mul", c.last, c.last)
with Case("scale_of_branch", SMALL) as c:
    c.op("Conv", "x", random(4, 4, 1, 1), random(4))
    c.op("Mul", c.last, np.float32(0.17))
    c.op("Add", c.last, "x")
    c.op("Div", c.last, np.array([4], dtype=np.float32))
with Case("concat_of_maps", [2, 4, 6, 5]) as c:
    a = c.op("Conv", "x", random(3, 4, 1, 1))
    b = c.op("MaxPool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    c.op("Concat", a, "x", b, axis=-3)
with Case("concat_channels_last", [2, 4, 6, 5]) as c:
    a = c.op("Conv", "x", random(3, 4, 1, 1))
    a = c.op("Transpose", a, perm=[0, 2, 3, 1])
    b = c.op("Transpose", "x", perm=[0, 2, 3, 1])
    c.op("Concat", a, b, axis=3)
    c.op("Transpose", c.last, perm=[0, 3, 1, 2])
with Case("concat_of_vectors", [2, 4, 6, 5]) as c:
    a = c.op("GlobalAveragePool", "x")
    a = c.op("Flatten", a)
    b = c.op("GlobalMaxPool", "x")
    b = c.op("Flatten", b)
    c.op("Concat", a, b, axis=1)
    c.op("Slice", c.last, ints(1), ints(-2), ints(1))
with Case("slice_of_channels", [2, 7, 6, 5]) as c:
    a = c.op("Slice", "x", ints(1), ints(4), ints(1))
    b = c.op("Slice", "x", ints(-3, 0), ints(2**31 - 1, 100), ints(1, 2), ints(1, 2))
    b = c.op("MaxPool", b, kernel_shape=[1, 1])
    a = c.op("Slice", a, ints(0), ints(100), ints(2), ints(2))
    c.op("Add", a, b)
with Case("split_of_channels", [2, 7, 6, 5]) as c:
    a, b, d = c.split("x", ints(2, 3, 2), axis=1)
    c.op("Add", a, d)
    c.op("Concat", b, c.last, axis=1)
with Case("split_in_equal_parts", [2, 6, 4, 5], opset=11) as c:
    c.op("Transpose", "x", perm=[0, 2, 3, 1])
    a, b, d = c.split(c.last, outputs=3, axis=-1)
    c.op("Add", a, d)
    c.op("Mul", b, c.last)
    c.op("Transpose", c.last, perm=[0, 3, 1, 2])
with Case("channels_last_input_padded", [2, 6, 5, 3]) as c:
    c.op("Pad", "x", ints(0, 1, 2, 0, 0, 1, 0, 0))
    c.op("Transpose", c.last, perm=[0, 3, 1, 2])
    c.op("Conv", c.last, random(4, 3, 3, 3), strides=[2, 2])
with Case("group_normalization", [2, 6, 5, 4], opset=21) as c:
    c.op("Mul", "x", np.float32(3))
    c.op("GroupNormalization", c.last, random(6), random(6), num_groups=3, epsilon=1e-3)
with Case("instance_normalization", [2, 3, 5, 4]) as c:
    c.op("InstanceNormalization", "x", random(3), random(3), epsilon=1e-3)
    c.op("Mul", c.last, random(3, 1, 1))
    c.op("Add", c.last, random(3, 1, 1))
    c.op("Relu")
with Case("group_normalization_of_instances", [2, 6, 5, 4]) as c:
    c.op("Mul", "x", np.float32(3))
    c.op("Reshape", c.last, ints(0, 3, -1))
    c.op("InstanceNormalization", c.last, random(3), random(3), epsilon=1e-3)
    c.op("Reshape", c.last, ints(2, 6, 5, 4))
    c.op("Mul", c.last, random(6, 1, 1))
    c.op("Add", c.last, random(6, 1, 1))
    c.op("Relu")


def scale(value):
    return np.float32(value)


def quantised(c, x, step, zero):
    """A value in 8 bits, with its scale and its zero point."""
    step, zero = c.constant(scale(step)), c.constant(zero)
    return [c.op("QuantizeLinear", x, step, zero), step, zero]


def bytes_of(low, high, kind, *shape):
    return RNG.integers(low, high, shape).astype(kind)


# Weights of 7 bits: without instructions for it, ONNX Runtime adds products of bytes up in 16 bits, which saturate.
with Case("quantised_gemm", [3, 4]) as c:
    x = quantised(c, "x", 0.0078, np.uint8(131))
    b = [bytes_of(-63, 64, np.int8, 5, 4), np.abs(random(5)) / np.float32(100), np.zeros(5, np.int8)]
    c.op("QGemm", *x, *b, bytes_of(-9000, 9000, np.int32, 5), scale(0.02), np.uint8(99), transB=1, domain=OWN)
    c.op("DequantizeLinear", c.last, scale(0.02), np.uint8(99))
with Case("quantised_gemm_to_float", [4, 3]) as c:
    x = quantised(c, "x", 0.0078, np.int8(-3))
    b = [bytes_of(-63, 64, np.int8, 4, 5), scale(0.013), np.int8(7)]
    c.op("QGemm", *x, *b, transA=1, alpha=0.3, domain=OWN)
with Case("quantised_gemm_of_columns", [3, 4]) as c:
    x = quantised(c, "x", 0.0078, np.uint8(131))
    b = [bytes_of(0, 256, np.uint8, 4, 5), np.abs(random(5)) / np.float32(100), bytes_of(100, 150, np.uint8, 5)]
    c.op("QGemm", *x, *b, bytes_of(-9000, 9000, np.int32, 1, 5), scale(0.02), np.uint8(99), domain=OWN)
    c.op("DequantizeLinear", c.last, scale(0.02), np.uint8(99))
with Case("quantised_average_pool", [2, 3, 7, 6]) as c:
    x = quantised(c, "x", 0.0078, np.uint8(131))
    c.op("QLinearAveragePool", *x, scale(0.0061), np.uint8(120), kernel_shape=[3, 3], pads=[1, 1, 0, 1], strides=[2, 2], domain=OWN)
    c.op("DequantizeLinear", c.last, scale(0.0061), np.uint8(120))
with Case("quantised_average_pool_channels_last", [2, 6, 5, 3]) as c:
    x = quantised(c, "x", 0.0078, np.int8(5))
    attributes = {"kernel_shape": [2, 3], "pads": [0, 1, 1, 1], "count_include_pad": 1, "channels_last": 1}
    c.op("QLinearAveragePool", *x, scale(0.0061), np.int8(-4), **attributes, domain=OWN)
    c.op("DequantizeLinear", c.last, scale(0.0061), np.int8(-4))
with Case("quantised_global_average_pool", [2, 3, 7, 6]) as c:
    x = quantised(c, "x", 0.0078, np.uint8(131))
    c.op("QLinearGlobalAveragePool", *x, scale(0.0021), np.uint8(120), channels_last=0, domain=OWN)
    c.op("DequantizeLinear", c.last, scale(0.0021), np.uint8(120))
with Case("quantised_concat", [2, 3, 4, 5]) as c:
    parts = [quantised(c, "x", step, zero) for step, zero in [(0.0078, np.uint8(131)), (0.005, np.uint8(90)), (0.011, np.uint8(128))]]
    c.op("QLinearConcat", scale(0.0078), np.uint8(131), *parts[0], *parts[1], *parts[2], axis=1, domain=OWN)
    c.op("DequantizeLinear", c.last, scale(0.0078), np.uint8(131))
with Case("quantised_sum_and_product", [2, 3, 4, 5]) as c:
    x = quantised(c, "x", 0.0078, np.int8(3))
    y = [c.op("QLinearAdd", *x, *x, scale(0.017), np.int8(-8), domain=OWN), scale(0.017), np.int8(-8)]
    c.op("QLinearMul", *x, *y, scale(0.013), np.int8(1), domain=OWN)
    c.op("DequantizeLinear", c.last, scale(0.013), np.int8(1))
with Case("quantised_functions", [2, 3, 4, 5]) as c:
    x = quantised(c, "x", 0.0078, np.uint8(131))
    y = [c.op("QLinearLeakyRelu", *x, scale(0.006), np.uint8(40), alpha=0.2, domain=OWN), scale(0.006), np.uint8(40)]
    c.op("QLinearSigmoid", *y, scale(0.004), np.uint8(3), domain=OWN)
    c.op("DequantizeLinear", c.last, scale(0.004), np.uint8(3))
