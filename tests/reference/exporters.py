"""Writes the exporter matrix: residual networks through every way that people get an ONNX file, each with ONNX Runtime's result.

    exporters.py [OUT] [--models resnet18 ...] [--ways script13 ...] [--size 64]

Into the folder OUT (target/exporters unless given) go, per model and way, `MODEL.WAY.onnx`, the input `MODEL.WAY.input.npy` and what
ONNX Runtime makes of it with that very file, `MODEL.WAY.output.npy`; for 8 bits also `MODEL.WAY.slack.npy`, how far a step in some
places goes. A line per file says what was written, or why it was not. All is
seeded. `cargo test --release -p resnet-tests --test exporters -- --ignored --nocapture` compares them.

Ways of PyTorch's models (timm, all):

    script11 script13 script17   TorchScript's exporter with that operator set
    dynamo                       PyTorch's newer exporter, as it is by default: weights in a file of their own
    dynamic                      TorchScript, operator set 17, with a symbolic batch
    onnxsim onnxslim             `script13` made simpler by these tools
    optimised                    `script13` as ONNX Runtime's offline optimiser writes it, at its basic level
    float16                      `script13` in half precision, inputs and outputs kept in f32 for every second model
    qdq qoperator                `script13` in 8 bits, with QuantizeLinear and DequantizeLinear around each operator or as QLinearConv and
                                 its like; half of the models have unsigned activations, half of them weights with a scale per channel

Ways of Keras' models, channels last:

    keras                        Keras' own `model.export(format="onnx")`, with the backend that KERAS_BACKEND names
    tf2onnx                      tf2onnx on the traced model; needs TensorFlow as the backend

The norms have random scales and shifts, and statistics that are those of a random batch, each off by some: so activations stay in range
and no error of folding hides behind a mean of 0 or a variance of 1. What a residual block adds is a third of its shortcut, near
enough to trained networks: in equal parts, fifty layers make 2e-5 of f32's rounding errors, whoever computes them.
"""
import argparse
import contextlib
import io
import os
import pathlib
import sys
import tempfile
import warnings

import numpy as np
import onnx
import onnxruntime

ROOT = pathlib.Path(__file__).parents[2]
SEED = 7
# What the last layer of a residual block is scaled by.
BRANCH = 0.3

# The name in timm, and the least size of a picture that the stages leave something of.
TORCH = {
    "resnet18": ("resnet18", 32),
    "resnet50": ("resnet50", 32),
    "resnext50": ("resnext50_32x4d", 32),
    "seresnet50": ("seresnet50", 32),
    "resnetv2_50": ("resnetv2_50", 32),
    "resnet50_gn": ("resnet50_gn", 32),
    "resnetv2_50x1_bit": ("resnetv2_50x1_bit", 32),
    "res2net50": ("res2net50_26w_4s", 32),
    "resnest50d": ("resnest50d", 64),
    "ecaresnet50": ("ecaresnet50d", 64),
    "inception_resnet_v2": ("inception_resnet_v2", 128),
}
# The name in keras.applications, the least size, and whether the model ends in a softmax.
KERAS = {
    "keras_resnet50": ("ResNet50", 32, True),
    "keras_resnet50v2": ("ResNet50V2", 32, False),
    "keras_inception_resnet_v2": ("InceptionResNetV2", 128, False),
}
TORCH_WAYS = [
    "script11", "script13", "script17", "dynamo", "dynamic", "onnxsim", "onnxslim", "optimised", "float16", "qdq", "qoperator",
]
KERAS_WAYS = ["keras", "tf2onnx"]


class Skip(Exception):
    """An exporter or a tool cannot do it, or is not here."""


def torch_network(name, size):
    import timm
    import torch

    torch.manual_seed(SEED)
    net = timm.create_model(name, pretrained=False)
    random = torch.Generator().manual_seed(SEED)

    def uniform(tensor, low, high):
        tensor.copy_(torch.rand(tensor.shape, generator=random) * (high - low) + low)

    norms = [module for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    # The last norm of a block: behind its last convolution, or before it.
    last = []
    for block in net.modules():
        names = [name for name, _ in block.named_children() if name in ("bn2", "bn3", "norm3")]
        if names and (hasattr(block, "conv3") or hasattr(block, "conv2")):
            last.append(getattr(block, max(names)))
    with torch.no_grad():
        for module in net.modules():
            weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
            if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.GroupNorm)):
                uniform(weight, 0.6, 1.4)
                # Some scales are below zero, where a network learns so.
                weight[:: 7] *= -1
                uniform(bias, -0.3, 0.3)
            elif isinstance(module, (torch.nn.Conv2d, torch.nn.Conv1d, torch.nn.Linear)):
                if not weight.any():
                    uniform(weight, -0.05, 0.05)
                if bias is not None:
                    uniform(bias, -0.2, 0.2)
        for module in last:
            for tensor in module.parameters():
                tensor *= BRANCH
        net.train()
        for norm in norms:
            norm.momentum = None
            norm.reset_running_stats()
        net(torch.rand((4, 3, size, size), generator=random) * 2 - 1)
        for norm in norms:
            mean, variance = norm.running_mean, norm.running_var
            mean += variance.sqrt() * (torch.rand(mean.shape, generator=random) * 0.4 - 0.2)
            variance *= torch.rand(variance.shape, generator=random) * 0.7 + 0.7
            # A channel that no pixel reached would be divided by nearly nothing.
            variance.clamp_(min=1e-3)
            norm.momentum = 0.1
    return net.eval()


