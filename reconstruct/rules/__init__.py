"""The rules, in the order in which they are applied: `RULES` is the whole of it."""

from __future__ import annotations

from reconstruct.objects import known
from reconstruct.rules import (
    activations,
    fields,
    inputs,
    keras_1,
    lambdas,
    layout,
    locally_connected,
    mask_flow,
    masking,
    recurrent,
    replaced,
    tf_ops,
    values,
)
from reconstruct.rules.engine import Change, Noted, Outcome, Rule, apply, rule

RULES: tuple[Rule, ...] = (
    replaced.model_subclass,
    inputs.sequential_input_layer,
    *keras_1.RULES,
    replaced.class_names,
    *values.RULES,
    inputs.batch_shape,
    inputs.model_config_fields,
    *lambdas.RULES,
    activations.foreign_activation_apart,
    *known.RULES,
    *tf_ops.RULES,
    *replaced.RULES,
    *locally_connected.RULES,
    *recurrent.RULES,
    *mask_flow.RULES,
    *masking.RULES,
    *layout.RULES,
    *activations.RULES,
    *fields.RULES,
)

__all__ = ["RULES", "Change", "Noted", "Outcome", "Rule", "apply", "rule"]
