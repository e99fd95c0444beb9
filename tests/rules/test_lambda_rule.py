"""The rules for Lambda layers: which files they are for, what they need to know of the model, and what they report."""

import base64
import json
import marshal
from pathlib import Path
from typing import Any

import pytest

from reconstruct.artifact import KERAS_3, Artifact, Call, Graph, Layer, Ref, Writer
from reconstruct.errors import NotEquivalent
from reconstruct.rules import lambdas
from reconstruct.rules.engine import Outcome, apply

PYTHONS = json.loads((Path(__file__).parents[1] / "objects" / "bytecode.json").read_text())
WRITERS = [Writer("1.2.2", "tensorflow"), Writer("2.2.4", "tensorflow"), Writer("2.9.0", "tensorflow"), KERAS_3]


def _lambda(name: str, version: str = "3.8", **config: Any) -> Layer:
    code = PYTHONS[version][name]["code"]
    function: Any = [code, config.pop("defaults", None), None]
    return Layer(
        "Lambda", "x", {"name": "x", "function": function, "function_type": "lambda", **config}, path="model/x"
    )


def _entry(dtype: str = "float32") -> Layer:
    return Layer("InputLayer", "entry", {"batch_shape": [None, 4, 3], "dtype": dtype}, path="model/entry")


def _functional(*layers: Layer, dtype: str = "float32") -> Layer:
    """The layers one after another, behind an input."""
    chain: list[Layer] = [_entry(dtype)]
    for layer in layers:
        chain.append(layer.replace(calls=(Call((Ref(chain[-1].name),)),)))
    return Layer("Functional", "whole", graph=Graph(tuple(chain), [Ref("entry")], Ref(chain[-1].name)), path="model")


def _applied(model: Layer, writer: Writer = WRITERS[2]) -> Outcome:
    return apply(Artifact("a.h5", "h5-model", writer, model, writer), lambdas.RULES)


def _result(outcome: Outcome, name: str = "x") -> Layer:
    assert outcome.artifact.model is not None
    assert outcome.artifact.model.graph is not None
    return outcome.artifact.model.graph[name]


@pytest.mark.parametrize("writer", WRITERS, ids=str)
@pytest.mark.parametrize("version", PYTHONS)
def test_normalisation_becomes_rescaling(version: str, writer: Writer) -> None:
    layer = _result(_applied(_functional(_lambda("affine", version)), writer))
    assert layer == Layer(
        "Rescaling",
        "x",
        {"name": "x", "scale": 1 / 127.5, "offset": -1.0},
        calls=(Call((Ref("entry"),)),),
        path="model/x",
    )


def test_in_a_sequential_model() -> None:
    model = Layer("Sequential", "whole", graph=Graph((_entry(), _lambda("affine"))), path="model")
    assert _result(_applied(model)).class_name == "Rescaling"


@pytest.mark.parametrize(
    "source",
    [
        Layer("Masking", "m", {"mask_value": 0.0}, path="model/m"),
        Layer("Embedding", "m", {"mask_zero": True}, path="model/m"),
        Layer("Custom", "m", package="my_package", path="model/m"),
    ],
    ids=lambda layer: layer.class_name,
)
def test_a_mask_is_not_handed_on(source: Layer) -> None:
    """Rescaling and Identity hand on masks, and a Lambda layer never did."""
    inside = _result(_applied(_functional(source, _lambda("affine"))))
    assert [n.class_name for n in inside.walk()] == ["Functional", "InputLayer", "Op", "Op"]
    same = _result(_applied(_functional(source, _lambda("identity"))))
    assert (same.class_name, same.config) == ("Op", {"function": "copy"})


def test_a_layer_that_hands_on_masks_is_put_in_a_model() -> None:
    masked = Layer("Masking", "m", {"mask_value": 0.0}, path="model/m")
    named = {"function": "relu", "function_type": "function", "module": "keras.backend"}
    relu = Layer("Lambda", "x", named, path="model/x")
    inside = _result(_applied(_functional(masked, relu)))
    assert [n.class_name for n in inside.walk()] == ["Functional", "InputLayer", "ReLU"]
    assert _result(_applied(_functional(relu))).class_name == "ReLU"


def test_without_masks_nothing_is_something() -> None:
    assert _result(_applied(_functional(_lambda("identity")))).class_name == "Identity"
    plain = Layer("Embedding", "m", {"mask_zero": False}, path="model/m")
    assert _result(_applied(_functional(plain, _lambda("identity")))).class_name == "Identity"