def torch_export(net, x, way, path):
    import torch

    sample = torch.from_numpy(x)
    if way == "dynamo":
        torch.onnx.export(net, (sample,), str(path), dynamo=True, verbose=False)
    elif way == "dynamic":
        axes = {"input": {0: "batch"}, "output": {0: "batch"}}
        names = {"input_names": ["input"], "output_names": ["output"]}
        torch.onnx.export(net, sample, str(path), dynamo=False, opset_version=17, dynamic_axes=axes, **names)
    else:
        opset = int(way.removeprefix("script"))
        torch.onnx.export(net, sample, str(path), dynamo=False, opset_version=opset)


def simplified(base, path):
    try:
        import onnxsim
    except ImportError as error:
        raise Skip(f"onnxsim: {error}") from error
    model, same = onnxsim.simplify(onnx.load(base))
    if not same:
        raise Skip("onnxsim does not give the same results")
    onnx.save(model, path)


def slimmed(base, path):
    try:
        import onnxslim
    except ImportError as error:
        raise Skip(f"onnxslim: {error}") from error
    onnx.save(onnxslim.slim(onnx.load(base)), path)


def optimised(base, path):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(str(base), options, providers=["CPUExecutionProvider"])


def halved(base, path, variant):
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(base), keep_io_types=variant % 2 == 0), path)


def quantised(base, path, x, way, variant):
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Pictures(q.CalibrationDataReader):
        def __init__(self, name):
            random = np.random.default_rng(SEED)
            more = [random.uniform(-1, 1, x.shape).astype(np.float32) for _ in range(3)]
            self.rest = iter([{name: picture} for picture in [x, *more]])

        def get_next(self):
            return next(self.rest, None)

    kind = q.QuantType.QUInt8 if variant % 2 == 0 else q.QuantType.QInt8
    with tempfile.TemporaryDirectory() as folder:
        prepared = pathlib.Path(folder) / "prepared.onnx"
        quant_pre_process(str(base), str(prepared))
        q.quantize_static(
            str(prepared), str(path), Pictures(onnx.load(base).graph.input[0].name),
            quant_format=q.QuantFormat.QDQ if way == "qdq" else q.QuantFormat.QOperator,
            per_channel=variant // 2 % 2 == 0, activation_type=kind, weight_type=q.QuantType.QInt8,
            # Without this, unsigned by signed products saturate on processors that add them up in 16 bits.
            reduce_range=kind == q.QuantType.QUInt8,
        )


def torch_model(out, name, ways, size):
    timm_name, least = TORCH[name]
    size = max(size, least)
    variant = list(TORCH).index(name)
    net = torch_network(timm_name, size)
    x = np.random.default_rng(SEED).uniform(-1, 1, (1, 3, size, size)).astype(np.float32)
    derived = {
        "onnxsim": simplified,
        "onnxslim": slimmed,
        "optimised": optimised,
        "float16": lambda base, path: halved(base, path, variant),
        "qdq": lambda base, path: quantised(base, path, x, "qdq", variant),
        "qoperator": lambda base, path: quantised(base, path, x, "qoperator", variant),
    }
    with tempfile.TemporaryDirectory() as folder:
        base = pathlib.Path(folder) / "base.onnx"
        for way in ways:

            def make(path, way=way):
                if way not in derived:
                    return torch_export(net, x, way, path)
                if not base.exists():
                    torch_export(net, x, "script13", base)
                return derived[way](base, path)

            write(out, name, way, x, make)


