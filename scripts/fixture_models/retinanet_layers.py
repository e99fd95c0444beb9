"""Models with layers of keras-retinanet 1.0.0, on tf_keras."""

from __future__ import annotations

from typing import Any

import keras
from keras import Input, Model
from keras import layers as L
from keras_retinanet import initializers, layers

from fixture_models.common import Catalogue

catalogue = Catalogue("keras-retinanet-1.0.0")
CLASSES = {name: getattr(layers, name) for name in ("UpsampleLike", "Anchors", "RegressBoxes", "ClipBoxes")}
CLASSES["PriorProbability"] = initializers.PriorProbability


def reload(path: Any) -> Any:
    return keras.models.load_model(str(path), custom_objects=CLASSES)


@catalogue.add("UpsampleLike", "Anchors", "RegressBoxes", "ClipBoxes", reload=reload, steps=11)
def retinanet() -> Any:
    image = Input((None, None, 3))
    fine = L.Conv2D(4, 3, strides=2, padding="same")(image)
    coarse = L.Conv2D(4, 3, strides=2, padding="same")(fine)
    both = L.Add()([layers.UpsampleLike()([coarse, fine]), fine])
    boxes = layers.Anchors(size=4, stride=2, ratios=[0.5, 1, 2], scales=[1, 1.26])(both)
    moves = L.Reshape((-1, 4))(L.Conv2D(24, 3, padding="same", bias_initializer=initializers.PriorProbability())(both))
    moved = layers.RegressBoxes()([boxes, moves])
    return Model(image, [layers.ClipBoxes()([image, moved]), moved, boxes])
