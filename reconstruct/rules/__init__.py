"""The rules, in the order in which they are applied: `RULES` is the whole of it."""

from __future__ import annotations

from reconstruct.rules import activations, fields, inputs, layout, recurrent, replaced, values
from reconstruct.rules.engine import Change, Noted, Outcome, Rule, apply, rule

RULES: tuple[Rule, ...] = (
    *values.RULES,
    *inputs.RULES,
    *replaced.RULES,
    *recurrent.RULES,
    *layout.RULES,
    *activations.RULES,
    *fields.RULES,
)

__all__ = ["RULES", "Change", "Noted", "Outcome", "Rule", "apply", "rule"]
