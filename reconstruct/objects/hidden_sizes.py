"""Sizes that are only known when the model is built, handed to tables of functions that ask for numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconstruct.objects.symbols import Untranslatable, is_built
from reconstruct.rules.tf_expression import Expression, Item, ops


class HiddenSizes:
    """Each size stands as a large number of its own in the arguments, and is put back into what the table made of them.

    A table that calculates with one, and does not only hand it on, is noticed and refused.
    """

    _FIRST = 7_000_000_000_001

    def __init__(self) -> None:
        self.found: list[Expression] = []
        self.seen: set[int] = set()

    def hidden(self, value: Any) -> Any:
        if is_built(value):
            self.found.append(value)
            return self._FIRST + len(self.found) - 1
        if isinstance(value, list | tuple):
            return type(value)(self.hidden(v) for v in value)
        if isinstance(value, Mapping):
            return {k: self.hidden(v) for k, v in value.items()}
        return value

    def put_back(self, result: Any) -> Any:
        """Raises `Untranslatable` where something was calculated with such a number."""
        if not self.found:
            return result
        result = self._put_back(result)
        if len(self.seen) != len(self.found):
            raise Untranslatable("it needs to know a size of its input in advance")
        return result

    def _put_back(self, value: Any) -> Any:
        if isinstance(value, int) and abs(value) > self._FIRST // 2:
            at = value - self._FIRST
            if not 0 <= at < len(self.found):
                raise Untranslatable("it calculates with a size of its input, which is not known in advance")
            self.seen.add(at)
            return self.found[at]
        if isinstance(value, Expression):
            args = self._put_back(value.args)
            return Expression(value.function, args, self._put_back(dict(value.kwargs)), self._put_back(value.config))
        if isinstance(value, Item):
            return Item(self._put_back(value.of), value.index)
        if isinstance(value, list | tuple):
            return type(value)(self._put_back(v) for v in value)
        if isinstance(value, Mapping):
            return {k: self._put_back(v) for k, v in value.items()}
        if isinstance(value, slice) and any(isinstance(v, int) and abs(v) > self._FIRST // 2 for v in _ends(value)):
            return ops("build.slice", *(self._put_back(v) for v in _ends(value)))
        return value


def _ends(value: slice) -> tuple[Any, Any, Any]:
    return value.start, value.stop, value.step
