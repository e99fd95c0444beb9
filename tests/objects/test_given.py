"""Values and functions that the user gives: what the genuine code computes, the operations made of it must, too."""

import base64
import functools
import marshal
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
pytest.importorskip("tf_keras")
import keras  # noqa: E402

from reconstruct.artifact import Artifact, Call, Graph, Layer, Ref, Writer  # noqa: E402
from reconstruct.errors import NotEquivalent  # noqa: E402
from reconstruct.objects import custom  # noqa: E402
from reconstruct.objects.given import symbol  # noqa: E402
from reconstruct.objects.symbols import Name  # noqa: E402
from reconstruct.rules import lambdas  # noqa: E402
from reconstruct.rules.engine import Outcome, apply  # noqa: E402
from reconstruct.runtimes import building, keras_3  # noqa: E402

TF_KERAS = Writer("2.9.0", "tensorflow")
SOURCE = """
import math
from functools import partial

import numpy as np
import tensorflow as tf
from keras import ops
from tensorflow.keras import backend as K
from tensorflow.nn import relu as positive

scale = [1.0, 2.0, 3.0]
weights = tf.constant([1.0, 2.0, 3.0])
array = np.array([2.0, 2.0, 2.0])
kind = tf.float32


class Settings:
    def __init__(self):
        self.factor = 3.0

    def scaled(self, x):
        return x * self.factor


settings = Settings()


def inner(x, k=2.0, *, more=1.0):
    return positive(x) * k + more + settings.factor


def closed(by):
    def function(x):
        return K.sum(inner(x, more=by) * weights * array, axis=-1, keepdims=True)

    return function


def aliased(x):
    return ops.tanh(tf.cast(x > 0, kind)) * math.pi


def odd(x):
    return tf.nest.map_structure(tf.identity, x) * 2.0


@tf.function
def compiled(x):
    return x - 1.0


my_norm = closed(0.5)
half = partial(inner, k=0.5)
scaled = settings.scaled
twice = lambda x: x * 2.0
"""
FUNCTIONS = ("inner", "my_norm", "half", "scaled", "aliased", "twice", "compiled")
VALUES = np.array([[0.5, -1.0, 2.0], [-3.0, 0.25, 1.0]], "float32")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("given") / "mine.py"
    path.write_text(SOURCE)
    return custom.load([str(path)])


def _outcome(objects: dict[str, Any], **config: Any) -> Outcome:
    entry = Layer("InputLayer", "entry", {"batch_shape": (None, 3), "dtype": "float32"}, path="model/entry")
    part = Layer("Lambda", "mine", {"name": "mine", **config}, calls=(Call((Ref("entry"),)),), path="model/mine")
    model = Layer("Functional", "model", graph=Graph((entry, part), [Ref("entry")], Ref("mine")), path="model")
    return apply(Artifact("a.h5", "h5-model", TF_KERAS, model, TF_KERAS), lambdas.RULES, objects)


def _named(name: str) -> dict[str, Any]:
    return {"function": name, "function_type": "function", "module": "__main__"}


def _code(function: Callable[..., Any]) -> dict[str, Any]:
    code = base64.b64encode(marshal.dumps(function.__code__)).decode()
    return {"function": [code, None, None], "function_type": "lambda"}


def _computed(outcome: Outcome, objects: dict[str, Any], path: Path) -> np.ndarray:
    """What the model gives after it was written and loaded again."""
    assert outcome.artifact.model is not None
    model = building.build(outcome.artifact.model, {k: v for k, v in objects.items() if callable(v)}).model
    model.save(path / "new.keras")
    return np.asarray(keras.models.load_model(path / "new.keras", safe_mode=True)(VALUES))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_named_function_becomes_operations(name: str, given: dict[str, Any], tmp_path: Path) -> None:
    outcome = _outcome(given, **_named(name))
    assert outcome.artifact.model is not None
    assert "Lambda" not in [n.class_name for n in outcome.artifact.model.walk()]
    np.testing.assert_allclose(_computed(outcome, given, tmp_path), given[name](tf.constant(VALUES)), rtol=1e-5)


def test_code_of_the_file_calls_functions_of_the_user(given: dict[str, Any], tmp_path: Path) -> None:
    outcome = _outcome(given, **_code(lambda x: my_norm(x) + half(x) * scale[2]))  # type: ignore[name-defined]  # noqa: F821
    expected = given["my_norm"](VALUES) + given["half"](VALUES) * 3.0
    np.testing.assert_allclose(_computed(outcome, given, tmp_path), expected, rtol=1e-5)


