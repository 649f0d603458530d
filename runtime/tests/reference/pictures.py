"""Writes the picture fixtures of the standalone program's tests with Pillow and PyTorch.

    python pictures.py

makes, beside this file, `pictures/`: a small PNG, what Pillow resizes it to (`resize.txt`: one line per case, the rule,
filter, width, height, then the values), the same without a widened filter (`plain.txt`), and a small scene of four
colours as JPEG in each of the eight EXIF orientations and in the kinds that the formats have.
"""

import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image

FOLDER = Path(__file__).parent / "pictures"
FILTERS = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
# What has to be done to a stored picture of this orientation to turn it upright, undone.
STORED = {
    1: None,
    2: Image.FLIP_LEFT_RIGHT,
    3: Image.ROTATE_180,
    4: Image.FLIP_TOP_BOTTOM,
    5: Image.TRANSPOSE,
    6: Image.ROTATE_90,
    7: Image.TRANSVERSE,
    8: Image.ROTATE_270,
}


def main():
    FOLDER.mkdir(exist_ok=True)
    random = np.random.default_rng(3)
    scene = Image.fromarray(random.integers(0, 256, (19, 31, 3), dtype=np.uint8))
    scene.save(FOLDER / "noise.png")
    lines = []
    for name, kind in FILTERS.items():
        # Height and width: shrunk, enlarged, and squashed.
        for height, width in ((8, 13), (24, 39), (40, 9)):
            values = np.asarray(scene.resize((width, height), kind)).ravel()
            lines.append(" ".join([name, str(width), str(height), *map(str, values)]))
    (FOLDER / "resize.txt").write_text("\n".join(lines) + "\n")
    (FOLDER / "plain.txt").write_text("\n".join(plain(np.asarray(scene))) + "\n")

    # Four fields of plain colour, on blocks of JPEG, so that its loss stays small.
    fields = np.zeros((32, 48, 3), dtype=np.uint8)
    fields[:16, :32] = (220, 30, 30)
    fields[:16, 32:] = (30, 200, 40)
    fields[16:, :16] = (40, 50, 210)
    fields[16:, 16:] = (230, 230, 60)
    upright = Image.fromarray(fields)
    for orientation, change in STORED.items():
        stored = upright if change is None else upright.transpose(change)
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored.save(FOLDER / f"orientation{orientation}.jpg", exif=exif, quality=95, subsampling=0)
    upright.convert("CMYK").save(FOLDER / "cmyk.jpg", quality=95)
    upright.convert("L").save(FOLDER / "grey.jpg", quality=95)
    upright.convert("P").save(FOLDER / "palette.png")
    upright.convert("RGBA").save(FOLDER / "alpha.png")
    upright.convert("L").convert("1").save(FOLDER / "bilevel.png")
    upright.save(FOLDER / "progressive.jpg", quality=95, progressive=True, subsampling=2)
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(STORED[6]).save(FOLDER / "orientation6.png", exif=exif)
    write_rgb16(fields, FOLDER / "rgb16.png")
    Image.fromarray(np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)).save(FOLDER / "grey16.png")


def plain(scene):
    """Sampling without a widened filter: bilinear by PyTorch, Keys' cubic (a = -0.5) by its formula."""
    lines = []
    tensor = torch.tensor(scene).permute(2, 0, 1)[None].double()
    for height, width in ((8, 13), (24, 39), (40, 9)):
        result = torch.nn.functional.interpolate(tensor, (height, width), mode="bilinear", align_corners=False)
        values = result[0].permute(1, 2, 0).round().to(torch.uint8).numpy().ravel()
        lines.append(" ".join(["bilinear", str(width), str(height), *map(str, values)]))
        rows, columns = cubic(scene.shape[0], height), cubic(scene.shape[1], width)
        between = np.einsum("xj,ijc->ixc", columns, scene.astype(np.float64)).round().clip(0, 255)
        values = np.einsum("yi,ixc->yxc", rows, between).round().clip(0, 255).astype(np.uint8).ravel()
        lines.append(" ".join(["bicubic", str(width), str(height), *map(str, values)]))
    return lines


def cubic(length, points):
    """The weight of every pixel for every point; pixels within the border share what lies beyond it."""
    centers = (np.arange(points) + 0.5) * length / points - 0.5
    x = np.abs(centers[:, None] - np.arange(length)[None])
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    weights = np.where(x <= 1, near, np.where(x < 2, far, 0))
    return weights / weights.sum(axis=1, keepdims=True)


def write_rgb16(fields, path):
    """A PNG with 16 bits per channel, which Pillow reads but does not write: the lower half is noise."""
    low = np.random.default_rng(5).integers(0, 256, fields.shape, dtype=np.uint8)
    rows = np.stack([fields, low], axis=-1).reshape(fields.shape[0], -1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", fields.shape[1], fields.shape[0], 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    )


main()
