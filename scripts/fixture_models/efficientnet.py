"""efficientnet 1.1.1: its FixedDropout, whose noise shape is partly open, in a block as its models have it."""

from __future__ import annotations

import sys
import types
from typing import Any

import tf_keras as keras
from tf_keras import Input, Model
from tf_keras import layers as L

from fixture_models.common import Catalogue

# efficientnet.preprocessing resizes pictures with scikit-image, which no model needs.
for _name in ("skimage", "skimage.transform"):
    sys.modules.setdefault(_name, types.ModuleType(_name))
sys.modules["skimage.transform"].resize = None  # type: ignore[attr-defined]

import efficientnet.tfkeras  # noqa: E402, F401
from efficientnet.model import get_dropout  # noqa: E402

catalogue = Catalogue("efficientnet-1.1.1")


def both(build: Any) -> Any:
    """Add the model as HDF5 and as a Keras zip."""
    catalogue.add("efficientnet", name=f"{build.__name__}_h5")(build)
    catalogue.add("efficientnet", name=f"{build.__name__}_zip", container="keras-zip", suffix=".keras")(build)
    return build


@both
def fixed_dropout() -> Any:
    dropout = get_dropout(backend=keras.backend, layers=L, models=keras.models, utils=keras.utils)
    x = Input((6, 5, 3))
    y = L.Conv2D(3, 3, padding="same", activation="swish")(x)
    y = dropout(0.2, noise_shape=(None, 1, 1, 1), name="drop")(y)
    return Model(x, L.GlobalAveragePooling2D()(L.Conv2D(4, 2)(L.Add()([x, y]))))
