"""The CRF of TensorFlow Addons 0.23 and of tf2crf 0.1.33."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import tf_keras as keras
from tf_keras import Input, Model
from tf_keras import layers as L

from fixture_models.common import Catalogue, padded_tokens

catalogue = Catalogue("tensorflow-addons-0.23")


def modules() -> tuple[Any, Any]:
    """The two layers. The packages are opened without their `__init__`, which loads operations that were compiled for
    another TensorFlow; `typeguard`, which only checks arguments, is left out."""
    guard: Any = types.ModuleType("typeguard")
    guard.typechecked = lambda function: function
    sys.modules.setdefault("typeguard", guard)
    found = importlib.util.find_spec("tensorflow_addons")
    assert found is not None
    assert found.submodule_search_locations is not None
    root = Path(found.submodule_search_locations[0])
    for name in ("", ".utils", ".text", ".layers"):
        package: Any = types.ModuleType(f"tensorflow_addons{name}")
        package.__path__ = [str(root / name.strip("."))]
        sys.modules[package.__name__] = package
    text = importlib.import_module("tensorflow_addons.text.crf")
    sys.modules["tensorflow_addons.text"].crf_decode = text.crf_decode  # type: ignore[attr-defined]
    sys.modules["tensorflow_addons"].text = text  # type: ignore[attr-defined]
    return importlib.import_module("tensorflow_addons.layers.crf").CRF, importlib.import_module("tf2crf.crf").CRF


AddonsCRF, PlainCRF = modules()


def with_crf(name: str, cls: Any, masked: bool = True, container: str = "h5-model", **options: Any) -> None:
    def reload(path: Path) -> Any:
        return keras.models.load_model(str(path), custom_objects={"CRF": cls, "Addons>CRF": cls})

    def build() -> Any:
        x = Input((7,))
        y = L.Bidirectional(L.LSTM(2, return_sequences=True))(L.Embedding(9, 4, mask_zero=masked)(x))
        path, scores, lengths, _ = cls(**options)(y)
        return Model(x, [path, scores, lengths] if masked else [path, scores])

    suffix = ".keras" if container == "keras-zip" else ".h5"
    inputs = padded_tokens(7, 9)
    catalogue.add("CRF", name=name, inputs=inputs, reload=reload, container=container, suffix=suffix)(build)


with_crf("crf", AddonsCRF, units=3)
with_crf("crf_unmasked_zip", AddonsCRF, masked=False, container="keras-zip", units=3)
with_crf("crf_bare", AddonsCRF, units=4, use_boundary=False, use_kernel=False)
with_crf("tf2crf", PlainCRF)
