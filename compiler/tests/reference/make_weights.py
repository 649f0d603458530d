"""Writes the files of weights that the tests of the readers hold against each other, all of one small residual network.

    KERAS_BACKEND=torch python make_weights.py ../fixtures/weights

`plain.safetensors` has every tensor by its name, `<layer>/<variable>`; each other file has the same tensors in another format.
Needs keras, torch, h5py, numpy, safetensors, onnx, ml_dtypes. A `.keras` file has the time of its writing in it.
"""

import json
import os
import pathlib
import re
import sys
import zipfile

os.environ.setdefault("KERAS_BACKEND", "torch")

import h5py
import keras
import ml_dtypes
import numpy as np
import onnx
from keras import layers
from keras.src.legacy.saving import legacy_h5_format
from keras.src.saving import saving_lib
from safetensors.numpy import save_file

out = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(7)


def network():
    """The shortcut is made before the branch, so that the order of construction is not that of the model."""
    x = keras.Input((8, 8, 3), name="image")
    stem = layers.Conv2D(4, 3, padding="same", use_bias=False, name="stem_conv")(x)
    stem = layers.BatchNormalization(name="stem_bn")(stem)
    stem = layers.ReLU()(stem)
    shortcut = layers.Conv2D(6, 1, strides=2)(stem)
    y = layers.Conv2D(6, 3, strides=2, padding="same")(stem)
    y = layers.BatchNormalization(scale=False)(y)
    y = layers.ReLU()(y)
    y = layers.Add()([shortcut, y])
    y = layers.GlobalAveragePooling2D()(y)
    y = layers.Dropout(0.5)(y)
    return keras.Model(x, layers.Dense(3, name="predictions")(y))


def fill(model):
    for variable in model.trainable_variables + model.non_trainable_variables:
        if variable.dtype == "float32":
            low = 0.5 if variable.path.endswith("variance") else -1.0
            variable.assign(rng.uniform(low, 1.5, variable.shape).astype(np.float32))


def tensors(model):
    named = {}
    for layer in model._flatten_layers(include_self=False, recursive=True):
        if not hasattr(layer, "layers"):
            for variable in layer.weights:
                if variable.dtype == "float32":
                    named["/".join(variable.path.split("/")[-2:])] = np.asarray(keras.ops.convert_to_numpy(variable))
    return named


def copy(source, target, rename=lambda path: path, attributes=True, **options):
    """Every dataset of a file again, with other options of HDF5."""

    def visit(path, item):
        if isinstance(item, h5py.Dataset):
            made = target.create_dataset(rename(path), data=item[()], **(options if item.ndim > 1 else {}))
        else:
            made = target.require_group(rename(path))
        if attributes:
            for key, value in item.attrs.items():
                made.attrs[key] = value

    source.visititems(visit)
    for key, value in source.attrs.items():
        target.attrs[key] = value


