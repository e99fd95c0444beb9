"""What a value can be while the code of a Lambda layer is followed without running it.

Numbers, strings, None, tuples, lists, dicts, slices and NumPy arrays stand for themselves. A tensor of the model is a
`Ref` (an input), an `Expression` or an `Item` of `rules.tf_expression`. Everything else is one of the classes here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reconstruct.artifact import Ref
from reconstruct.objects.marshal_reader import Code
from reconstruct.rules.tf_expression import Expression, Item, ops


class Untranslatable(Exception):
    """The code does something that has no known form in Keras 3; the message says what.

    `lacking` says that it is a global variable of the program that wrote the file.
    """

    def __init__(self, message: str, hint: str = "", lacking: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.lacking = lacking


@dataclass(frozen=True)
class Name:
    """A module, or something in one, by its path: `keras.backend.mean`, `tensorflow.nn`, `builtins.len`."""

    path: str


@dataclass(frozen=True)
class Unknown:
    """A global variable of the program that wrote the file; its value is not in the file."""

    name: str


@dataclass(frozen=True, eq=False)
class Shape:
    """The shape of a tensor, or the part of it from `start` to `stop`; a `stop` counts from the end."""

    of: Any
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True, eq=False)
class Size:
    """One number of the shape of a tensor, divided by `divisor` and rounded down."""

    of: Any
    axis: int
    divisor: int = 1

    @property
    def batch(self) -> bool:
        return self.axis == 0


@dataclass(frozen=True, eq=False)
class Number:
    """A number that is calculated of sizes while the model is built; None where the batch is among these."""

    value: Any

    @property
    def batch(self) -> bool:
        return self.value is None


@dataclass(frozen=True, eq=False)
class Complex:
    """A complex tensor, which Keras 3 has only as a pair."""

    real: Any
    imag: Any


@dataclass(frozen=True, eq=False)
class Dtype:
    """The dtype of a tensor."""

    of: Any


@dataclass(frozen=True, eq=False)
class Method:
    """A method of a value, not yet called."""

    of: Any
    name: str


@dataclass(frozen=True, eq=False)
class MakesLayer:
    """A stock layer without weights, made in the code and not yet called."""

    class_name: str
    config: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Partial:
    """A function with its first arguments: one of `functools.partial`, or a method of an object of the user."""

    of: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(eq=False)
class Function:
    """A function of the file, or of the user: then with the `version` of its Python and its own `globals`.

    `cells` maps each free variable to the variables of the function it belongs to.
    """

    code: Code
    defaults: tuple[Any, ...] = ()
    keyword_defaults: Mapping[str, Any] = field(default_factory=dict)
    cells: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    version: str | None = None
    globals: Mapping[str, Any] | None = None


def is_tensor(value: Any) -> bool:
    return isinstance(value, Ref | Expression | Item)


def holds_tensor(value: Any) -> bool:
    """Whether a tensor, or a size of one, is in the nested value."""
    if isinstance(value, list | tuple):
        return any(holds_tensor(v) for v in value)
    if isinstance(value, Mapping):
        return any(holds_tensor(v) for v in value.values())
    if isinstance(value, slice):
        return holds_tensor((value.start, value.stop, value.step))
    return is_tensor(value) or isinstance(value, Shape | Size | Number)


def describe(value: Any) -> str:
    """For messages."""
    if isinstance(value, Name):
        return value.path.removeprefix("builtins.")
    if isinstance(value, Unknown):
        return value.name
    if isinstance(value, Function):
        return f"the function {value.code.name}"
    if isinstance(value, Method):
        return f"{describe(value.of)}.{value.name}"
    if isinstance(value, Partial):
        return describe(value.of)
    if is_tensor(value):
        return "a tensor"
    if isinstance(value, Complex):
        return "a complex tensor"
    if isinstance(value, Shape | Size | Number):
        return "the shape of a tensor"
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


def missing(name: str) -> Untranslatable:
    return Untranslatable(
        f"it uses {name!r} of the program that wrote the file, which the file does not hold",
        hint=missing_hint([name]),
        lacking=True,
    )


def missing_hint(names: Sequence[str]) -> str:
    """What to do about global variables that are not in the file."""
    return f"give {'it' if len(names) == 1 else 'them'}: --custom FILE.py, where FILE.py defines {', '.join(names)}"


def printable(text: str) -> str:
    """The text with control characters, which names in a file may hold, written out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def size_number(size: Size | Number) -> Any:
    """A size as a number that an operation can take: fixed when the model is built, or counted."""
    if isinstance(size, Size) and size.divisor == 1:
        if size.batch:
            return ops("max", ops("sum", ops("ones_like", size.of, dtype="int32"), axis=0))
        return ops("build.number", size.of, size.axis)
    return built(size)


