"""The open choices of a model, decided by examples.

Every candidate is computed on the same few inputs. What a layer gave is kept for as long as nothing before it changes,
so that trying another activation at the end costs one layer. The order is best first: all hidden layers alike, then
one choice at a time from the best so far, since with one wrong activation most of the signal is still there.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from reconstruct.artifact import Layer
from reconstruct.inference.choices import Context, with_field
from reconstruct.inference.forward import NotComputed, Weights, mask_after, run
from reconstruct.inference.numerical import numerical
from reconstruct.inference.structure import Form, neighbours
from reconstruct.inference.window import Window, window
from reconstruct.verification.comparison import TOLERANCE

Array = np.ndarray
Key = tuple[int, str]
Values = dict[Key, Any]
MOST_CACHED = 600 << 20  # bytes


@dataclass(frozen=True)
class Examples:
    """Inputs and outputs, split into those that decide and those that are held back to confirm."""

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    fit: int

    @property
    def rows(self) -> int:
        return len(self.inputs[0])

    @property
    def held_back(self) -> int:
        return self.rows - self.fit


def split(inputs: Sequence[Array], outputs: Sequence[Array]) -> Examples:
    """A quarter of the examples, at least one, is held back where there are two or more."""
    rows = len(inputs[0])
    held = max(1, rows // 4) if rows > 1 else 0
    return Examples(tuple(inputs), tuple(outputs), rows - held)


@dataclass
class Open:
    """The open choices of a form: by node and field the alternatives, each with its cost."""

    form: Form
    fields: dict[Key, list[tuple[Any, float]]]
    contexts: Sequence[Context] = ()

    def best(self) -> Values:
        return {key: alternatives[0][0] for key, alternatives in self.fields.items()}

    def cost(self, values: Values) -> float:
        """The form's cost and that of each choice; a choice made once costs little where it is made again."""
        total, seen = self.form.cost, set()
        for key, value in values.items():
            own = next((c for v, c in self.fields[key] if v == value), 9.0)
            kind = self.kind(key), value
            total += own * (0.25 if kind in seen else 1.0)
            seen.add(kind)
        return total

    def kind(self, key: Key) -> tuple[Any, ...]:
        """What is likely to be chosen alike: the same field of layers of a kind at like places."""
        layer = self.form.layers[key[0]]
        assert layer is not None
        alternatives = self.fields[key]
        place = tuple(v for v, _ in alternatives[:2])
        group = "Conv" if "Conv" in layer.class_name else layer.class_name
        return group, key[1], place

    def layers(self, values: Values) -> list[Layer | None]:
        made = list(self.form.layers)
        for (i, name), value in values.items():
            layer = made[i]
            assert layer is not None
            made[i] = with_field(layer, name, value)
        for i, node in enumerate(self.form.wiring.nodes):
            if node.twin is not None:
                made[i] = made[node.twin]
        return made


def opened(form: Form, contexts: Sequence[Context]) -> Open:
    """The choices that a form leaves open."""
    fields: dict[Key, list[tuple[Any, float]]] = {}
    for i, layer in enumerate(form.layers):
        if layer is not None and form.wiring.nodes[i].twin is None:
            for name, alternatives in numerical(layer, contexts[i]).items():
                fields[i, name] = alternatives
    return Open(form, fields, contexts)


