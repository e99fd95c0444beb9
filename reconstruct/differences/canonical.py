"""Configs in one form, whichever Keras wrote them: the default is left out, and what means the same looks the same.

`defaults.json` is written by `scripts/keras_defaults` from the signatures of Keras 3.15.1.
"""

from __future__ import annotations

import importlib.resources
import json
import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

# Fields that no output depends on and that a Keras writes for itself
_BOOKKEEPING = frozenset(
    "name shared_object_id build_input_shape build_config registered_name module quantization_config implementation "
    "batch_input_shape input_dtype sparse ragged optional".split()
)
# What layers inherit, and takes `**kwargs` past the signatures (Keras 3.15.1, layers/layer.py and layers/rnn/rnn.py)
_INHERITED = {
    "trainable": True,
    "dtype": "float32",
    "activity_regularizer": None,
    "zero_output_for_mask": False,
    **dict.fromkeys(("unroll", "stateful", "go_backwards", "return_state", "return_sequences", "rms_scaling"), False),
    "data_format": None,
}
# Other names of the same functions (Keras 3.15.1, activations/activations.py)
_ACTIVATIONS = {"swish": "silu", "hard_swish": "hard_silu"}
_INITIALIZERS = {"uniform": "random_uniform", "normal": "random_normal", "zero": "zeros", "one": "ones"}
_OBJECT_FIELDS = ("initializer", "regularizer", "constraint")


@cache
def defaults() -> Mapping[str, Mapping[str, Any]]:
    """Class name to argument to default of Keras 3.15.1."""
    text = importlib.resources.files("reconstruct.differences").joinpath("defaults.json").read_text("utf-8")
    found: Mapping[str, Mapping[str, Any]] = json.loads(text)
    return found


def config(class_name: str, written: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a layer's config that are not the defaults of its class, in the order of their names.

    >>> config("Dense", {"name": "d", "units": 3, "activation": "linear", "use_bias": False})
    {'units': 3, 'use_bias': False}
    """
    usual = {**_INHERITED, **defaults().get(class_name, {})}
    found = {}
    for field in sorted(written):
        made = value(written[field], field)
        if made is None and field not in usual:
            continue
        if field not in _BOOKKEEPING and not (field in usual and same(made, value(usual[field], field))):
            found[field] = made
    return found


def value(written: Any, field: str = "") -> Any:
    """A value of a config, by the name of its field: objects by their names, tuples as lists.

    >>> value({"class_name": "GlorotUniform", "config": {"seed": None}}, "kernel_initializer")
    'glorot_uniform'
    """
    if isinstance(written, Mapping) and "class_name" in written:
        return _object(written, field)
    if isinstance(written, Mapping):
        return {str(k): value(v, str(k)) for k, v in sorted(written.items(), key=str) if k not in _BOOKKEEPING}
    if field == "factor" and isinstance(written, list | tuple) and len(written) == 2 and written[0] in (-written[1], 0):
        return written[1]  # of random layers, for which the two are the same (layers/preprocessing/image_preprocessing)
    if isinstance(written, np.ndarray | np.generic):
        return written.tolist()
    if isinstance(written, list | tuple):
        return [value(v) for v in written]
    if isinstance(written, float) and not math.isfinite(written):  # JSON has no such numbers
        return str(written)
    if written is None and field.endswith("activation"):
        return "linear"
    if written is None and field in ("data_format", "dtype"):
        return {"data_format": "channels_last", "dtype": "float32"}[field]
    if field == "distribution" and written == "normal":  # its name until Keras 2.2 (initializers.py)
        return "truncated_normal"
    if isinstance(written, str) and field.endswith("activation"):
        return _ACTIVATIONS.get(written, written)
    if isinstance(written, str) and field.endswith(_OBJECT_FIELDS):
        return _INITIALIZERS.get(written, _snake(written))
    if written is None or isinstance(written, str | int | float):
        return written
    return str(written)  # a slice, as a golden has it


def _object(written: Mapping[str, Any], field: str) -> Any:
    name, inner = str(written["class_name"]), written.get("config")
    name = name.removesuffix("Initializer") or name  # OrthogonalInitializer: some have two names (initializers/)
    if name == "function" or not isinstance(inner, Mapping):
        return inner if name == "function" else name
    if name.endswith("DTypePolicy") or name == "Policy":
        return inner.get("name")
    usual = defaults().get(name, {})
    kept = {k: value(v, k) for k, v in sorted(inner.items()) if k not in _BOOKKEEPING}
    kept = {k: v for k, v in kept.items() if not (k in usual and same(v, value(usual[k], k)))}
    if kept:
        return {"class_name": name, **kept}
    return _snake(name) if field.endswith((*_OBJECT_FIELDS, "activation")) else name


def same(a: Any, b: Any) -> bool:
    """Whether two values in this form mean the same: 3 and [3, 3] do, as sizes.

    >>> same([3, 3], 3), same(True, 1), same(0.1, 0.10000000149011612)
    (True, False, True)
    """
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) != isinstance(b, list):
        several, one = (a, b) if isinstance(a, list) else (b, a)
        return isinstance(one, int | float) and bool(several) and all(same(v, one) for v in several)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a == b or abs(a - b) <= 1e-7 * max(abs(a), abs(b))
    return bool(a == b)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
