"""Writes interpreter.txt: operations as PyTorch computes them in float64.

    python make_interpreter.py > interpreter.txt

Each case is a comment with its name, the graph in the compiler's text form, and a `tensor NAME [SHAPE]` line with the values
below it for every tensor: the input `x`, the constants by their names, and `expected`. Inputs are multiples of 1/8, so that
their text is short and exact.
"""

import hashlib

import numpy as np
import torch
import torch.nn.functional as F

rng = np.random.default_rng(20)


def make(*shape, low=-16, high=17):
    return torch.from_numpy(rng.integers(low, high, shape) / 8.0)


def shape_text(tensor):
    return "[" + ", ".join(map(str, tensor.shape)) + "]"


def case(name, x, constants, line, expected):
    """`line` is the operation from its name to its attributes, `{NAME}` standing for an operand."""
    print(f"# case {name}")
    numbers = {"x": "%0"}
    print(f'%0 = input "x" : {shape_text(x)}')
    for index, (key, tensor) in enumerate(constants.items(), 1):
        numbers[key] = f"%{index}"
        digest = hashlib.sha256(tensor.numpy().astype("<f4").tobytes()).hexdigest()[:32]
        print(f'%{index} = constant "{key}" sha256="{digest}" : {shape_text(tensor)}')
    last = len(constants) + 1
    print(f"%{last} = {line.format(**numbers)} : {shape_text(expected)}")
    print(f'output "y" = %{last}')
    for key, tensor in {"x": x, **constants, "expected": expected}.items():
        print(f"tensor {key} {shape_text(tensor)}")
        print(" ".join(repr(float(value)) for value in tensor.flatten()))


def pad(x, top, left, bottom, right):
    return F.pad(x, (left, right, top, bottom))


def main():
    x, w, b = make(2, 4, 7, 6), make(6, 2, 3, 2), make(6)
    expected = F.conv2d(pad(x, 1, 0, 2, 3), w, b, stride=(2, 1), dilation=(2, 3), groups=2)
    case("conv: groups, strides, dilation, padding on each side", x, {"w": w, "b": b},
         'conv({x}, {w}, bias: {b}) "y" kernel=[3, 2] stride=[2, 1] padding=[1, 0, 2, 3] dilation=[2, 3] groups=2', expected)
    x, w = make(1, 3, 5, 5), make(6, 1, 3, 3)
    case("conv: depthwise, two per channel, then relu", x, {"w": w},
         'conv({x}, {w}) "y" kernel=[3, 3] padding=[1, 1, 1, 1] groups=3 activation=relu',
         F.relu(F.conv2d(x, w, padding=1, groups=3)))
    x, w = make(1, 3, 4, 4), make(3, 3, 1, 1)
    case("conv: shortcut", x, {"w": w}, 'conv({x}, {w}, shortcut: {x}) "y" kernel=[1, 1] activation=relu',
         F.relu(F.conv2d(x, w) + x))
    x, s, t, m = make(2, 3, 3, 2), make(3), make(3), make(3)
    v = make(3, low=1, high=17)
    case("batch_norm", x, {"s": s, "t": t, "m": m, "v": v},
         'batch_norm({x}, gamma: {s}, beta: {t}, mean: {m}, variance: {v}) "y" epsilon=1e-5',
         F.batch_norm(x, m, v, s, t, eps=1e-5))
    case("batch_norm: no gamma, no beta", x, {"m": m, "v": v},
         'batch_norm({x}, mean: {m}, variance: {v}) "y" epsilon=0.001 activation=relu',
         F.relu(F.batch_norm(x, m, v, eps=1e-3)))
    for height, width, kernel, stride, padding, ceil in [
        (7, 6, (3, 2), (2, 2), (1, 1), True),
        (6, 7, (3, 3), (2, 2), (1, 1), False),
        (5, 5, (2, 2), (2, 2), (1, 1), True),
        (2, 6, (3, 3), (2, 2), (0, 0), True),
        (8, 7, (2, 3), (3, 4), (0, 1), True),
    ]:
        x = make(1, 2, height, width)
        p = [padding[0], padding[1], padding[0], padding[1]]
        window = f"kernel={list(kernel)} stride={list(stride)} padding={p}{' ceil_mode=true' if ceil else ''}"
        name = f"{window} on {height}x{width}"
        case(f"max_pool: {name}", x, {}, f'max_pool({{x}}) "y" {window}', F.max_pool2d(x, kernel, stride, padding, ceil_mode=ceil))
        for include in (True, False):
            flag = str(include).lower()
            case(f"average_pool: {name}, count_include_padding={flag}", x, {},
                 f'average_pool({{x}}) "y" {window} count_include_padding={flag}',
                 F.avg_pool2d(x, kernel, stride, padding, ceil_mode=ceil, count_include_pad=include))
    x = make(2, 3, 4, 5)
    case("global_average_pool", x, {}, 'global_average_pool({x}) "y"', F.adaptive_avg_pool2d(x, 1))
    case("flatten", x, {}, 'flatten({x}) "y"', torch.flatten(x, 1))
    case("subsample", x, {}, 'subsample({x}) "y" stride=[2, 3]', x[:, :, ::2, ::3])
    case("pad", x, {}, 'pad({x}) "y" channels=[1, 2] spatial=[1, 0, 2, 3]', F.pad(x, (0, 3, 1, 2, 1, 2)))
    x, w, b = make(2, 7), make(5, 7), make(5)
    case("dense", x, {"w": w, "b": b}, 'dense({x}, {w}, bias: {b}) "y"', F.linear(x, w, b))
    case("softmax", x, {}, 'softmax({x}) "y"', F.softmax(x, 1))
    c = make(2, 7)
    case("add", x, {"c": c}, 'add({x}, {c}) "y" activation=relu', F.relu(x + c))
    x = make(2, 3, 4, 5, low=-48, high=49)
    for name, function in {
        "relu6": F.relu6, "sigmoid": torch.sigmoid, "hard_sigmoid": F.hardsigmoid, "hard_swish": F.hardswish, "silu": F.silu,
        "tanh": torch.tanh,
    }.items():
        case(name, x, {}, f'{name}({{x}}) "y"', function(x))
    c, d = make(2, 3, 4, 5), make(2, 3, 1, 1)
    case("multiply", x, {"c": c}, 'multiply({x}, {c}) "y" activation=hard_swish', F.hardswish(x * c))
    case("multiply: a factor per channel", x, {"d": d}, 'multiply({x}, {d}) "y" activation=silu', F.silu(x * d))
    case("scale", x, {}, 'scale({x}) "y" factor=-0.17', x * -0.17)
    c = make(2, 1, 4, 5)
    case("concat", x, {"c": c}, 'concat({x}, {c}, {x}) "y"', torch.cat([x, c, x], 1))
    case("slice", x, {}, 'slice({x}) "y" channels=[1, 3]', x[:, 1:3])
    case("global_max_pool", x, {}, 'global_max_pool({x}) "y"', F.adaptive_max_pool2d(x, 1))
    x, s, t = make(2, 6, 3, 4), make(6), make(6)
    for groups in (1, 3, 6):
        case(f"group_norm: {groups} groups", x, {"s": s, "t": t},
             f'group_norm({{x}}, gamma: {{s}}, beta: {{t}}) "y" groups={groups} epsilon=1e-5 activation=relu',
             F.relu(F.group_norm(x, groups, s, t, eps=1e-5)))


main()
