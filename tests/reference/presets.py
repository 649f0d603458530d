"""Writes what the libraries' own preprocessing makes of pictures, for the test of the presets.

    RESNET_DECODED=FOLDER cargo test -p resnet-tests --test presets -- --ignored
    python tests/reference/presets.py SHARED FOLDER

makes `presets.txt` beside this file. The first command writes the pixels that the program's decoder gives for the photographs of
the folder SHARED, as PPM files: the libraries work on the same pixels, so that decoders do not count. Lines of the file:

    recipe NAME HEIGHT WIDTH KEYS         keys of `preprocess` and the size of the input
    decoded PICTURE CRC                   CRC-32 of the decoded pixels
    RECIPE PICTURE CRC A B C D E F        of the library's result: CRC-32 of the 8-bit values that it was normalised from, row by row,
                                          in its order of channels, and the channels of two pixels as they are, at a third and two thirds

Needs torch, torchvision, timm, transformers and keras (with KERAS_BACKEND=torch). It prints how far Hugging Face's processor on tensors
is from the one on Pillow's pictures, and how far results are from those of Pillow's own decoding of the JPEG files, in 8-bit levels.
"""

import io
import os
import sys
import zlib
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import torch
from keras.applications import resnet, resnet_v2
from PIL import Image, ImageOps
from timm.data import create_transform, resolve_data_config
from torchvision.models import ResNet50_Weights
from transformers import ConvNextImageProcessor
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5,) * 3, (0.5,) * 3)
PICTURES = Path(__file__).parents[2] / "runtime/tests/reference/pictures"
SYNTHETIC = ["noise.png", "wave.png", "tall.png", "dot.png"]


def timm(size, fraction, interpolation="bicubic", normal=IMAGENET):
    config = dict(input_size=(3, *size), crop_pct=fraction, interpolation=interpolation, mean=normal[0], std=normal[1])
    transform = create_transform(**resolve_data_config({}, pretrained_cfg=config), is_training=False)
    return lambda picture: transform(picture).numpy()


def hugging_face(kind, side):
    processor = kind(size={"shortest_edge": side}, crop_pct=0.875, image_mean=IMAGENET[0], image_std=IMAGENET[1])
    return lambda picture: np.asarray(processor(images=picture, return_tensors="np")["pixel_values"][0])


def keras_image(preprocess, size, interpolation="nearest"):
    def run(picture):
        file = io.BytesIO()
        picture.save(file, "PPM")
        file.seek(0)
        image = keras.utils.load_img(file, target_size=size, interpolation=interpolation)
        return preprocess(keras.utils.img_to_array(image)).transpose(2, 0, 1)

    return run


def torchvision(weights):
    transform = weights.transforms()
    return lambda picture: transform(picture).numpy()


CAFFE = ((103.939, 116.779, 123.68), (1,) * 3, 1)
TF = ((1,) * 3, (1,) * 3, 2 / 255)
# Name: size, keys, the library's function, and mean, deviation and scale that give the 8-bit values back.
RECIPES = {
    "torchvision_v1": ((224, 224), "{preset: torchvision}", torchvision(ResNet50_Weights.IMAGENET1K_V1), IMAGENET),
    "torchvision_v2": (
        (224, 224),
        "{preset: torchvision, resize: 232, crop: 224}",
        torchvision(ResNet50_Weights.IMAGENET1K_V2),
        IMAGENET,
    ),
    "timm": ((224, 224), "{preset: timm}", timm((224, 224), None), IMAGENET),
    "timm_a1": ((224, 224), "{preset: timm, crop_fraction: 0.95}", timm((224, 224), 0.95), IMAGENET),
    "timm_test": ((288, 288), "{preset: timm, crop_fraction: 1}", timm((288, 288), 1.0), IMAGENET),
    "timm_tv": (
        (224, 224),
        "{preset: timm, interpolation: bilinear}",
        timm((224, 224), 0.875, "bilinear"),
        IMAGENET,
    ),
    "timm_wide": ((192, 256), "{preset: timm, crop_fraction: 0.9}", timm((192, 256), 0.9), IMAGENET),
    "timm_inception": (
        (299, 299),
        "{preset: timm_inception, crop_fraction: 0.8975}",
        timm((299, 299), 0.8975, normal=HALF),
        HALF,
    ),
    "hugging_face": ((224, 224), "{preset: hugging_face}", hugging_face(ConvNextImageProcessorPil, 224), IMAGENET),
    "hugging_face_384": ((384, 384), "{preset: hugging_face}", hugging_face(ConvNextImageProcessorPil, 384), IMAGENET),
    "keras_caffe": ((224, 224), "{preset: keras_caffe}", keras_image(resnet.preprocess_input, (224, 224)), CAFFE),
    "keras_tf": ((299, 299), "{preset: keras_tf}", keras_image(resnet_v2.preprocess_input, (299, 299)), TF),
    "keras_bilinear": (
        (224, 224),
        "{preset: keras_tf, interpolation: bilinear}",
        keras_image(resnet_v2.preprocess_input, (224, 224), "bilinear"),
        TF,
    ),
}


def levels(values, normal):
    """The 8-bit values that were normalised, [height, width, channel]."""
    mean, std, scale = (*normal, 1 / 255)[:3]
    exact = (values.transpose(1, 2, 0).astype(np.float64) * std + mean) / scale
    assert np.abs(exact - exact.round()).max() < 1e-2, np.abs(exact - exact.round()).max()
    return exact.round().astype(np.uint8)


def main():
    shared, decoded = Path(sys.argv[1]), Path(sys.argv[2])
    photos = sorted((shared / "realdata/imagenet_sample/images").glob("*.JPEG"))
    lines = [f"recipe {name} {height} {width} {keys}" for name, ((height, width), keys, _, _) in RECIPES.items()]
    for name in SYNTHETIC:
        lines += results(name, Image.open(PICTURES / name).convert("RGB"))
    far = {name: [] for name in RECIPES}
    on_tensors = hugging_face(ConvNextImageProcessor, 224)
    tensors = []
    for path in photos:
        picture = Image.open(decoded / f"{path.name}.ppm").convert("RGB")
        lines.append(f"decoded {path.name} {zlib.crc32(picture.tobytes())}")
        lines += results(path.name, picture)
        original = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        for name, (_, _, run, normal) in RECIPES.items():
            ours, theirs = (levels(run(source), normal).astype(int) for source in (picture, original))
            far[name].append(np.abs(ours - theirs))
        exact = on_tensors(picture).transpose(1, 2, 0) * IMAGENET[1] + IMAGENET[0]
        ours = levels(RECIPES["hugging_face"][2](picture), IMAGENET)
        tensors.append(np.abs(exact * 255 - ours).max())
    (Path(__file__).parent / "presets.txt").write_text("\n".join(lines) + "\n")
    print(f"Hugging Face on tensors: at most {max(tensors):.2f} levels from Pillow's")
    for name, differences in far.items():
        largest, mean = max(map(np.max, differences)), np.mean([part.mean() for part in differences])
        print(f"{name}: other decoder: at most {largest} levels, {mean:.3f} on average")


def results(name, picture):
    for recipe, ((height, width), _, run, normal) in RECIPES.items():
        values = run(picture)
        assert values.shape == (3, height, width), (recipe, values.shape)
        pixels = [values[:, height * part // 3, width * part // 3] for part in (1, 2)]
        numbers = " ".join(f"{value:.7g}" for value in np.ravel(pixels))
        yield f"{recipe} {name} {zlib.crc32(levels(values, normal).tobytes())} {numbers}"


torch.set_num_threads(1)
main()
