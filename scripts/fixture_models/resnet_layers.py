"""The batch normalization of keras-resnet 0.2.0, on Keras 2.2.4."""

from __future__ import annotations

from typing import Any

from keras import Input, Model, models
from keras_resnet.layers import BatchNormalization

from fixture_models.common import Catalogue

catalogue = Catalogue("keras-resnet-0.2.0")


def reload(path: Any) -> Any:
    return models.load_model(str(path), custom_objects={"BatchNormalization": BatchNormalization})


@catalogue.add("BatchNormalization", reload=reload)
def normalizations() -> Any:
    x = Input((3, 4, 2))
    return Model(x, BatchNormalization(freeze=False, axis=2)(BatchNormalization(freeze=True, epsilon=1e-5)(x)))