def test_layers_in_wrappers_and_nested_models() -> None:
    inner = _functional(_lambda("affine")).replace(name="inner", path="model/inner")
    wrapper = Layer("TimeDistributed", "steps", children={"layer": _lambda("slices")}, path="model/steps")
    outcome = _applied(_functional(inner, wrapper))
    assert [change.rule for change in outcome.changes].count("lambda_to_operations") == 2
    assert _result(outcome, "inner").graph["x"].class_name == "Rescaling"  # type: ignore[index]
    assert _result(outcome, "steps").children["layer"].is_model


def test_integers_are_told_apart() -> None:
    floats = _result(_applied(_functional(_lambda("defaults", defaults=[3, [1, 2]]))))
    assert [n.config.get("function") for n in floats.walk()] == [None, None, "multiply", "add"]
    operators = _result(_applied(_functional(_lambda("operators"), dtype="int32")))
    assert "float64" in [a for n in operators.walk() for c in n.calls for a in c.args]


def test_applied_twice_it_changes_nothing() -> None:
    random = {"module": "keras.layers", "class_name": "GaussianNoise", "config": {"stddev": 1.0}}
    drawn = Layer("Lambda", "noise", {"function": random, "arguments": {"training": True}}, path="model/noise")
    outcome = _applied(_functional(_lambda("mean"), drawn))
    assert [change.path for change in outcome.changes if change.rule == "lambda_to_operations"] == ["model/x"]
    again = apply(outcome.artifact.replace(dialect=WRITERS[2]), lambdas.RULES)
    assert again.changes == ()
    assert again.artifact.model == outcome.artifact.model


def test_models_without_lambda_layers_are_left_alone() -> None:
    model = _functional(Layer("Dense", "x", {"units": 2}, path="model/x"))
    outcome = _applied(model)
    assert outcome.artifact.model is model
    assert outcome.changes == outcome.findings == ()


def test_what_is_not_translated_names_the_layer_and_shows_the_code() -> None:
    code = _lambda("affine").having(function=[PYTHONS["3.8"]["closure"]["code"], None, [[1.0], None]])
    with pytest.raises(NotEquivalent) as caught:
        _applied(_functional(code))
    assert caught.value.path == "model/x"
    assert "Python 3.8 or 3.9" in caught.value.message
    assert "LOAD_DEREF low" in caught.value.message


def test_functions_that_changed_with_tensorflow_2() -> None:
    """What a resizing of images computes depends on the TensorFlow, which files of old Keras do not name."""
    function = {"function": "resize", "function_type": "function", "module": "tensorflow.python.ops.image"}
    layer = Layer("Lambda", "x", {**function, "arguments": {"size": [2, 2]}}, path="model/x")
    with pytest.raises(NotEquivalent):
        _applied(_functional(layer), WRITERS[1])


def test_values_that_the_user_gives_stand_for_globals() -> None:
    code = base64.b64encode(marshal.dumps((lambda x: x * scale).__code__)).decode()  # type: ignore[name-defined]  # noqa: F821
    model = _functional(_lambda("affine").having(function=[code, None, None]))
    artifact = Artifact("a.h5", "h5-model", WRITERS[2], model, WRITERS[2])
    layer = _result(apply(artifact, lambdas.RULES, {"scale": 0.5}))
    assert (layer.class_name, layer.config["scale"]) == ("Rescaling", 0.5)
    with pytest.raises(NotEquivalent, match="'scale' of the program"):
        apply(artifact, lambdas.RULES)


def test_a_function_named_like_the_layer_stands_for_code_that_is_not_translated() -> None:
    code = _lambda("affine").having(function=[PYTHONS["3.8"]["closure"]["code"], None, [[1.0], None]])
    artifact = Artifact("a.h5", "h5-model", WRITERS[2], _functional(code), WRITERS[2])

    def written(v: Any) -> Any:
        return v * 0.5

    def unwritten(v: Any) -> Any:
        raise NotImplementedError

    assert _result(apply(artifact, lambdas.RULES, {"x": written})).class_name == "Rescaling"
    with pytest.raises(NotEquivalent, match="takes the negative of None"):
        apply(artifact, lambdas.RULES, {"x": unwritten})
