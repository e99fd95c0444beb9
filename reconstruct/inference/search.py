"""The open choices of a model, decided by examples.

Every candidate is computed on the same few inputs. What a layer gave is kept for as long as nothing before it changes,
so that trying another activation at the end costs one layer. The order is best first: all hidden layers alike, then
one choice at a time from the best so far, since with one wrong activation most of the signal is still there.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from reconstruct.artifact import Layer
from reconstruct.inference.agreement import Examples, distance, error
from reconstruct.inference.evaluator import Evaluator, described
from reconstruct.inference.forward import NotComputed
from reconstruct.inference.opened import Open, Values, changes, moves, opened, patterns, uniform
from reconstruct.inference.solution import Solution, agreeing
from reconstruct.inference.structure import Form, neighbours
from reconstruct.inference.window import Window, window
from reconstruct.verification.comparison import TOLERANCE


def _marked(each: Open, values: Values) -> tuple[Any, ...]:
    layers = each.layers(values)
    return id(each.form.wiring), tuple(None if n is None else described(n) for n in layers)


MOST_FORMS = 5000
FORMS_VARIED = 150  # in which more than the likeliest values are tried
AROUND_SHARE = 0.15  # of the time, for what is one choice away from each of the likeliest forms
UNRELATED = 1.5  # the distance of what does not correlate at all
ENOUGH = 24  # numbers to tell models apart by
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
        few = 1 if cells >= 1000 else max(2, math.ceil(ENOUGH / cells)) if inputs >= 500 else examples.fit
        self.rows = max(1, min(examples.fit, few))
        self.best: Solution | None = None
        self.tried: set[Any] = set()
        self.windows: dict[int, tuple[Form, Window | None]] = {}

    def run(self, candidates: Iterator[Open]) -> Solution | None:
        """The first model that agrees with the deciding examples, or the best found in time."""
        seen: list[tuple[float, int, Open, Values]] = []
        number = itertools.count()
        started, span = time.monotonic(), self.until - time.monotonic()
        around = 0
        for k, each in enumerate(itertools.islice(candidates, MOST_FORMS)):
            count = PATTERNS if k < 3 else FEW_PATTERNS if k < FORMS_VARIED else 1
            for values in itertools.islice(patterns(each), count):
                found = self._try(each, values, seen, number)
                if found is not None:
                    return found
            if around < 2 and each.fields and self._near(each, seen):  # the first of those made alike, and of all
                around += 1
                found = self._around(each, each.best(), seen, number, started + span * AROUND_SHARE * around)
                if found is not None:
                    return found
            if time.monotonic() > started + span * 0.4:
                break
        seen.sort(key=lambda item: item[:2])
        starts: list[Any] = []
        forms: set[int] = set()
        for item in seen:
            if id(item[2]) not in forms or len(starts) < 4:
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
        apart, wrong = distance(ours, wanted), error(ours, wanted, self.examples.sizes)
        seen.append((apart, next(number), each, values))
        if self.best is None or apart < self.best.distance:
            self.best = Solution(each, dict(values), wrong, None, distance=apart)
        if wrong > TOLERANCE:
            return None
        return self._confirm(each, values, apart)

    def _window(self, form: Form, layers: Sequence[Layer | None]) -> Window | None:
        """The corner of large images on which the form can be tried."""
        if id(form) not in self.windows:
            self.windows[id(form)] = form, window(form, layers)
        return self.windows[id(form)][1]

    def _confirm(self, each: Open, values: Values, apart: float) -> Solution | None:
        """Whether the model agrees with all deciding examples, of which only a part may have been tried."""
        found = agreeing(self.evaluator, self.examples, each, values)
        return None if found is None else replace(found, distance=apart)

    def _near(self, each: Open, seen: list[Any]) -> bool:
        """Whether anything that was tried of a form has to do with the outputs, as what is one choice away has."""
        return any(apart < UNRELATED for apart, _, other, _ in seen if other is each)

    def _around(
        self, each: Open, values: Values, seen: list[Any], number: Iterator[int], until: float
    ) -> Solution | None:
        """Models with one activation for all hidden layers, then all that is one choice away from the likeliest, the
        likelier first, until then."""
        for changed in uniform(each):
            found = self._try(each, changed, seen, number)
            if found is not None or time.monotonic() > until:
                return found
        near: list[tuple[float, Open, Values]] = [(c, each, dict.fromkeys(k, v)) for c, k, v in changes(each, values)]
        for other, kept in self._neighbours(each, values):
            near.append((other.form.cost - each.form.cost, other, kept))
            if time.monotonic() > until:
                return None
        for _, other, changed in sorted(near, key=lambda item: item[0]):
            found = self._try(other, {**values, **changed} if other is each else changed, seen, number)
            if found is not None or time.monotonic() > until:
                return found
        return None

    def _neighbours(self, each: Open, values: Values) -> Iterator[tuple[Open, Values]]:
        """Forms that differ in one layer, with the same values."""
        targets = [tuple(y.shape[1:]) for y in self.examples.outputs]
        for form in neighbours(each.form, each.contexts, targets):
            other = opened(form, each.contexts)
            yield other, {key: values.get(key, options[0][0]) for key, options in other.fields.items()}

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
            for other, kept in self._neighbours(each, values):
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
        single = [
            (cost, key, value)
            for key, options in each.fields.items()
            for value, cost in options
            if value != values[key]
        ]
        single.sort(key=lambda item: item[0])
        pairs = ((a[0] + b[0], a, b) for a, b in itertools.combinations(single[:80], 2) if a[1] != b[1])
        for _, a, b in sorted(pairs, key=lambda item: item[0]):
            if self._late():
                return None
            found = self._try(each, {**values, a[1]: a[2], b[1]: b[2]}, seen, number)
            if found is not None:
                return found
        return None