class Evaluator:
    """Computes models on inputs and keeps what layers gave."""

    def __init__(self, weights: Weights, keras_2: bool) -> None:
        self.weights, self.keras_2 = weights, keras_2
        self._ids: dict[Any, int] = {}
        self._arrays: OrderedDict[int, tuple[Array, Array | None]] = OrderedDict()
        self._bytes = 0
        self.count = 0

    def outputs(self, form: Form, layers: Sequence[Layer | None], inputs: Sequence[Array], tag: str) -> list[Array]:
        """The outputs of a model. Raises `NotComputed` for a layer that cannot be computed here."""
        self.count += 1
        wiring = form.wiring
        ids: list[int] = []
        order = list(wiring.inputs)
        for i, node in enumerate(wiring.nodes):
            layer = layers[i]
            if not node.inputs:
                ids.append(self._id(("input", order.index(i), tag)))
            elif layer is None:
                ids.append(ids[node.inputs[0]])
            else:
                ids.append(self._id((_described(layer), tuple(ids[j] for j in node.inputs))))
        alias = list(range(len(ids)))
        for i, layer in enumerate(layers):
            if layer is None:
                alias[i] = alias[wiring.nodes[i].inputs[0]]
        arrays: dict[int, tuple[Array, Array | None]] = {}  # with masks
        needed: set[int] = set()
        todo = [alias[i] for i in wiring.outputs]
        while todo:
            i = todo.pop()
            if i in arrays or i in needed:
                continue
            if not wiring.nodes[i].inputs:
                arrays[i] = inputs[order.index(i)], None
            elif ids[i] in self._arrays:
                self._arrays.move_to_end(ids[i])
                arrays[i] = self._arrays[ids[i]]
            else:
                needed.add(i)
                todo.extend(alias[j] for j in wiring.nodes[i].inputs)
        for i in sorted(needed):
            layer = layers[i]
            assert layer is not None
            given, masks = zip(*(arrays[alias[j]] for j in wiring.nodes[i].inputs), strict=True)
            array = run(layer, given, self.weights, self.keras_2, masks[0])
            arrays[i] = self._keep(ids[i], array, mask_after(layer, given, masks, self.keras_2))
        return [arrays[alias[i]][0] for i in wiring.outputs]

    def _id(self, key: Any) -> int:
        return self._ids.setdefault(key, len(self._ids))

    def _keep(self, key: int, array: Array, mask: Array | None) -> tuple[Array, Array | None]:
        self._arrays[key] = array, mask
        self._bytes += array.nbytes
        while self._bytes > MOST_CACHED and len(self._arrays) > 1:
            _, (old, _) = self._arrays.popitem(last=False)
            self._bytes -= old.nbytes
        return array, mask


def _marked(each: Open, values: Values) -> tuple[Any, ...]:
    layers = each.layers(values)
    return id(each.form.wiring), tuple(None if n is None else _described(n) for n in layers)


def _described(layer: Layer) -> tuple[Any, ...]:
    """All that decides what a layer computes."""
    config = tuple(sorted((k, repr(v)) for k, v in layer.config.items() if k != "name"))
    weights = tuple(id(t) for t in layer.weights.values())
    return layer.class_name, config, weights, tuple(_described(c) for c in layer.children.values())


# Comparing


def error(ours: Sequence[Array], theirs: Sequence[Array]) -> float:
    """The largest relative difference; infinite where shapes differ or numbers are not finite."""
    worst = 0.0
    for a, b in itertools.zip_longest(ours, theirs):
        if a is None or b is None or a.shape != b.shape:
            return float("inf")
        a, b = a.astype("float64"), b.astype("float64")
        if not np.isfinite(a).all():
            return float("inf")
        if a.size:
            worst = max(worst, float((np.abs(a - b) / (1 + np.abs(b))).max()))
    return worst


def distance(ours: Sequence[Array], theirs: Sequence[Array]) -> float:
    """How far outputs are apart, from 0 for the same to about 2: half of it how little they correlate, half how much
    they differ, so that a wrong scale counts less than a wrong signal."""
    total = 0.0
    for a, b in itertools.zip_longest(ours, theirs):
        if a is None or b is None or a.shape != b.shape or not np.isfinite(a).all():
            return float("inf")
        x, y = a.astype("float64").ravel(), b.astype("float64").ravel()
        spread = float(np.abs(y - y.mean()).mean()) + 1e-9
        apart = float(np.abs(x - y).mean()) / spread
        x, y = x - x.mean(), y - y.mean()
        norm = float(np.sqrt((x @ x) * (y @ y)))
        correlation = float(x @ y) / norm if norm > 1e-12 else 0.0
        total += (1 - correlation) + apart / (1 + apart)
    return total / max(1, len(theirs))


