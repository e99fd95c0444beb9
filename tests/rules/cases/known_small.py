"""Small layers of lessons and of training (`reconstruct/objects/known/`: spectral, training_only, tutorials)."""

from __future__ import annotations

from reconstruct.artifact import Layer
from tests.rules.cases import TF_KERAS, Case, Refusal, layer, sequential

_ASSUMED = "known_layer_assumed"


def before_lstm(of: Layer) -> Layer:
    """The layer in a model that has a mask, which one after it uses."""
    words = layer("Embedding", "words", mask_zero=True)
    return sequential(words, of.replace(path=f"model/x/{of.name}"), layer("LSTM", "last", units=2))


CASES = [
    Case(
        "spectral_layer",
        layer("DenseSN", weights={"kernel": [[3, 0], [0, 4]], "bias": [1, 2], "sn": [[0, 1]]}, units=2, use_bias=True),
        layer("Dense", weights={"kernel": [[0.75, 0], [0, 1]], "bias": [1, 2]}, units=2, use_bias=True),
    ),
    Case(
        "spectral_layer",
        layer("DenseSN", weights={"kernel": (2, 2)}, units=2, use_bias=False),
        layer("DenseSN", weights={"kernel": (2, 2)}, units=2, use_bias=False),
    ),
    Case(
        "gradient_reversal",
        layer("GradientReversal", hp_lambda=0.5),
        layer("Identity"),
        finding="training_only_layer_dropped",
    ),
    Case(
        "gradient_reversal",
        layer("GRL", units=3),
        layer("GRL", units=3),
    ),
    Case(
        "drop_block",
        layer("DropBlock2D", block_size=7, keep_prob=0.9),
        layer("Identity"),
        finding="training_only_layer_dropped",
    ),
    Case(
        "drop_block",
        layer("DropBlock2D", rate=0.9),
        layer("DropBlock2D", rate=0.9),
    ),
    Case(
        "lasting_dropout",
        layer("MCDropout", units=2),
        layer("MCDropout", units=2),
    ),
    Case(
        "end_of_mask",
        before_lstm(layer("NonMasking", "y")),
        """
words = Embedding mask_zero=True
y = Functional
  input = InputLayer
  unmasked = copy(input)
  -> unmasked
last = LSTM units=2
""",
    ),
    Case(
        "end_of_mask",
        layer("NonMasking", value=0),
        layer("NonMasking", value=0),
    ),
    Case(
        "dense_again",
        layer("Linear", weights={"w": (1, 2), "b": (2,)}, units=2),
        layer("Dense", weights={"kernel": (1, 2), "bias": (2,)}, units=2, use_bias=True, activation="linear"),
        finding=_ASSUMED,
    ),
    Case(
        "dense_again",
        layer("MyDenseLayer", weights={"kernel": (1, 2)}, num_outputs=2, activation="relu"),
        layer("Dense", weights={"kernel": (1, 2)}, units=2, use_bias=False, activation="relu"),
        finding=_ASSUMED,
    ),
    Case(
        "dense_again",
        layer("Linear", weights={"w": (1, 2), "b": (1,)}, units=2),
        layer("Linear", weights={"w": (1, 2), "b": (1,)}, units=2),
    ),
]
REFUSALS = [
    Refusal("end_of_mask", before_lstm(layer("NonMasking", "y")), "hands its mask on, perhaps to LSTM", TF_KERAS),
]
