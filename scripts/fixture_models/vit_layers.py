"""Models with layers of vit-keras, saved by Keras 3."""

from __future__ import annotations

from typing import Any

import keras
from keras import Input, Model
from keras import layers as L
from vit_keras import layers

from fixture_models.common import Catalogue

catalogue = Catalogue("vit-keras-0.2.0")


def reload(path: Any) -> Any:
    return keras.models.load_model(str(path), safe_mode=False)  # its blocks have a Lambda layer with gelu


@catalogue.add(
    "ClassToken", "AddPositionEmbs", "TransformerBlock", container="keras-zip", suffix=".keras", reload=reload
)
def vision_transformer() -> Any:
    x = Input((5, 6))
    y = layers.AddPositionEmbs(name="positions")(layers.ClassToken(name="token")(x))
    y, weights = layers.TransformerBlock(num_heads=2, mlp_dim=7, dropout=0.1, name="block")(y)
    return Model(x, [L.LayerNormalization(epsilon=1e-6)(y), weights])