@dataclass
class Solution:
    """A model that agrees with the examples that decide, and how far it agrees with those held back."""

    open: Open
    values: Values
    error: float
    held_back_error: float | None
    undecided: list[tuple[Key, list[Any]]] = field(default_factory=list)
    distance: float = 0.0

    @property
    def solved(self) -> bool:
        return self.error <= TOLERANCE

    @property
    def confirmed(self) -> bool:
        return self.solved and self.held_back_error is not None and self.held_back_error <= TOLERANCE


MOST_FORMS = 5000
FORMS_VARIED = 150  # in which more than the likeliest values are tried
MOST_COST = 7.0  # of an alternative that is tried in place of another
PATTERNS = 24
FEW_PATTERNS = 6  # for forms that are not among the likeliest: the nearest are looked at again


class Search:
    """The search over forms and values. `say` is told how it goes."""

    def __init__(
        self, evaluator: Evaluator, examples: Examples, until: float, say: Callable[[str], None] = lambda text: None
    ) -> None:
        self.evaluator, self.examples, self.until, self.say = evaluator, examples, until, say
        cells = sum(y[0].size for y in examples.outputs)
        inputs = sum(x[0].size for x in examples.inputs)
        # One row of an image says as much as many of a number
        few = 1 if cells >= 1000 else 2 if cells >= 64 and inputs >= 500 else examples.fit
        self.rows = max(1, min(examples.fit, few))
        self.best: Solution | None = None
        self.tried: set[Any] = set()
        self.windows: dict[int, tuple[Form, Window | None]] = {}

    def run(self, candidates: Iterator[Open]) -> Solution | None:
        """The first model that agrees with the deciding examples, or the best found in time."""
        seen: list[tuple[float, int, Open, Values]] = []
        number = itertools.count()
        started, span = time.monotonic(), self.until - time.monotonic()
        for k, each in enumerate(itertools.islice(candidates, MOST_FORMS)):
            count = PATTERNS if k < 3 else FEW_PATTERNS if k < FORMS_VARIED else 1
            for values in itertools.islice(patterns(each), count):
                found = self._try(each, values, seen, number)
                if found is not None:
                    return found
            if time.monotonic() > started + span * 0.4:
                break
        seen.sort(key=lambda item: item[:2])
        starts: list[Any] = []
        forms: set[int] = set()
        for item in seen:
            if sum(f == id(item[2]) for f in forms) == 0 or len(starts) < 4:
                starts.append(item)
                forms.add(id(item[2]))
            if len(starts) >= 12:
                break
        for _, _, each, values in starts:
            found = self._descend(each, values, seen, number)
            if found is not None:
                return found
            if self._late():
                break
        for _, _, each, values in sorted(seen, key=lambda item: item[:2])[:3]:
            found = self._pairs(each, values, seen, number)
            if found is not None:
                return found
        nearest = [each for _, _, each, _ in sorted(seen, key=lambda item: item[:2])]
        distinct = list({id(each.form): each for each in nearest}.values())[:4]
        for every in itertools.zip_longest(*(patterns(each, alike=False) for each in distinct)):
            if self._late():
                break
            for each, one in zip(distinct, every, strict=True):
                found = None if one is None else self._try(each, one, seen, number)
                if found is not None:
                    return found
            del seen[1000:]
        return self.best

    def _late(self) -> bool:
        return time.monotonic() > self.until

    def _try(self, each: Open, values: Values, seen: list[Any], number: Iterator[int]) -> Solution | None:
        mark = _marked(each, values)
        if mark in self.tried or self._late():
            return None
        self.tried.add(mark)
        part = [x[: self.rows] for x in self.examples.inputs]
        wanted = [y[: self.rows] for y in self.examples.outputs]
        layers = each.layers(values)
        corner = self._window(each.form, layers)
        try:
            if corner is None:
                ours = self.evaluator.outputs(each.form, layers, part, "part")
            else:
                ours = self.evaluator.outputs(each.form, layers, corner.of_inputs(part), f"corner {corner.size}")
                ours, wanted = corner.of_outputs(ours), corner.of_outputs(wanted)
        except (NotComputed, ValueError, IndexError, KeyError, TypeError):
            return None
        apart = distance(ours, wanted)
        seen.append((apart, next(number), each, values))
        if self.best is None or apart < self.best.distance:
            self.best = Solution(each, dict(values), error(ours, wanted), None, distance=apart)
        if error(ours, wanted) > TOLERANCE:
            return None
        return self._confirm(each, values, apart)

    def _window(self, form: Form, layers: Sequence[Layer | None]) -> Window | None:
        """The corner of large images on which the form can be tried."""
        if id(form) not in self.windows:
            self.windows[id(form)] = form, window(form, layers)
        return self.windows[id(form)][1]

    def _confirm(self, each: Open, values: Values, apart: float) -> Solution | None:
        """Whether the model agrees with all deciding examples, of which only a part may have been tried."""
        found = _agreeing(self.evaluator, self.examples, each, values)
        return None if found is None else replace(found, distance=apart)

    def _descend(self, each: Open, values: Values, seen: list[Any], number: Iterator[int]) -> Solution | None:
        """One choice at a time, the best change of a round first, until none helps."""
        values = dict(values)
        before = float("inf")
        while not self._late():
            marks = len(seen)
            for changed in moves(each, values):
                found = self._try(each, changed, seen, number)
                if found is not None:
                    return found
            new = [item for item in seen[marks:] if item[2] is each]
            if not new:
                return None
            best = min(new, key=lambda item: item[:2])
            if best[0] < before - 1e-9:
                before, values = best[0], dict(best[3])
                continue
            marks = len(seen)
            targets = [tuple(y.shape[1:]) for y in self.examples.outputs]
            for form in neighbours(each.form, each.contexts, targets):
                other = opened(form, each.contexts)
                kept = {key: values.get(key, options[0][0]) for key, options in other.fields.items()}
                found = self._try(other, kept, seen, number)
                if found is not None:
                    return found
                if self._late():
                    return None
            best = min(seen[marks:], key=lambda item: item[:2], default=None)
            if best is None or best[0] >= before - 1e-9:
                return None
            before, each, values = best[0], best[2], dict(best[3])
        return None

    def _pairs(self, each: Open, values: Values, seen: list[Any], number: Iterator[int]) -> Solution | None:
        """Two choices at a time, the likelier first."""
        changes = [
            (cost, key, value)
            for key, options in each.fields.items()
            for value, cost in options
            if value != values[key]
        ]
        changes.sort(key=lambda item: item[0])
        pairs = ((a[0] + b[0], a, b) for a, b in itertools.combinations(changes[:80], 2) if a[1] != b[1])
        for _, a, b in sorted(pairs, key=lambda item: item[0]):
            if self._late():
                return None
            found = self._try(each, {**values, a[1]: a[2], b[1]: b[2]}, seen, number)
            if found is not None:
                return found
        return None


