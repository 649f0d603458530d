"""Writes pictures of every kind that files have, and what Pillow reads from them.

    python kinds.py

makes, in `pictures/kinds/` beside this file, small PNG and JPEG files of a scene of our own, and `kinds.txt`: a line per file with its
name, the width, the height, and the red, green and blue values in hexadecimal that `ImageOps.exif_transpose` and `convert("RGB")` give.
It also makes `wave.png`, `tall.png` and `dot.png` in `pictures/`, which the tests of the presets read.
"""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

FOLDER = Path(__file__).parent / "pictures"
KINDS = FOLDER / "kinds"
WIDTH, HEIGHT = 17, 11
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6


def scene(height=HEIGHT, width=WIDTH):
    """Smooth, without symmetry, with dark and bright ends."""
    y, x = np.mgrid[0:height, 0:width] / np.array([[[height - 1 or 1]], [[width - 1 or 1]]])
    red = 20 + 225 * x * (1 - y / 3)
    green = 240 - 200 * y * (1 - x / 2)
    blue = 128 + 110 * np.sin(5 * x + 3 * y)
    return np.stack([red, green, blue], axis=-1).round().astype(np.uint8)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(name, samples, color, depth, before=b"", interlaced=False):
    """A PNG of `[height, width, channels]` samples, written out plainly: Pillow writes only some kinds."""
    height, width, _ = samples.shape

    def rows(part):
        for row in part.reshape(part.shape[0], -1):
            if depth == 16:
                yield b"\0" + row.astype(">u2").tobytes()
            else:
                bits = "".join(f"{value:0{depth}b}" for value in row)
                bits += "0" * (-len(bits) % 8)
                yield b"\0" + bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))

    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [samples[top::down, left::right] for top, left, down, right in passes]
    data = b"".join(row for part in parts if part.size for row in rows(part))
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    content = chunk(b"IHDR", header) + before + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    (KINDS / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def pngs():
    rgb = scene()
    grey = rgb[..., :1]
    low = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 4), dtype=np.uint16)
    alpha = (np.arange(HEIGHT * WIDTH) % 256).astype(np.uint8).reshape(HEIGHT, WIDTH, 1)
    wide = rgb.astype(np.uint16) << 8 | low[..., :3]
    for depth in (1, 2, 4):
        png(f"grey{depth}", grey >> (8 - depth), GREY, depth)
    png("grey8", grey, GREY, 8)
    png("grey16", wide[..., :1], GREY, 16)
    png("grey_key", grey, GREY, 8, chunk(b"tRNS", struct.pack(">H", int(grey[3, 3, 0]))))
    png("grey_alpha8", np.concatenate([grey, alpha], axis=-1), GREY_ALPHA, 8)
    png("grey_alpha16", np.concatenate([wide[..., :1], low[..., 3:]], axis=-1), GREY_ALPHA, 16)
    png("rgb8", rgb, RGB, 8)
    png("rgb_interlaced", rgb, RGB, 8, interlaced=True)
    png("rgb_key", rgb, RGB, 8, chunk(b"tRNS", struct.pack(">HHH", *map(int, rgb[5, 5]))))
    png("rgb16", wide, RGB, 16)
    png("rgba8", np.concatenate([rgb, alpha], axis=-1), RGBA, 8)
    png("rgba16", np.concatenate([wide, low[..., 3:]], axis=-1), RGBA, 16)
    colors = np.random.default_rng(7).integers(0, 256, (256, 3), dtype=np.uint8)
    for depth in (1, 2, 4, 8):
        palette = chunk(b"PLTE", colors[: 1 << depth].tobytes())
        png(f"palette{depth}", grey >> (8 - depth), PALETTE, depth, palette)
    transparent = palette + chunk(b"tRNS", bytes(range(0, 250, 2)))
    png("palette_alpha", grey, PALETTE, 8, transparent)
    for orientation in range(1, 9):
        png(f"orientation{orientation}", rgb, RGB, 8, chunk(b"eXIf", exif(orientation, ">" if orientation % 2 else "<")))
    png("dot", rgb[:1, :1], RGB, 8)
    png("row", rgb[:1], RGB, 8)
    png("column", rgb[:, :1], RGB, 8)


