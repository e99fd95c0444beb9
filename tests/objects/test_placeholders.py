"""Placeholders: which layers they take the place of, what they keep, and which shapes their outputs have."""

from __future__ import annotations

from typing import Any

import pytest

from reconstruct import rules
from reconstruct.artifact import Artifact, Call, Graph, Layer, Ref, Writer
from reconstruct.errors import NotEquivalent
from reconstruct.objects import known, placeholders
from reconstruct.objects.missing import missing
from reconstruct.objects.placeholders import Shape
from tests.rules.cases import called, functional, layer, sequential

ENTRY = layer("InputLayer", "entry", batch_shape=[None, 6, 4], dtype="float32")


def the_one(model: Layer) -> Layer:
    """The only placeholder in the model."""
    (found,) = [n for n in model.walk() if placeholders.is_placeholder(n)]
    return found


def shape_before(*after: Layer, inputs: tuple[Shape, ...] = ((None, 6, 4),), **weights: Any) -> Shape:
    """The output shape of an unknown layer called on `inputs` that these layers follow, one after another."""
    model, _ = placeholders.fill(sequential(ENTRY, layer("Mystery", "m", weights), *after), ())
    (shape,) = placeholders.output_shapes(the_one(model), inputs)
    return shape


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ((), (None, 6, 4)),
        ((layer("Dense", "d", {"kernel": (4, 2)}),), (None, 6, 4)),
        ((layer("Dense", "d", {"kernel": (9, 2)}),), (None, 6, 9)),
        ((layer("Dropout", "r", rate=0.5), layer("Dense", "d", {"kernel": (9, 2)})), (None, 6, 9)),
        ((layer("Conv2D", "c", {"kernel": (3, 3, 7, 2)}),), (None, None, 6, 7)),
        ((layer("Conv2D", "c", {"kernel": (3, 3, 2, 8)}, data_format="channels_first"),), (None, 2, 6, 4)),
        ((layer("GlobalAveragePooling1D", "p"),), (None, 6, 4)),
        ((layer("LSTM", "l", {"kernel": (5, 8)}),), (None, 6, 5)),
        ((layer("BatchNormalization", "b", {"gamma": (3,)}, axis=[-1]),), (None, 6, 3)),
    ],
    ids=lambda value: "-".join(n.class_name for n in value) if value and isinstance(value[0], Layer) else None,
)
def test_what_follows_says_the_shape(after: tuple[Layer, ...], expected: Shape) -> None:
    got = shape_before(*after)
    # (None, 2, 6, 4): channels first of rank 4 keeps the last axes of the input
    assert got == expected


def test_a_size_in_the_config_that_is_one_of_its_weights_decides_where_nothing_follows() -> None:
    crf = layer("CRF", "m", {"kernel": (4, 7), "chain": (7, 7)}, units=7)
    model, _ = placeholders.fill(sequential(ENTRY, crf), ())
    assert placeholders.output_shapes(the_one(model), [(None, 6, 4)]) == [(None, 6, 7)]


def test_pooling_over_time_is_seen_in_a_nested_model_that_takes_vectors() -> None:
    inner = functional(layer("InputLayer", "i", batch_shape=[None, 4]), called(layer("Dense", "d"), "i"), name="inner")
    assert shape_before(inner) == (None, 4)


def test_opened_placeholders_take_only_the_last_axis_from_their_input() -> None:
    model, _ = placeholders.fill(sequential(ENTRY, layer("Mystery", "m")), ())
    assert placeholders.output_shapes(the_one(placeholders.opened(model)), [(None, 6, 4)]) == [(None, None, 4)]


def test_several_outputs_have_a_shape_each() -> None:
    parts = (
        ENTRY,
        called(layer("Mystery", "m"), "entry"),
        layer("Dense", "a", {"kernel": (3, 1)}).replace(calls=(Call((Ref("m", 0, 0),)),)),
        layer("Dense", "b", {"kernel": (5, 1)}).replace(calls=(Call((Ref("m", 0, 1),)),)),
    )
    model, _ = placeholders.fill(functional(*parts), ())
    assert placeholders.output_shapes(the_one(model), [(None, 6, 4)]) == [(None, 6, 3), (None, 6, 5)]