def keras_files(model):
    model.save_weights(out / "keras3.weights.h5")
    model.save(out / "model.keras")
    model.save(out / "model.h5")
    with h5py.File(out / "weights.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    saving_lib.save_weights_only(model, out / "sharded.weights.json", max_shard_size=1.5e-6)


def older_files(model, named):
    """As Keras 2 with TensorFlow wrote them: names of fixed length that end in `:0`; no names; other spellings of HDF5."""
    order = [layer.name for layer in model.layers]
    with h5py.File(out / "keras2.h5", "w") as file:
        # Split, as lists of more than 64 KB are.
        file.attrs["layer_names0"] = np.array([name.encode() for name in order[:5]])
        file.attrs["layer_names1"] = np.array([name.encode() for name in order[5:]])
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.4.0"
        for name in order:
            group = file.create_group(name)
            weights = [key for key in named if key.split("/")[0] == name]
            group.attrs["weight_names"] = np.array([f"{key}:0".encode() for key in weights]) if weights else np.array([])
            for key in weights:
                group.create_dataset(f"{key}:0", data=named[key])
    with h5py.File(out / "weights.h5") as source:
        # The newest superblock, groups with dense links and attributes, chunks packed and summed, big-endian numbers.
        with h5py.File(out / "latest.h5", "w", libver="latest") as file:
            copy(source, file, chunks=True, compression="gzip", shuffle=True, fletcher32=True)
            for number in range(12):
                file.attrs[f"note{number}"] = "x" * 40
        with h5py.File(out / "chunked.h5", "w") as file:
            copy(source, file, chunks=True, compression="gzip", dtype=">f4")
    with h5py.File(out / "keras3.weights.h5") as source:
        with h5py.File(out / "nameless.weights.h5", "w", libver="latest") as file:
            copy(source, file, attributes=False)
        # TensorFlow 2.13 counts a layer with weights twice, and writes no names; on Windows, it joins paths as there.
        def rename(path):
            parts = re.sub("^layers(/|$)", "_layer_checkpoint_dependencies\\\\", path).split("/")
            return "/".join(re.sub(r"(?<=_)[0-9]+$", lambda number: str(2 * int(number[0])), part) for part in parts)

        with h5py.File(out / "tensorflow213.weights.h5", "w", libver="latest") as file:
            copy(source, file, rename, attributes=False)
    with zipfile.ZipFile(out / "model.keras") as source, zipfile.ZipFile(out / "nameless.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("config.json"), source.read("config.json"))
        archive.write(out / "nameless.weights.h5", "model.weights.h5")
        archive.writestr(zipfile.ZipInfo("metadata.json"), source.read("metadata.json"))


def nested_files():
    """A network that has another one as a layer, and in it layers of the same classes, one of the same name."""
    keras.utils.clear_session()
    x = keras.Input((4, 4, 2))
    inner = keras.Model(x, layers.BatchNormalization()(layers.Conv2D(2, 1, name="twin")(x)), name="backbone")
    x = keras.Input((4, 4, 2))
    y = layers.Conv2D(2, 1)(inner(layers.Conv2D(2, 1, name="twin")(x)))
    model = keras.Model(x, layers.Dense(2)(layers.Flatten()(y)))
    fill(model)
    twin = lambda model, place: {f"{place} {key}": value for key, value in tensors(model).items() if key.startswith("twin")}
    outer = keras.Model(model.inputs, model.get_layer("twin").output)
    named = {key: value for key, value in tensors(model).items() if not key.startswith("twin")}
    save_file(named | twin(inner, "inner") | twin(outer, "outer"), out / "nested.safetensors")
    model.save(out / "nested.h5")
    model.save(out / "nested.keras")
    model.save_weights(out / "nested.weights.h5")


def other_files(named):
    save_file(named, out / "plain.safetensors")
    names = sorted(named)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for shard, keys in shards.items():
        save_file({key: named[key] for key in keys}, out / shard)
    index = {"metadata": {"total_size": 0}, "weight_map": {key: shard for shard, keys in shards.items() for key in keys}}
    (out / "model.safetensors.index.json").write_text(json.dumps(index, indent=1))
    np.savez(out / "stored.npz", **named)
    fortran = {key: np.asfortranarray(value.astype(">f4")) for key, value in named.items()}
    np.savez_compressed(out / "deflated.npz", **fortran)
    onnx_files(named)


def onnx_files(named):
    def save(name, initializers, **options):
        node = onnx.helper.make_node("Identity", ["x"], ["y"])
        info = lambda name: onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1])
        graph = onnx.helper.make_graph([node], "g", [info("x")], [info("y")], initializers)
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8, producer_name="test")
        onnx.save(model, out / name, **options)

    raw = [onnx.numpy_helper.from_array(value, key) for key, value in named.items()]
    save("raw.onnx", raw)
    typed = [onnx.helper.make_tensor(key, onnx.TensorProto.FLOAT, value.shape, value.flatten()) for key, value in named.items()]
    save("typed.onnx", typed)
    (out / "external.bin").unlink(missing_ok=True)
    save("external.onnx", raw, save_as_external_data=True, location="external.bin", size_threshold=0)


