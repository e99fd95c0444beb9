"""The rows of `fields.FIELDS`: a case, and where only some values mean nothing a refusal, made of each row."""

from __future__ import annotations

from typing import Any

from reconstruct.rules.fields import FIELDS, Field
from tests.rules.cases import Case, Refusal, layer


def _name(row: Field) -> str:
    return f"rename_{row.field}_to_{row.to}" if row.to else f"drop_{row.field}"


def _cases(row: Field) -> list[Case]:
    classes = ["Dense"] if row.layers == "*" else row.layers.split()
    kept: dict[str, Any] = {"kept": [1]}
    cases = []
    for class_name in classes:
        for value in row.only or (0.5,):
            after = {**kept, row.to: value} if row.to else kept
            cases.append(Case(_name(row), layer(class_name, **kept, **{row.field: value}), layer(class_name, **after)))
    return cases


CASES = [case for row in FIELDS for case in _cases(row)]
REFUSALS = [
    Refusal(_name(row), layer("Dense" if row.layers == "*" else row.layers.split()[0], **{row.field: 7}), row.field)
    for row in FIELDS
    if row.only
]
