"""A layer of a known architecture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reconstruct.stock import slots


@dataclass(frozen=True, eq=False)
class Row:
    """A layer: what is not the default of Keras 3 in its config, and the numbers of the rows that it is called on."""

    class_name: str
    name: str
    config: Mapping[str, Any]
    inputs: tuple[int, ...]

    @cached_property
    def variables(self) -> tuple[str, ...]:
        return tuple(slot.name for slot in slots(self.class_name, self.config) or ())