def exif(orientation, order):
    """The smallest TIFF structure with an orientation, in either order of bytes."""
    return (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(f"{order}IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def jpeg(name, image, change=lambda data: data, **options):
    data = io.BytesIO()
    image.save(data, "JPEG", quality=92, **options)
    (KINDS / f"{name}.jpg").write_bytes(change(data.getvalue()))


def without(marker):
    """Takes all segments of a marker out of a file."""

    def change(data):
        at = 2
        while data[at + 1] != 0xDA:
            length = 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
            if data[at + 1] == marker:
                data = data[:at] + data[at + length :]
            else:
                at += length
        return data

    return change


def with_transform(number):
    """Changes the colour transform that Adobe's marker tells, its last byte."""

    def change(data):
        at = data.index(b"Adobe") + 11
        return data[:at] + bytes([number]) + data[at + 1 :]

    return change


def jpegs():
    image = Image.fromarray(scene())
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        jpeg(f"ycbcr{name}", image, subsampling=subsampling)
    jpeg("progressive", image, progressive=True, subsampling=2)
    jpeg("restarts", image, subsampling=0, restart_marker_blocks=1)
    jpeg("grey", image.convert("L"))
    jpeg("no_jfif", image, without(0xE0), subsampling=0)
    jpeg("rgb_adobe", image, keep_rgb=True)
    jpeg("rgb_by_names", image, without(0xEE), keep_rgb=True)
    cmyk = cmyk_of(scene())
    jpeg("cmyk_adobe", Image.fromarray(cmyk, "CMYK"), subsampling=0)
    jpeg("cmyk_no_adobe", Image.fromarray(cmyk, "CMYK"), without(0xEE), subsampling=0)
    jpeg("cmyk_progressive", Image.fromarray(cmyk, "CMYK"), progressive=True, subsampling=0)
    # Pillow stores inverted values, so what is to be stored goes in inverted: Y, Cb and Cr of the inks that the file
    # would have without the transform, and black.
    stored = 255 - cmyk
    color = np.asarray(Image.fromarray(255 - stored[..., :3]).convert("YCbCr"))
    ycck = np.concatenate([color, stored[..., 3:]], axis=-1)
    jpeg("ycck", Image.fromarray(255 - ycck, "CMYK"), with_transform(2), subsampling=0)
    for orientation in range(1, 9):
        data = b"Exif\0\0" + exif(orientation, "<" if orientation % 2 else ">")
        jpeg(f"orientation{orientation}", image, subsampling=0, exif=data)
    jpeg("dot", image.crop((0, 0, 1, 1)))
    jpeg("row", image.crop((0, 0, WIDTH, 1)))
    # Where the colours have no more than two columns, libjpeg repeats them and does not interpolate; decoders differ there.
    jpeg("column", image.crop((0, 0, 1, HEIGHT)), subsampling=0)


def cmyk_of(rgb):
    """Inks with half of the black that is possible: so that black and colours both matter."""
    rgb = rgb.astype(float)
    full = 255 - rgb.max(axis=-1, keepdims=True)
    black = full / 2
    inks = 255 - 255 * rgb / (255 - black)
    return np.concatenate([inks, black], axis=-1).round().clip(0, 255).astype(np.uint8)


def main():
    KINDS.mkdir(exist_ok=True)
    Image.fromarray(scene(47, 61)).save(FOLDER / "wave.png")
    noise = np.random.default_rng(11).integers(0, 256, (200, 23, 3))
    Image.fromarray(((noise + 3 * scene(200, 23).astype(int)) // 4).astype(np.uint8)).save(FOLDER / "tall.png")
    Image.fromarray(scene()[:1, :1]).save(FOLDER / "dot.png")
    pngs()
    jpegs()
    lines = []
    for path in sorted(KINDS.iterdir()):
        picture = ImageOps.exif_transpose(Image.open(path))
        if picture.mode == "I;16":
            # Pillow clips these, so that nearly all becomes white; of three 16-bit channels it takes the upper halves.
            picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
        values = np.asarray(picture.convert("RGB"))
        lines.append(f"{path.name} {values.shape[1]} {values.shape[0]} {values.tobytes().hex()}")
    (Path(__file__).parent / "kinds.txt").write_text("\n".join(lines) + "\n")


main()
