"""What examples leave open, though a model agrees with them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from reconstruct.inference.activations import Array
from reconstruct.inference.agreement import Examples, error, sizes
from reconstruct.inference.context import inner, weighted
from reconstruct.inference.evaluator import Evaluator
from reconstruct.inference.forward import NotComputed
from reconstruct.inference.opened import MOST_COST, Key, Values, moves, opened
from reconstruct.inference.solution import Solution, agreeing
from reconstruct.inference.structure import Form, Wiring, neighbours
from reconstruct.inference.window import window
from reconstruct.verification.comparison import TOLERANCE

NOISE = 2e-6  # of float32, as far as the order of sums makes it


def refined(evaluator: Evaluator, examples: Examples, solution: Solution, until: float) -> Solution:
    """The same with the values that agree best, as far as one choice tells: an epsilon may agree within the tolerance
    and yet not be the one that the examples were computed with."""
    each = solution.open
    improved = True
    while improved and solution.error > NOISE:
        improved = False
        for changed in sorted(moves(each, solution.values), key=each.cost):  # back to what is likelier first
            if time.monotonic() > until:
                return solution
            found = agreeing(evaluator, examples, each, changed)
            if found is not None and found.error < 0.5 * solution.error:
                solution, improved = found, True
                break
    return solution


def undecided(
    evaluator: Evaluator, examples: Examples, solution: Solution, until: float
) -> list[tuple[Key, list[Any]]]:
    """Choices that the examples leave open: another value agrees with all of them and differs on other inputs.

    One choice is changed at a time, and all of a kind alike; other changes that undo each other on the examples stay
    unseen. What there is no time to try counts as open.
    """
    each, values = solution.open, solution.values
    corner = window(each.form, each.layers(values))
    inputs, outputs, others = list(examples.inputs), list(examples.outputs), _others(examples.inputs, each.form)
    if corner is not None:
        inputs, outputs, others = corner.of_inputs(inputs), corner.of_outputs(outputs), corner.of_inputs(others)
    tag = "all" if corner is None else f"all corners {corner.size}"

    def run(changed: Values, arrays: list[Array], tag: str) -> list[Array]:
        found = evaluator.outputs(each.form, each.layers(changed), arrays, tag)
        return found if corner is None else corner.of_outputs(found)

    # What is ten times further off than the values found is not what the examples were computed with
    near = min(TOLERANCE, max(NOISE, 10 * solution.error))

    def agrees(changed: Values) -> bool:
        try:
            return error(run(changed, inputs, tag), outputs, examples.sizes) <= near
        except (NotComputed, ValueError):
            return False

    def differs(changed: Values) -> bool:
        try:
            return error(run(changed, others, f"others {tag}"), base, sizes(base)) > TOLERANCE
        except (NotComputed, ValueError):  # it agrees with the examples, and nothing says that it does elsewhere
            return True

    base = run(values, others, f"others {tag}")
    open_: list[tuple[Key, list[Any]]] = []
    # What is far less likely than the choice made, and agrees as well, is no reason to doubt it
    limits = {k: 4.0 + next((c for v, c in a if v == values[k]), 3.0) for k, a in each.fields.items()}
    for key, alternatives in each.fields.items():
        also = []
        for value, cost in alternatives:
            if value == values[key] or cost > limits[key]:
                continue
            alike = [k for k in each.fields if each.kind(k) == each.kind(key)]
            # Of masks that are merged one alone may be none
            changes = [{**values, key: value}, *([{**values, **dict.fromkeys(alike, value)}] if len(alike) > 1 else [])]
            if time.monotonic() > until or any(agrees(c) and differs(c) for c in changes):
                also.append(value)
        if also:
            open_.append((key, also))
    return open_


def undecided_forms(evaluator: Evaluator, examples: Examples, solution: Solution, until: float) -> Iterator[Form]:
    """Forms that differ in one layer, agree with all examples, and differ on other inputs, as where all outputs that
    were given are 0 or 1. Those that there is no time to try are taken to differ on the examples."""
    each, values = solution.open, solution.values
    inputs, others = list(examples.inputs), _others(examples.inputs, each.form)
    base: list[Array] | None = None
    for form in neighbours(each.form, each.contexts, [tuple(y.shape[1:]) for y in examples.outputs]):
        if time.monotonic() > until:
            return
        if form.cost - each.form.cost > MOST_COST:
            continue
        other = opened(form, each.contexts)
        kept = {key: values.get(key, options[0][0]) for key, options in other.fields.items()}
        try:
            found = evaluator.outputs(form, other.layers(kept), inputs, "all")
            if error(found, examples.outputs, examples.sizes) > TOLERANCE:
                continue
            base = base or evaluator.outputs(each.form, each.layers(values), others, "others all")
            found = evaluator.outputs(form, other.layers(kept), others, "others all")
            if error(found, base, sizes(base)) > TOLERANCE:
                yield form
        except (NotComputed, ValueError, IndexError, KeyError, TypeError):
            continue


def undecided_orders(evaluator: Evaluator, examples: Examples, solution: Solution) -> Iterator[tuple[str, int, int]]:
    """Pairs of inputs, or of outputs, of one shape that the examples do not tell apart, and others would: "input" or
    "output" and the two numbers. Files have their layers by depth, and not the order of inputs and outputs."""
    each = solution.open
    form, layers = each.form, each.layers(solution.values)
    inputs, others = list(examples.inputs), _others(examples.inputs, each.form)

    def outputs(arrays: list[Array], tag: str) -> list[Array]:
        return evaluator.outputs(form, layers, arrays, tag)

    def told_apart(ours: Sequence[Array], base: Sequence[Array], other: Sequence[Array]) -> bool:
        """Whether outputs in the other order are others on the examples, or the same everywhere."""
        differs = error(ours, examples.outputs, examples.sizes) > TOLERANCE
        return differs or error(other, base, sizes(base)) <= TOLERANCE

    try:
        known, base = outputs(inputs, "all"), outputs(others, "others all")
        for i, j in _alike(inputs):
            ours, other = (
                outputs(_swapped(arrays, i, j), f"{tag} {i} {j}")
                for tag, arrays in (("all", inputs), ("other", others))
            )
            if not told_apart(ours, base, other):
                yield "input", i, j
        for i, j in _alike(known):
            if not told_apart(_swapped(known, i, j), base, _swapped(base, i, j)):
                yield "output", i, j
    except (NotComputed, ValueError):
        return


def _alike(arrays: Sequence[Array]) -> Iterator[tuple[int, int]]:
    pairs = itertools.combinations(range(len(arrays)), 2)
    return ((i, j) for i, j in pairs if arrays[i].shape == arrays[j].shape)


def _swapped(arrays: Sequence[Array], i: int, j: int) -> list[Array]:
    found = list(arrays)
    found[i], found[j] = found[j], found[i]
    return found


FAR, FEW = 64, 1000  # rows that are looked at where each input has so few numbers


def _others(inputs: Sequence[Array], form: Form) -> list[Array]:
    """Inputs like the examples that are none of them: wider ones, and other indices where an Embedding takes these."""
    rng = np.random.default_rng(5)
    found = []
    count = FAR if all(x[0].size <= FEW for x in inputs) else 4
    for x, node in zip(inputs, form.wiring.inputs, strict=True):
        rows = np.resize(x, (count, *x.shape[1:]))
        if _indices(form.wiring, node):
            other = rng.permutation(rows.ravel()).reshape(rows.shape)
            if x.ndim == 2 and x.min() >= 0:
                other[:, -1] = 0  # padded at the end, as sequences may be
        else:
            spread = float(x.std()) or 1.0
            wide = np.where(np.arange(count) % 2, 5.0, 2.0).reshape(-1, *[1] * (x.ndim - 1))
            other = (x.mean() + wide * spread * rng.standard_normal(rows.shape)).astype("float32")
            if x.ndim == 3:  # steps padded at the end
                other[:, -1] = 0
        found.append(other)
    return found


def _indices(wiring: Wiring, node: int) -> bool:
    """Whether an Embedding takes what a node gives, as it is or in another shape."""
    return any(
        inner(layer).class_name == "Embedding" or (not weighted(layer) and _indices(wiring, user))
        for user, layer in ((i, wiring.nodes[i].layer) for i in wiring.users(node))
    )
