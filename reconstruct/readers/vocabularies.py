"""What lookup layers learnt from data: lists that a `.keras` file keeps beside config and weights.

Keras writes them as `assets/<path of the layer>/vocabulary.txt`, one word or number a line, and reads them where the
config has none (Keras 3.15.1 and tf_keras 2.21, layers/preprocessing/index_lookup.py, `save_assets`, `load_assets`).
"""

from __future__ import annotations

from collections.abc import Callable

from reconstruct.artifact import Layer
from reconstruct.readers.object_weights import group_names
from reconstruct.stock import LOOKUPS

FOLDER, NAME = "assets", "vocabulary.txt"

Read = Callable[[str], str | None]


def attach(model: Layer, read: Read) -> Layer:
    """The model with each list in the config of its layer; `read` gives the text of a member of the file, if it is
    there."""
    return _attach(model, FOLDER, read)


def _attach(layer: Layer, where: str, read: Read) -> Layer:
    if layer.class_name in LOOKUPS and layer.config.get("vocabulary") is None:
        text = read(f"{where}/{NAME}")
        # The weights of words that tf_idf needs are nowhere in the file
        return layer if text is None or layer.config.get("output_mode") == "tf_idf" else _with(layer, text)
    if layer.graph is None:
        return layer.map_parts(lambda key, part: _attach(part, f"{where}/{key}", read))
    names = group_names(layer)
    return layer.map_parts(lambda key, part: _attach(part, f"{where}/layers/{names[key]}", read))


def _with(layer: Layer, text: str) -> Layer:
    lines = text.rstrip("\n").split("\n")
    if layer.class_name != "IntegerLookup":
        return layer.having(vocabulary=lines)
    try:
        return layer.having(vocabulary=[int(line) for line in lines])
    except ValueError:  # no list of Keras's
        return layer
