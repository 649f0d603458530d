"""Writes the picture fixtures of the standalone program's tests with Pillow.

    python pictures.py

makes, beside this file, `pictures/`: a small PNG, what Pillow resizes it to (`resize.txt`: one line per case, the rule,
filter, width, height, then the values), and the same small scene as JPEG in each of the eight EXIF orientations.
"""

from pathlib import Path

import numpy as np
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
    Image.fromarray(np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)).save(FOLDER / "grey16.png")


main()
