"""A model as far as its code is there: placeholders for what is missing, and for what cannot be built behind them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from reconstruct.artifact import Finding, Layer
from reconstruct.errors import BuildError
from reconstruct.objects import placeholders
from reconstruct.objects.custom import unwritten
from reconstruct.runtimes import building, keras_3
from reconstruct.runtimes.build_time import Undecided

# So many layers may turn out not to build behind placeholders; each costs another attempt
MOST_FURTHER_PLACEHOLDERS = 30


def build(
    model: Layer, objects: Mapping[str, Any], fresh: Collection[str] = ()
) -> tuple[building.Build, list[Finding]]:
    """The model with a placeholder for each layer whose code is missing, and the findings that say so.

    The shape of what a placeholder gives is inferred. Where a layer behind it cannot be built on that, less is taken
    for known; and where that is of no use either, the layer becomes a placeholder as well. Layers at `fresh` paths keep
    the values that Keras starts with.
    """
    filled, lost = placeholders.fill(model, objects)
    try:
        return building.build(filled, objects, fresh), lost
    except BuildError as error:
        written = {name: thing for name, thing in objects.items() if not unwritten(thing)}
        if isinstance(error.__cause__, Undecided):
            model = placeholders.without(model, error.path, error.message)
        filled, lost = placeholders.fill(model, written)
        if not lost:
            raise
    filled = placeholders.opened(filled)
    for _ in range(MOST_FURTHER_PLACEHOLDERS):
        try:
            return building.build(filled, written, fresh), lost
        except BuildError as error:
            before, reason = len(lost), f"it cannot be built behind the placeholder {lost[0].path}: {error.message}"
            filled, lost = placeholders.fill(placeholders.without(filled, error.path, reason), written)
            if len(lost) == before:
                raise
    return building.build(filled, written, fresh), lost


def assumed_shapes(model: Any) -> list[dict[str, str]]:
    """The shapes of what placeholders give, which nothing in the file states."""
    return [
        {"path": use.layer, "message": f"{use.layer} is taken to give {', '.join(map(str, use.outputs))}"}
        for use in keras_3.placeholders(model)
    ]
