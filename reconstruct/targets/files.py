"""The two files of Keras 2: HDF5, as every tf.keras reads it, and the zip of TensorFlow 2.13 to 2.15.

Neither needs a framework to be written. Nothing in them depends on when or where they are written.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from reconstruct.artifact import Layer, Tensor
from reconstruct.errors import BuildError
from reconstruct.naming import snake_case
from reconstruct.readers.legacy_weights import variables
from reconstruct.stock import RECURRENT, slots
from reconstruct.targets.config import model_config

KERAS = "2.15.0"  # the last release whose layouts these are
_ATTRIBUTE_LIMIT = 64512  # of HDF5; Keras splits longer lists of names (tf_keras, saving/legacy/hdf5_format.py)
_ATTENTION = {
    "query": "_query_dense",
    "key": "_key_dense",
    "value": "_value_dense",
    "attention_output": "_output_dense",
}


def write_h5(model: Layer, path: Path) -> None:
    """Write the layout that `model.save("….h5")` of TensorFlow 2.15 has."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = KERAS.encode()
        file.attrs["backend"] = b"tensorflow"
        file.attrs["model_config"] = json.dumps(model_config(model, modules=False)).encode()
        group = file.create_group("model_weights")
        group.attrs["keras_version"] = KERAS.encode()
        group.attrs["backend"] = b"tensorflow"
        assert model.graph is not None
        _names(group, "layer_names", [n.name for n in model.graph.layers])
        for layer in model.graph.layers:
            below = group.create_group(layer.name)
            named = [(f"{name}:0", tensor) for name, tensor in _listed(layer)]
            _names(below, "weight_names", [name for name, _ in named])
            for name, tensor in named:
                below.create_dataset(name, data=np.asarray(tensor.read()))
        _names(group.create_group("top_level_model_weights"), "weight_names", [])


def _listed(layer: Layer) -> list[tuple[str, Tensor]]:
    """The tensors of a layer, trained ones first, as tf.keras lists them in HDF5; with names that tell them apart."""
    trained, other = variables(layer, (), 3)
    if trained is None or other is None:
        raise BuildError(f"it is not known which weights {layer.class_name} {layer.name!r} has", path=layer.path)
    places = dict(_owners(layer, (), layer.name))
    used: Counter[str] = Counter()
    found = []
    for variable in trained + other:
        owner, where = places[variable.owner]
        name = f"{where}/{variable.name}"
        used[name] += 1
        found.append((name if used[name] == 1 else f"{name}_{used[name]}", _tensor(owner, variable.name)))
    return found


def _owners(layer: Layer, path: tuple[str, ...], where: str) -> Iterator[tuple[tuple[str, ...], tuple[Layer, str]]]:
    yield path, (layer, where)
    for key, part in layer.parts():
        yield from _owners(part, (*path, key), f"{where}/{part.name or key}")


def _tensor(layer: Layer, name: str) -> Tensor:
    if name not in layer.weights:
        raise BuildError(f"{layer.class_name} {layer.name!r} has no {name}", path=layer.path)
    return layer.weights[name]


def _names(group: h5py.Group, attribute: str, names: list[str]) -> None:
    encoded = [n.encode() for n in names]
    size = max(map(len, encoded), default=1)
    many = max(1, _ATTRIBUTE_LIMIT // max(size, 1))
    if len(encoded) <= many:
        group.attrs[attribute] = np.asarray(encoded, dtype=f"S{size}")
        return
    for i, start in enumerate(range(0, len(encoded), many)):
        group.attrs[f"{attribute}{i}"] = np.asarray(encoded[start : start + many], dtype=f"S{size}")


def write_keras(model: Layer, path: Path) -> None:
    """Write the `.keras` file that `model.save` of TensorFlow 2.13 to 2.15 writes."""
    config = {**model_config(model, modules=True)}
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        _write_tree(file, model)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (
            ("metadata.json", json.dumps({"keras_version": KERAS}).encode()),
            ("config.json", json.dumps(config).encode()),
            ("model.weights.h5", buffer.getvalue()),
        ):
            archive.writestr(zipfile.ZipInfo(name), data)


def _write_tree(group: Any, layer: Layer) -> None:
    """Variables by attribute: `layers/dense_1/vars/0` (tf_keras 2.21, saving/saving_lib.py, `_save_state`).

    Every group has `vars`, if an empty one: the loader asks for it.
    """
    group.require_group("vars")
    if layer.graph is not None:
        used: Counter[str] = Counter()
        for part in layer.graph.layers:
            kind = snake_case(_saved_class(part))
            name = kind if not used[kind] else f"{kind}_{used[kind]}"
            used[kind] += 1
            if _has_weights(part):
                _write_tree(group.require_group(f"layers/{name}"), part)
        return
    if any(key.startswith("cells/") for key in layer.children):
        counted: Counter[str] = Counter()
        for cell in layer.children.values():
            kind = snake_case(cell.class_name)
            name = kind if not counted[kind] else f"{kind}_{counted[kind]}"
            counted[kind] += 1
            _write_tree(group.require_group(f"cells/{name}"), cell)
        return
    if layer.children:
        for key, child in layer.children.items():
            _write_tree(group.require_group(key), child)
        return
    for i, slot in enumerate(slots(layer.class_name, layer.config) or ()):
        owner, slash, name = slot.name.partition("/")
        if layer.class_name == "MultiHeadAttention" and slash:
            place, number = f"{_ATTENTION[owner]}/vars", int(name == "bias")
        elif layer.class_name in RECURRENT:
            place, number = "cell/vars", i
        else:
            place, number = "vars", i
        inner = group.require_group(place)
        inner.create_dataset(str(number), data=np.asarray(_tensor(layer, slot.name).read()))


def _saved_class(layer: Layer) -> str:
    if layer.graph is None:
        return layer.class_name
    return "Sequential" if layer.graph.sequential else "Functional"


def _has_weights(layer: Layer) -> bool:
    return any(n.weights for n in layer.walk())
