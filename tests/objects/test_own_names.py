"""Names of Keras's own that the user gives, and arguments that no file holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reconstruct.artifact import Artifact, Graph, Layer, Tensor, Writer
from reconstruct.objects import own_names, training_parts, unsaved


def _model(*layers: Layer) -> Layer:
    return Layer("Sequential", "model", graph=Graph(layers))


def _artifact(model: Layer, keras: str = "2.2.4") -> Artifact:
    writer = Writer(keras, "tensorflow")
    return Artifact("a.h5", "h5-model", writer, model, writer)


def relu(x: float) -> float:
    return 2 * x


def test_a_function_given_is_meant_where_a_stock_layer_names_it() -> None:
    given = own_names.beside_keras({"relu": relu})
    dense = Layer("Dense", "d", {"activation": "relu"}, path="model/d")
    artifact, findings = own_names.preferred(_artifact(_model(dense)), given)
    assert artifact.model is not None
    changed = next(n for n in artifact.model.walk() if n.name == "d")
    assert given[changed.config["activation"]](3) == 6
    assert [f.message for f in findings] == ["relu is the function that was given, and not Keras's own of that name"]


def test_without_such_a_function_nothing_changes() -> None:
    before = _artifact(_model(Layer("Dense", "d", {"activation": "relu"})))
    after, findings = own_names.preferred(before, own_names.beside_keras({"mine": relu}))
    assert after is before
    assert not findings


def test_which_keras_had_which_activation() -> None:
    assert own_names.had_activation(Writer("2.2.4", "tensorflow"), "relu")
    assert not own_names.had_activation(Writer("2.3.1", "tensorflow"), "swish")
    assert not own_names.had_activation(Writer("2.2.4-tf", "tensorflow"), "swish")
    assert own_names.had_activation(Writer("2.4.0", "tensorflow"), "gelu")


class Mix:
    def __init__(self, alpha: float = 0.5, kernel_initializer: str = "zeros", unused: int = 3, **options: Any) -> None:
        self.alpha = alpha


class Saved(Mix):
    def __init__(self, units: int = 4, beta: float = 0.5) -> None:
        self.units, self.beta = units, beta


def test_arguments_that_the_file_does_not_hold_are_a_doubt() -> None:
    finding = unsaved.doubt(_model(Layer("Mix", "mix", {"name": "mix"})), {"Mix": Mix})
    assert finding is not None
    assert "mix.alpha=0.5;" in finding.message
    assert "unused" not in finding.message


def test_no_doubt_of_a_class_that_saved_its_arguments() -> None:
    assert unsaved.doubt(_model(Layer("Saved", "s", {"units": 2})), {"Saved": Saved}) is None
    assert unsaved.doubt(_model(Layer("Mix", "mix", {})), {}) is None


class Handed(Mix):
    """Its arguments are those of its base, and those it takes out of the rest."""

    def __init__(self, units: int = 4, **options: Any) -> None:
        self.units, self.beta, self.bias = units, options.pop("beta", 0.25), options["shift"]
        options["stored"] = 1
        super().__init__(**options)

    def get_config(self) -> dict[str, Any]:
        return {"units": self.units}


def test_arguments_that_a_config_forgets_or_a_base_has_are_a_doubt() -> None:
    finding = unsaved.doubt(_model(Layer("Handed", "h", {"name": "h", "units": 2})), {"Handed": Handed})
    assert finding is not None
    assert ": h.beta=0.25, h.shift=…, h.alpha=0.5;" in finding.message


class Shifted:
    def __init__(self, power: int = 3, bias: float = 1.0, use_bias: bool = True, units: int | None = None) -> None:
        self.all = power, bias, use_bias, units


def test_a_number_that_a_weight_has_as_a_side_is_told_by_it_only_where_it_is_a_size() -> None:
    three = Tensor("W", (3, 1), "float32", lambda: np.ones((3, 1), "float32"))
    finding = unsaved.doubt(_model(Layer("Shifted", "s", {}, weights={"W": three})), {"Shifted": Shifted})
    assert finding is not None
    assert ": s.power=3, s.bias=1.0;" in finding.message


class Attention:
    def __init__(self, return_sequences: bool = True, name: str | None = None, **options: Any) -> None:
        self.return_sequences = return_sequences


def test_whether_sequences_are_returned_is_a_doubt_unless_what_follows_takes_only_them() -> None:
    one = Tensor("W", (3, 1), "float32", lambda: np.ones((3, 1), "float32"))  # True is no size, though it equals 1
    layer = Layer("Attention", "a", {"name": "a"}, weights={"W": one})
    finding = unsaved.doubt(_model(layer, Layer("Dense", "d", {"units": 2})), {"Attention": Attention})
    assert finding is not None
    assert "a.return_sequences=True" in finding.message
    assert unsaved.doubt(_model(layer, Layer("LSTM", "r", {"units": 2})), {"Attention": Attention}) is None


def test_parts_for_training_are_found_at_any_depth() -> None:
    constraint = {"class_name": "Clip", "config": {"value": 1}}
    own = {"class_name": "function", "config": "my_init", "registered_name": "my_init"}
    cell = {"class_name": "Cell", "config": {"recurrent_initializer": own}}
    model = _model(Layer("Dense", "d", {"kernel_constraint": constraint, "kernel_initializer": "zeros", "cell": cell}))
    assert training_parts.parts(model) == [
        training_parts.Part("Clip", "constraint", ("value",)),
        training_parts.Part("zeros", "initializer", None),
        training_parts.Part("my_init", "initializer", None),
    ]


def test_what_follows_a_layer_is_looked_at_for_classes_of_the_users_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a model of hundreds of layers that takes minutes, and every recovery asks for doubts."""
    monkeypatch.setattr(unsaved.placeholders, "expected", lambda graph, name: pytest.fail(f"{name} was looked at"))
    assert unsaved.doubt(_model(Layer("Dense", "d", {"units": 2}), Layer("ReLU", "r", {})), {"Mine": relu}) is None