def test_what_has_no_other_form_stays_a_call(given: dict[str, Any], tmp_path: Path) -> None:
    outcome = _outcome(given, **_named("odd"), arguments={})
    assert outcome.artifact.model is not None
    assert [f.code for f in outcome.findings] == ["lambda_calls_given"]
    assert "map_structure" in outcome.findings[0].message or "tensorflow.identity" in outcome.findings[0].message
    model = building.build(outcome.artifact.model, {"odd": given["odd"]}).model
    np.testing.assert_allclose(model(VALUES), VALUES * 2.0)
    assert not keras_3.is_portable(model)
    again = apply(outcome.artifact.replace(dialect=TF_KERAS), lambdas.RULES, given)
    assert again.changes == ()


def test_what_is_given_and_no_function_is_said() -> None:
    with pytest.raises(NotEquivalent, match="is no function"):
        _outcome({"mine": 3.0}, **_named("mine"))


def test_all_that_is_missing_is_named() -> None:
    with pytest.raises(NotEquivalent, match="'first' of the program") as caught:
        _outcome({}, **_code(lambda x: x * first + second * third(x)))  # type: ignore[name-defined]  # noqa: F821
    assert caught.value.hint == "give them: --custom FILE.py, where FILE.py defines first, second, third"


def test_arrays_lists_and_numbers(tmp_path: Path) -> None:
    objects = {"first": np.array([1.0, 2.0, 3.0]), "second": [2.0, 1.0, 0.0], "third": np.float32(4.0)}
    outcome = _outcome(objects, **_code(lambda x: x * first + second - third))  # type: ignore[name-defined]  # noqa: F821
    expected = VALUES * np.array([1.0, 2.0, 3.0]) + np.array([2.0, 1.0, 0.0]) - 4.0
    np.testing.assert_allclose(_computed(outcome, objects, tmp_path), expected, rtol=1e-6)


def test_nothing_of_the_user_runs() -> None:
    def exploding(x: Any) -> Any:
        if math.pi > 3:
            return x * 2.0
        raise AssertionError("it ran")

    outcome = _outcome({"f": exploding}, **_named("f"))
    assert outcome.artifact.model is not None
    assert "Rescaling" in [n.class_name for n in outcome.artifact.model.walk()]


def test_a_function_that_changes_the_program_around_it_is_not_followed() -> None:
    count = 0

    def counting(x: Any) -> Any:
        nonlocal count
        count = count + 1
        return x * count

    outcome = _outcome({"counting": counting}, **_named("counting"))
    assert [f.code for f in outcome.findings] == ["lambda_calls_given"]
    assert count == 0


@pytest.mark.parametrize(
    ("thing", "path"),
    [
        (tf, "tensorflow"),
        (tf.nn, "tensorflow.nn"),
        (tf.keras.backend, "keras.backend"),
        (keras.ops, "keras.ops"),
        (np, "numpy"),
        (math, "math"),
        (tf.nn.relu, "tensorflow.nn.relu"),
        (tf.reduce_mean, "tensorflow.reduce_mean"),
        (keras.ops.mean, "keras.ops.mean"),
        (keras.layers.Flatten, "keras.layers.Flatten"),
        (tf.float16, "tensorflow.float16"),
        (np.sqrt, "numpy.sqrt"),
        (np.stack, "numpy.stack"),
        (np.float32, "numpy.float32"),
        (math.sqrt, "math.sqrt"),
        (len, "builtins.len"),
    ],
)
def test_what_belongs_to_a_library_is_known_by_name(thing: Any, path: str) -> None:
    assert symbol(thing) == Name(path)


def test_modules_of_the_user_are_read_by_attribute() -> None:
    module = ModuleType("settings")
    module.scale = 2.5  # type: ignore[attr-defined]
    outcome = _outcome({"settings": module}, **_code(lambda x: x * settings.scale))  # type: ignore[name-defined]  # noqa: F821
    assert outcome.artifact.model is not None
    assert outcome.artifact.model.graph is not None
    assert outcome.artifact.model.graph["mine"].config["scale"] == 2.5


def test_partial_functions_take_their_arguments_first() -> None:
    outcome = _outcome({"f": functools.partial(lambda a, x, b=1.0: (x - a) * b, 2.0, b=0.5)}, **_named("f"))
    assert outcome.artifact.model is not None
    assert outcome.artifact.model.graph is not None
    config = outcome.artifact.model.graph["mine"].config
    assert (config["scale"], config["offset"]) == (0.5, -1.0)