def built(value: Any) -> Any:
    """Sizes, and what is calculated of them, as expressions that are numbers once the model is built.

    A part of a shape is a tuple that only some functions of `runtimes.build_time` take.
    """
    if isinstance(value, Size):
        if value.batch:
            raise Untranslatable("it needs to know the size of a batch in advance")
        number = ops("build.size", value.of, value.axis)
        return number if value.divisor == 1 else ops("build.//", number, value.divisor)
    if isinstance(value, Number):
        if value.batch:
            raise Untranslatable("it calculates with the size of a batch, which is not known in advance")
        return value.value
    if isinstance(value, Shape):
        if value.start == 0:
            raise Untranslatable("it needs to know the size of a batch in advance")
        return value.of, value.start, value.stop
    if isinstance(value, list | tuple):
        return type(value)(built(v) for v in value)
    if isinstance(value, slice) and holds_tensor(value):
        return ops("build.slice", *(built(v) for v in (value.start, value.stop, value.step)))
    return value


def is_built(value: Any) -> bool:
    """Whether the value is a number, or several, of `built`."""
    return (
        isinstance(value, Expression) and value.function.startswith("build.") and value.function not in _BUILT_TENSORS
    )


_BUILT_TENSORS = tuple(
    f"build.{name}"
    for name in "arange row batch_dot gather_nd batch_gather resize_v1 central_crop crop_or_pad number reshape".split()
)


def holds_batch(value: Any) -> bool:
    """Whether the size of the batch is in the nested value."""
    if isinstance(value, list | tuple):
        return any(holds_batch(v) for v in value)
    return (isinstance(value, Size | Number) and value.batch) or (isinstance(value, Shape) and value.start == 0)


DTYPES = frozenset(
    "float16 float32 float64 bfloat16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool half double".split()
)


def dtype_of(value: Any, of: Callable[[Any], str | None]) -> str | None:
    """The dtype of a tensor where it is known to be another than the float of the model, else None.

    `of` says it of what the tensor is calculated from.
    """
    if isinstance(value, np.ndarray):
        return value.dtype.name
    if isinstance(value, Item):
        return "int32" if value.of.function == "shape" else of(value.of)
    if not isinstance(value, Expression):
        return None
    if value.function == "cast":
        return str(value.args[1])
    if value.function == "build.arange":
        return str(value.args[3])
    if is_built(value) or value.function == "build.number":
        return "int32"
    if "dtype" in value.kwargs and value.function in ("zeros_like", "ones_like", "one_hot"):
        return str(value.kwargs["dtype"])
    if value.function in _GIVE_BOOL:
        return "bool"
    if value.function in ("argmax", "argmin", "argsort"):
        return "int64"
    if value.config is not None or value.function in ("divide", "one_hot", "mean"):
        return None
    candidates = [*value.args, *value.kwargs.values()]
    if value.function == "where":
        candidates = candidates[1:]
    leaves = [v for v in _flat(candidates) if is_tensor(v) and not is_built(v)]
    if not leaves:  # calculated of a constant
        leaves = [v for v in _flat(candidates) if isinstance(v, np.ndarray)]
    return of(leaves[0]) if leaves else None


_GIVE_BOOL = (
    "equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor logical_not any all "
    "isnan isinf isfinite"
).split()


def _flat(values: Any) -> list[Any]:
    return [leaf for v in values for leaf in (_flat(v) if isinstance(v, list | tuple) else [v])]
