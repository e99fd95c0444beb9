"""The facts about stock layers, compared with the Keras that is installed."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import pytest
from keras import layers

from reconstruct import stock

X1, X2, X3 = (4, 3), (6, 6, 3), (4, 4, 4, 3)
BUILT: list[tuple[Any, tuple[int, ...]]] = [
    (layers.Dense(2), X1),
    (layers.Dense(2, use_bias=False), X1),
    (layers.EinsumDense("abc,cd->abd", (None, 2), bias_axes="d"), X1),
    (layers.EinsumDense("abc,cd->abd", (None, 2)), X1),
    (layers.Conv1D(2, 2), X1),
    (layers.Conv2D(2, 2, use_bias=False), X2),
    (layers.Conv3D(2, 2), X3),
    (layers.Conv1DTranspose(2, 2), X1),
    (layers.Conv2DTranspose(2, 2), X2),
    (layers.Conv3DTranspose(2, 2), X3),
    (layers.DepthwiseConv1D(2), X1),
    (layers.DepthwiseConv2D(2, use_bias=False), X2),
    (layers.SeparableConv1D(2, 2), X1),
    (layers.SeparableConv2D(2, 2, use_bias=False), X2),
    (layers.Embedding(5, 2), (4,)),
    (layers.PReLU(), X1),
    (layers.BatchNormalization(), X1),
    (layers.BatchNormalization(scale=False, center=False), X1),
    (layers.LayerNormalization(center=False), X1),
    (layers.GroupNormalization(3), X1),
    (layers.RMSNormalization(), X1),
    (layers.SimpleRNN(2), X1),
    (layers.LSTM(2, use_bias=False), X1),
    (layers.GRU(2), X1),
    (layers.ConvLSTM1D(2, 2), X2),
    (layers.ConvLSTM2D(2, 2), X3),
    (layers.Dropout(0.5), X1),
    (layers.MaxPooling2D(), X2),
]


@pytest.mark.parametrize(("layer", "shape"), BUILT, ids=lambda value: getattr(value, "name", None))
def test_slots_are_the_variables_of_keras_3_in_their_order(layer: Any, shape: tuple[int, ...]) -> None:
    layer.build((None, *shape))
    variables = [v for v in layer.weights if "seed" not in v.path]
    found = stock.slots(type(layer).__name__, layer.get_config())
    assert found is not None
    depthwise = {"depthwise_kernel": "kernel"} if "Depthwise" in type(layer).__name__ else {}  # renamed in Keras 3
    assert [depthwise.get(slot.name, slot.name) for slot in found] == [v.name for v in variables]
    assert [slot.trained for slot in found] == [v.trainable for v in variables]


def test_slots_of_multi_head_attention() -> None:
    layer = layers.MultiHeadAttention(2, 3)
    layer.build((None, *X1), (None, *X1))
    found = stock.slots("MultiHeadAttention", layer.get_config())
    assert found is not None
    assert [slot.name for slot in found] == [v.path.split("/", 1)[1] for v in layer.weights]


def test_every_class_of_keras_is_known() -> None:
    own = {n for n, c in vars(layers).items() if inspect.isclass(c) and issubclass(c, layers.Layer)}
    assert own == stock.LAYERS


def test_every_activation_of_keras_is_known() -> None:
    for name in stock.ACTIVATIONS:
        assert callable(keras.activations.get(name))
    own = {n for n, f in vars(keras.activations).items() if inspect.isfunction(f)} - {"get", "serialize", "deserialize"}
    assert own <= stock.ACTIVATIONS


@pytest.mark.parametrize(
    ("class_name", "config", "major", "names"),
    [
        ("Dense", {}, 1, ["W", "b"]),
        ("Dense", {"bias": False}, 1, ["W"]),
        ("LSTM", {}, 1, ["W_i", "U_i", "b_i", "W_c", "U_c", "b_c", "W_f", "U_f", "b_f", "W_o", "U_o", "b_o"]),
        ("Highway", {"bias": False}, 2, ["W", "W_carry"]),
        ("CuDNNGRU", {}, 2, ["kernel", "recurrent_kernel", "bias"]),
        ("Dense", {"use_bias": False}, 2, ["kernel"]),
        ("Flatten", {}, 2, []),
        ("Attention", {"use_scale": True, "score_mode": "concat"}, 3, ["scale", "concat_score_weight"]),
        ("AdditiveAttention", {}, 3, ["scale"]),
    ],
)
def test_slots_of_older_versions(class_name: str, config: dict[str, Any], major: int, names: list[str]) -> None:
    found = stock.slots(class_name, config, major)
    assert found is not None
    assert [slot.name for slot in found] == names


def test_statistics_of_keras_1_are_not_trained() -> None:
    found = stock.slots("BatchNormalization", {}, 1)
    assert found is not None
    assert [slot.trained for slot in found] == [True, True, False, False]


def test_a_class_that_is_not_stock_has_no_known_slots() -> None:
    assert stock.slots("Mine", {}) is None
