"""Models in a model: the file lists the weights inside, and none of the layers without."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reconstruct
from reconstruct.artifact import Layer
from reconstruct.inference.hints import Hints
from reconstruct.inference.infer import infer

keras = pytest.importorskip("tf_keras")
L = keras.layers


def nested(layers: list[Any], shape: tuple[int, ...], path: Path) -> Path:
    """The weights of a model that calls a model of these layers, as the authors of GANs write it."""
    entry = L.Input(shape)
    model = keras.Model(entry, keras.Sequential(layers)(entry))
    # As if trained: means of channels on both sides of zero, as where no activation stands before the normalisations
    chance = np.random.default_rng(0)
    model.set_weights([w + 0.1 * chance.standard_normal(w.shape) for w in model.get_weights()])
    model.save_weights(path)
    return path


def inferred(path: Path, shape: tuple[int, ...], settings: dict[str, Any] | None = None) -> list[Layer]:
    model = infer(reconstruct.inspect(path), Hints(input_shape=[list(shape)], settings=settings or {})).artifact.model
    assert model is not None
    assert model.graph is not None
    return list(model.graph.layers)


def test_a_generator_enlarges_between_activations_that_are_not_listed(tmp_path: Path) -> None:
    path = nested(
        [
            L.Dense(64 * 8 * 8, activation="relu"),
            L.Reshape((8, 8, 64)),
            L.UpSampling2D(),
            L.Conv2D(64, 4, padding="same"),
            L.BatchNormalization(),
            L.Activation("relu"),
            L.UpSampling2D(),
            L.Conv2D(32, 4, padding="same"),
            L.BatchNormalization(),
            L.Activation("relu"),
            L.Conv2D(3, 4, padding="same", activation="tanh"),
        ],
        (100,),
        tmp_path / "generator.h5",
    )
    found = inferred(path, (100,))
    block = ["UpSampling2D", "Conv2D", "BatchNormalization", "Activation"]
    assert [n.class_name for n in found] == ["InputLayer", "Dense", "Reshape", *block, *block, "Conv2D"]
    activations = [n.config["activation"] for n in found if "activation" in n.config]
    assert activations == ["relu", "linear", "relu", "linear", "relu", "tanh"]
    assert all("activation" not in n.config for n in found if n.class_name == "BatchNormalization")


@pytest.mark.parametrize(("name", "slope"), [("discriminator.h5", 0.2), ("weights.h5", None)])
def test_the_name_of_a_discriminator_tells_its_activations_and_strides(
    name: str, slope: float | None, tmp_path: Path
) -> None:
    path = nested(
        [
            L.Conv2D(16, 3, strides=2, padding="same"),
            L.LeakyReLU(0.2),
            L.Conv2D(32, 3, strides=2, padding="same"),
            L.BatchNormalization(),
            L.LeakyReLU(0.2),
            L.Flatten(),
            L.Dense(1, activation="sigmoid"),
        ],
        (32, 32, 3),
        tmp_path / name,
    )
    found = inferred(path, (32, 32, 3))
    assert [n.config["alpha"] for n in found if n.class_name == "LeakyReLU"] == ([slope] * 2 if slope else [])
    pooled = any("Pooling" in n.class_name for n in found)
    assert pooled is (slope is None)


def test_what_a_generator_makes_is_judged_in_the_same_model(tmp_path: Path) -> None:
    leaky = {"activation": keras.layers.LeakyReLU(0.2)}
    generator = [
        L.Dense(7 * 7 * 32, activation="relu"),
        L.Reshape((7, 7, 32)),
        L.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu"),
        L.Conv2DTranspose(1, 3, strides=2, padding="same", activation="tanh"),
    ]
    strided = [L.Conv2D(filters, 3, strides=2, padding="same", **leaky) for filters in (8, 16, 32)]
    discriminator = [*strided, L.Flatten(), L.Dense(1, activation="sigmoid")]
    entry = L.Input((100,))
    image = keras.Sequential(generator)(entry)
    keras.Model(entry, keras.Sequential(discriminator)(image)).save_weights(tmp_path / "gan.h5")
    found = inferred(tmp_path / "gan.h5", (100,))
    convolutions = [n for n in found if "Conv2D" in n.class_name]
    assert [n.config["strides"] for n in convolutions] == [[2, 2]] * 5
    assert [n.config["padding"] for n in convolutions] == ["same"] * 5
    assert [n.config["activation"] for n in convolutions[:2]] == ["relu", "tanh"]
    assert [n.config["alpha"] for n in found if n.class_name == "LeakyReLU"] == [0.2] * 3


def test_an_activation_behind_a_normalisation_can_be_set(tmp_path: Path) -> None:
    path = nested([L.Dense(8), L.BatchNormalization(), L.Dense(1)], (4,), tmp_path / "w.h5")
    name = next(n.name for n in inferred(path, (4,)) if n.class_name == "BatchNormalization")
    found = inferred(path, (4,), {f"activation_of_{name}.activation": "tanh"})
    assert [n.config["activation"] for n in found if n.class_name == "Activation"] == ["tanh"]
