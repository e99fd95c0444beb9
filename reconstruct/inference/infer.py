"""From a file of weights to a model: evidence, wiring, form and values, in this order."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reconstruct.artifact import KERAS_3, Artifact, Finding, Graph, Layer, Writer
from reconstruct.inference.agreement import split
from reconstruct.inference.assembly import assembled
from reconstruct.inference.assumptions import (
    assumption,
    findings_of,
    of_functions,
    of_inputs,
    of_numbers,
    of_orders,
    of_structure,
    unmet,
)
from reconstruct.inference.channels import taken_by
from reconstruct.inference.context import Context, inner
from reconstruct.inference.entries import starts_of
from reconstruct.inference.evaluator import Evaluator
from reconstruct.inference.evidence import Evidence, gather, with_inputs
from reconstruct.inference.flat import by_flat_images
from reconstruct.inference.forms import forms, relaxed
from reconstruct.inference.forward import Weights
from reconstruct.inference.hints import Hints
from reconstruct.inference.known import readings
from reconstruct.inference.last import softmax_witness, told_by_name
from reconstruct.inference.moments import Moments
from reconstruct.inference.numerical import discriminates
from reconstruct.inference.opened import Key, Open, Values, opened
from reconstruct.inference.plain import plainest
from reconstruct.inference.ranges import given
from reconstruct.inference.search import Search
from reconstruct.inference.shapes import ENLARGING, MERGING, Shape, pools, spatial
from reconstruct.inference.states import encodes, with_states
from reconstruct.inference.structure import Form, Wiring
from reconstruct.inference.tied import tied
from reconstruct.inference.undecided import refined, undecided, undecided_forms, undecided_orders
from reconstruct.inference.unlisted import activated
from reconstruct.inference.wiring import contexts, orders, wirings
from reconstruct.objects.missing import Missing
from reconstruct.objects.placeholders import is_placeholder, placeholder

STRUCTURE_SECONDS = 20.0  # of computing, as those of graphs
UNAIDED_SECONDS = 30.0  # for all structures together, where no examples are to be searched
GRAPH_SECONDS = 5.0
FORMS_LEFT_SECONDS = 5.0  # for other forms that agree with the examples as well
WIRING_SHARE = 0.3  # of the time, in computing, for what is called on what
FORMS_AT_ONCE = 4
LOOK_SECONDS = 5.0  # in one round, for wirings that were not looked at before
_MORE = "say what shape its inputs have (--input-shape), or give --examples"
_LESS = "correct --input-shape: one for each input, in their order; without any, the report lists what fits"
MOST_ALIKE = 40  # forms whose layers treat the sides of square images unlike, all of a kind alike


@dataclass(frozen=True)
class Inferred:
    """A model that the tensors are those of, in the form of `artifact.dialect`.

    `assumptions` are the choices that nothing decided. `examples_agree` is None without examples, else whether the
    deciding ones agree; `held_back` is how many confirmed it.
    """

    artifact: Artifact
    assumptions: tuple[Mapping[str, Any], ...] = ()
    findings: tuple[Finding, ...] = ()
    examples_agree: bool | None = None
    confirmed: bool = False
    held_back: int = 0


def infer(artifact: Artifact, hints: Hints, say: Callable[[str], None] = lambda text: None) -> Inferred:
    """The most plausible model for a file that holds weights alone, or the one that its user's examples decide."""
    until = time.monotonic() + (hints.budget if hints.examples is not None else min(hints.budget, UNAIDED_SECONDS))
    evidence = with_inputs(gather(artifact), hints.shapes)
    dialect = _dialect(artifact)
    weights = Weights()
    base = _context(evidence, dialect, artifact, hints, weights)
    known = readings(evidence, artifact)
    moments = Moments(weights, dialect.major < 3)
    candidates = _forms(known, base, moments, hints, until)
    if hints.examples is None:
        first = next(candidates, None)
        if first is None and hints.input_shape is not None:
            reason = f"no model was found that takes inputs of {' and '.join(map(_said, hints.input_shape))}, as said"
            return _held(artifact, evidence, reason, _LESS)
        if first is None:
            return _held(artifact, evidence, "no model was found that all shapes fit")
        best = opened(*first)
        values = by_flat_images(best, best.best(), Evaluator(weights, dialect.major < 3))
        return _inferred(artifact, evidence, dialect, best, values, first[1], hints)
    examples = split(*hints.examples)
    evaluator = Evaluator(weights, dialect.major < 3)
    found = Search(evaluator, examples, until, say).run(opened(f, c) for f, c in candidates)
    if found is None:
        # What the shapes of the examples do not fit has all tensors all the same
        without = [replace(hints, examples=None, input_shape=shapes) for shapes in (hints.shapes, hints.input_shape)]
        first = next((f for h in without for f in _forms(known, base, moments, h, until + 10)), None)
        if first is None:
            return _held(artifact, evidence, "no model was found that fits shapes and examples")
        best = opened(*first)
        result = _inferred(artifact, evidence, dialect, best, best.best(), first[1], hints)
        return replace(result, examples_agree=False)
    left = None
    unsure: list[Mapping[str, Any]] = []
    if found.solved:
        found = refined(evaluator, examples, found, until + 5)
        left = undecided(evaluator, examples, found, until + 5)
        fitting = undecided_forms(evaluator, examples, found, time.monotonic() + FORMS_LEFT_SECONDS)
        unsure += of_structure(found.open.form, fitting)
        unsure += of_orders(undecided_orders(evaluator, examples, found))
    around = contexts(found.open.form.wiring, base)
    result = _inferred(artifact, evidence, dialect, found.open, found.values, around, hints, left)
    return replace(
        result,
        assumptions=(*result.assumptions, *unsure),
        examples_agree=found.solved,
        confirmed=found.confirmed,
        held_back=examples.held_back if found.solved else 0,
    )


