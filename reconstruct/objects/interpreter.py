"""The code of a Lambda layer followed instruction by instruction over symbols: nothing of it runs.

Only the instructions of the table at the end are known. Loops and conditions are followed where they depend on
constants alone; one that depends on the values of a tensor, and everything that reaches outside, is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconstruct.objects import bytecode
from reconstruct.objects.bytecode import Instruction, Program
from reconstruct.objects.library import Library
from reconstruct.objects.marshal_reader import Code, MarshalError
from reconstruct.objects.symbols import Function, Untranslatable, describe

MAX_STEPS = 20_000
MAX_DEPTH = 16
MAX_ITERATIONS = 64


class _Null:
    """The empty slot that Python 3.11 and later put beside a function that is called."""


NULL = _Null()


@dataclass
class Frame:
    """One call of a function."""

    program: Program
    function: Function
    variables: dict[str, Any]
    stack: list[Any] = field(default_factory=list)
    loops: list[tuple[int, int]] = field(default_factory=list)  # where a `break` leads, and the height of the stack
    at: int = 0
    keywords: tuple[str, ...] = ()
    result: Any = NULL
    yielded: list[Any] = field(default_factory=list)

    def pop(self) -> Any:
        if not self.stack:
            raise Untranslatable("the code is damaged: it takes a value that is not there")
        return self.stack.pop()

    def pops(self, count: int) -> list[Any]:
        """The last `count` values in the order in which they were put there."""
        if count > len(self.stack):
            raise Untranslatable("the code is damaged: it takes values that are not there")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def jump(self, offset: int) -> None:
        self.at = self.program.index(offset)

    def variable(self, name: str) -> Any:
        if name in self.variables:
            return self.variables[name]
        outer = self.function.cells.get(name)
        if outer is None or name not in outer:
            raise Untranslatable(f"the variable {name!r} has no value")
        return outer[name]

    def assign(self, name: str, value: Any) -> None:
        owner = self.function.cells.get(name)
        if owner is not None and not isinstance(owner, dict):
            raise Untranslatable(f"it assigns to {name!r}, a variable outside of the model")
        (self.variables if owner is None else owner)[name] = value


class Interpreter:
    """Follows functions of one file. `library` says what the things that they call are."""

    def __init__(self, version: str, library: Library) -> None:
        self.version = version
        self.library = library
        self.steps = 0
        self.depth = 0
        library.call_function = self.call

    @property
    def python(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self.version.split("."))

    def call(self, function: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """What the function returns. Raises `Untranslatable`."""
        if self.depth >= MAX_DEPTH:
            raise Untranslatable("its functions call each other too deeply")
        code = function.code
        if code.flags & (0x80 | 0x200):
            raise Untranslatable("it is a coroutine")
        before, self.version = self.version, function.version or self.version
        try:
            return self._call(function, args, kwargs)
        finally:
            self.version = before

    def _call(self, function: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        code = function.code
        try:
            program = bytecode.decode(code, self.version)
        except MarshalError as error:
            raise Untranslatable(f"the code is damaged: {error}") from error
        frame = Frame(program, function, bind(function, args, kwargs))
        if code.suspends and self.version == "3.10":
            frame.push(None)  # what GEN_START takes
        self.depth += 1
        try:
            while frame.result is NULL:
                self.step(frame)
        finally:
            self.depth -= 1
        return frame.yielded if code.suspends else frame.result

    def step(self, frame: Frame) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise Untranslatable(f"it takes more than {MAX_STEPS} steps")
        if frame.at >= len(frame.program.instructions):
            raise Untranslatable("the code is damaged: it has no end")
        each = frame.program.instructions[frame.at]
        frame.at += 1
        perform = _INSTRUCTIONS.get(each.name)
        if perform is not None:
            perform(self, frame, each)
        elif each.name.startswith("BINARY_") or each.name.startswith("INPLACE_"):
            operator = _OPERATORS.get(each.name.split("_", 1)[1])
            if operator is None:
                raise _unknown(each)
            self.binary(frame, operator)
        else:
            raise _unknown(each)

    def binary(self, frame: Frame, operator: str) -> None:
        left, right = frame.pops(2)
        frame.push(self.library.binary(operator, left, right))


def _unknown(each: Instruction) -> Untranslatable:
    return Untranslatable(f"the instruction {each.name} is not one that is translated")


def bind(function: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of the function with their values."""
    code = function.code
    names = code.variables
    positional, keyword_only = names[: code.positional], names[code.positional : code.positional + code.keyword_only]
    bound: dict[str, Any] = dict(zip(positional, args, strict=False))
    rest, others = list(args[code.positional :]), {}
    for name, value in kwargs.items():
        if name in bound:
            raise Untranslatable(f"{code.name} gets {name!r} twice")
        if name in (*positional[code.positional_only :], *keyword_only):
            bound[name] = value
        else:
            others[name] = value
    if len(function.defaults) > len(positional):
        raise Untranslatable(f"{code.name} has more defaults than parameters")
    for name, value in zip(positional[len(positional) - len(function.defaults) :], function.defaults, strict=True):
        bound.setdefault(name, value)
    for name, value in function.keyword_defaults.items():
        bound.setdefault(name, value)
    lacking = [name for name in (*positional, *keyword_only) if name not in bound]
    if lacking:
        raise Untranslatable(f"{code.name} is not given {', '.join(lacking)}")
    further = list(names[code.positional + code.keyword_only :])
    if code.takes_rest:
        bound[further.pop(0)] = tuple(rest)
    elif rest:
        raise Untranslatable(f"{code.name} gets more arguments than it takes")
    if code.takes_keywords:
        bound[further.pop(0)] = others
    elif others:
        raise Untranslatable(f"{code.name} gets an argument {next(iter(others))!r} that it does not take")
    return bound


