"""What authors usually do decides where shapes allow more, in weights that a genuine tf_keras wrote."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reconstruct

keras = pytest.importorskip("tf_keras")
L = keras.layers
RNG = np.random.default_rng(0)


def conditional_generator() -> Any:
    """A label is joined with an image as one more channel of it."""
    noise, label = L.Input((6,)), L.Input((3,))
    x = L.Reshape((7, 7, 4))(L.LeakyReLU(0.2)(L.Dense(7 * 7 * 4)(noise)))
    y = L.Reshape((7, 7, 1))(L.Dense(49)(label))
    image = L.Conv2D(1, 3, padding="same", activation="tanh")(L.Concatenate()([x, y]))
    return keras.Model([noise, label], image)


def tagger() -> Any:
    layers = [L.Embedding(20, 4), L.Bidirectional(L.LSTM(3, return_sequences=True)), L.TimeDistributed(L.Dense(5))]
    return keras.Sequential([L.Input((None,)), *layers, L.Activation("softmax")])


def colours() -> Any:
    """Nothing is made smaller, and what comes out is as large as what goes in."""
    x = entry = L.Input((12, 12, 1))
    x = L.Conv2D(4, 3, activation="relu", padding="same")(x)
    for filters, activation in ((4, "relu"), (4, "relu"), (3, "sigmoid")):
        x = L.Conv2DTranspose(filters, 3, padding="same", activation=activation)(x)
    return keras.Model(entry, x)


def cropped_by_nothing() -> Any:
    x = entry = L.Input((16, 16, 1))
    x = skip = L.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = L.Conv2D(8, 3, padding="same", activation="relu")(L.MaxPooling2D()(x))
    x = L.Conv2DTranspose(4, 2, strides=2, padding="same")(x)
    x = L.Concatenate()([x, L.Cropping2D(0)(skip)])
    return keras.Model(
        entry, L.Conv2D(1, 1, activation="sigmoid")(L.Conv2D(4, 3, padding="same", activation="relu")(x))
    )


def padded_behind_the_first() -> Any:
    """`padding` is said of all convolutions but the first; without it behind the second, too, as many numbers come."""
    x = [L.Input((48, 48, 1)), L.Conv2D(4, 3, activation="relu")]
    for filters in (4, 0, 8, 8, 0, 8, 8, 0):
        x.append(L.Conv2D(filters, 3, padding="same", activation="relu") if filters else L.MaxPooling2D())
    return keras.Sequential([*x, L.Flatten(), L.Dense(3, activation="softmax")])


def pools_alike() -> Any:
    """Texts seen in three widths: pools of 2, 4 and 4 would leave as many numbers."""
    entry = L.Input((35,))
    words = L.Embedding(20, 4)(entry)
    seen = [L.MaxPooling1D(3)(L.Conv1D(6, width, activation="relu")(words)) for width in (3, 4, 5)]
    x = L.Flatten()(L.Concatenate(axis=1)(seen))
    return keras.Model(entry, L.Dense(2, activation="softmax")(L.Dense(5, activation="relu")(x)))


def features_of_varied_images() -> Any:
    """A model that varies images while it is trained has no weights; what is pooled and flattened at the end are
    features."""
    varied = keras.Sequential([L.RandomFlip("horizontal"), L.RandomRotation(0.1)])
    x = [L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(), L.Conv2D(8, 3, activation="relu"), L.MaxPooling2D()]
    return keras.Sequential([L.Input((20, 20, 3)), L.Rescaling(1 / 255), varied, *x, L.Flatten()])


def pictures_given_back() -> Any:
    hidden = [L.Dense(units, activation="relu") for units in (64, 16, 64)]
    return keras.Sequential([L.Input((784,)), *hidden, L.Dense(784, activation="sigmoid")])


def smaller_and_as_large_again() -> Any:
    """The convolutional autoencoder of the Keras blog: without "same" in one layer 16 become 14, which 28 come of."""

    def layer(filters: int, padding: str = "same") -> Any:
        return L.Conv2D(filters, 3, padding=padding, activation="relu")

    encoder = [n for filters in (6, 4, 4) for n in (layer(filters), L.MaxPooling2D(padding="same"))]
    decoder = [layer(4), L.UpSampling2D(), layer(4), L.UpSampling2D(), layer(6, "valid"), L.UpSampling2D()]
    last = L.Conv2D(1, 3, padding="same", activation="sigmoid")
    return keras.Sequential([L.Input((28, 28, 1)), *encoder, *decoder, last])


def as_many_classes_as_numbers() -> Any:
    """No layer gives fewer numbers than go in, as an autoencoder's would."""
    hidden = [L.Dense(units, activation="relu") for units in (8, 10, 10)]
    return keras.Sequential([L.Input((3,)), *hidden, L.Dense(3, activation="softmax")])


def forecast() -> Any:
    x = [L.Conv1D(8, 2, activation="relu"), L.MaxPooling1D(), L.Flatten(), L.Dense(5, activation="relu"), L.Dense(1)]
    return keras.Sequential([L.Input((4, 1)), *x])


@pytest.mark.parametrize(
    "build",
    [
        *(conditional_generator, tagger, colours, cropped_by_nothing, padded_behind_the_first, pools_alike),
        *(features_of_varied_images, pictures_given_back, forecast),
        *(smaller_and_as_large_again, as_many_classes_as_numbers),
    ],
)
def test_weights_and_input_shapes_tell_what_authors_usually_do(build: Callable[[], Any], tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    original = build()
    path = tmp_path / f"{build.__name__}.h5"
    original.save_weights(path)
    shapes = [tuple(x.shape[1:]) for x in original.inputs]
    words = any(isinstance(n, L.Embedding) for n in original.layers)
    sizes = [tuple(n or 9 for n in shape) for shape in shapes]
    inputs = [RNG.integers(1, 20, (3, *s)) if words else RNG.standard_normal((3, *s)).astype("float32") for s in sizes]
    recovery = reconstruct.recover(path, input_shape=shapes)
    given = inputs if len(inputs) > 1 else inputs[0]
    np.testing.assert_allclose(
        np.asarray(recovery.model(given)), np.asarray(original(given, training=False)), rtol=1e-4, atol=1e-5
    )
