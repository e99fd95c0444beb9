"""A layer that adds the CTC loss of its inputs, as keras.io/examples/vision/captcha_ocr describes it, written anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import Input, Model
from keras import layers as L

from fixture_models.common import Arrays, Catalogue

catalogue = Catalogue("loss-layers")


class CTCLayer(L.Layer):
    """Hands the predictions on; its loss counts in training."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        lengths = [tf.fill((tf.shape(x)[0], 1), tf.shape(x)[1]) for x in (y_pred, y_true)]
        self.add_loss(tf.reduce_mean(keras.backend.ctc_batch_cost(y_true, y_pred, *lengths)))
        return y_pred


def reload(path: Path) -> Any:
    return keras.models.load_model(str(path), custom_objects={"CTCLayer": CTCLayer})


def words(rng: np.random.Generator) -> Arrays:
    return [rng.normal(size=(3, 6, 4)).astype("float32"), rng.integers(0, 4, (3, 2)).astype("float32")]


@catalogue.add("CTCLayer", inputs=words, reload=reload)
def ctc() -> Any:
    x, labels = Input((6, 4)), Input((2,))
    return Model([x, labels], CTCLayer()(labels, L.Dense(5, activation="softmax")(x)))