Perform = Callable[[Interpreter, Frame, Instruction], None]
_INSTRUCTIONS: dict[str, Perform] = {}


def _instruction(*names: str) -> Callable[[Perform], Perform]:
    def declare(function: Perform) -> Perform:
        _INSTRUCTIONS.update(dict.fromkeys(names, function))
        return function

    return declare


@_instruction("NOP", "RESUME", "MAKE_CELL", "COPY_FREE_VARS", "PRECALL", "SETUP_ANNOTATIONS", "EXTENDED_ARG", "TO_BOOL")
def _nothing(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    """These prepare what is done otherwise here."""


# Values


@_instruction("LOAD_CONST")
def _constant(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.push(each.value)


@_instruction("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_DEREF", "LOAD_CLASSDEREF")
def _load(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.push(_loaded(machine, frame, each.value, each.name.startswith("LOAD_FAST")))


def _loaded(machine: Interpreter, frame: Frame, name: str, fast: bool) -> Any:
    """A variable; since 3.13 LOAD_FAST of one that inner functions use gives its cell, as LOAD_CLOSURE did before."""
    code = frame.program.code
    if fast and machine.python >= (3, 13) and name in code.cells + code.free:
        return frame.function.cells.get(name, frame.variables)
    return frame.variable(name)


@_instruction("LOAD_FAST_AND_CLEAR")
def _load_and_clear(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.push(frame.variables.pop(each.value, NULL))


@_instruction("LOAD_FAST_LOAD_FAST")
def _load_two(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.stack += [_loaded(machine, frame, name, True) for name in each.value]


@_instruction("STORE_FAST", "STORE_DEREF")
def _store(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    value = frame.pop()
    if value is NULL:  # what LOAD_FAST_AND_CLEAR found there
        frame.variables.pop(each.value, None)
    else:
        frame.assign(each.value, value)


@_instruction("STORE_FAST_LOAD_FAST")
def _store_load(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.assign(each.value[0], frame.pop())
    frame.push(frame.variable(each.value[1]))


@_instruction("STORE_FAST_STORE_FAST")
def _store_two(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.assign(each.value[0], frame.pop())
    frame.assign(each.value[1], frame.pop())


@_instruction("DELETE_FAST", "DELETE_DEREF")
def _delete(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.variables.pop(each.value, None)


@_instruction("LOAD_GLOBAL", "LOAD_NAME")
def _load_global(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    value = machine.library.global_(each.value, frame.function.globals)
    null = each.name == "LOAD_GLOBAL" and machine.python >= (3, 11) and (each.argument or 0) & 1
    if null and machine.python < (3, 13):
        frame.push(NULL)
    frame.push(value)
    if null and machine.python >= (3, 13):
        frame.push(NULL)


@_instruction("LOAD_ATTR", "LOAD_METHOD")
def _attribute(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    value = machine.library.attribute(frame.pop(), each.value)
    method = each.name == "LOAD_METHOD" or (machine.python >= (3, 12) and (each.argument or 0) & 1)
    if method and machine.python < (3, 13):
        frame.push(NULL)
    frame.push(value)
    if method and machine.python >= (3, 13):
        frame.push(NULL)


@_instruction("IMPORT_NAME")
def _import(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    _, names = frame.pops(2)
    # `import a.b` gives a, `from a.b import c` gives b.
    frame.push(machine.library.named(each.value if names else each.value.split(".")[0]))


@_instruction("IMPORT_FROM")
def _import_from(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.push(machine.library.attribute(frame.stack[-1], each.value))


# The stack


@_instruction("POP_TOP")
def _pop(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.pop()


@_instruction("PUSH_NULL")
def _push_null(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.push(NULL)


@_instruction("END_FOR")
def _pop_two(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.pops(2)


@_instruction("ROT_TWO", "ROT_THREE", "ROT_FOUR", "ROT_N")
def _rotate(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    count = {"ROT_TWO": 2, "ROT_THREE": 3, "ROT_FOUR": 4}.get(each.name, each.argument or 1)
    *below, top = frame.pops(count)
    frame.stack += [top, *below]


@_instruction("SWAP")
def _swap(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    first, *middle, last = frame.pops(max(each.argument or 0, 2))
    frame.stack += [last, *middle, first]


@_instruction("COPY", "DUP_TOP", "DUP_TOP_TWO", "DUP_TOPX")
def _copy(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    count = {"DUP_TOP": 1, "DUP_TOP_TWO": 2}.get(each.name, each.argument or 1)
    values = frame.pops(count)
    frame.stack += [*values, values[0]] if each.name == "COPY" else values * 2


# Operators


@_instruction("BINARY_OP")
def _binary(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    machine.binary(frame, each.value.removesuffix("="))


_OPERATORS = {
    "ADD": "+", "SUBTRACT": "-", "MULTIPLY": "*", "TRUE_DIVIDE": "/", "FLOOR_DIVIDE": "//", "MODULO": "%",
    "POWER": "**",
    "MATRIX_MULTIPLY": "@", "AND": "&", "OR": "|", "XOR": "^", "LSHIFT": "<<", "RSHIFT": ">>", "DIVIDE": "div",
}  # fmt: skip


@_instruction("UNARY_NEGATIVE", "UNARY_POSITIVE", "UNARY_INVERT")
def _unary(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.push(machine.library.unary(each.name.removeprefix("UNARY_").lower(), frame.pop()))


@_instruction("UNARY_NOT")
def _not(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.push(not machine.library.truth(frame.pop()))


@_instruction("CALL_INTRINSIC_1")
def _intrinsic(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    if each.argument == 5:
        frame.push(machine.library.unary("positive", frame.pop()))
    elif each.argument == 6:
        frame.push(tuple(frame.pop()))
    else:
        raise _unknown(each)


@_instruction("COMPARE_OP")
def _compare(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    left, right = frame.pops(2)
    frame.push(machine.library.compare(each.value, left, right))


@_instruction("IS_OP", "CONTAINS_OP")
def _is(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    left, right = frame.pops(2)
    result = machine.library.compare("is" if each.name == "IS_OP" else "in", left, right)
    frame.push(not result if each.argument else result)


@_instruction("BINARY_SUBSCR")
def _subscript(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    value, key = frame.pops(2)
    frame.push(machine.library.item(value, key))


@_instruction("BINARY_SLICE")
def _slice(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    value, start, stop = frame.pops(3)
    frame.push(machine.library.item(value, slice(start, stop)))


@_instruction("SLICE+0", "SLICE+1", "SLICE+2", "SLICE+3")
def _slice_2(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    which = int(each.name[-1])
    stop = frame.pop() if which & 2 else None
    start = frame.pop() if which & 1 else None
    frame.push(machine.library.item(frame.pop(), slice(start, stop)))


@_instruction("STORE_SUBSCR")
def _store_subscript(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    value, owner, key = frame.pops(3)
    if not isinstance(owner, dict | list) or not isinstance(key, str | int):
        raise Untranslatable(f"it assigns to a part of {describe(owner)}")
    try:
        owner[key] = value  # type: ignore[index]
    except (IndexError, TypeError) as error:
        raise Untranslatable(f"it assigns to a part of {describe(owner)}") from error


# Collections


@_instruction("BUILD_TUPLE")
def _tuple(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.push(tuple(frame.pops(each.argument or 0)))


@_instruction("BUILD_LIST")
def _list(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.push(frame.pops(each.argument or 0))


@_instruction("BUILD_MAP")
def _map(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    count = 0 if machine.version == "2.7" else each.argument or 0
    values = frame.pops(2 * count)
    frame.push(_dict(values[::2], values[1::2]))


@_instruction("STORE_MAP")
def _store_map(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    owner, value, key = frame.pops(3)
    owner.update(_dict([key], [value]))
    frame.push(owner)


@_instruction("BUILD_CONST_KEY_MAP")
def _const_key_map(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    *values, keys = frame.pops((each.argument or 0) + 1)
    frame.push(_dict(keys, values))


def _dict(keys: Sequence[Any], values: Sequence[Any]) -> dict[Any, Any]:
    if not all(isinstance(key, str | int | float) for key in keys) or len(keys) != len(values):
        raise Untranslatable("it makes a dict whose keys are no names")
    return dict(zip(keys, values, strict=True))


@_instruction("BUILD_SLICE")
def _build_slice(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.push(slice(*frame.pops(3 if each.argument == 3 else 2)))


@_instruction("BUILD_TUPLE_UNPACK", "BUILD_TUPLE_UNPACK_WITH_CALL", "BUILD_LIST_UNPACK")
def _unpacked(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    values = [v for part in frame.pops(each.argument or 0) for v in machine.library.spread(part)]
    frame.push(values if "LIST" in each.name else tuple(values))


@_instruction("BUILD_MAP_UNPACK", "BUILD_MAP_UNPACK_WITH_CALL")
def _map_unpacked(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    merged: dict[Any, Any] = {}
    for part in frame.pops((each.argument or 0) & 255):
        merged.update(_mapping(part))
    frame.push(merged)


@_instruction("LIST_TO_TUPLE")
def _list_to_tuple(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.push(tuple(frame.pop()))


@_instruction("LIST_EXTEND", "LIST_APPEND")
def _extend(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    value = frame.pop()
    owner = _below(frame, each)
    if not isinstance(owner, list):
        raise Untranslatable("the code is damaged: no list is where one is extended")
    if each.name == "LIST_APPEND":
        owner.append(value)
    else:
        owner.extend(machine.library.spread(value))


@_instruction("DICT_MERGE", "DICT_UPDATE")
def _dict_merge(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    value = _mapping(frame.pop())
    _mapping(_below(frame, each)).update(value)


def _below(frame: Frame, each: Instruction) -> Any:
    depth = each.argument or 1
    if not 1 <= depth <= len(frame.stack):
        raise Untranslatable("the code is damaged: it takes a value that is not there")
    return frame.stack[-depth]


def _mapping(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise Untranslatable(f"{describe(value)} is where a dict should be")
    return value


@_instruction("UNPACK_SEQUENCE")
def _unpack(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    values = machine.library.unpack(frame.pop(), each.argument or 0)
    frame.stack += reversed(values)


@_instruction("UNPACK_EX")
def _unpack_rest(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    before, after = (each.argument or 0) & 255, (each.argument or 0) >> 8
    values = machine.library.iterate(frame.pop())
    if len(values) < before + after:
        raise Untranslatable(f"it takes {len(values)} values apart into more")
    end = len(values) - after
    frame.stack += reversed([*values[:before], values[before:end], *values[end:]])


# Calls


@_instruction("KW_NAMES")
def _keyword_names(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.keywords = each.value


def _called(machine: Interpreter, frame: Frame, callee: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    frame.push(machine.library.call(callee, list(args), dict(kwargs)))


def _callee(machine: Interpreter, frame: Frame, slots: int) -> tuple[Any, list[Any]]:
    """The function, and what stands beside it as its first argument, if it does."""
    if slots == 1:
        return frame.pop(), []
    first, second = frame.pops(2)
    if machine.python >= (3, 13):
        return first, [] if second is NULL else [second]
    return (second, []) if first is NULL else (first, [second])


@_instruction("CALL", "CALL_METHOD")
def _call(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    names, frame.keywords = frame.keywords, ()
    args = frame.pops(each.argument or 0)
    callee, own = _callee(machine, frame, 2)
    split = len(args) - len(names)
    _called(machine, frame, callee, own + args[:split], dict(zip(names, args[split:], strict=True)))


@_instruction("CALL_KW")
def _call_keywords(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.keywords = frame.pop()
    _call(machine, frame, each)


@_instruction("CALL_FUNCTION_KW")
def _call_function_keywords(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    if machine.version in ("2.7", "3.5"):
        _call_function(machine, frame, each)
        return
    names = frame.pop()
    args = frame.pops(each.argument or 0)
    split = len(args) - len(names)
    _called(machine, frame, frame.pop(), args[:split], dict(zip(names, args[split:], strict=True)))


@_instruction("CALL_FUNCTION", "CALL_FUNCTION_VAR", "CALL_FUNCTION_VAR_KW")
def _call_function(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    argument = each.argument or 0
    if machine.version not in ("2.7", "3.5"):
        args = frame.pops(argument)
        _called(machine, frame, frame.pop(), args, {})
        return
    kwargs = dict(_mapping(frame.pop())) if each.name.endswith("_KW") else {}
    rest: list[Any] = []
    if "_VAR" in each.name and machine.version == "2.7":
        rest = machine.library.iterate(frame.pop())
    pairs = frame.pops(2 * (argument >> 8 & 255))
    if "_VAR" in each.name and machine.version == "3.5":
        if pairs:
            raise _unknown(each)
        rest = machine.library.iterate(frame.pop())
    kwargs |= _dict(pairs[::2], pairs[1::2])
    args = frame.pops(argument & 255)
    _called(machine, frame, frame.pop(), args + rest, kwargs)


@_instruction("CALL_FUNCTION_EX")
def _call_unpacked(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    kwargs = _mapping(frame.pop()) if (each.argument or 0) & 1 else {}
    args = machine.library.iterate(frame.pop())
    if machine.python >= (3, 13):
        callee, own = _callee(machine, frame, 2)
    else:
        callee, own = frame.pop(), []
        if machine.python >= (3, 11):
            frame.pop()
    _called(machine, frame, callee, own + args, kwargs)


@_instruction("MAKE_FUNCTION", "MAKE_CLOSURE")
def _make_function(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    argument = each.argument or 0
    if (3, 0) <= machine.python < (3, 11):
        frame.pop()  # the qualified name
    code = frame.pop()
    if not isinstance(code, Code):
        raise Untranslatable("the code is damaged: no function is where one is made")
    function = Function(code, version=frame.function.version, globals=frame.function.globals)
    if machine.version in ("2.7", "3.5"):
        if argument >> 16:
            raise Untranslatable("a function inside has annotations")
        if each.name == "MAKE_CLOSURE":
            function.cells = _cells(code, frame.pop())
        pairs = frame.pops(2 * (argument >> 8 & 255))
        function.keyword_defaults = _dict(pairs[::2], pairs[1::2])
        function.defaults = tuple(frame.pops(argument & 255))
        if pairs and function.defaults:
            raise _unknown(each)
    else:
        for flag in (8, 4, 2, 1):
            if argument & flag:
                _set_function_part(function, flag, frame.pop())
    frame.push(function)


@_instruction("SET_FUNCTION_ATTRIBUTE")
def _set_function_attribute(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    part, function = frame.pops(2)
    _set_function_part(function, each.argument or 0, part)
    frame.push(function)


def _set_function_part(function: Function, flag: int, part: Any) -> None:
    if flag == 1:
        function.defaults = tuple(part)
    elif flag == 2:
        function.keyword_defaults = _mapping(part)
    elif flag == 8:
        function.cells = _cells(function.code, part)


def _cells(code: Code, owners: Sequence[Any]) -> dict[str, dict[str, Any]]:
    if len(owners) != len(code.free) or not all(isinstance(owner, dict) for owner in owners):
        raise Untranslatable("the code is damaged: a function inside has other variables than it says")
    return dict(zip(code.free, owners, strict=True))


@_instruction("LOAD_CLOSURE")
def _closure(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.push(frame.function.cells.get(each.value, frame.variables))


# Where to go on


@_instruction("RETURN_VALUE")
def _return(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.result = frame.pop()


@_instruction("RETURN_CONST")
def _return_constant(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.result = each.value


@_instruction("YIELD_VALUE")
def _yield(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.yielded.append(frame.pop())
    frame.push(None)


@_instruction("RETURN_GENERATOR")
def _generator(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.push(None)


@_instruction("GEN_START")
def _start(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.pop()


@_instruction("JUMP_FORWARD", "JUMP_ABSOLUTE", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "CONTINUE_LOOP")
def _jump(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.jump(each.value)


@_instruction(*(f"POP_JUMP{way}_IF_{what}" for way in ("", "_FORWARD", "_BACKWARD") for what in ("TRUE", "FALSE")))
def _pop_jump(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    if machine.library.truth(frame.pop()) == each.name.endswith("TRUE"):
        frame.jump(each.value)


@_instruction(*(f"POP_JUMP{way}_IF_{what}" for way in ("", "_FORWARD", "_BACKWARD") for what in ("NONE", "NOT_NONE")))
def _pop_jump_none(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    if machine.library.compare("is", frame.pop(), None) != each.name.endswith("NOT_NONE"):
        frame.jump(each.value)


@_instruction("JUMP_IF_TRUE_OR_POP", "JUMP_IF_FALSE_OR_POP")
def _jump_or_pop(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    if machine.library.truth(_below(frame, Instruction(0, ""))) == ("TRUE" in each.name):
        frame.jump(each.value)
    else:
        frame.pop()


@_instruction("GET_ITER")
def _iterator(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    values = frame.pop()
    if not isinstance(values, Iterator):
        values = machine.library.iterate(values)
        if len(values) > MAX_ITERATIONS:
            raise Untranslatable(f"a loop has {len(values)} turns, more than {MAX_ITERATIONS}")
        values = iter(values)
    frame.push(values)


@_instruction("FOR_ITER")
def _for(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    iterator = _below(frame, Instruction(0, ""))
    if not isinstance(iterator, Iterator):
        raise Untranslatable("the code is damaged: a loop has nothing to go through")
    for value in iterator:
        frame.push(value)
        return
    frame.pop()
    frame.jump(each.value)
    # Since 3.12 the interpreter steps over the END_FOR, in 3.13 also over the POP_TOP behind it.
    frame.at += {"3.12": 1, "3.13": 2}.get(machine.version, 0)


@_instruction("SETUP_LOOP")
def _setup_loop(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    frame.loops.append((each.value, len(frame.stack)))


@_instruction("POP_BLOCK")
def _pop_block(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    if frame.loops:
        frame.loops.pop()


@_instruction("BREAK_LOOP")
def _break(machine: Interpreter, frame: Frame, each: Instruction) -> None:
    if not frame.loops:
        raise Untranslatable("the code is damaged: a break is outside of any loop")
    end, height = frame.loops.pop()
    del frame.stack[height:]
    frame.jump(end)
