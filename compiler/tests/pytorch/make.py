"""Writes the files of tensors that the tests of the PyTorch reader hold against each other."""

import pathlib
from collections import OrderedDict

import torch
from safetensors.torch import save_file

here = pathlib.Path(__file__).parent
torch.manual_seed(0)
whole = torch.randn(3, 4, 5)
tensors = OrderedDict(
    single=torch.randn(4, 3),
    half=torch.randn(5).half(),
    brain=torch.randn(5).bfloat16(),
    double=torch.randn(5).double(),
    turned=whole.permute(2, 0, 1),
    every_other=whole[:, ::2, 1:4],
    shared=whole[1],
    parameter=torch.nn.Parameter(torch.randn(2)),
    scalar=torch.tensor(2.5),
)
plain = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
save_file(plain, here / "tensors.safetensors")
tensors["bn.num_batches_tracked"] = torch.tensor(7)
torch.save(tensors, here / "zip.pt")
torch.save(tensors, here / "legacy.pt", _use_new_zipfile_serialization=False)
parallel = OrderedDict((f"module.{name}", tensor) for name, tensor in tensors.items())
checkpoint = {"epoch": 3, "best": 0.5, "arch": "resnet", "state_dict": parallel, "optimizer": {"state": {0: {"m": torch.ones(2)}}}}
torch.save(checkpoint, here / "checkpoint.pt")