def test_everything_the_file_says_is_kept() -> None:
    inner = layer("Dense", "d", {"kernel": (4, 2)}, units=2)
    strange = layer("Strange", "s", {"axis": (2,)}, turns=3).replace(children={"layer": inner}, package="Mine>Strange")
    model, (finding,) = placeholders.fill(sequential(ENTRY, strange), ())
    made = the_one(model)
    assert made.config["original"] == {
        "class_name": "Strange",
        "registered_name": "Mine>Strange",
        "config": {"name": "s", "turns": 3},
        "layers": {"layer": {"class_name": "Dense", "config": {"name": "d", "units": 2}}},
    }
    assert {name: t.sources for name, t in made.weights.items()} == {"axis": ("/axis",), "d/kernel": ("/kernel",)}
    assert (finding.code, finding.severity) == ("missing_layer", "error")


def test_a_wrapper_of_a_missing_cell_is_one_placeholder() -> None:
    rnn = layer("RNN", "r").replace(children={"cell": layer("MyCell", "c", {"kernel": (4, 3)}, units=3)})
    model, _ = placeholders.fill(sequential(ENTRY, rnn), ())
    made = the_one(model)
    assert (made.name, made.config["missing"]["name"], list(made.weights)) == ("r", "MyCell", ["c/kernel"])


def test_what_is_known_is_left_alone() -> None:
    model = sequential(ENTRY, layer("Mystery", "m"), layer("Activation", "a", activation="mine"))
    filled, findings = placeholders.fill(model, {"Other>Mystery", "mine"})
    assert filled == model
    assert findings == []


def test_a_layer_without_an_equivalent_is_no_missing_code() -> None:
    made = placeholders.refused(layer("LSTM"), NotEquivalent("no form", hint="do something"))
    assert made.config["missing"] == {
        "kind": "equivalent",
        "name": "LSTM",
        "message": "no form",
        "hint": "do something",
    }


def test_calls_keep_their_tensors_only() -> None:
    mystery = called(layer("Mystery", "m"), "entry", "entry", training=True, state="entry")
    model, _ = placeholders.fill(Layer("Functional", "f", graph=Graph((ENTRY, mystery), [Ref("entry")], Ref("m"))), ())
    made = the_one(model)
    assert made.calls == (Call(([Ref("entry")] * 3,)),)
    assert made.config["arguments"] == ["inputs", "input_1", "training", "state"]


@pytest.mark.parametrize("name", ["Attention", "MultiHeadAttention"])
def test_a_class_that_has_only_the_name_of_one_of_keras_is_missing(name: str) -> None:
    lacks = missing(layer(name, "a", dtype="float32"))
    assert lacks is not None
    assert lacks.kind == "layer"


def test_a_class_of_tutorials_has_one_output() -> None:
    """Where the second is used, as of an attention that returns its weights too, it is another class of that name."""
    attention = layer("Attention", "a", weights={"att_weight": [[1.0]] * 4, "att_bias": [[0.0]] * 6})
    attention = attention.replace(calls=(Call((Ref("entry"),)),))
    writer = Writer("2.15.0", "tensorflow")
    for used, becomes in (((Ref("a"),), False), ((Ref("a"), Ref("a", 0, 1)), True)):
        model = Layer("Functional", "model", graph=Graph((ENTRY, attention), (Ref("entry"),), used))
        outcome = rules.apply(Artifact("a.h5", "h5-model", writer, model, writer), known.RULES)
        assert outcome.artifact.model is not None
        left = [n.class_name for n in outcome.artifact.model.walk() if n.class_name == "Attention"]
        assert bool(left) == becomes
