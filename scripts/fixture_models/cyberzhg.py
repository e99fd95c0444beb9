"""Layers of keras-self-attention, keras-multi-head, keras-pos-embd and their kin, and of the library attention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import keras_layer_normalization
import keras_multi_head
import keras_pos_embd
import keras_position_wise_feed_forward
import keras_self_attention
from attention import Attention
from keras import Input, Model
from keras import layers as L

from fixture_models.common import Catalogue, padded_tokens

catalogue = Catalogue("attention-layers")
CLASSES = {
    "SeqSelfAttention": keras_self_attention.SeqSelfAttention,
    "SeqWeightedAttention": keras_self_attention.SeqWeightedAttention,
    "ScaledDotProductAttention": keras_self_attention.ScaledDotProductAttention,
    "MultiHeadAttention": keras_multi_head.MultiHeadAttention,
    "LayerNormalization": keras_layer_normalization.LayerNormalization,
    "FeedForward": keras_position_wise_feed_forward.FeedForward,
    "PositionEmbedding": keras_pos_embd.PositionEmbedding,
    "TrigPosEmbedding": keras_pos_embd.TrigPosEmbedding,
    "Attention": Attention,
}


def reload(path: Path) -> Any:
    return keras.models.load_model(str(path), custom_objects=CLASSES)


def both(*covers: str, **options: Any) -> Any:
    """Add the model as HDF5 and as a Keras zip."""

    def decorate(build: Any) -> Any:
        catalogue.add(*covers, name=f"{build.__name__}_h5", reload=reload, **options)(build)
        zipped = {"container": "keras-zip", "suffix": ".keras", **options}
        catalogue.add(*covers, name=f"{build.__name__}_zip", reload=reload, **zipped)(build)
        return build

    return decorate


@both("SeqSelfAttention")
def self_attention() -> Any:
    x = Input((6, 4))
    kinds: list[dict[str, Any]] = [
        {"attention_activation": "sigmoid"},
        {"attention_type": "multiplicative", "attention_width": 3},
        {"units": 3, "attention_width": 4, "history_only": True, "use_additive_bias": False, "return_attention": True},
    ]
    outputs = [CLASSES["SeqSelfAttention"](name=f"a{i}", **kind)(x) for i, kind in enumerate(kinds)]
    return Model(x, [*outputs[:2], *outputs[2]])


@both("SeqWeightedAttention", "masks", inputs=padded_tokens(6, 9))
def weighted_attention() -> Any:
    x = Input((6,))
    y = L.Embedding(9, 4, mask_zero=True)(x)
    return Model(x, CLASSES["SeqWeightedAttention"](return_attention=True, name="weighted")(y))


@both("ScaledDotProductAttention", "MultiHeadAttention", "LayerNormalization")
def dot_attention() -> Any:
    x, y = Input((6, 4)), Input((5, 4))
    a = CLASSES["ScaledDotProductAttention"](history_only=True, name="scaled")(x)
    b = CLASSES["MultiHeadAttention"](2, history_only=True, name="heads")(x)
    c = CLASSES["MultiHeadAttention"](2, activation=None, use_bias=False, name="crossed")([x, y, y])
    return Model([x, y], [a, CLASSES["LayerNormalization"](name="norm")(b), c])


@both("MultiHeadAttention", "ScaledDotProductAttention", "masks", inputs=padded_tokens(6, 9))
def masked_dot_attention() -> Any:
    x = Input((6,))
    y = L.Embedding(9, 4, mask_zero=True)(x)
    a = CLASSES["ScaledDotProductAttention"](name="scaled")(y)
    return Model(x, [CLASSES["MultiHeadAttention"](2, name="heads")(y), a])


@both("FeedForward", "TrigPosEmbedding", "PositionEmbedding")
def positions() -> Any:
    x = Input((5, 4))
    outputs = [
        CLASSES["TrigPosEmbedding"](name="t1")(x),
        CLASSES["TrigPosEmbedding"]("concat", 6, name="t2")(x),
        CLASSES["PositionEmbedding"](7, 4, "add", name="p1")(x),
        CLASSES["PositionEmbedding"](7, 3, "concat", name="p2")(x),
    ]
    return Model(x, [*outputs, CLASSES["FeedForward"](5, dropout_rate=0.1, name="f")(x)])


@both("PositionEmbedding", "TrigPosEmbedding", integers=9)
def positions_of_numbers() -> Any:
    x = Input((5,))
    return Model(
        x, [CLASSES["PositionEmbedding"](6, 3, name="p")(x), CLASSES["TrigPosEmbedding"]("expand", 4, name="t")(x)]
    )


@both("Attention")
def attention_of_last_step() -> Any:
    x = Input((6, 4))
    return Model(x, [Attention(5, name="luong")(x), Attention(3, score="bahdanau", name="bahdanau")(x)])
