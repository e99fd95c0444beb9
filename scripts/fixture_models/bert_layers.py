"""keras-bert 0.89 on tf_keras, with a mask: the model that it trains, and a classifier on its features."""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras
from keras_bert import get_custom_objects, get_model
from tf_keras import Model
from tf_keras import layers as L

from fixture_models.common import Arrays, Catalogue

catalogue = Catalogue("keras-bert-0.89.0")
SIZES = {"token_num": 9, "pos_num": 6, "seq_len": 6, "embed_dim": 4, "head_num": 2, "feed_forward_dim": 5}


def reload(path: Any) -> Any:
    return tf_keras.models.load_model(str(path), custom_objects=get_custom_objects())


def sentences(rng: np.random.Generator) -> Arrays:
    """Tokens that end in padding, segments, and where words were hidden."""
    tokens, segments, hidden = rng.integers(1, 9, (3, 6)), rng.integers(0, 2, (3, 6)), rng.integers(0, 2, (3, 6))
    tokens[1, -2:], tokens[2, -3:] = 0, 0
    return [a.astype("float32") for a in (tokens, segments, hidden)]


@catalogue.add(
    "TokenEmbedding",
    "PositionEmbedding",
    "MultiHeadAttention",
    "FeedForward",
    "LayerNormalization",
    "EmbeddingSimilarity",
    "Masked",
    "Extract",
    "masks",
    inputs=sentences,
    reload=reload,
)
def bert() -> Any:
    trained = get_model(transformer_num=2, **SIZES)
    features = trained.get_layer("Encoder-2-FeedForward-Norm").output
    return Model(trained.inputs, [*trained.outputs, L.Dense(2)(L.GlobalAveragePooling1D()(features))])