def _dialect(artifact: Artifact) -> Writer:
    """The Keras whose meaning the choices have. Tensors of Keras 1 are brought to the form of Keras 2 at once."""
    if not artifact.lists_layers:
        return KERAS_3
    return Writer("2.0.9", "tensorflow") if artifact.writer.major < 2 else artifact.writer


def _context(evidence: Evidence, dialect: Writer, artifact: Artifact, hints: Hints, weights: Weights) -> Context:
    version = dialect.version
    era = "since"
    if version < (2, 3, 0):
        era = "between" if dialect.is_tf_keras else "before_2_3"
    layers = [inner(f.layer) for f in evidence.layers if f.layer.weights or f.layer.children]
    witness = 0.0
    if layers and layers[-1].class_name == "Dense" and "bias" in layers[-1].weights:
        bias = weights(layers[-1].weights["bias"])
        witness = softmax_witness(bias) if bias.size > 1 else 0.0
    first = taken_by(layers[0]) if layers and not spatial(layers[0].class_name) else None
    entered = first.channels if first is not None else None
    given = (hints.shapes or [None])[0]
    called = Path(artifact.source).name
    units = [n.weights["kernel"].shape[-1] for n in layers if n.class_name == "Dense" and "kernel" in n.weights]
    return Context(
        entered=entered,
        narrows=min(units, default=0) < (entered or 0),
        steps=given[0] if given is not None and len(given) == 2 else None,
        version=version,
        era=era,
        softmax=witness,
        task=hints.task,
        told=told_by_name(called),
        called=evidence.called,
        discriminates=discriminates(called),
        encodes=encodes(called),
    )