def moves(each: Open, values: Values) -> Iterator[Values]:
    """The values with one choice changed, and then with all choices of a kind changed alike: one wrong gate among
    several can hide that another is right."""
    groups: dict[Any, list[Key]] = {}
    for key, alternatives in each.fields.items():
        groups.setdefault(each.kind(key), []).append(key)
        for value, cost in alternatives:
            if value != values[key] and cost < MOST_COST:
                yield {**values, key: value}
    for keys in groups.values():
        if len(keys) > 1:
            for value, cost in each.fields[keys[0]]:
                if cost < MOST_COST:
                    yield {**values, **dict.fromkeys(keys, value)}


def patterns(each: Open, alike: bool = True) -> Iterator[Values]:
    """Values with all layers of a kind alike, or each for itself, the likeliest first."""
    groups: dict[Any, list[Key]] = {}
    for key in each.fields:
        groups.setdefault(each.kind(key) if alike else key, []).append(key)
    keys = list(groups.values())
    costs = [[c for _, c in each.fields[group[0]]] for group in keys]
    weights = [1.0 + 0.02 * (len(group) - 1) for group in keys]
    start = tuple(0 for _ in keys)

    def total(at: Sequence[int]) -> float:
        return sum(costs[i][k] * w for i, (k, w) in enumerate(zip(at, weights, strict=True)))

    heap = [(total(start), start)]
    known = {start}
    while heap:
        _, at = heapq.heappop(heap)
        yield {key: each.fields[group[0]][k][0] for k, group in zip(at, keys, strict=True) for key in group}
        for i in range(len(at)):
            if at[i] + 1 < len(costs[i]):
                after = (*at[:i], at[i] + 1, *at[i + 1 :])
                if after not in known:
                    known.add(after)
                    heapq.heappush(heap, (total(after), after))


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
            found = _agreeing(evaluator, examples, each, changed)
            if found is not None and found.error < 0.5 * solution.error:
                solution, improved = found, True
                break
    return solution


