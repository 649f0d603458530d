"""Writes what Pillow makes of the reference folder's photographs, for the standalone program's tests.

    python photos.py SHARED

makes `photos.txt` beside this file: a line per picture and way of resizing (`decoded` for none), with the picture, the
way, width, height, the sum of all values, and nine pixels (three values each) at the quarters of both sides.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps


def shorter_side(image, side, kind):
    """As torchvision's `Resize` of one number."""
    width, height = image.size
    size = (side, side * height // width) if width <= height else (side * width // height, side)
    return image.resize(size, kind)


def center_crop(image, side):
    """As torchvision's `CenterCrop`."""
    left, top = (round((length - side) / 2) for length in image.size)
    return image.crop((left, top, left + side, top + side))


WAYS = {
    "decoded": lambda image: image,
    "bilinear256crop224": lambda image: center_crop(shorter_side(image, 256, Image.BILINEAR), 224),
    "bicubic235": lambda image: shorter_side(image, 235, Image.BICUBIC),
    "nearest299": lambda image: image.resize((299, 299), Image.NEAREST),
    "bilinear32": lambda image: image.resize((32, 32), Image.BILINEAR),
}


def main():
    root = Path(sys.argv[1]) / "realdata"
    paths = [*sorted((root / "imagenet_sample/images").glob("*.JPEG")), root / "pictures/cat.jpg"]
    lines = []
    for path in paths:
        picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        for name, change in WAYS.items():
            values = np.asarray(change(picture)).astype(int)
            height, width, _ = values.shape
            grid = [values[height * row // 4, width * column // 4] for row in (1, 2, 3) for column in (1, 2, 3)]
            numbers = [width, height, values.sum(), *np.ravel(grid)]
            lines.append(" ".join([path.relative_to(root).as_posix(), name, *map(str, numbers)]))
    (Path(__file__).parent / "photos.txt").write_text("\n".join(lines) + "\n")


main()
