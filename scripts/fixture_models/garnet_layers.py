"""GarNet as hls4ml (contrib/garnet.py) describes it, simplified and not quantized, written anew for tf.keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import Input, Model
from keras import layers as L

from fixture_models.common import Arrays, Catalogue

catalogue = Catalogue("garnet")
COUNTS = ("n_aggregators", "n_filters", "n_propagate")


class GarNet(L.Layer):
    """Vertices send their features to aggregators, weighted by a learnt distance, and get the means back."""

    def __init__(
        self, n_aggregators: int, n_filters: int, n_propagate: int, collapse: Any = None, **options: Any
    ) -> None:
        self.form = {k: options.pop(k, v) for k, v in {"simplified": True, "input_format": "xn"}.items()}
        self.form |= {k: options.pop(k, None) for k in ("output_activation", "quantize_transforms", "mean_by_nvert")}
        super().__init__(**options)
        self.counts, self.collapse = (n_aggregators, n_filters, n_propagate), collapse

    def build(self, shapes: Any) -> None:
        aggregators, filters, propagate = self.counts
        sizes = {"FLR": (shapes[0][-1], propagate), "S": (shapes[0][-1], aggregators)}
        sizes["Fout"] = (aggregators * propagate, filters)
        self.parts = {
            name: (
                self.add_weight(name=f"{name}_kernel", shape=size),
                self.add_weight(name=f"{name}_bias", shape=size[1:]),
            )
            for name, size in sizes.items()
        }
        super().build(shapes)

    def transform(self, name: str, x: Any) -> Any:
        kernel, bias = self.parts[name]
        return tf.tensordot(x, kernel, 1) + bias

    def call(self, inputs: Any) -> Any:
        data, vertices = inputs
        steps = tf.shape(data)[1]
        mask = tf.sequence_mask(tf.cast(vertices[:, 0], "int32"), steps, dtype="float32")[..., None]
        weights = mask * tf.exp(-(self.transform("S", data) ** 2))
        means = tf.einsum("bvs,bvf->bsf", weights, self.transform("FLR", data)) / tf.cast(steps, "float32")
        back = tf.einsum("bvs,bsf->bvsf", weights, means)
        output = mask * self.transform("Fout", tf.reshape(back, (-1, steps, self.counts[0] * self.counts[2])))
        reduce = {"mean": tf.reduce_mean, "sum": tf.reduce_sum, "max": tf.reduce_max}.get(self.collapse)
        return output if reduce is None else reduce(output, axis=1)

    def get_config(self) -> Any:
        own = dict(zip(COUNTS, self.counts, strict=True)) | {"collapse": self.collapse} | self.form
        return {**super().get_config(), **own}


def reload(path: Path) -> Any:
    return keras.models.load_model(str(path), custom_objects={"GarNet": GarNet})


def events(rng: np.random.Generator) -> Arrays:
    return [rng.normal(size=(3, 6, 4)).astype("float32"), np.asarray([[6], [4], [1]], "int32")]


@catalogue.add("GarNet", inputs=events, reload=reload)
def garnet() -> Any:
    x, n = Input((6, 4)), Input((1,), dtype="int32")
    rows = GarNet(3, 5, 2)([x, n])
    return Model([x, n], [rows, *(GarNet(2, 3, 4, collapse=c)([rows, n]) for c in ("mean", "sum", "max"))])
