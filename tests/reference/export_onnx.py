"""Exports torchvision's residual networks with both of PyTorch's exporters, for the importer's tests.

    export_onnx.py OUT [--size 64] [--nets resnet18 resnet50 ...]

Writes to the folder OUT, per network and exporter, `NET_EXPORTER.onnx`, and what ONNX Runtime makes of it:
`NET_EXPORTER_x.npy` (input) and `NET_EXPORTER_y.npy` (logits). Weights are seeded by the tensors' names (seed 7) with the
reference folder's `seeded.py` when it is beside the checkout (or at RESNET_SHARED), else by torch's generator.

The name `resnet8` stands for MLPerf Tiny's model of the reference folder: only what ONNX Runtime makes of it is written.

Exporters: `script` (TorchScript, opset 13), `dynamo`, `script_dynamic` (symbolic batch), `script_unfolded` (opset 17, batch
normalisations kept, initializers listed as inputs), `dynamo_dynamic`.
"""
import argparse
import os
import pathlib
import sys

import numpy as np
import onnxruntime
import torch
import torchvision

SHARED = pathlib.Path(os.environ.get("RESNET_SHARED", pathlib.Path(__file__).parents[3] / "shared"))
sys.path.insert(0, str(SHARED / "reference"))
try:
    import seeded
except ImportError:
    seeded = None

NETS = ["resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2"]
EXPORTERS = ["script", "dynamo", "script_dynamic", "script_unfolded", "dynamo_dynamic"]


class OptionA(torch.nn.Module):
    """A residual block of the CIFAR networks whose shortcut is a slice and a pad, and a head by view."""

    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(16)
        self.conv1 = torch.nn.Conv2d(16, 32, 3, 2, 1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(32)
        self.linear = torch.nn.Linear(32, 10)

    def forward(self, x):
        x = torch.relu(self.bn1(self.stem(x)))
        shortcut = torch.nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 8, 8), "constant", 0)
        x = torch.relu(self.bn2(self.conv1(x)) + shortcut)
        x = torch.nn.functional.avg_pool2d(x, x.size()[3])
        return self.linear(x.view(x.size(0), -1))


def role(name, module):
    last = name.rsplit(".", 1)[-1]
    if isinstance(module, torch.nn.BatchNorm2d):
        return {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "variance"}.get(last)
    return {"weight": "kernel", "bias": "bias"}.get(last)


def network(name):
    torch.manual_seed(7)
    net = OptionA() if name == "option_a" else getattr(torchvision.models, name)(weights=None)
    net.eval()
    modules = dict(net.named_modules())
    if seeded:
        with torch.no_grad():
            for key, tensor in net.state_dict().items():
                kind = role(key, modules[key.rsplit(".", 1)[0]])
                if kind:
                    tensor.copy_(torch.from_numpy(seeded.tensor(key, kind, tuple(tensor.shape), 7)))
    return net


def export(net, x, exporter, path):
    if exporter == "script":
        torch.onnx.export(net, x, path, opset_version=13, dynamo=False)
    elif exporter == "script_dynamic":
        axes = {"input": {0: "batch"}, "output": {0: "batch"}}
        torch.onnx.export(net, x, path, opset_version=11, dynamo=False, input_names=["input"], output_names=["output"], dynamic_axes=axes)
    elif exporter == "script_unfolded":
        torch.onnx.export(
            net, x, path, opset_version=17, dynamo=False, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
            keep_initializers_as_inputs=True,
        )
    elif exporter == "dynamo":
        torch.onnx.export(net, (x,), path, dynamo=True, verbose=False)
    else:
        torch.onnx.export(net, (x,), path, dynamo=True, verbose=False, dynamic_shapes=({0: torch.export.Dim("batch")},))


def resnet8(out):
    session = onnxruntime.InferenceSession(str(SHARED / "realdata/mlperf_tiny_resnet8/resnet8.onnx"), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(7).integers(0, 256, (1, 3, 32, 32)).astype(np.float32)
    (y,) = session.run(None, {session.get_inputs()[0].name: x})
    np.save(out / "resnet8_x.npy", x)
    np.save(out / "resnet8_y.npy", y)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("out", type=pathlib.Path)
    arguments.add_argument("--size", type=int, default=224)
    arguments.add_argument("--nets", nargs="+", default=NETS)
    arguments.add_argument("--exporters", nargs="+", default=["script", "dynamo"], choices=EXPORTERS)
    given = arguments.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.nets:
        if name == "resnet8":
            resnet8(given.out)
            continue
        net = network(name)
        shape = (1, 3, given.size, given.size)
        x = seeded.tensor("input", "input", shape, 7) if seeded else np.random.default_rng(7).uniform(-1, 1, shape).astype(np.float32)
        for exporter in given.exporters:
            # Two pictures where the batch is symbolic: an exporter may take an extent of 1 for a constant.
            sample = np.concatenate([x, x[:, :, ::-1]]) if exporter.endswith("dynamic") else x
            path = given.out / f"{name}_{exporter}.onnx"
            export(net, torch.from_numpy(np.ascontiguousarray(sample)), exporter, str(path))
            session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            (y,) = session.run(None, {session.get_inputs()[0].name: sample})
            np.save(given.out / f"{name}_{exporter}_x.npy", np.ascontiguousarray(sample))
            np.save(given.out / f"{name}_{exporter}_y.npy", y)
            print(path, sum(p.numel() for p in net.parameters()))


if __name__ == "__main__":
    main()