def _agreeing(evaluator: Evaluator, examples: Examples, each: Open, values: Values) -> Solution | None:
    """The model with these values, if it agrees with all deciding examples; those held back are only looked at then."""
    fit = examples.fit
    try:
        ours = evaluator.outputs(each.form, each.layers(values), list(examples.inputs), "all")
    except (NotComputed, ValueError, IndexError, KeyError, TypeError):
        return None
    found = error([o[:fit] for o in ours], [y[:fit] for y in examples.outputs])
    if found > TOLERANCE:
        return None
    held = error([o[fit:] for o in ours], [y[fit:] for y in examples.outputs]) if examples.held_back else None
    return Solution(each, dict(values), found, held)


def undecided(
    evaluator: Evaluator, examples: Examples, solution: Solution, until: float
) -> list[tuple[Key, list[Any]]]:
    """Choices that the examples leave open: another value agrees with all of them and differs on other inputs.

    One choice is changed at a time, and all of a kind alike; other changes that undo each other on the examples stay
    unseen. What there is no time to try counts as open.
    """
    each, values = solution.open, solution.values
    corner = window(each.form, each.layers(values))
    inputs, outputs, others = list(examples.inputs), list(examples.outputs), _others(examples.inputs)
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
            return error(run(changed, inputs, tag), outputs) <= near
        except (NotComputed, ValueError):
            return False

    def differs(changed: Values) -> bool:
        try:
            return error(run(changed, others, f"others {tag}"), base) > TOLERANCE
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
    inputs, others = list(examples.inputs), _others(examples.inputs)
    base: list[Array] | None = None
    for form in neighbours(each.form, each.contexts, [tuple(y.shape[1:]) for y in examples.outputs]):
        if time.monotonic() > until:
            return
        if form.cost - each.form.cost > MOST_COST:
            continue
        other = opened(form, each.contexts)
        kept = {key: values.get(key, options[0][0]) for key, options in other.fields.items()}
        try:
            if error(evaluator.outputs(form, other.layers(kept), inputs, "all"), examples.outputs) > TOLERANCE:
                continue
            base = base or evaluator.outputs(each.form, each.layers(values), others, "others all")
            if error(evaluator.outputs(form, other.layers(kept), others, "others all"), base) > TOLERANCE:
                yield form
        except (NotComputed, ValueError, IndexError, KeyError, TypeError):
            continue


def _others(inputs: Sequence[Array]) -> list[Array]:
    """Inputs like the examples that are none of them: wider ones, and others of their kind."""
    rng = np.random.default_rng(5)
    found = []
    for x in inputs:
        rows = x[: min(len(x), 4)]
        if x.dtype.kind in "iu" or (x.size and np.array_equal(x, np.round(x)) and np.ptp(x) > 1):
            other = rng.permutation(rows.ravel()).reshape(rows.shape).astype(x.dtype)
            if x.ndim == 2 and x.min() >= 0:
                other[:, -1] = 0  # indices padded at the end, as sequences may be
            found.append(other)
        else:
            spread = float(x.std()) or 1.0
            other = (x.mean() + 2 * spread * rng.standard_normal(rows.shape)).astype("float32")
            if x.ndim == 3:  # steps padded at the end
                other[:, -1] = 0
            found.append(other)
    return found
