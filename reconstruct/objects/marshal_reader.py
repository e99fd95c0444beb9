"""Python's marshal data as plain data: constants, and functions as `Code` records that nothing can run.

The format is that of `Python/marshal.c`: version 2 in Python 2.7, version 4 (with references, `FLAG_REF`) since 3.4.
What a code object consists of changed in 3.0, 3.8 and 3.11; the data do not say which it is, so the caller names the
layout.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

LAYOUTS = ("2.7", "3.0", "3.8", "3.11")  # each is named by the first version that had it
MAX_BYTES = 4 << 20
MAX_OBJECTS = 100_000
MAX_DEPTH = 64
_MAX_DIGITS = 800  # of 15 bits; more could not even be printed (sys.int_info.default_max_str_digits)

_FLAG_REF = 0x80
_SINGLE = {"N": None, "F": False, "T": True, ".": ...}


class MarshalError(ValueError):
    """The bytes are no marshal data of the layout asked for, or more than the limits allow."""


@dataclass(frozen=True)
class Code:
    """A function as the compiler left it. `layout` is one of `LAYOUTS`; fields that it lacks are empty or 0.

    `variables` are the local variables, parameters first, `cells` those that inner functions use, `free` those of an
    outer function. `slots` are all three in the order that 3.11 and later number them; before, it is empty.
    """

    layout: str
    name: str
    qualified_name: str
    filename: str
    first_line: int
    positional: int
    positional_only: int
    keyword_only: int
    stack_size: int
    flags: int
    code: bytes
    constants: tuple[Any, ...]
    names: tuple[str, ...]
    variables: tuple[str, ...]
    cells: tuple[str, ...]
    free: tuple[str, ...]
    slots: tuple[str, ...]
    lines: bytes
    exceptions: bytes

    @property
    def parameters(self) -> tuple[str, ...]:
        """Positional and keyword-only parameters, then `*args` and `**kwargs`."""
        count = self.positional + self.keyword_only + self.takes_rest + self.takes_keywords
        return self.variables[:count]

    @property
    def takes_rest(self) -> bool:
        return bool(self.flags & 0x04)  # CO_VARARGS

    @property
    def takes_keywords(self) -> bool:
        return bool(self.flags & 0x08)  # CO_VARKEYWORDS

    @property
    def suspends(self) -> bool:
        """Whether it is a generator or a coroutine."""
        return bool(self.flags & (0x20 | 0x80 | 0x200))


def read(data: bytes, layout: str) -> Any:
    """The object that the marshal data hold.

    Numbers, strings, None, booleans, `...`, tuples and sets (as `frozenset`) are those of Python; functions are `Code`.
    Raises `MarshalError` where the bytes are damaged, of another layout, hold something after the object, or exceed
    `MAX_BYTES`, `MAX_OBJECTS` or `MAX_DEPTH`, where an object that is referred to counts every time.

    >>> read(b")\\x02N\\xe9\\x05\\x00\\x00\\x00", "3.8")
    (None, 5)
    """
    assert layout in LAYOUTS, layout
    if len(data) > MAX_BYTES:
        raise MarshalError(f"{len(data)} bytes of code are more than the {MAX_BYTES} that are read")
    reader = _Reader(data, layout)
    value = reader.object(0)[0]
    if reader.at != len(data):
        raise MarshalError(f"{len(data) - reader.at} bytes follow the code")
    return value


_Sized = tuple[Any, int]  # an object and how many objects it consists of
_PENDING: Any = object()


class _Reader:
    def __init__(self, data: bytes, layout: str) -> None:
        self.data = data
        self.layout = layout
        self.at = 0
        self.references: list[_Sized] = []
        self.interned: list[str] = []  # of Python 2
        self.python_2 = layout == "2.7"

    def object(self, depth: int) -> _Sized:
        if depth > MAX_DEPTH:
            raise MarshalError(f"the data are nested deeper than {MAX_DEPTH}")
        byte = self.take(1)[0]
        kind, flagged = chr(byte & ~_FLAG_REF), bool(byte & _FLAG_REF)
        if flagged and self.python_2:
            raise MarshalError("Python 2 writes no references")
        if kind == "r" and not self.python_2:
            return self.reference()
        # An object takes its number before what is in it (marshal.c, r_ref_reserve).
        number = len(self.references)
        if flagged:
            self.references.append((_PENDING, 0))
        value, size = self.of_kind(kind, depth)
        if size > MAX_OBJECTS:
            raise MarshalError(f"the data hold more than {MAX_OBJECTS} objects")
        if flagged:
            self.references[number] = value, size
        return value, size

    def of_kind(self, kind: str, depth: int) -> _Sized:
        if kind in _SINGLE:
            return _SINGLE[kind], 1
        if kind in _SIMPLE and (self.python_2 or kind != "R"):
            return _SIMPLE[kind](self), 1
        if kind == "c":
            return self.code(depth)
        if kind not in ("(", ")", "<", ">"):
            raise MarshalError(f"a function does not hold objects of the kind {kind!r}")
        count = self.take(1)[0] if kind == ")" else self.length(1)
        values, size = [], 1
        for _ in range(count):
            value, weight = self.object(depth + 1)
            values.append(value)
            size += weight
            if size > MAX_OBJECTS:
                raise MarshalError(f"the data hold more than {MAX_OBJECTS} objects")
        return (tuple(values) if kind in "()" else frozenset(self.hashable(v) for v in values)), size

    def hashable(self, value: Any) -> Hashable:
        if isinstance(value, Code):
            raise MarshalError("a set of functions is no constant")
        return value  # everything else that is read here can be hashed

    def reference(self) -> _Sized:
        index = self.number("<I", 4)
        if index >= len(self.references) or self.references[index][0] is _PENDING:
            raise MarshalError("a reference leads to no object before it")
        return self.references[index]

    # Bytes

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise MarshalError("the data end in the middle of an object")
        start, self.at = self.at, self.at + count
        return self.data[start : self.at]

    def number(self, form: str, size: int) -> Any:
        return struct.unpack(form, self.take(size))[0]

    def length(self, size_of_each: int) -> int:
        """A length that the bytes left can hold."""
        count = int(self.number("<i", 4))
        if not 0 <= count * size_of_each <= len(self.data) - self.at:
            raise MarshalError("a length is negative or more than there are bytes")
        return count

    def long(self) -> int:
        count = int(self.number("<i", 4))
        if abs(count) > _MAX_DIGITS:
            raise MarshalError(f"a number of {abs(count) * 15} bits is more than is read")
        value = 0
        for i in range(abs(count)):
            digit = int(self.number("<H", 2))
            if digit >= 1 << 15:
                raise MarshalError("a digit of a long number is too large")
            value |= digit << 15 * i
        return -value if count < 0 else value

    def text_float(self) -> float:
        try:
            return float(self.take(self.take(1)[0]).decode("ascii"))
        except ValueError as error:
            raise MarshalError("a number is not one") from error

    def text(self, count: int, encoding: str = "utf-8") -> str:
        try:
            return self.take(count).decode(encoding, "surrogatepass" if encoding == "utf-8" else "strict")
        except UnicodeDecodeError as error:
            raise MarshalError("a string is no valid text") from error

    def string(self) -> str | bytes:
        """`s`: text of Python 2, bytes of Python 3."""
        count = self.length(1)
        return self.text(count, "latin-1") if self.python_2 else self.take(count)

    def interned_string(self) -> str:
        if not self.python_2:
            return self.text(self.length(1))
        self.interned.append(self.text(self.length(1), "latin-1"))
        return self.interned[-1]

    def string_reference(self) -> str:
        index = int(self.number("<I", 4))
        if index >= len(self.interned):
            raise MarshalError("a reference leads to no string before it")
        return self.interned[index]

    # Functions

    def code(self, depth: int) -> _Sized:
        numbers = {
            "2.7": ("positional", "", "stack_size", "flags"),
            "3.0": ("positional", "keyword_only", "", "stack_size", "flags"),
            "3.8": ("positional", "positional_only", "keyword_only", "", "stack_size", "flags"),
            "3.11": ("positional", "positional_only", "keyword_only", "stack_size", "flags"),
        }[self.layout]
        counts = {name: int(self.number("<i", 4)) for name in numbers}
        locals_count = counts.pop("", None)
        if any(n < 0 for n in counts.values()):
            raise MarshalError("a count in a function is negative")
        size = 1

        def part(of: type) -> Any:
            nonlocal size
            value, weight = self.object(depth + 1)
            size += weight
            if not isinstance(value, of):
                raise MarshalError(f"a {type(value).__name__} is where a function has a {of.__name__}")
            return value

        def names() -> tuple[str, ...]:
            found: tuple[Any, ...] = part(tuple)
            if not all(isinstance(name, str) for name in found):
                raise MarshalError("a name in a function is no text")
            return found

        raw = (lambda: part(str).encode("latin-1")) if self.python_2 else (lambda: part(bytes))
        code: bytes = raw()
        constants: tuple[Any, ...] = part(tuple)
        used = names()
        slots: tuple[str, ...] = ()
        if self.layout == "3.11":
            slots, kinds = names(), part(bytes)
            if len(kinds) != len(slots):
                raise MarshalError("the variables of a function and their kinds are not equally many")
            # CO_FAST_LOCAL, CO_FAST_CELL and CO_FAST_FREE of Include/internal/pycore_code.h
            variables, cells, free = (
                tuple(name for name, kind in zip(slots, kinds, strict=True) if kind & bit) for bit in (0x20, 0x40, 0x80)
            )
        else:
            variables, free, cells = names(), names(), names()
            if locals_count != len(variables):
                raise MarshalError("a function has another number of variables than it says")
        filename, name = part(str), part(str)
        qualified = part(str) if self.layout == "3.11" else name
        first_line = int(self.number("<i", 4))
        lines = raw()
        exceptions = raw() if self.layout == "3.11" else b""
        result = Code(
            self.layout, name, qualified, filename, first_line, counts["positional"], counts.get("positional_only", 0),
            counts.get("keyword_only", 0), counts["stack_size"], counts["flags"], code, constants, used, variables,
            cells, free, slots, lines, exceptions,
        )  # fmt: skip
        wanted = result.positional + result.keyword_only + result.takes_rest + result.takes_keywords
        if result.positional_only > result.positional or wanted > len(variables):
            raise MarshalError("a function has more parameters than variables")
        return result, size


_SIMPLE: dict[str, Callable[[_Reader], Any]] = {
    "i": lambda r: r.number("<i", 4),
    "I": lambda r: r.number("<q", 8),
    "l": _Reader.long,
    "f": _Reader.text_float,
    "g": lambda r: r.number("<d", 8),
    "x": lambda r: complex(r.text_float(), r.text_float()),
    "y": lambda r: complex(r.number("<d", 8), r.number("<d", 8)),
    "s": _Reader.string,
    "t": _Reader.interned_string,
    "R": _Reader.string_reference,
    "u": lambda r: r.text(r.length(1)),
    "a": lambda r: r.text(r.length(1), "latin-1"),
    "A": lambda r: r.text(r.length(1), "latin-1"),
    "z": lambda r: r.text(r.take(1)[0], "latin-1"),
    "Z": lambda r: r.text(r.take(1)[0], "latin-1"),
}