def keras_network(name, size, softmax):
    import keras

    keras.utils.set_random_seed(SEED)
    random = np.random.default_rng(SEED)
    activation = "softmax" if softmax else None
    net = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classifier_activation=activation)
    norms = [layer for layer in net.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in norms:
        for weight in [layer.gamma, layer.beta]:
            if weight is not None:
                scale = weight is layer.gamma
                values = random.uniform(0.6, 1.4, weight.shape) if scale else random.uniform(-0.3, 0.3, weight.shape)
                weight.assign(values * (BRANCH if layer.name.endswith("_3_bn") else 1.0))
        layer.momentum = 0.0
    for layer in net.layers:
        if "V2" in name and layer.name.endswith("_3_conv"):
            for weight in layer.weights:
                weight.assign(weight * BRANCH)
    # A momentum of 0 takes the statistics of the batch.
    net(random.uniform(-1, 1, (4, size, size, 3)).astype(np.float32), training=True)
    for layer in norms:
        mean, variance = (np.asarray(keras.ops.convert_to_numpy(v)) for v in (layer.moving_mean, layer.moving_variance))
        layer.moving_mean.assign(mean + np.sqrt(variance) * random.uniform(-0.2, 0.2, mean.shape))
        layer.moving_variance.assign(np.maximum(variance * random.uniform(0.7, 1.4, variance.shape), 1e-3))
        layer.momentum = 0.99
    return net


def keras_export(net, size, way, path):
    import keras

    if way == "keras":
        net.export(str(path), format="onnx", verbose=False)
        return
    if keras.backend.backend() != "tensorflow":
        raise Skip("tf2onnx needs KERAS_BACKEND=tensorflow")
    try:
        import tensorflow
        import tf2onnx
    except ImportError as error:
        raise Skip(f"tf2onnx: {error}") from error
    signature = [tensorflow.TensorSpec((1, size, size, 3), tensorflow.float32, name="input")]
    function = tensorflow.function(lambda x: net(x, training=False), input_signature=signature)
    tf2onnx.convert.from_function(function, input_signature=signature, opset=17, output_path=str(path))


def keras_model(out, name, ways, size):
    try:
        import keras  # noqa: F401
    except ImportError as error:
        for way in ways:
            print(f"{name}.{way}: skipped: {error}")
        return
    keras_name, least, softmax = KERAS[name]
    size = max(size, least)
    net = keras_network(keras_name, size, softmax)
    x = np.random.default_rng(SEED).uniform(-1, 1, (1, size, size, 3)).astype(np.float32)
    for way in ways:
        write(out, name, way, x, lambda path, way=way: keras_export(net, size, way, path))


def result(path, x, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    kind = {"tensor(float16)": np.float16}.get(session.get_inputs()[0].type, np.float32)
    y, *_ = session.run(None, {session.get_inputs()[0].name: x.astype(kind)})
    return y.astype(np.float32)


def slack(path, x, y, level):
    """What the result changes by, as a part of its largest element, when some pixels of the input are off by one of 255 steps.

    Sums that are rounded in another order put some values on the other side of a tie, one step away. No format says how far such a step
    goes through a network; this is how far it does, by ONNX Runtime itself.
    """
    most = 0.0
    for seed in range(4):
        random = np.random.default_rng(seed)
        moved = x.copy()
        places = random.integers(0, x.size, 20)
        moved.reshape(-1)[places] += 2 / 255 * random.choice([-1, 1], len(places))
        most = max(most, np.abs(result(path, moved, level) - y).max() / np.abs(y).max())
    return most


def write(out, name, way, x, make):
    """Makes one file and runs it; removes what is left of it when that does not work."""
    path = out / f"{name}.{way}.onnx"
    files = [path, path.with_name(path.name + ".data")]
    for file in files:
        file.unlink(missing_ok=True)
    try:
        # The exporters report at length what is their business.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            make(path)
        levels = onnxruntime.GraphOptimizationLevel
        plain, y = (result(path, x, level) for level in (levels.ORT_DISABLE_ALL, levels.ORT_ENABLE_ALL))
    except Exception as error:
        for file in files:
            file.unlink(missing_ok=True)
        reason = str(error).strip() or type(error).__name__
        print(f"{name}.{way}: skipped: {' '.join(reason.split())[:300]}", flush=True)
        return
    # Integers by the standard: ONNX Runtime's own kernels for pairs of QuantizeLinear and DequantizeLinear round otherwise.
    expected = plain if way == "qdq" else y
    np.save(out / f"{name}.{way}.input.npy", x)
    np.save(out / f"{name}.{way}.output.npy", expected)
    if way in ("qdq", "qoperator"):
        level = levels.ORT_DISABLE_ALL if way == "qdq" else levels.ORT_ENABLE_ALL
        np.save(out / f"{name}.{way}.slack.npy", np.array([slack(path, x, expected, level)], dtype=np.float32))
    model = onnx.load(path, load_external_data=False)
    version = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    largest = np.abs(expected).max()
    apart = np.abs(plain - y).max() / largest
    size = sum(file.stat().st_size for file in files if file.exists())
    print(
        f"{path.name}: operator set {version}, {len(model.graph.node)} nodes, {size / 1e6:.1f} MB, largest result {largest:.3g}, "
        f"ONNX Runtime's optimiser changes {apart:.1e} of it",
        flush=True,
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("out", type=pathlib.Path, nargs="?", default=ROOT / "target/exporters")
    arguments.add_argument("--models", nargs="+", default=[*TORCH, *KERAS], choices=[*TORCH, *KERAS], metavar="MODEL")
    arguments.add_argument("--ways", nargs="+", default=TORCH_WAYS + KERAS_WAYS, choices=TORCH_WAYS + KERAS_WAYS, metavar="WAY")
    arguments.add_argument("--size", type=int, default=64, help="of the picture; larger for models that need it")
    given = arguments.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("KERAS_BACKEND", "torch")
    for name in given.models:
        torch_ways = [way for way in given.ways if way in TORCH_WAYS]
        keras_ways = [way for way in given.ways if way in KERAS_WAYS]
        if name in TORCH and torch_ways:
            torch_model(given.out, name, torch_ways, given.size)
        elif name in KERAS and keras_ways:
            keras_model(given.out, name, keras_ways, given.size)


if __name__ == "__main__":
    sys.exit(main())
