"""Graphs of functional models, told by weights that a genuine tf_keras wrote and by the order that it gives layers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reconstruct

keras = pytest.importorskip("tf_keras")
L = keras.layers
RNG = np.random.default_rng(0)


def residual() -> Any:
    """A block around which a convolution leads; only the order by depth tells whose the normalisation is."""
    x = entry = L.Input((8, 8, 3))
    x = y = L.Activation("relu")(L.BatchNormalization()(L.Conv2D(8, 3, padding="same")(x)))
    y = L.Activation("relu")(L.BatchNormalization()(L.Conv2D(16, 3, strides=2, padding="same")(y)))
    y = L.BatchNormalization()(L.Conv2D(16, 3, padding="same")(y))
    x = L.Conv2D(16, 1, strides=2, padding="same")(x)
    x = L.Activation("relu")(L.Add()([x, y]))
    x = L.Flatten()(L.AveragePooling2D(4)(x))
    return keras.Model(entry, L.Dense(5, activation="softmax")(x))


def encoder_and_decoder(cell: str) -> Callable[[], Any]:
    def build() -> Any:
        source, target = L.Input((5, 3)), L.Input((6, 4))
        states = getattr(L, cell)(7, return_state=True)(source)[1:]
        y = getattr(L, cell)(7, return_sequences=True)(target, initial_state=states)
        return keras.Model([source, target], L.Dense(2, activation="softmax")(y))

    return build


def transformer() -> Any:
    """Keras's example of time series: what is normalised first is added to what was not."""
    x = entry = L.Input((6, 4))
    y = L.LayerNormalization(epsilon=1e-6)(x)
    y = L.Dropout(0.1)(L.MultiHeadAttention(2, 3)(y, y))
    x = L.Add()([y, x])
    y = L.LayerNormalization(epsilon=1e-6)(x)
    y = L.Dropout(0.1)(L.Conv1D(4, 1, activation="relu")(y))
    x = L.Add()([L.Conv1D(4, 1)(y), x])
    x = L.GlobalAveragePooling1D(data_format="channels_first")(x)
    return keras.Model(entry, L.Reshape((3, 4))(L.Dense(12)(L.Dense(8, activation="relu")(x))))


def learnt_matrix() -> Any:
    """As in PointNet."""
    x = entry = L.Input((9, 3))
    y = L.GlobalMaxPooling1D()(L.Activation("relu")(L.Conv1D(8, 1)(x)))
    matrix = L.Reshape((3, 3))(L.Dense(9)(y))
    x = L.Dot(axes=(2, 1))([x, matrix])
    x = L.GlobalMaxPooling1D()(L.Activation("relu")(L.Conv1D(16, 1)(x)))
    return keras.Model(entry, L.Dense(4, activation="softmax")(x))


def named_branches() -> Any:
    """Two ends, of which one leaves in the middle, and layers that their author named."""
    x = entry = L.Input((16, 16, 1))
    x = skip = L.Activation("relu", name="down_conv_relu")(L.Conv2D(4, 3, padding="same", name="down_conv")(x))
    x = L.MaxPooling2D(name="down_pool")(x)
    x = middle = L.Activation("relu", name="middle_conv_relu")(L.Conv2D(6, 3, padding="same", name="middle_conv")(x))
    x = L.Concatenate(name="up_skip_concat")([L.UpSampling2D(name="up_interp")(x), skip])
    x = L.Activation("relu", name="up_conv_relu")(L.Conv2D(4, 3, padding="same", name="up_conv")(x))
    heatmap = L.Conv2D(2, 1, name="heatmap")(x)
    y = L.Flatten(name="classification_flatten")(L.GlobalMaxPooling2D(name="classification_global_max")(middle))
    y = L.Activation("relu", name="classification_relu")(L.Dense(5, name="classification_fc")(y))
    return keras.Model(entry, [heatmap, L.Dense(3, activation="softmax", name="classes")(y)])


def letters_and_numbers() -> Any:
    """Two branches of which no name tells a class."""
    state, action = L.Input((3,), name="L1_input"), L.Input((1,), name="L7_input")
    x = L.Activation("relu", name="L3")(L.Dense(8, name="L1")(state))
    y = L.Activation("relu", name="L9")(L.Dense(8, name="L7")(action))
    z = L.Dense(6, activation="relu", name="L11")(L.Concatenate(name="L10")([x, y]))
    return keras.Model([state, action], L.Dense(1, activation="sigmoid", name="out")(z))


