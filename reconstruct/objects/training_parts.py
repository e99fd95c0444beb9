"""What the layers of a model name for their training alone: initializers, regularizers and constraints.

No output depends on them, so that one whose code is missing is left out, here and in the oracles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconstruct.artifact import Layer

KINDS = ("initializer", "regularizer", "constraint")


@dataclass(frozen=True)
class Part:
    """One of them, of a kind; `fields` are those of its config where it is an object, None where it is a function."""

    name: str
    kind: str
    fields: tuple[str, ...] | None


def parts(model: Layer) -> list[Part]:
    """Those of all layers of a model, each once, whether Keras has them or not."""
    return list(dict.fromkeys(part for layer in model.walk() for part in _in(layer.config)))


def _in(config: Any) -> Iterator[Part]:
    if isinstance(config, list | tuple):
        for value in config:
            yield from _in(value)
    if not isinstance(config, Mapping):
        return
    for field, value in config.items():
        kind = next((k for k in KINDS if str(field).endswith(k)), None)
        if kind is None:
            yield from _in(value)
        elif isinstance(value, str):
            yield Part(value, kind, None)
        elif isinstance(value, Mapping) and isinstance(value.get("class_name"), str):
            settings = value.get("config")
            if value["class_name"] == "function" and isinstance(settings, str):
                yield Part(settings, kind, None)
            else:
                name = str(value.get("registered_name") or value["class_name"])
                yield Part(name, kind, tuple(settings) if isinstance(settings, Mapping) else ())
