"""HGQ 0.2.6: layers whose weights and values have bits of their own, learnt in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from HGQ import layers as H
from HGQ.utils import utils
from keras import Input, Model

from fixture_models.common import Catalogue

catalogue = Catalogue("hgq-0.2.6")
# HGQ cannot load its own regularizer from a `.keras` file
utils.set_default_kq_conf({**utils.get_default_kq_conf(), "regularizer": None})
utils.set_default_paq_conf({**utils.get_default_paq_conf(), "regularizer": None})
_PER_CHANNEL = {**utils.get_default_paq_conf(), "skip_dims": "except_last", "rnd_strategy": "auto"}
_DOWN = {**_PER_CHANNEL, "rnd_strategy": "floor", "skip_dims": "all"}


def drawn(model: Any) -> Any:
    """Weights as `randomise` draws them, and bits between 0 and 5."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        name, shape = weight.name, weight.shape
        if name.split("/")[-1].startswith(("kernel_bw", "activation_bw")):
            weight.assign(rng.uniform(0.0, 5.0, shape))
        elif "moving_variance" in name or "gamma" in name:
            weight.assign(rng.uniform(0.5, 2.0, shape))
        elif len(shape):
            weight.assign(rng.normal(0.0, 0.7, shape))
    return model


def reload(path: Path) -> Any:
    return keras.models.load_model(str(path))


@catalogue.add(
    *("HQuantize", "HConv2D", "HDense", "HActivation", "PFlatten", "PMaxPooling2D"), keep_weights=True, reload=reload
)
def image() -> Any:
    x = Input((5, 4, 2))
    y = H.HConv2D(3, 2, activation="relu", paq_conf=_PER_CHANNEL)(H.HQuantize()(x))
    y = H.PFlatten()(H.PMaxPooling2D(2)(y))
    return drawn(Model(x, H.HActivation("tanh")(H.HDense(4, paq_conf=_DOWN)(y))))


@catalogue.add("HConv1DBatchNorm", "HDenseBatchNorm", "HAdd", "Signature", keep_weights=True, reload=reload)
def folded() -> Any:
    x = Input((6, 3))
    y = H.HConv1DBatchNorm(4, 2, paq_conf=_PER_CHANNEL)(H.Signature(1, 8, 3)(x))
    return drawn(Model(x, H.HAdd()([y, H.HDenseBatchNorm(4, activation="relu")(y)])))


@catalogue.add(
    *("HDenseBatchNorm", "HDense", "HQuantize"),
    container="keras-zip",
    suffix=".keras",
    keep_weights=True,
    reload=reload,
)
def numbered() -> Any:
    x = Input((3,))
    return drawn(Model(x, H.HDense(2)(H.HDenseBatchNorm(4)(H.HQuantize()(x)))))