@pytest.mark.parametrize(
    "build",
    [
        *(residual, encoder_and_decoder("LSTM"), encoder_and_decoder("GRU"), transformer, learnt_matrix),
        *(named_branches, letters_and_numbers),
    ],
)
def test_weights_and_input_shapes_tell_the_graph(build: Callable[[], Any], tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    original = build()
    original.save_weights(tmp_path / "weights.h5")
    shapes = [tuple(x.shape[1:]) for x in original.inputs]
    inputs = [RNG.standard_normal((3, *shape)).astype("float32") for shape in shapes]
    recovery = reconstruct.recover(tmp_path / "weights.h5", input_shape=shapes)
    ours, theirs = recovery.model(inputs), original(inputs)
    for a, b in zip(as_list(ours), as_list(theirs), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-4, atol=1e-5)


def as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def test_examples_decide_masks_and_what_a_decoder_starts_from(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    source, target = L.Input((5,)), L.Input((6,))
    encoded = L.LSTM(7)(L.Embedding(9, 4, mask_zero=True)(source))
    y = L.Embedding(8, 3, mask_zero=True)(target)
    y = L.LSTM(7, return_sequences=True)(y, initial_state=[encoded, encoded])
    original = keras.Model([source, target], L.TimeDistributed(L.Dense(8, activation="softmax"))(y))
    for weight in original.weights:  # so that outputs tell more than that all words are alike
        weight.assign(RNG.standard_normal(weight.shape))
    original.save_weights(tmp_path / "weights.h5")
    inputs = [RNG.integers(0, 8, (12, n)).astype("float32") for n in (5, 6)]
    np.savez(tmp_path / "e.npz", x0=inputs[0], x1=inputs[1], y0=np.asarray(original(inputs)))
    recovery = reconstruct.recover(tmp_path / "weights.h5", examples=tmp_path / "e.npz")
    assert recovery.status == "verified"
    more = [RNG.integers(0, 8, (5, n)).astype("float32") for n in (5, 6)]
    np.testing.assert_allclose(np.asarray(recovery.model(more)), np.asarray(original(more)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lowest", [0, 1])
def test_masks_that_are_joined_are_open_where_no_example_has_an_index_to_mask(lowest: int, tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    words, kinds = L.Input((6,)), L.Input((6,))
    joined = L.concatenate([L.Embedding(9, 4, mask_zero=True)(words), L.Embedding(5, 3, mask_zero=True)(kinds)])
    original = keras.Model([words, kinds], L.Dense(2)(L.GRU(5)(joined)))
    for weight in original.weights:
        weight.assign(RNG.standard_normal(weight.shape))
    inputs = [RNG.integers(lowest, n, (24, 6)).astype("float32") for n in (9, 5)]
    recovery = of_examples(original, inputs, tmp_path)
    assert any("mask_zero" in a["message"] for a in recovery.report["assumptions"]) == (lowest > 0)
    if lowest == 0:
        assert recovery.status == "verified"


@pytest.mark.parametrize("padded", [False, True])
def test_what_a_masking_leaves_out_is_told_by_padded_examples_alone(padded: bool, tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    original = keras.Sequential([L.Input((6, 3)), L.Masking(-1.0), L.LSTM(5), L.Dense(2)])
    x = RNG.standard_normal((24, 6, 3)).astype("float32")
    if padded:
        x[::2, 4:] = -1.0
    recovery = of_examples(original, [x], tmp_path)
    assert recovery.status == ("verified" if padded else "partial")
    assert any("mask_value" in a["message"] for a in recovery.report["assumptions"]) != padded


def test_inputs_and_outputs_are_in_the_order_of_the_examples(tmp_path: Path) -> None:
    """A file has the deeper input first, and the deeper output last."""
    keras.utils.set_random_seed(1)
    noise, label = L.Input((4,)), L.Input((1,))
    x = L.Multiply()([noise, L.Flatten()(L.Embedding(6, 4)(label))])
    early = L.Dense(2)(x)
    late = L.Dense(3)(L.Dense(5, activation="relu")(x))
    original = keras.Model([noise, label], [late, early])
    inputs = [RNG.standard_normal((12, 4)).astype("float32"), RNG.integers(0, 6, (12, 1)).astype("float32")]
    assert of_examples(original, inputs, tmp_path).status == "verified"


def steps_of_images() -> Any:
    """Of a TimeDistributed without weights a file has the name alone."""
    each = [L.Conv2D(3, 3, activation="relu"), L.MaxPooling2D(), L.Flatten()]
    return keras.Sequential([L.Input((4, 8, 8, 1)), *(L.TimeDistributed(n) for n in each), L.LSTM(5), L.Dense(2)])


def rescaled() -> Any:
    return keras.Sequential(
        [L.Input((8, 8, 3)), L.Rescaling(1 / 127.5, offset=-1), L.Conv2D(4, 3), L.Flatten(), L.Dense(2)]
    )


def value_and_advantages() -> Any:
    entry = L.Input((6,))
    x = L.Dense(9, activation="relu")(entry)
    value, advantages = (L.Dense(n)(L.Dense(7, activation="relu")(x)) for n in (1, 4))
    return keras.Model(entry, L.Add()([value, advantages]))


def gate_for_each_channel() -> Any:
    x = entry = L.Input((8, 8, 3))
    x = L.Conv2D(8, 3, padding="same", activation="relu")(x)
    gate = L.Dense(3, activation="relu")(L.GlobalAveragePooling2D()(x))
    gate = L.Reshape((1, 1, 8))(L.Dense(8, activation="sigmoid")(gate))
    return keras.Model(entry, L.Dense(2)(L.Flatten()(L.Multiply()([x, gate]))))


def small_epsilon() -> Any:
    """1e-6, which is tried first, agrees within the tolerance, and not on small inputs."""
    normal = L.LayerNormalization(epsilon=1e-5)
    return keras.Sequential([L.Input((10,)), L.Dense(16, activation="relu"), normal, L.Dense(3)])


@pytest.mark.parametrize(
    "build", [steps_of_images, rescaled, value_and_advantages, gate_for_each_channel, small_epsilon]
)
def test_what_examples_verify_is_right_on_others(build: Callable[[], Any], tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    original = build()
    for weight in original.weights:
        weight.assign_add(0.1 * RNG.standard_normal(weight.shape))
    shape = (16, *original.input_shape[1:])
    recovery = of_examples(original, [RNG.standard_normal(shape).astype("float32")], tmp_path)
    assert recovery.status == "verified"
    for scale in (0.05, 3.0):
        x = (scale * RNG.standard_normal(shape)).astype("float32")
        np.testing.assert_allclose(np.asarray(recovery.model(x)), np.asarray(original(x)), rtol=1e-4, atol=1e-5)


def test_outputs_that_are_all_the_same_verify_nothing(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    original = keras.Sequential([L.Input((5,)), L.Dense(8, activation="tanh"), L.Dense(3, activation="softmax")])
    original.layers[-1].bias.assign([-60.0, 60.0, -60.0])
    recovery = of_examples(original, [RNG.standard_normal((12, 5)).astype("float32")], tmp_path)
    assert recovery.status == "partial"
    assert any(f["code"] == "outputs_constant" for f in recovery.report["findings"])


def test_what_cannot_be_built_is_held(tmp_path: Path) -> None:
    entry = L.Input((6,))
    x = L.Embedding(9, 4)(entry)
    original = keras.Model(entry, L.Dense(1)(L.GlobalAveragePooling1D()(L.Attention()([x, x]))))
    recovery = of_examples(original, [RNG.integers(0, 9, (12, 6)).astype("float32")], tmp_path)
    assert recovery.status == "partial"
    assert not recovery.report["tensors"]["unused"]


def test_a_file_of_keras_3_has_the_activations_of_keras_3(tmp_path: Path) -> None:
    import keras as keras_3

    dense = keras_3.layers.Dense
    original = keras_3.Sequential([keras_3.Input((6,)), dense(16, activation="gelu"), dense(2)])
    original.save_weights(tmp_path / "m.weights.h5")
    x = RNG.standard_normal((12, 6)).astype("float32")
    np.savez(tmp_path / "e.npz", x0=x, y0=np.asarray(original(x)))
    recovery = reconstruct.recover(tmp_path / "m.weights.h5", examples=tmp_path / "e.npz")
    assert recovery.status == "verified"
    assert all(f["code"] != "known_layer_assumed" for f in recovery.report["findings"])


def of_examples(original: Any, inputs: list[Any], folder: Path) -> reconstruct.Recovery:
    """What is recovered of the weights of a model, with what it gives for these inputs as examples."""
    original.save_weights(folder / "weights.h5")
    outputs = as_list(original(inputs if len(inputs) > 1 else inputs[0]))
    arrays = {f"x{k}": x for k, x in enumerate(inputs)} | {f"y{k}": np.asarray(y) for k, y in enumerate(outputs)}
    np.savez(folder / "e.npz", **arrays)
    return reconstruct.recover(folder / "weights.h5", examples=folder / "e.npz", budget=40)
