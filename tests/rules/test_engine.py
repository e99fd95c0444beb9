"""The engine that applies rules, and what puts several layers in the place of one."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from reconstruct import rules
from reconstruct.artifact import KERAS_3, Artifact, Call, Finding, Graph, Layer, Ref, Writer, constant
from reconstruct.errors import ConfigError, NotEquivalent
from reconstruct.rules.engine import (
    Change,
    Noted,
    Rule,
    apply,
    before_keras_3,
    keras_1,
    multi_backend,
    rule,
)
from reconstruct.rules.expansion import INPUT, call, chain, op, rename, splice, stock, subgraph
from tests.rules.cases import called, functional, layer, sequential, sketch

WRITER = Writer("2.2.4", "tensorflow")


@rule(layers=("Dense",))
def bigger(layer: Layer) -> Layer:
    """Keras 9 counts one unit more.

    This is not part of the message.
    """
    return layer.having(units=layer.config["units"] + 1)


@rule(layers=("Dense",), effect="neutral")
def nothing(layer: Layer) -> Layer:
    """Keras 9 has this as it is."""
    return layer.having(units=layer.config["units"])


@rule(layers=("Split",))
def split(layer: Layer) -> Layer:
    """Keras 9 splits it."""
    return chain(layer, stock("First", "first"), stock("Second", layer.name))


def run(model: Layer, *rules: Rule, writer: Writer = WRITER) -> tuple[Layer, tuple[Change, ...]]:
    outcome = apply(Artifact("a.h5", "h5-model", writer, model, writer), rules)
    assert outcome.artifact.dialect == KERAS_3
    assert outcome.artifact.writer == writer
    assert outcome.artifact.model is not None
    return outcome.artifact.model, outcome.changes


def dense(name: str, path: str = "") -> Layer:
    return replace(layer("Dense", name, units=1), path=path)


def test_a_change_says_which_rule_where_and_why() -> None:
    model, changes = run(sequential(dense("d", "model/d")), bigger, nothing)
    assert changes == (Change("bigger", "model/d", "preserving", "Keras 9 counts one unit more."),)
    assert model.graph is not None
    assert model.graph["d"].config["units"] == 2


def test_what_does_not_change_stays_the_same_object() -> None:
    whole = sequential(dense("d"), layer("Flatten", "f"))
    assert run(whole, nothing) == (whole, ())
    assert run(whole, nothing)[0] is whole
    model, _ = run(whole, bigger)
    assert model.graph is not None
    assert whole.graph is not None
    assert model.graph["f"] is whole.graph["f"]
    assert whole.graph["d"].config["units"] == 1


def test_rules_reach_wrapped_layers_and_nested_models() -> None:
    wrapper = layer("TimeDistributed", "t").replace(children={"layer": dense("inside", "model/t/layer")})
    nested = functional(layer("InputLayer", "i"), called(dense("deep", "model/n/deep"), "i"), name="n")
    model, changes = run(sequential(wrapper, nested, dense("top", "model/top")), bigger)
    assert [c.path for c in changes] == ["model/t/layer", "model/n/deep", "model/top"]
    assert {n.name: n.config["units"] for n in model.walk() if n.class_name == "Dense"} == {
        "inside": 2,
        "deep": 2,
        "top": 2,
    }


def test_a_model_sees_what_became_of_its_layers() -> None:
    @rule(layers=("Sequential",))
    def count(layer: Layer) -> Layer:
        """Keras 9 counts."""
        assert layer.graph is not None
        return layer.having(total=sum(n.config["units"] for n in layer.graph.layers))

    model, _ = run(sequential(dense("a"), dense("b")), bigger, count)
    assert model.config["total"] == 4


def test_rules_come_in_their_order() -> None:
    @rule(layers=("Dense",))
    def twice(layer: Layer) -> Layer:
        """Keras 9 doubles."""
        return layer.having(units=2 * layer.config["units"])

    assert [c.rule for c in run(sequential(dense("d")), bigger, twice)[1]] == ["bigger", "twice"]
    for order, units in (((bigger, twice), 4), ((twice, bigger), 3)):
        model, _ = run(sequential(dense("d")), *order)
        assert next(n.config["units"] for n in model.walk() if n.name == "d") == units


@pytest.mark.parametrize(
    ("version", "accepts"),
    [
        (None, (True, True, True)),
        ("1.2.2", (True, True, True)),
        ("2.2.4", (True, False, True)),
        ("2.2.4-tf", (True, False, False)),
        ("2.4.0", (True, False, False)),
        ("2.15.0", (True, False, False)),
        ("3.0.0", (False, False, False)),
    ],
)
def test_which_files_a_rule_is_for(version: str | None, accepts: tuple[bool, bool, bool]) -> None:
    writer = Writer(version)
    assert (before_keras_3(writer), keras_1(writer), multi_backend(writer)) == accepts
    for writers, accepted in zip((before_keras_3, keras_1, multi_backend), accepts, strict=True):
        _, changes = run(sequential(dense("d")), replace(bigger, writers=writers), writer=writer)
        assert bool(changes) == accepted


def test_findings_are_collected() -> None:
    found = Finding("odd", "warning", "model/d", "it is odd")

    @rule(layers=("Dense",))
    def note(layer: Layer) -> Noted:
        """Keras 9 notes."""
        return Noted(layer, (found,))

    outcome = apply(Artifact("a.h5", "h5-model", WRITER, sequential(dense("d")), WRITER), [note])
    assert (outcome.findings, outcome.changes) == ((found,), ())


def test_a_refusal_says_where() -> None:
    @rule(layers=("Dense",))
    def refuse(layer: Layer) -> Layer:
        """Keras 9 has none."""
        raise NotEquivalent("no such thing", hint="use another")

    with pytest.raises(NotEquivalent, match="no such thing") as caught:
        run(sequential(dense("d", "model/d")), refuse)
    assert (caught.value.path, caught.value.hint) == ("model/d", "use another")


def test_a_config_that_a_rule_stumbles_over_is_a_clear_error() -> None:
    with pytest.raises(ConfigError, match=r"Dense 'd'.*bigger") as caught:
        run(sequential(replace(layer("Dense", "d", units="many"), path="model/d")), bigger)
    assert caught.value.path == "model/d"


def test_an_effect_that_does_not_exist_is_refused() -> None:
    with pytest.raises(AssertionError):
        rule(effect="good")


def test_a_chain_takes_the_place_of_the_layer_in_a_sequential_model() -> None:
    model, changes = run(sequential(dense("a"), replace(layer("Split", "s"), path="model/s"), dense("b")), split)
    assert sketch(model) == "a = Dense units=1\ns_first = First\ns = Second\nb = Dense units=1"
    assert [n.path for n in model.walk()][2:4] == ["model/s/first", "model/s/s"]
    assert len(changes) == 1


def test_a_chain_in_a_graph_is_wired_for_every_call() -> None:
    twice = called(called(layer("Split", "s"), "i"), "j")
    inputs = layer("InputLayer", "i"), layer("InputLayer", "j")
    add = replace(layer("Add", "add"), calls=(Call(([Ref("s"), Ref("s", 1)],)),))
    model, _ = run(functional(*inputs, twice, add), split)
    assert sketch(model).split("\n") == [
        "i = InputLayer",
        "j = InputLayer",
        "s_first = First(i), (j)",
        "s = Second(s_first), (s_first@1)",
        "add = Add([s, s@1])",
        "-> [add]",
    ]


def test_a_chain_at_the_end_of_a_graph_is_its_output() -> None:
    renamed = chain(layer("Split", "s"), stock("First", "first"), stock("Second", "second"))
    whole = functional(layer("InputLayer", "i"), called(layer("Split", "s"), "i"))
    new = splice(whole, renamed.replace(calls=(Call((Ref("i"),)),)))
    assert sketch(new).split("\n")[1:] == ["s_first = First(i)", "s_second = Second(s_first)", "-> [s_second]"]


def test_a_chain_in_a_wrapper_stays_a_small_model() -> None:
    wrapper = layer("TimeDistributed", "t").replace(children={"layer": layer("Split", "s")})
    model, _ = run(sequential(wrapper), split)
    assert model.graph is not None
    inner = model.graph["t"].children["layer"]
    assert (inner.class_name, inner.name) == ("Sequential", "s")
    assert sketch(inner) == "first = First\ns = Second"


def test_names_of_a_chain_that_are_taken_get_an_underscore() -> None:
    model, _ = run(sequential(layer("Split", "s"), dense("s_first")), split)
    assert model.graph is not None
    assert [n.name for n in model.graph.layers] == ["s_first_", "s", "s_first"]


def test_two_chains_in_one_model() -> None:
    first = called(layer("Split", "a"), "i")
    model, changes = run(functional(layer("InputLayer", "i"), first, called(layer("Split", "b"), "a")), split)
    assert len(changes) == 2
    assert sketch(model).split("\n")[1:] == [
        "a_first = First(i)",
        "a = Second(a_first)",
        "b_first = First(a)",
        "b = Second(b_first)",
        "-> [b]",
    ]


def test_subgraph_has_the_inputs_and_calls_of_the_layer() -> None:
    old = replace(called(layer("Swish", "s"), "i"), path="model/s")
    new = subgraph(old, op("gate", "sigmoid", INPUT), op("out", "multiply", INPUT, Ref("gate")))
    assert (new.name, new.calls) == ("s", old.calls)
    assert sketch(new).split("\n")[1:] == ["gate = sigmoid(input)", "out = multiply(input, gate)", "-> out"]
    assert [n.path for n in new.walk()] == ["model/s", "model/s/input", "model/s/gate", "model/s/out"]
    two = subgraph(old, call(stock("Add", "add"), [Ref("input_0"), Ref("input_1")]), inputs=2, outputs=[Ref("add")])
    assert two.graph is not None
    assert (two.graph.inputs, two.graph.outputs) == ([Ref("input_0"), Ref("input_1")], [Ref("add")])


def test_rename_follows_calls_and_outputs() -> None:
    whole = functional(
        layer("InputLayer", "a/i"), called(layer("Dense", "a/d"), "a/i"), called(layer("Add", "b"), ["a/d"])
    )
    new = rename(whole, {"a/i": "a_i", "a/d": "b", "b": "b"})
    assert sketch(new).split("\n") == ["a_i = InputLayer", "b_ = Dense(a_i)", "b = Add([b_])", "-> [b]"]
    assert new.graph is not None
    assert new.graph.inputs == [Ref("a_i")]
    assert rename(whole, {"a/i": "a/i"}) is whole
    assert rename(sequential(Layer("Dense", "x")), {}).graph == Graph((Layer("Dense", "x"),))


class LSTM:
    """Stands for Keras's, which these tests do not import."""

    __module__ = "keras.src.layers.rnn.lstm"


