"""Keras 1 to Keras 2: the names of classes and arguments, and how their values are written.

The names are those of Keras 2.2.4, legacy/interfaces.py and legacy/layers.py; what they mean is read in Keras 1.2.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconstruct.artifact import Layer
from reconstruct.rules.engine import keras_1, rule


@dataclass(frozen=True)
class Row:
    """A class of Keras 1: its name in Keras 2, the new names of its fields, and sizes that were fields of their own."""

    to: str
    fields: Mapping[str, str] = field(default_factory=dict)
    sizes: tuple[str, ...] = ()
    drop: tuple[str, ...] = ("input_dim", "input_length")


_IMAGE = {"dim_ordering": "data_format"}
_KERNEL = {
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "bias": "use_bias",
}
_CONV = {
    **_KERNEL,
    **_IMAGE,
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "subsample": "strides",
    "subsample_length": "strides",
    "border_mode": "padding",
    "atrous_rate": "dilation_rate",
}
_RECURRENT = {
    **_CONV,
    "output_dim": "units",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "U_regularizer": "recurrent_regularizer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "consume_less": "implementation",
    "forget_bias_init": "unit_forget_bias",
}
_POOLING = {**_IMAGE, "pool_length": "pool_size", "stride": "strides", "border_mode": "padding"}
_RATE = {"p": "rate", **_IMAGE}
_ROW_COL = ("nb_row", "nb_col")

CLASSES: dict[str, Row] = {
    "Dense": Row("Dense", {**_KERNEL, "output_dim": "units"}),
    "TimeDistributedDense": Row("Dense", {**_KERNEL, "output_dim": "units"}),
    "Embedding": Row(
        "Embedding",
        {
            "init": "embeddings_initializer",
            "W_regularizer": "embeddings_regularizer",
            "W_constraint": "embeddings_constraint",
        },
        drop=("dropout",),
    ),
    "Convolution1D": Row("Conv1D", _CONV),
    "Convolution2D": Row("Conv2D", _CONV, _ROW_COL),
    "Convolution3D": Row("Conv3D", _CONV, ("kernel_dim1", "kernel_dim2", "kernel_dim3")),
    "AtrousConvolution1D": Row("Conv1D", _CONV),
    "AtrousConvolution2D": Row("Conv2D", _CONV, _ROW_COL),
    "Deconvolution2D": Row("Conv2DTranspose", _CONV, _ROW_COL),
    "SeparableConvolution2D": Row("SeparableConv2D", _CONV, _ROW_COL),
    "LocallyConnected1D": Row("LocallyConnected1D", _CONV),
    "LocallyConnected2D": Row("LocallyConnected2D", _CONV, _ROW_COL),
    "SimpleRNN": Row("SimpleRNN", _RECURRENT),
    "LSTM": Row("LSTM", _RECURRENT),
    "GRU": Row("GRU", _RECURRENT),
    "ConvLSTM2D": Row("ConvLSTM2D", _RECURRENT, _ROW_COL),
    "Dropout": Row("Dropout", _RATE),
    "GaussianDropout": Row("GaussianDropout", _RATE),
    "SpatialDropout1D": Row("SpatialDropout1D", _RATE),
    "SpatialDropout2D": Row("SpatialDropout2D", _RATE),
    "SpatialDropout3D": Row("SpatialDropout3D", _RATE),
    "GaussianNoise": Row("GaussianNoise", {"sigma": "stddev"}),
    "PReLU": Row("PReLU", {"init": "alpha_initializer"}),
    "UpSampling1D": Row("UpSampling1D", {"length": "size"}),
    "InputLayer": Row("InputLayer", {"input_dtype": "dtype"}),
    "BatchNormalization": Row(
        "BatchNormalization",
        {"gamma_init": "gamma_initializer", "beta_init": "beta_initializer"},
        drop=("mode",),
    ),
    **{f"{k}Pooling{n}D": Row(f"{k}Pooling{n}D", _POOLING) for k in ("Max", "Average") for n in (1, 2, 3)},
    **{f"Global{k}Pooling{n}D": Row(f"Global{k}Pooling{n}D", _IMAGE) for k in ("Max", "Average") for n in (2, 3)},
    **{f"{k}{n}D": Row(f"{k}{n}D", _IMAGE) for k in ("UpSampling", "ZeroPadding", "Cropping") for n in (2, 3)},
    "ZeroPadding1D": Row("ZeroPadding1D"),
    "ActivityRegularization": Row("ActivityRegularization"),
}
# The layers that have a `dim_ordering`, though not all of them write it (see `dim_ordering_of_model`).
IMAGE_LAYERS = tuple(name for name, row in CLASSES.items() if "dim_ordering" in row.fields and name[-2] in "23")

# Keras 1.2.2, initializations.py. Only names matter: the values come from the file.
_INITIALIZERS = {
    "uniform": "random_uniform",
    "normal": "random_normal",
    "zero": "zeros",
    "one": "ones",
    "identity": "identity",
    "orthogonal": "orthogonal",
    "lecun_uniform": "lecun_uniform",
    "glorot_uniform": "glorot_uniform",
    "glorot_normal": "glorot_normal",
    "he_uniform": "he_uniform",
    "he_normal": "he_normal",
}
_DATA_FORMATS = {"tf": "channels_last", "th": "channels_first", "default": None}
_IMPLEMENTATIONS = {"cpu": 0, "mem": 1, "gpu": 2}
_CONSTRAINTS = {
    "maxnorm": ("MaxNorm", {"m": "max_value", "axis": "axis"}),
    "nonneg": ("NonNeg", {}),
    "unitnorm": ("UnitNorm", {"axis": "axis"}),
    "minmaxnorm": ("MinMaxNorm", {"low": "min_value", "high": "max_value", "rate": "rate", "axis": "axis"}),
}


@rule(layers=CLASSES, writers=keras_1)
def classes_and_arguments(layer: Layer) -> Layer:
    """Keras 2 renamed classes and arguments of Keras 1 (Keras 2.2.4, legacy/interfaces.py)."""
    row = CLASSES[layer.class_name]
    config: dict[str, Any] = {}
    for name, value in layer.config.items():
        if name in row.sizes or name in row.drop:
            continue
        new = row.fields.get(name, name)
        config[new] = _value(layer.class_name, new, value)
    if all(size in layer.config for size in row.sizes) and row.sizes:
        config["kernel_size"] = [layer.config[size] for size in row.sizes]
    if layer.class_name == "SeparableConvolution2D" and "kernel_initializer" in config:
        config["depthwise_initializer"] = config["pointwise_initializer"] = config.pop("kernel_initializer")
    if layer.class_name == "PReLU" and "alpha" in layer.weights:
        # Not in the config, but an axis with one parameter is a shared one (or has length 1, which is the same).
        shared = [i + 1 for i, n in enumerate(layer.weights["alpha"].shape) if n == 1]
        config.setdefault("shared_axes", shared or None)
    return layer.replace(class_name=row.to, config=config)


def _value(class_name: str, name: str, value: Any) -> Any:
    """The value of the field `name` (as Keras 2 calls it) in the form of Keras 2."""
    if name.endswith("_initializer") and isinstance(value, str):
        # A function of the user's own has no effect either on weights that are in the file.
        return _INITIALIZERS.get(value, value if value in _INITIALIZERS.values() else "glorot_uniform")
    if name.endswith("_regularizer"):
        return _regularizer(value)
    if name.endswith("_constraint"):
        return _constraint(value)
    if name == "data_format":
        return _DATA_FORMATS.get(value, value)
    if name == "implementation":
        return _IMPLEMENTATIONS.get(value, value)
    if name == "unit_forget_bias" and isinstance(value, str):
        return value == "one"
    if name == "rate" and value is not None:
        return value if 0 < value < 1 else 0.0  # anything else drops nothing (Keras 1.2.2, layers/core.py)
    if class_name.startswith("ZeroPadding"):
        return _padding(value) if name == "padding" else value
    return value


def _regularizer(value: Any) -> Any:
    """`{'name': 'L1L2Regularizer', 'l1': …, 'l2': …}`; EigenvalueRegularizer, which only training saw, is gone."""
    if not isinstance(value, Mapping) or "name" not in value:
        return value
    if "l1" not in value and "l2" not in value:
        return None
    config = {"l1": value.get("l1") or 0.0, "l2": value.get("l2") or 0.0}
    return {"class_name": "L1L2", "config": config}


def _constraint(value: Any) -> Any:
    """`{'name': 'MaxNorm', 'm': 2, 'axis': 0}` and its like."""
    if not isinstance(value, Mapping) or "name" not in value:
        return value
    known = _CONSTRAINTS.get(str(value["name"]).lower())
    if known is None:
        return None
    class_name, fields = known
    return {"class_name": class_name, "config": {new: value[old] for old, new in fields.items() if old in value}}


def _padding(value: Any) -> Any:
    """Paddings as dicts, and of images as four numbers (Keras 1.2.2, layers/convolutional.py)."""
    if isinstance(value, Mapping):
        sides = [[value.get(a, 0), value.get(b, 0)] for a, b in (("top_pad", "bottom_pad"), ("left_pad", "right_pad"))]
        return sides if {"top_pad", "bottom_pad"} & set(value) else sides[1]
    if isinstance(value, list) and len(value) == 4:
        return [value[:2], value[2:]]
    return value