def _forms(
    known: Sequence[Evidence], base: Context, moments: Moments, hints: Hints, until: float
) -> Iterator[tuple[Form, list[Context]]]:
    """The forms of all wirings: a few of each in turn, more of the likelier ones.

    To find that a wiring has no form may take long: where some have taken `LOOK_SECONDS`, the next ones wait for more
    forms of those before.
    """
    wired = time.thread_time() + (until - time.monotonic()) * WIRING_SHARE
    targets = None if hints.examples is None else [y.shape[1:] for y in hints.examples[1]]
    waiting = [
        _forms_of(ordered, base, moments, hints, until)
        for each in known
        for simple in wirings(each, wired)
        for wiring in with_states(simple, base.encodes)
        for complete in activated(wiring, moments, hints.settings, each.lists_all)
        for ordered in orders(complete, hints.shapes, targets)
    ]
    live: list[Iterator[tuple[Form, list[Context]]]] = []
    portion = FORMS_AT_ONCE
    while (live or waiting) and time.monotonic() < until:
        before, live, looked = live, [], 0.0
        while before or (waiting and looked < LOOK_SECONDS):
            new = not before
            stream = waiting.pop(0) if new else before.pop(0)
            started = time.monotonic()
            taken = list(itertools.islice(stream, max(1, portion // 4) if live else portion))
            looked += time.monotonic() - started if new else 0.0
            yield from taken
            if taken:
                live.append(stream)
        portion *= 2 if live else 1


def _forms_of(
    wiring: Wiring, base: Context, moments: Moments, hints: Hints, until: float
) -> Iterator[tuple[Form, list[Context]]]:
    targets: list[Shape | None] = [None] * len(wiring.outputs)
    if hints.examples is not None:
        targets = [tuple(y.shape[1:]) for y in hints.examples[1]]
        if len(wiring.outputs) != len(targets):
            return
    around = contexts(wiring, replace(base, target=targets[0] if hints.examples is not None else None))
    told = dict(moments.told(wiring))
    if hints.examples is not None:
        told |= {i: given(y) for i, y in zip(wiring.outputs, hints.examples[1], strict=True)}
    around = [
        replace(c, fixed=hints.fixed(wiring.nodes[i].layer.name), measured=told.get(i, {}))
        for i, c in enumerate(around)
    ]
    known = [replace(c, guessed=hints.shapes is None) for c in around]
    complete = all(n.layer.class_name != "GAP" for n in wiring.nodes)
    for sizes in ("open", "square", "any"):
        starts = starts_of(wiring, hints, sizes)
        if starts is None or time.monotonic() > until or (sizes == "any" and wiring.cost):
            return
        seconds = GRAPH_SECONDS if wiring.cost else STRUCTURE_SECONDS
        found = forms(wiring, known, starts, targets, until, seconds)
        if hints.shapes is not None and all(len(starts[i]) == 1 for i in wiring.inputs):
            start = [starts[i][0][0] for i in wiring.inputs]
            alike = tied(wiring, known, start, targets, until)
            sizeless = relaxed(wiring, known, start, targets, until, GRAPH_SECONDS) if _any_size(wiring) else iter(())
            if hints.examples is not None:  # which may want any of them
                found = _alternating(alike, found, sizeless)
            else:
                found = _first_of(sizeless, plainest(found, alike, known) if complete else found, alike)
        elif hints.examples is None and complete:
            found = plainest(found, iter(()), known)
        any_found = False
        for form in found:
            any_found = True
            yield form, around
        pooled = any(n.layer.class_name.endswith("Pooling2D") for n in wiring.nodes)
        if pooled and (hints.examples is not None or (hints.shapes is not None and not any_found)):
            apart = [replace(c, oblong=True) for c in around]
            start = [starts[i][0][0] for i in wiring.inputs]
            alike = itertools.islice(tied(wiring, apart, start, targets, until), MOST_ALIKE)
            unlike = forms(wiring, apart, starts, targets, until, seconds)
            yield from ((form, apart) for form in itertools.chain(alike, unlike))
        if any_found or hints.shapes is not None:
            return


def _any_size(wiring: Wiring) -> bool:
    """Whether nothing tells the heights, widths and lengths of the layers, as the weights behind Flatten do and what is
    merged with something else, or made smaller and larger again."""
    names = [n.layer.class_name for n in wiring.nodes]
    larger = sum(name in ENLARGING for name in names)
    if larger > 1 or (larger and any(map(pools, names))):
        return False
    return not any(inner(n.layer).class_name in (*_FIXED_SIZES, *MERGING, "Unknown") for n in wiring.nodes)


_FIXED_SIZES = "Dense Flatten Reshape Permute RepeatVector".split()


def _first_of(*streams: Iterator[Form]) -> Iterator[Form]:
    """All of the first stream that has anything."""
    for stream in streams:
        form = next(stream, None)
        if form is not None:
            yield form
            yield from stream
            return


def _alternating(*streams: Iterator[Form]) -> Iterator[Form]:
    """One form of each in turn, none looked for before it is wanted."""
    left = list(streams)
    while left:
        for stream in list(left):
            form = next(stream, None)
            if form is None:
                left.remove(stream)
            else:
                yield form


def _inferred(
    artifact: Artifact,
    evidence: Evidence,
    dialect: Writer,
    each: Open,
    values: Values,
    around: Sequence[Context],
    hints: Hints,
    left: list[tuple[Key, list[Any]]] | None = None,
) -> Inferred:
    form = each.form
    layers = each.layers(values)
    model = assembled(form, layers, hints, dialect.major < 3)
    assumptions = [*of_numbers(each, values, layers, left), *of_functions(form, layers)]
    if left is None and form.wiring.cost:
        assumptions.append(assumption("model", form.wiring.reason, form.wiring.alternatives, None))
    if hints.shapes is None:
        assumptions += of_inputs(model)
    findings = (*findings_of(evidence), *unmet(model, form, hints.settings))
    # What does not say who wrote it is of Keras 3, where it lists no layers, and not of Keras 1
    writer = artifact.writer if artifact.lists_layers else dialect
    return Inferred(artifact.replace(model=model, dialect=dialect, writer=writer), tuple(assumptions), findings)


def held(artifact: Artifact, reason: str) -> Inferred:
    """All tensors in placeholders, for a file whose model cannot be had."""
    return _held(artifact, gather(artifact), reason)


def _said(shape: Sequence[int | None] | None) -> str:
    """An input shape as `--input-shape` takes it."""
    return "any shape" if shape is None else ",".join("any" if n is None else str(n) for n in shape)


def _held(artifact: Artifact, evidence: Evidence, reason: str, hint: str = _MORE) -> Inferred:
    """A placeholder for each layer in the file's order, so that nothing of it is lost."""
    missing = Missing("wiring", "", f"{reason}, so that what is called on what is not known", hint)
    entry = Layer("InputLayer", "input", {"name": "input", "batch_shape": [None, None]}, path="model/input")
    held = [
        f.layer if is_placeholder(f.layer) else placeholder(f.layer, replace(missing, name=f.layer.class_name))
        for f in evidence.layers
        if f.layer.class_name != "InputLayer"
    ]
    graph = Graph((entry, *held))
    model = Layer("Sequential", "model", {"name": "model"}, graph=graph, path="model")
    finding = Finding("not_wired", "error", "model", f"{reason}: the model holds all tensors and cannot run", hint)
    return Inferred(artifact.replace(model=model, dialect=KERAS_3), (), (*findings_of(evidence), finding))


__all__ = ["Inferred", "held", "infer"]
