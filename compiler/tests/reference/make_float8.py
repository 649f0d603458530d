"""Writes float8.txt: what floating-point numbers of 8 bits mean, and what is rounded to which, by ml_dtypes 0.6.0.

For each format its name, the bits of the f32 that each of the 256 codes stands for, and the codes of numbers about the places where
rounding turns: for two codes that follow one another, the f32 before the middle, the middle, and the one behind it; at last the same
about the middle of the largest number and what would follow it, and infinity.
"""

from pathlib import Path

import ml_dtypes
import numpy as np

FORMATS = ["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"]


def turning(kind):
    """The numbers about which rounding turns, from below, and infinity."""
    codes = np.arange(128, dtype=np.uint8).view(kind).astype(np.float32)
    finite = codes[np.isfinite(codes)]
    beyond = 2 * finite[-1] - finite[-2]
    middles = (np.append(finite, beyond)[1:] + finite) / 2
    zero, infinity = np.float32(0), np.float32(np.inf)
    points = [[np.nextafter(m, zero), m, np.nextafter(m, infinity)] for m in middles]
    return np.append(np.array(points, dtype=np.float32).ravel(), infinity)


def main():
    lines = []
    for name in FORMATS:
        kind = getattr(ml_dtypes, name)
        values = np.arange(256, dtype=np.uint8).view(kind).astype(np.float32)
        lines += [name, values.view(np.uint32).astype(">u4").tobytes().hex()]
        lines.append(turning(kind).astype(kind).view(np.uint8).tobytes().hex())
    Path(__file__).with_name("float8.txt").write_text("\n".join(lines) + "\n")


main()