class Plain(LSTM):
    """Extends it and computes as it does."""


class Other(LSTM):
    """Extends it and computes something else."""

    def call(self, inputs: object) -> object:
        return inputs


@pytest.mark.parametrize(("given", "scaled"), [(Plain, 1.2), (Other, 1.0)])
def test_a_layer_of_a_users_class_is_read_as_the_layer_that_it_extends(given: type, scaled: float) -> None:
    """A field that Keras 3 no longer has goes in any case; what `hard_sigmoid` means is left to a `call` of its own."""
    weights = {
        name: constant(name, np.ones(shape)) for name, shape in (("kernel", (1, 4)), ("recurrent_kernel", (1, 4)))
    }
    config = {"units": 1, "use_bias": False, "recurrent_activation": "hard_sigmoid", "time_major": False}
    mine = Layer(given.__name__, "own", {**config, "name": "own"}, weights=weights, path="model/own")
    model = Layer("Sequential", "model", {}, graph=Graph((mine,)), path="model")
    writer = Writer("2.2.4", "tensorflow")
    artifact = Artifact("x.h5", "h5-model", writer, model, writer)
    done = rules.apply(artifact, rules.RULES, {given.__name__: given}).artifact.model
    assert done is not None
    assert done.graph is not None
    made = done.graph["own"]
    assert made.class_name == given.__name__
    assert "time_major" not in made.config
    assert made.weights["kernel"].read()[0, 0] == pytest.approx(scaled)


def test_what_a_rule_makes_is_seen_by_the_next_that_is_for_it() -> None:
    @rule(layers=("Second",))
    def third(layer: Layer) -> Layer:
        """Keras 9 calls it so."""
        return layer.replace(class_name="Third")

    model, changes = run(sequential(layer("Split", "s")), third, split, third)
    assert sketch(model) == "s_first = First\ns = Third"
    assert [change.rule for change in changes] == ["split", "third"]


def test_a_large_model_takes_no_quadratic_time() -> None:
    layers = [layer("InputLayer", "0")]
    for i in range(1, 2000):
        layers.append(called(layer("Split" if i % 2 else "Dense", str(i), units=1), str(i - 1)))
    started = time.process_time()
    _, changes = run(functional(*layers), split, bigger, *rules.RULES)
    assert len([change for change in changes if change.rule in ("split", "bigger")]) == 1999
    assert time.process_time() - started < 10
