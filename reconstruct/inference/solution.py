"""A model that agrees with examples, or the nearest to it."""

from __future__ import annotations

from dataclasses import dataclass

from reconstruct.inference.agreement import Examples, error
from reconstruct.inference.evaluator import Evaluator
from reconstruct.inference.forward import NotComputed
from reconstruct.inference.opened import Open, Values
from reconstruct.verification.comparison import TOLERANCE


@dataclass
class Solution:
    """A model that agrees with the examples that decide, and how far it agrees with those held back."""

    open: Open
    values: Values
    error: float
    held_back_error: float | None
    distance: float = 0.0

    @property
    def solved(self) -> bool:
        return self.error <= TOLERANCE

    @property
    def confirmed(self) -> bool:
        return self.solved and self.held_back_error is not None and self.held_back_error <= TOLERANCE


def agreeing(evaluator: Evaluator, examples: Examples, each: Open, values: Values) -> Solution | None:
    """The model with these values, if it agrees with all deciding examples; those held back are only looked at then."""
    fit = examples.fit
    try:
        ours = evaluator.outputs(each.form, each.layers(values), list(examples.inputs), "all")
    except (NotComputed, ValueError, IndexError, KeyError, TypeError):
        return None
    found = error([o[:fit] for o in ours], [y[:fit] for y in examples.outputs], examples.sizes)
    if found > TOLERANCE:
        return None
    held = [y[fit:] for y in examples.outputs]
    held_back_error = error([o[fit:] for o in ours], held, examples.sizes) if examples.held_back else None
    return Solution(each, dict(values), found, held_back_error)
