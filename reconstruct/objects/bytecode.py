"""The instructions of a `Code`, for every Python from 2.7 to 3.13, and which of these Pythons it was compiled by.

Marshal data do not say which Python wrote them. They are read as each version in turn; where one is wrong, opcodes are
unknown, jumps lead into the middle of an instruction, names are out of range, or the stack does not add up.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconstruct.objects.marshal_reader import Code, MarshalError, read
from reconstruct.objects.opcodes import BINARY_OPERATORS, CACHES, COMPARISONS, VERSIONS, has_argument, opcodes

LAYOUT = {
    "2.7": "2.7", "3.5": "3.0", "3.6": "3.0", "3.7": "3.0", "3.8": "3.8", "3.9": "3.8", "3.10": "3.8", "3.11": "3.11",
    "3.12": "3.11", "3.13": "3.11",
}  # fmt: skip
_TEXT_LIMIT = 60
_LISTING_LIMIT = 200
_PARAMETERS_LIMIT = 20
# They prepare what the ones after them do.
_UNSAID = ("RESUME", "PRECALL", "NOP", "MAKE_CELL", "COPY_FREE_VARS", "PUSH_NULL", "SETUP_LOOP", "POP_BLOCK")


@dataclass(frozen=True)
class Instruction:
    """`value` is what the argument stands for: a name, a constant, an operator, the offset a jump leads to."""

    offset: int
    name: str
    argument: int | None = None
    value: Any = None

    def __str__(self) -> str:
        if self.argument is None:
            return self.name
        if self.value is None and not self.name.endswith("_CONST"):
            return f"{self.name} {self.argument}"
        if self.name in ("BINARY_OP", "COMPARE_OP"):
            return f"{self.name} {self.value}"
        return f"{self.name} {_brief(self.value, quoted=self.name.endswith('_CONST'))}"


@dataclass(frozen=True)
class Program:
    """A `Code` as one version of Python reads it."""

    version: str
    code: Code
    instructions: tuple[Instruction, ...]

    def index(self, offset: int) -> int:
        """The number of the instruction at an offset."""
        return next(i for i, each in enumerate(self.instructions) if each.offset == offset)

    @property
    def inner(self) -> list[Program]:
        """The functions defined in this one."""
        return [decode(c, self.version) for c in self.code.constants if isinstance(c, Code)]

    def meaning(self) -> tuple[Any, ...]:
        """What tells two readings of the same bytes apart."""
        own = tuple((i.offset, i.name, i.argument, repr(i.value)) for i in self.instructions)
        return (own, *(p.meaning() for p in self.inner))

    def globals(self, wanted: Callable[[str], bool]) -> list[str]:
        """The names of global variables that are used here or in functions inside, as far as they are wanted."""
        own = [i.value for i in self.instructions if i.name in ("LOAD_GLOBAL", "LOAD_NAME") and wanted(i.value)]
        return list(dict.fromkeys([*own, *(name for program in self.inner for name in program.globals(wanted))]))

    def listing(self) -> str:
        """The instructions as text: jumps lead to labels, functions inside are indented below.

        At most `_LISTING_LIMIT` lines of bounded length, without control characters: the text is that of a stranger.
        """
        lines = list(itertools.islice(self._lines(), _LISTING_LIMIT + 1))
        return "\n".join([*lines[:_LISTING_LIMIT], *(["… and more"] if len(lines) > _LISTING_LIMIT else [])])

    def _lines(self) -> Iterator[str]:
        names = [_shown(name) for name in self.code.parameters[:_PARAMETERS_LIMIT]]
        more = ["…"] if len(self.code.parameters) > _PARAMETERS_LIMIT else []
        yield f"{_shown(self.code.name)}({', '.join(names + more)})"
        targets = sorted({each.value for each in self.instructions if _is_jump(each.name)})
        labels = {offset: f"L{i}" for i, offset in enumerate(targets, 1)}
        for each in self.instructions:
            if each.offset in labels:
                yield f" {labels[each.offset]}:"
            if _is_jump(each.name):
                yield f"    {each.name} {labels[each.value]}"
            elif each.name not in _UNSAID:
                yield f"    {each}"
        for program in self.inner:
            yield from (f"  {line}" for line in program._lines())


def decode(code: Code, version: str) -> Program:
    """The instructions of the function. Raises `MarshalError` where this is no code of that version."""
    names, arguments_from = opcodes(version), has_argument(version)
    raw = list(_units(code.code, version))
    caches = CACHES.get(version, {})
    result: list[Instruction] = []
    extended, start, skip = 0, None, 0
    for offset, number, argument, following in raw:
        if skip:
            if number != 0:
                raise MarshalError(f"the instruction at {offset} is where a cache should be")
            skip -= 1
            continue
        name = names.get(number)
        if name is None or name == "CACHE":
            raise MarshalError(f"Python {version} has no opcode {number}")
        if name == "EXTENDED_ARG":
            extended = (extended | argument) << (16 if version in ("2.7", "3.5") else 8)
            start = offset if start is None else start
            if extended >> 40:
                raise MarshalError("an argument is too large")
            continue
        skip = caches.get(name, 0)
        end = following + 2 * skip
        full = argument | extended if number >= arguments_from else None
        at = offset if start is None else start
        result.append(Instruction(at, name, full, _value(code, version, name, full, end)))
        extended, start = 0, None
    if skip or extended or not result:
        raise MarshalError("the code ends in the middle of an instruction")
    if not result[-1].name.startswith(("RETURN", "RAISE", "RERAISE", "JUMP")):
        raise MarshalError("the code does not end in a return")
    if _minor(version) >= (3, 11) and not any(each.name == "RESUME" for each in result):
        raise MarshalError("every function of Python 3.11 and later has the instruction RESUME")
    _check_jumps(result)
    return Program(version, code, tuple(result))


def _units(code: bytes, version: str) -> Iterator[tuple[int, int, int, int]]:
    """Offset, opcode, argument (0 if none) and the offset of what follows."""
    at = 0
    if version in ("2.7", "3.5"):
        while at < len(code):
            size = 3 if code[at] >= 90 else 1
            if at + size > len(code):
                raise MarshalError("the code ends in the middle of an instruction")
            yield at, code[at], int.from_bytes(code[at + 1 : at + size], "little"), at + size
            at += size
        return
    if len(code) % 2:
        raise MarshalError("code of Python 3.6 and later has an even number of bytes")
    for at in range(0, len(code), 2):
        yield at, code[at], code[at + 1], at + 2


def _minor(version: str) -> tuple[int, int]:
    major, minor = version.split(".")
    return int(major), int(minor)


_NAMES = (
    "STORE_NAME", "DELETE_NAME", "STORE_ATTR", "DELETE_ATTR", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_NAME", "LOAD_ATTR",
    "IMPORT_NAME", "IMPORT_FROM", "LOAD_GLOBAL", "LOAD_METHOD", "LOAD_FROM_DICT_OR_GLOBALS", "LOAD_SUPER_ATTR",
)  # fmt: skip
_LOCALS = ("LOAD_FAST", "STORE_FAST", "DELETE_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_AND_CLEAR")
_PAIRS = ("LOAD_FAST_LOAD_FAST", "STORE_FAST_LOAD_FAST", "STORE_FAST_STORE_FAST")
_CELLS = (
    "LOAD_CLOSURE", "LOAD_DEREF", "STORE_DEREF", "DELETE_DEREF", "MAKE_CELL", "LOAD_CLASSDEREF",
    "LOAD_FROM_DICT_OR_DEREF",
)  # fmt: skip
_ABSOLUTE = ("JUMP_ABSOLUTE", "CONTINUE_LOOP", "JUMP_IF_NOT_EXC_MATCH")
_RELATIVE = (
    "FOR_ITER", "JUMP_FORWARD", "SETUP_LOOP", "SETUP_EXCEPT", "SETUP_FINALLY", "SETUP_WITH", "SETUP_ASYNC_WITH",
    "CALL_FINALLY", "SEND",
)  # fmt: skip


def _value(code: Code, version: str, name: str, argument: int | None, end: int) -> Any:
    if argument is None:
        return None
    python = _minor(version)
    if name in ("LOAD_CONST", "RETURN_CONST", "KW_NAMES"):
        return _entry(code.constants, argument)
    if name in _NAMES:
        if name == "LOAD_SUPER_ATTR":
            argument >>= 2
        elif (name == "LOAD_GLOBAL" and python >= (3, 11)) or (name == "LOAD_ATTR" and python >= (3, 12)):
            argument >>= 1  # the lowest bit says how the result is put on the stack
        return _entry(code.names, argument)
    variables = code.slots if python >= (3, 11) else code.variables
    if name in _LOCALS:
        return _entry(variables, argument)
    if name in _PAIRS:
        return _entry(variables, argument >> 4), _entry(variables, argument & 15)
    if name in _CELLS:
        return _entry(code.slots if python >= (3, 11) else code.cells + code.free, argument)
    if name == "COMPARE_OP":
        shift = {"3.12": 4, "3.13": 5}.get(version, 0)
        return _entry(COMPARISONS if python < (3, 9) else COMPARISONS[:6], argument >> shift)
    if name == "BINARY_OP":
        return _entry(BINARY_OPERATORS + tuple(f"{o}=" for o in BINARY_OPERATORS), argument)
    unit = 2 if python >= (3, 10) else 1
    if "BACKWARD" in name:
        return end - argument * unit
    if name in _ABSOLUTE or (python < (3, 11) and "JUMP_IF_" in name):
        return argument * unit
    if name in _RELATIVE or "JUMP" in name:
        return end + argument * unit
    return None


def _entry(entries: tuple[Any, ...], index: int) -> Any:
    if index >= len(entries):
        raise MarshalError(f"an instruction takes entry {index} of {len(entries)}")
    return entries[index]


def _is_jump(name: str) -> bool:
    return "JUMP" in name or name in _RELATIVE or name in _ABSOLUTE


def _check_jumps(instructions: list[Instruction]) -> None:
    starts = {i.offset for i in instructions}
    for each in instructions:
        if _is_jump(each.name) and each.value not in starts:
            raise MarshalError(f"the jump at {each.offset} leads to no instruction")


# Which Python


@dataclass(frozen=True)
class Readings:
    """All versions of Python that could have written the data; one after `versions` for each different meaning."""

    programs: tuple[Program, ...]
    versions: tuple[str, ...]

    def __str__(self) -> str:
        return "Python " + " or ".join(self.versions)


def readings(data: bytes) -> Readings:
    """The function in the marshal data, as every version of Python that fits reads it.

    Versions that read it alike are one program; more than one program is left where the bytes do not tell.
    Raises `MarshalError` where the data are no function of any version from 2.7 to 3.13.
    """
    fitting: list[tuple[int, Program]] = []
    problems: list[str] = []
    codes: dict[str, Code | MarshalError] = {}
    for version in VERSIONS:
        layout = LAYOUT[version]
        if layout not in codes:
            codes[layout] = _code(data, layout)
        code = codes[layout]
        try:
            if isinstance(code, MarshalError):
                raise code
            program = decode(code, version)
            fitting.append((sum(1 for p in _all(program) if _fits(p)), program))
        except MarshalError as error:
            problems.append(f"{version}: {error}")
    if not fitting:
        raise MarshalError(f"no Python from 2.7 to 3.13 wrote this code ({'; '.join(problems)})")
    best = max(score for score, _ in fitting)
    programs = [program for score, program in fitting if score == best]
    different: dict[Any, Program] = {program.meaning(): program for program in programs}
    return Readings(tuple(different.values()), tuple(p.version for p in programs))


def _code(data: bytes, layout: str) -> Code | MarshalError:
    try:
        value = read(data, layout)
    except MarshalError as error:
        return error
    return value if isinstance(value, Code) else MarshalError(f"a {type(value).__name__}, not a function")


def _all(program: Program) -> Iterator[Program]:
    yield program
    for inner in program.inner:
        yield from _all(inner)


def _fits(program: Program) -> bool:
    """Whether the line table has the form of that version, and the deepest stack is the one the code says."""
    code, version = program.code, program.version
    if program.version in ("3.8", "3.9", "3.10"):
        # Until 3.9 the table ends where the last line starts (lnotab), in 3.10 with the code (PEP 626).
        covered = sum(code.lines[::2])
        if (covered == len(code.code)) != (version == "3.10"):
            return False
    depth = _deepest(program)
    return depth is None or depth == code.stack_size


def _deepest(program: Program) -> int | None:
    """The deepest stack of code without jumps; None where that cannot be said."""
    depth = deepest = 0
    for each in program.instructions:
        if _is_jump(each.name):
            return None
        effect = stack_effect(each, program.version)
        if effect is None:
            return None
        depth += effect
        if depth < 0:
            return -1
        deepest = max(deepest, depth)
    # Before 3.11 the compiler counted calls differently from one release to the next.
    return max(deepest, 1) if _minor(program.version) >= (3, 6) else None


_EFFECTS: Mapping[str, int] = {
    **dict.fromkeys(("LOAD_CONST", "LOAD_FAST", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLOSURE", "DUP_TOP", "PUSH_NULL"), 1),
    **dict.fromkeys(("POP_TOP", "STORE_FAST", "STORE_DEREF", "STORE_NAME", "RETURN_VALUE", "BINARY_SUBSCR"), -1),
    **dict.fromkeys(("BINARY_OP", "COMPARE_OP", "IS_OP", "CONTAINS_OP", "LIST_EXTEND", "LIST_APPEND"), -1),
    **dict.fromkeys(("ROT_TWO", "ROT_THREE", "ROT_FOUR", "NOP", "RESUME", "MAKE_CELL", "COPY_FREE_VARS", "SWAP"), 0),
    **dict.fromkeys(("RETURN_CONST", "KW_NAMES", "LIST_TO_TUPLE", "GET_ITER", "GEN_START"), 0),
    "DUP_TOP_TWO": 2, "LOAD_METHOD": 1, "LOAD_FAST_LOAD_FAST": 2, "STORE_FAST_STORE_FAST": -2, "STORE_SUBSCR": -3,
    "STORE_FAST_LOAD_FAST": 0, "BINARY_SLICE": -2, "IMPORT_NAME": -1, "IMPORT_FROM": 1, "COPY": 1,
    "CALL_INTRINSIC_1": 0,
}  # fmt: skip


def stack_effect(each: Instruction, version: str) -> int | None:
    """By how much the instruction makes the stack longer; None for those that plain expressions do not have."""
    name, argument, python = each.name, each.argument or 0, _minor(version)
    if name in _EFFECTS:
        return _EFFECTS[name]
    if name.startswith(("BINARY_", "INPLACE_")):
        return -1
    if name.startswith("UNARY_"):
        return 0
    if name in ("BUILD_TUPLE", "BUILD_LIST", "BUILD_SET"):
        return 1 - argument
    if name == "BUILD_SLICE":
        return 1 - argument
    if name == "BUILD_CONST_KEY_MAP":
        return -argument
    if name == "UNPACK_SEQUENCE":
        return argument - 1
    if name == "LOAD_GLOBAL":
        return 1 + (argument & 1 if python >= (3, 11) else 0)
    if name == "LOAD_ATTR":
        return argument & 1 if python >= (3, 12) else 0
    if name == "CALL_FUNCTION":
        return -argument if python >= (3, 6) else -((argument & 255) + 2 * (argument >> 8 & 255))
    if version == "3.11" and name in ("PRECALL", "CALL"):
        return -argument if name == "PRECALL" else -1
    if name in ("CALL_METHOD", "CALL", "CALL_FUNCTION_KW"):
        return -argument - 1
    return -argument - 2 if name == "CALL_KW" else None


def _brief(value: Any, quoted: bool = True) -> str:
    """A value in few letters; names are not `quoted`."""
    if isinstance(value, Code):
        return f"<function {_shown(value.name)}>"
    if isinstance(value, str) and value.isidentifier() and not quoted:
        return _cut(value)
    if isinstance(value, tuple | frozenset):
        parts = ", ".join(_brief(v, quoted) for v in list(value)[:8])
        return _cut(f"({parts}{', …' if len(value) > 8 else ''})")
    return _cut(repr(value[:_TEXT_LIMIT] if isinstance(value, str | bytes) else value))


def _shown(name: str) -> str:
    """A name in the file, which need not be one."""
    known = name.isidentifier() or name in ("<lambda>", "<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>")
    return _cut(name if known else ascii(name[:_TEXT_LIMIT]))


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 1] + "…"
