"""Exports residual backbones up to their heads from PyTorch, with what ONNX Runtime makes of each file.

    heads.py [OUT]

Needs torch, torchvision, onnx and onnxruntime. Into the folder OUT (target/heads unless given) go, per network, `NAME.onnx`, its inputs
`NAME.in/INPUT.npy` and its outputs `NAME.out/OUTPUT.npy`: two segmentation networks that resize, a feature pyramid of five maps, a
decoder of transposed convolutions, and a comparison of two pictures and a vector, which has three inputs and two outputs. Weights are
made up, but of the size that trained ones have.
"""
import pathlib
import sys
import warnings

import numpy
import onnxruntime
import torch
import torchvision
from torch.nn import BatchNorm2d, Conv2d, ConvTranspose2d, Identity, Linear, Module, ModuleList
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.segmentation import deeplabv3_resnet50, fcn_resnet50
from torchvision.ops import FrozenBatchNorm2d

OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2] / "target/heads"
OUT.mkdir(parents=True, exist_ok=True)
warnings.filterwarnings("ignore")
torch.manual_seed(0)


class Segmentation(Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)["out"]


class Pyramid(Module):
    def __init__(self):
        super().__init__()
        self.network = resnet_fpn_backbone(backbone_name="resnet50", weights=None)

    def forward(self, x):
        return tuple(self.network(x).values())


class Decoder(Module):
    """ResNet-18, with transposed convolutions back to the picture's size."""

    def __init__(self):
        super().__init__()
        self.network = torchvision.models.resnet18(weights=None)
        self.up = ModuleList(ConvTranspose2d(inputs, inputs // 2, 2, 2) for inputs in (512, 256, 128))
        self.mix = ModuleList(Conv2d(2 * outputs, outputs, 3, padding=1) for outputs in (256, 128, 64))
        self.last = ConvTranspose2d(64, 5, 5, 4, padding=1, output_padding=1)

    def forward(self, x):
        network = self.network
        x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
        first = network.layer1(x)
        second = network.layer2(first)
        third = network.layer3(second)
        y = network.layer4(third)
        for up, mix, skip in zip(self.up, self.mix, (third, second, first)):
            y = torch.relu(mix(torch.cat([up(y), skip], 1)))
        return self.last(y)


class Pair(Module):
    """How far two pictures are apart, and scores of what they have in common and of a vector."""

    def __init__(self):
        super().__init__()
        self.network = torchvision.models.resnet18(weights=None)
        self.network.fc = Identity()
        self.head = Linear(512 + 5, 7)

    def forward(self, left, right, extra):
        left, right = self.network(left), self.network(right)
        return (left - right).abs().mean(1, keepdim=True), self.head(torch.cat([left * right, extra], 1))


picture = {"x": (1, 3, 64, 96)}
NETWORKS = {
    "fcn_resnet50": (Segmentation(fcn_resnet50(weights=None, weights_backbone=None)), picture, ["out"]),
    "deeplabv3_resnet50": (Segmentation(deeplabv3_resnet50(weights=None, weights_backbone=None)), picture, ["out"]),
    "fpn_resnet50": (Pyramid(), picture, ["p2", "p3", "p4", "p5", "pool"]),
    "decoder_resnet18": (Decoder(), picture, ["out"]),
    "pair_resnet18": (
        Pair(),
        {"left": (1, 3, 64, 64), "right": (1, 3, 64, 64), "extra": (1, 5)},
        ["distance", "scores"],
    ),
}

for name, (network, shapes, outputs) in NETWORKS.items():
    network.eval()
    for module in network.modules():
        if isinstance(module, (BatchNorm2d, FrozenBatchNorm2d)):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.8, 1.2)
    inputs = {key: torch.randn(*shape) for key, shape in shapes.items()}
    path = OUT / f"{name}.onnx"
    torch.onnx.export(
        network, tuple(inputs.values()), path, input_names=list(inputs), output_names=outputs, opset_version=17, dynamo=False
    )
    given = {key: value.numpy() for key, value in inputs.items()}
    results = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(outputs, given)
    for folder, tensors in (("in", given), ("out", dict(zip(outputs, results)))):
        (OUT / f"{name}.{folder}").mkdir(exist_ok=True)
        for key, value in tensors.items():
            numpy.save(OUT / f"{name}.{folder}/{key}.npy", value)
    print(name, {key: value.shape for key, value in zip(outputs, results)}, flush=True)