def element_files():
    """Every type of element that holds weights, and one that does not."""
    values = np.array([[0.0, -0.5, 1.5], [2.0, 65504.0, 1e-3]])
    narrow = {
        "single": values.astype(np.float32),
        "half": values.astype(np.float16),
        "double": values,
        "brain": values.astype(ml_dtypes.bfloat16),
        "scalar": np.array(2.5, np.float32),
    }
    save_file(narrow, out / "elements.safetensors")
    swapped = {key: value.astype(value.dtype.newbyteorder(">")) for key, value in narrow.items() if key != "brain"}
    np.savez(out / "elements.npz", whole=np.arange(6), turned=values.astype(np.float32).T, **swapped)
    np.savez(out / "pickled.npz", ok=values, bad=np.array([{"a": 1}], object))
    with h5py.File(out / "elements.weights.h5", "w", libver="latest") as file:
        for index, (key, value) in enumerate((narrow | {"whole": np.arange(6)}).items()):
            group = file.create_group(f"layers/{key}/vars")
            group.attrs["name"] = key
            made = group.create_dataset("0", data=value if key == "brain" or index % 2 else value.astype(value.dtype.newbyteorder(">")))
            if key == "brain":
                made.attrs["dtype"] = "bfloat16"
    code = onnx.TensorProto
    made = [onnx.numpy_helper.from_array(value, key) for key, value in narrow.items() if key != "brain"]
    made += [
        onnx.helper.make_tensor("brain", code.BFLOAT16, values.shape, narrow["brain"].tobytes(), raw=True),
        onnx.helper.make_tensor("brain_typed", code.BFLOAT16, values.shape, values.flatten()),
        onnx.helper.make_tensor("half_typed", code.FLOAT16, values.shape, values.flatten()),
        onnx.helper.make_tensor("double_typed", code.DOUBLE, values.shape, values.flatten()),
        onnx.numpy_helper.from_array(np.arange(6), "whole"),
    ]
    graph = onnx.helper.make_graph([], "g", [], [], made)
    onnx.save(onnx.helper.make_model(graph, ir_version=8, producer_name="test"), out / "elements.onnx")


def hostile_files():
    """Files of HDF5 that no one writes by mistake. Those of damaged bytes are made by the tests."""

    def layer(file, name="dense"):
        file.attrs["layer_names"], group = [name], file.create_group(name)
        group.attrs["weight_names"] = [f"{name}/kernel"]
        return group

    values = np.ones((2, 3), np.float32)
    with h5py.File(out / "loop.weights.h5", "w", libver="latest") as file:
        file.create_dataset("layers/dense/vars/0", data=values)
        file["layers/dense/again"] = file["layers"]
    with h5py.File(out / "soft_loop.h5", "w") as file:
        group = layer(file)
        group["dense"] = h5py.SoftLink("/dense/other")
        group["other"] = h5py.SoftLink("/dense/dense")
    with h5py.File(out / "external_link.h5", "w", libver="latest") as file:
        layer(file)["dense"] = h5py.ExternalLink("plain.h5", "/dense/dense")
    with h5py.File(out / "external_storage.h5", "w", libver="latest") as file:
        layer(file).create_dataset("dense/kernel", (2, 3), "f4", external=[("plain.safetensors", 0, 24)])
    with h5py.File(out / "terabytes.h5", "w") as file:
        made = layer(file).create_dataset("dense/kernel", (1 << 40,), "f4", chunks=(1 << 10,), compression="gzip")
        made[:1024] = 1
    with h5py.File(out / "unwritten.h5", "w", libver="latest") as file:
        layer(file).create_dataset("dense/kernel", (1 << 40,), "f4")
    with h5py.File(out / "bomb.h5", "w", libver="latest") as file:
        layer(file).create_dataset("dense/kernel", data=np.zeros(1 << 20, np.float32), chunks=(1 << 20,), compression=9)
    shared_text()
    with h5py.File(out / "none.h5", "w", libver="latest") as file:
        file.create_dataset("table", data=values)


def shared_text():
    """A list of names that are one and the same long text of the file: its references are made equal afterwards."""
    path = out / "shared_text.h5"
    with h5py.File(path, "w") as file:
        file.attrs["long"] = "x" * 8001
        file.attrs["layer_names"] = np.array(["n"] * 600, h5py.string_dtype())
    content = path.read_bytes()
    at = content.index((8001).to_bytes(4, "little"))
    long = content[at : at + 16]
    # A reference is the length, the address of a heap and a number in it.
    short = (1).to_bytes(4, "little")
    many = lambda at: all(content[at + 16 * step : at + 16 * step + 4] == short for step in range(600))
    at = next(at for at in range(len(content)) if many(at))
    path.write_bytes(content[:at] + long * 600 + content[at + 600 * 16 :])


def main():
    out.mkdir(exist_ok=True)
    keras.utils.clear_session()
    model = network()
    model.compile(optimizer="sgd", loss="mse")
    model.optimizer.build(model.trainable_variables)
    fill(model)
    named = tensors(model)
    keras_files(model)
    older_files(model, named)
    other_files(named)
    nested_files()
    element_files()
    hostile_files()


main()
