"""Weights of agents, as keras-rl's examples save them: one step or a few frames are flattened or turned first."""

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


def dense(*units: int, last: str = "linear") -> list[Any]:
    activations = [*["relu"] * (len(units) - 1), last]
    return [layer for n, a in zip(units, activations, strict=True) for layer in (L.Dense(n), L.Activation(a))]


def inferred(layers: list[Any], path: Path) -> list[Layer]:
    keras.Sequential(layers).save_weights(path, save_format="h5")
    model = infer(reconstruct.inspect(path), Hints()).artifact.model
    assert model is not None
    assert model.graph is not None
    return list(model.graph.layers)


def last_activation(layers: list[Layer]) -> object:
    return next(n.config["activation"] for n in reversed(layers) if n.class_name == "Activation")


@pytest.mark.parametrize("name", ["dqn_CartPole-v0_weights.h5f", "ddpg_Pendulum-v0_weights_actor.h5f"])
def test_a_step_is_flattened_and_values_have_no_bounds(name: str, tmp_path: Path) -> None:
    found = inferred([L.Flatten(input_shape=(1, 4)), *dense(16, 16, 2)], tmp_path / name)
    assert found[0].config["batch_shape"] == [None, 1, 4]
    assert last_activation(found) == "linear"


def test_frames_are_turned_and_what_a_known_network_ends_with_needs_no_activation(tmp_path: Path) -> None:
    seen = [L.Permute((2, 3, 1), input_shape=(4, 84, 84))]
    for filters, kernel, strides in ((32, 8, 4), (64, 4, 2), (64, 3, 1)):
        seen += [L.Conv2D(filters, kernel, strides=strides), L.Activation("relu")]
    found = inferred([*seen, L.Flatten(), *dense(512, 4)], tmp_path / "weights.h5")
    assert found[0].config["batch_shape"] == [None, 4, 84, 84]
    assert found[1].config["dims"] == [2, 3, 1]
    assert last_activation(found) == "linear"


def test_examples_tell_how_a_function_scales_what_an_actor_gives(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    layers = [L.Input((3,)), L.Dense(8, activation="relu"), L.Dense(2, activation="tanh"), L.Lambda(lambda x: x * 2)]
    original = keras.Sequential(layers)
    original.save_weights(tmp_path / "actor.h5")
    x = np.random.default_rng(0).standard_normal((9, 3)).astype("float32")
    np.savez(tmp_path / "examples.npz", x0=x, y0=original(x))
    recovery = reconstruct.recover(tmp_path / "actor.h5", examples=tmp_path / "examples.npz")
    assert recovery.result.status == "partial"  # the function may do more than scale
    assert [a["path"] for a in recovery.result.assumptions] == ["model/lambda"]
    np.testing.assert_allclose(recovery.model(x * 3), original(x * 3), rtol=1e-4, atol=1e-5)


def test_pictures_are_flattened(tmp_path: Path) -> None:
    found = inferred([L.Flatten(input_shape=(28, 28)), *dense(8, 3, last="softmax")], tmp_path / "weights.h5")
    assert found[0].config["batch_shape"] == [None, 28, 28]
