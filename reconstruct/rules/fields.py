"""Config fields that Keras 3 does not know: a row each. What needs more than dropping or renaming is a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reconstruct.artifact import Layer, Writer
from reconstruct.errors import NotEquivalent
from reconstruct.rules.engine import EFFECTS, Context, Rule, before_keras_3

ANY = object()


@dataclass(frozen=True)
class Field:
    """A field to drop, or with `to`, to rename. `only` lists the values that mean nothing; any other is an error."""

    layers: str
    field: str
    why: str
    to: str | None = None
    only: tuple[Any, ...] = ()
    effect: str = "neutral"


_RNN = "LSTM GRU SimpleRNN RNN CuDNNLSTM CuDNNGRU ConvLSTM1D ConvLSTM2D ConvLSTM3D"
_POOLING = " ".join(f"{k}Pooling{n}D" for k in ("Max", "Average", "GlobalMax", "GlobalAverage") for n in (1, 2, 3))

FIELDS = (
    Field("*", "batch_input_shape", "only input layers have it in Keras 3 (layers/layer.py, `input_shape`)"),
    Field("*", "input_dtype", "Keras 1 and 2.0 wrote the input's dtype beside the layer's"),
    Field("*", "autocast", "its default, True, follows the dtype policy", only=(True, None)),
    Field(_RNN, "implementation", "it chose between equal computations (Keras 2 to tf.keras 2.15)"),
    Field("LSTM GRU SimpleRNN", "unit_forget_bias_initializer", "only an initial value"),
    Field(_RNN, "time_major", "its default, False; True is transposed by a rule of its own", only=(False, None)),
    Field("StackedRNNCells", "reverse_state_order", "its default, False (tf.keras 1.12)", only=(False, None)),
    Field(
        "DepthwiseConv1D DepthwiseConv2D Conv1DTranspose Conv2DTranspose Conv3DTranspose SeparableConv1D "
        "SeparableConv2D ConvLSTM2D",
        "groups",
        "tf.keras inherited it from Conv, where 1 means none (k#19151)",
        only=(1, None),
    ),
    Field(
        "SeparableConv1D SeparableConv2D DepthwiseConv1D DepthwiseConv2D",
        "kernel_initializer",
        "inherited from Conv and never used",
    ),
    Field("SeparableConv1D SeparableConv2D DepthwiseConv1D DepthwiseConv2D", "kernel_regularizer", "never used"),
    Field("SeparableConv1D SeparableConv2D DepthwiseConv1D DepthwiseConv2D", "kernel_constraint", "never used"),
    Field("DepthwiseConv1D DepthwiseConv2D", "filters", "inherited from Conv and never used"),
    Field("Conv1D Conv2D Conv3D", "rank", "the class says it"),
    Field("BatchNormalization", "fused", "it chose between equal computations (tf.keras)"),
    Field("BatchNormalization", "virtual_batch_size", "used in training only", only=(None,)),
    Field("BatchNormalization", "renorm", "used in training only"),
    Field("BatchNormalization", "renorm_clipping", "used in training only"),
    Field("BatchNormalization", "renorm_momentum", "used in training only"),
    Field("BatchNormalization", "adjustment", "used in training only", only=(None,)),
    Field("BatchNormalization", "moving_mean_regularizer", "Keras 3 has none", only=(None,)),
    Field("MultiHeadAttention", "query_shape", "Keras 3 takes it from the call"),
    Field("MultiHeadAttention", "key_shape", "Keras 3 takes it from the call"),
    Field("MultiHeadAttention", "value_shape", "Keras 3 takes it from the call"),
    Field("Attention AdditiveAttention", "causal", "its default, False (tf.keras 2.9 and older)", only=(False, None)),
    Field("Embedding", "input_length", "Keras 3 takes it from the call"),
    Field("Embedding", "sparse", "how gradients were held (tf.keras)"),
    Field("SpatialDropout1D SpatialDropout2D SpatialDropout3D", "noise_shape", "fixed by the class"),
    Field("SpatialDropout1D", "data_format", "one dimension has one format"),
    Field("LeakyReLU", "alpha", "Keras 3 calls it negative_slope", to="negative_slope", effect="preserving"),
    Field(
        "RandomFlip RandomRotation RandomZoom RandomTranslation RandomContrast RandomCrop RandomBrightness "
        "RandomHeight RandomWidth",
        "rng_type",
        "how random numbers were drawn (tf.keras 2.9)",
    ),
    Field("Resizing CenterCrop Rescaling RandomFlip", "vectorize", "how a batch was mapped"),
    Field(
        "SpatialDropout1D SpatialDropout2D SpatialDropout3D Discretization",
        "trainable",
        "a layer without weights, whose class takes none in Keras 3",
    ),
    Field(
        "MultiHeadAttention Softmax", "softmax_robust_masking", "its default, False (tf_keras 2.17)", only=(False, None)
    ),
    Field("InputLayer", "ragged", "its default, False", only=(False, None)),
    Field("InputLayer", "type_spec", "the shape and dtype say it", only=(None,)),
    Field("InputLayer", "optional", "its default, False", only=(False, None)),
    Field("CategoryEncoding", "max_tokens", "tf.keras 2.4 called num_tokens so", to="num_tokens", effect="preserving"),
    Field("Flatten", "keepdims", "never a field of Keras", only=(False, None)),
)


def field_rule(
    row: Field,
    keras: str,
    writers: Callable[[Writer], bool],
    skips: Callable[[Layer], bool],
    refusal: Callable[[Layer, Any], str],
) -> Rule:
    """The rule of a row, for what `keras` does not know. It leaves layers that it `skips`.

    `refusal` says of a layer and a value why there is no form with the same meaning.
    """
    layers = None if row.layers == "*" else tuple(row.layers.split())

    def apply(layer: Layer, context: Context) -> Layer:
        if row.field not in layer.config or layer.is_model or skips(layer):
            return layer
        value = layer.config[row.field]
        if row.to is not None:
            return layer.without(row.field).having(**{row.to: value})
        if row.only and value not in row.only:
            raise NotEquivalent(refusal(layer, value))
        return layer.without(row.field)

    assert row.effect in EFFECTS
    verb = f"rename_{row.field}_to_{row.to}" if row.to else f"drop_{row.field}"
    return Rule(verb, apply, layers, writers, row.effect, f"{keras} has no `{row.field}`: {row.why}.")


def _row(row: Field) -> Rule:
    return field_rule(
        row,
        "Keras 3",
        before_keras_3,
        lambda layer: layer.class_name == "Op",
        lambda layer, value: f"{layer.class_name} has {row.field}={value!r}, which Keras 3 does not have",
    )


RULES = tuple(_row(row) for row in FIELDS)
