"""Models that are classes of their authors, whose layers Keras 3 writes by the names of attributes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reconstruct
from reconstruct.artifact import Group, Layer, Tensor, constant
from reconstruct.inference.creation import by_creation, chained
from reconstruct.inference.evidence import gather
from reconstruct.inference.hints import Hints
from reconstruct.inference.infer import infer

keras = pytest.importorskip("keras")
L = keras.layers
RNG = np.random.default_rng(0)


class Autoencoder(keras.Model):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.encoder = keras.Sequential([L.Dense(4, activation="relu"), L.Dense(2, activation="relu")])
        self.decoder = keras.Sequential([L.Dense(4, activation="relu"), L.Dense(3)])

    def call(self, x: Any) -> Any:
        return self.decoder(self.encoder(x))


class Pooled(keras.Model):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = L.Conv2D(4, 3, activation="relu")
        self.dense1 = L.Dense(5, activation="relu")
        self.out = L.Dense(2)
        self.pool = L.GlobalAveragePooling2D()

    def call(self, x: Any) -> Any:
        return self.out(self.dense1(self.pool(self.conv1(x))))


class Dueling(keras.Model):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.dense1 = L.Dense(16, activation="relu")
        self.V = L.Dense(1)
        self.A = L.Dense(4)

    def call(self, x: Any) -> Any:
        x = self.dense1(x)
        advantages = self.A(x)
        return self.V(x) + (advantages - keras.ops.mean(advantages, axis=1, keepdims=True))


class Actor(keras.Model):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = L.Dense(16, activation="relu")
        self.latent = L.Dense(4)

    def call(self, x: Any) -> Any:
        return self.latent(self.fc1(x))


class Critic(keras.Model):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = L.Dense(16, activation="relu")
        self.q = L.Dense(1)

    def call(self, x: Any) -> Any:
        return self.q(self.fc1(keras.ops.concatenate(x, axis=1)))


class Recurrent(keras.Model):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.recurrent = L.LSTM(6)
        self.hidden = L.Dense(5, activation="relu")
        self.last = L.Dense(2)

    def call(self, x: Any) -> Any:
        return self.last(self.hidden(self.recurrent(x)))


def saved(model: Any, x: np.ndarray, path: Path) -> tuple[Path, np.ndarray]:
    outputs = np.asarray(model(x))
    model.save_weights(path)
    return path, outputs


def names(path: Path) -> list[str]:
    return [f.layer.class_name for f in gather(reconstruct.inspect(path)).layers]


@pytest.mark.parametrize(("make", "shape"), [(Autoencoder, (3,)), (Dueling, (6,)), (Pooled, (8, 8, 1))])
def test_layers_are_called_in_the_order_in_which_they_were_made(make: Any, shape: Any, tmp_path: Path) -> None:
    x = RNG.standard_normal((12, *shape)).astype("float32")
    path, outputs = saved(make(), x, tmp_path / "model.weights.h5")
    result = infer(reconstruct.inspect(path), Hints(examples=([x], [outputs]), budget=30))
    assert result.confirmed


@pytest.mark.parametrize("make", [Dueling, Actor])
def test_what_an_author_calls_layers_tells_more_than_the_names_that_keras_gives(make: Any, tmp_path: Path) -> None:
    x = RNG.standard_normal((12, 6)).astype("float32")
    path, outputs = saved(make(), x, tmp_path / "model.weights.h5")
    recovery = reconstruct.recover(path)
    np.testing.assert_allclose(recovery.model(x), outputs, rtol=1e-4, atol=1e-5)


def test_what_makes_numbers_of_images_stands_before_the_first_dense_layer(tmp_path: Path) -> None:
    x = RNG.standard_normal((2, 8, 8, 1)).astype("float32")
    path, _ = saved(Pooled(), x, tmp_path / "model.weights.h5")
    assert names(path) == ["Conv2D", "GlobalAveragePooling2D", "Dense", "Dense"]


def test_the_inputs_of_a_class_are_joined_where_its_first_layer_takes_as_many_numbers(tmp_path: Path) -> None:
    x = [RNG.standard_normal((8, n)).astype("float32") for n in (3, 2)]
    model = Critic()
    outputs = np.asarray(model(x))
    model.save_weights(tmp_path / "critic.weights.h5")
    result = infer(
        reconstruct.inspect(tmp_path / "critic.weights.h5"),
        Hints(input_shape=[[None, 3], [None, 2]], examples=(x, [outputs]), budget=60),
    )
    assert result.confirmed


def test_layers_of_a_class_follow_one_another_as_their_channels_allow(tmp_path: Path) -> None:
    model = Recurrent()
    model(RNG.standard_normal((2, 4, 3)).astype("float32"))
    model.save_weights(tmp_path / "model.weights.h5")
    found = gather(reconstruct.inspect(tmp_path / "model.weights.h5"))
    assert [f.layer.class_name for f in found.layers] == ["LSTM", "Dense", "Dense"]


def test_thousands_of_groups_are_put_in_the_order_of_their_numbers() -> None:
    names = [f"{kind}_{i}" for kind in ("dense", "lstm") for i in range(3000)]
    groups = [Group(name, None, ()) for name in reversed(names)]
    found = [group.name for group in by_creation(groups, lambda base: base)]
    assert sorted(found) == sorted(names)
    for kind in ("dense", "lstm"):
        assert [n for n in found if n.startswith(kind)] == [n for n in names if n.startswith(kind)]


def test_groups_that_were_made_by_turns_stay_as_they_are() -> None:
    def model(name: str, *layers: str) -> Group:
        return Group(name, None, (), tuple(Group(layer, None, ()) for layer in layers))

    groups = [model("b", "dense_1", "lstm"), model("a", "dense", "lstm_1")]
    assert by_creation(groups, lambda base: base) == groups


def test_layers_of_which_no_chain_can_be_made_stay_as_they_are() -> None:
    def kernel(*shape: int) -> dict[str, Tensor]:
        return {"kernel": constant("kernel", np.zeros(shape, "float32"))}

    recurrent = [Layer("LSTM", f"l{i}", {"units": 8}, weights=kernel(8, 32)) for i in range(19)]
    dense = [Layer("Dense", f"d{i}", {"units": 8}, weights=kernel(8, 8)) for i in range(19)]
    last = Layer("Dense", "last", {"units": 3}, weights=kernel(7, 3))  # which nothing gives 7 numbers
    assert chained([*recurrent, *dense, last]) == list(range(39))
