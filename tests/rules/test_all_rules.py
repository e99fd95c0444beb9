"""Every rule: before becomes after, applying it twice changes nothing more, bystanders stay, and it says why."""

import re
from typing import Any

import numpy as np
import pytest

from reconstruct.artifact import Artifact, Graph, Layer, Writer
from reconstruct.errors import NotEquivalent
from reconstruct.rules import RULES, Rule
from reconstruct.rules.engine import EFFECTS, Outcome, apply
from tests.rules.cases import (
    KERAS_2,
    Case,
    Refusal,
    fields,
    keras_1,
    keras_2,
    known,
    known_addons,
    known_attention,
    known_bert,
    known_crf,
    known_decoders,
    known_distances,
    known_graphs,
    known_hgq,
    known_images,
    known_kapre,
    known_kapre_0_1,
    known_megnet,
    known_optimization,
    known_qkeras,
    known_resizing,
    known_sequences,
    known_small,
    known_tcn,
    known_transformers,
    known_tutorials,
    lambdas,
    layer,
    masks,
    sketch,
    tf_keras,
)

MODULES = (
    keras_1,
    keras_2,
    tf_keras,
    masks,
    lambdas,
    known,
    known_addons,
    known_attention,
    known_bert,
    known_crf,
    known_decoders,
    known_distances,
    known_graphs,
    known_hgq,
    known_images,
    known_kapre,
    known_kapre_0_1,
    known_megnet,
    known_optimization,
    known_qkeras,
    known_resizing,
    known_sequences,
    known_small,
    known_tcn,
    known_transformers,
    known_tutorials,
    fields,
)
CASES: list[Case] = [case for module in MODULES for case in module.CASES]
REFUSALS: list[Refusal] = [case for module in MODULES for case in module.REFUSALS]
BY_NAME = {rule.name: rule for rule in RULES}

ENTRY = layer("InputLayer", "entry", batch_shape=[None, 4], dtype="float32")
BYSTANDER = layer("Dense", "bystander", {"kernel": (4, 2), "bias": (2,)}, units=2, use_bias=True)


def applied(rule: Rule, before: Layer, writer: Writer) -> Outcome:
    """The rule applied to a model of an input, `before`, and a bystander."""
    before = before.replace(path=f"model/{before.name}")
    model = Layer("Sequential", "whole", {"name": "whole"}, graph=Graph((ENTRY, before, BYSTANDER)), path="model")
    return apply(Artifact("a.h5", "h5-model", writer, model, writer), [rule])


def between(outcome: Outcome) -> tuple[Layer, ...]:
    """What stands between the input and the bystander, which must be the very same as before."""
    assert outcome.artifact.model is not None
    assert outcome.artifact.model.graph is not None
    first, *layers, last = outcome.artifact.model.graph.layers
    assert first is ENTRY
    assert last is BYSTANDER
    return tuple(layers)


def described(of: Layer) -> dict[str, Any]:
    """Everything about a layer but its path, with the numbers of its tensors, which must have the shapes they state."""
    weights = {name: t.read() for name, t in of.weights.items()}
    assert {n: a.shape for n, a in weights.items()} == {n: t.shape for n, t in of.weights.items()}
    graph = of.graph
    return {
        "class": of.class_name,
        "name": of.name,
        "config": dict(of.config),
        "package": of.package,
        "weights": {name: np.round(array.astype(float), 5).tolist() for name, array in weights.items()},
        "children": {key: described(child) for key, child in of.children.items()},
        "layers": [described(n) for n in graph.layers] if graph else None,
        "ends": (graph.inputs, graph.outputs) if graph else None,
        "calls": of.calls,
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_before_becomes_after(case: Case) -> None:
    rule = BY_NAME[case.rule]
    outcome = applied(rule, case.before, case.writer)
    layers = between(outcome)
    if isinstance(case.after, str):
        assert sketch(layers[0]).split("\n") == [line.strip("\n") for line in case.after.strip("\n").split("\n")]
        assert len(layers) == 1
    else:
        after = case.after if isinstance(case.after, tuple) else (case.after,)
        assert [described(n) for n in layers] == [described(n) for n in after]
    same = isinstance(case.after, Layer) and described(case.after) == described(case.before)
    assert {change.rule for change in outcome.changes} == (set() if same else {rule.name})
    assert all(change.path.startswith("model") for change in outcome.changes)
    assert [f.code for f in outcome.findings] == ([case.finding] if case.finding else [])

    twice = apply(outcome.artifact, [rule])
    if not case.once:
        again = apply(outcome.artifact.replace(dialect=case.writer), [rule])
        assert again.changes == ()
        assert again.artifact.model is outcome.artifact.model
    assert twice.changes == ()
    assert twice.artifact.model is outcome.artifact.model


@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.rule)
def test_what_keras_3_cannot_say_is_refused(case: Refusal) -> None:
    with pytest.raises(NotEquivalent, match=re.escape(case.says)) as caught:
        applied(BY_NAME[case.rule], case.before, case.writer)
    assert caught.value.path.startswith("model/x")


def test_every_rule_has_a_case() -> None:
    assert set(BY_NAME) == {case.rule for case in CASES}
    assert len(BY_NAME) == len(RULES), "two rules have the same name"
    assert {case.rule for case in REFUSALS} <= set(BY_NAME)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_leaves_other_layers_alone(rule: Rule) -> None:
    other = layer("LSTM", "x", {"kernel": (4, 8), "recurrent_kernel": (2, 8), "bias": (8,)}, units=2)
    other = other.having(activation="tanh", recurrent_activation="sigmoid", use_bias=True)
    for writer in (Writer("3.15.1", "tensorflow"), KERAS_2):
        outcome = applied(rule, other, writer)
        assert outcome.changes == ()
        assert [n.weights for n in between(outcome)] == [other.weights]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_says_what_it_does_and_where_that_is_known_from(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", rule.name)
    assert rule.effect in EFFECTS
    assert rule.message[-1:] == "."
    assert re.search(r"[Kk]eras|k#\d+|\w+\.py", rule.message), rule.message
