"""Instructions as the `dis` of each Python shows them, and which Python wrote them."""

import base64
import dataclasses
import dis
import json
import opcode
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from reconstruct.objects import bytecode, opcodes
from reconstruct.objects.bytecode import Program, decode, readings
from reconstruct.objects.marshal_reader import Code, MarshalError, read

PYTHONS = json.loads((Path(__file__).parent / "bytecode.json").read_text())
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def _data(version: str, name: str) -> bytes:
    return base64.b64decode(PYTHONS[version][name]["code"])


def _instructions(program: Program) -> list[Any]:
    return [[i.name, i.argument] for i in program.instructions] + [_instructions(p) for p in program.inner]


@pytest.mark.parametrize("version", [v for v in PYTHONS if v != "2.7"])
def test_instructions_are_those_of_dis(version: str) -> None:
    for name, entry in PYTHONS[version].items():
        code = read(_data(version, name), bytecode.LAYOUT[version])
        assert _instructions(decode(code, version)) == entry["instructions"], name


def test_instructions_of_python_2() -> None:
    program = decode(read(_data("2.7", "branches"), "2.7"), "2.7")
    assert program.listing().splitlines()[:8] == [
        "branches(x, mode)",
        "    LOAD_FAST mode",
        "    LOAD_CONST 'a'",
        "    COMPARE_OP ==",
        "    POP_JUMP_IF_FALSE L1",
        "    LOAD_FAST x",
        "    LOAD_CONST 1",
        "    BINARY_ADD",
    ]


@pytest.mark.parametrize("version", PYTHONS)
def test_the_python_is_found(version: str) -> None:
    for name in PYTHONS[version]:
        found = readings(_data(version, name))
        assert version in found.versions, name
        assert len(found.programs) == 1, name
    alike = {"3.6": ("3.6", "3.7"), "3.8": ("3.8", "3.9"), "3.9": ("3.8", "3.9")}
    assert set(readings(_data(version, "comprehension")).versions) <= set(alike.get(version, (version,)))


def test_readings_name_the_versions() -> None:
    assert str(readings(_data("2.7", "affine"))) == "Python 2.7"
    assert str(readings(_data("3.9", "affine"))) == "Python 3.8 or 3.9"


@pytest.mark.skipif(HERE not in opcodes.VERSIONS, reason="the opcodes of later versions are not known")
def test_opcodes_of_this_python() -> None:
    known = {n: name for n, name in opcodes.opcodes(HERE).items() if name != "CACHE"}
    assert known.items() <= {number: name for name, number in opcode.opmap.items()}.items()
    missing = {name for name, number in opcode.opmap.items() if number < 200 and number not in known}
    assert missing <= {"CACHE", "RESERVED", "INTERPRETER_EXIT", "ENTER_EXECUTOR"}


@pytest.mark.skipif(HERE not in opcodes.VERSIONS, reason="the opcodes of later versions are not known")
@pytest.mark.parametrize("name", sorted(PYTHONS["3.11"]))
def test_stack_effects_of_this_python(name: str) -> None:
    if HERE not in PYTHONS:
        pytest.skip("no code of this Python")
    program = decode(read(_data(HERE, name), bytecode.LAYOUT[HERE]), HERE)
    checked = 0
    for each in program.instructions:
        effect = bytecode.stack_effect(each, HERE)
        if effect is not None and not bytecode._is_jump(each.name):
            # The interpreter counts what RETURN_VALUE takes, and nothing else behind it
            assert effect == dis.stack_effect(opcode.opmap[each.name], each.argument), each
            checked += 1
    assert checked


def _text(value: str) -> bytes:
    return b"u" + struct.pack("<i", len(value)) + value.encode()


def _tuple(*parts: bytes) -> bytes:
    return b"(" + struct.pack("<i", len(parts)) + b"".join(parts)


def python_3_5(code: bytes, constants: bytes, names: bytes, variables: tuple[str, ...], parameters: int) -> bytes:
    """A function as Python 3.5 marshals it."""
    numbers = struct.pack("<iiiii", parameters, 0, len(variables), 6, 67)
    parts = [b"s" + struct.pack("<i", len(code)) + code, constants, names, _tuple(*(_text(v) for v in variables))]
    parts += [_tuple(), _tuple(), _text("f.py"), _text("<lambda>"), struct.pack("<i", 1), b"s" + struct.pack("<i", 0)]
    return b"c" + numbers + b"".join(parts)


SUM_3_5 = python_3_5(  # lambda x, k=2: K.sum(x * k, axis=1)
    bytes([116, 0, 0, 106, 1, 0, 124, 0, 0, 124, 1, 0, 20, 100, 1, 0, 100, 2, 0, 131, 1, 1, 83]),
    _tuple(b"N", _text("axis"), b"i" + struct.pack("<i", 1)),
    _tuple(_text("K"), _text("sum")),
    ("x", "k"),
    2,
)


def test_code_of_python_3_5() -> None:
    found = readings(SUM_3_5)
    assert found.versions == ("3.5",)
    assert [str(i) for i in found.programs[0].instructions] == [
        "LOAD_GLOBAL K", "LOAD_ATTR sum", "LOAD_FAST x", "LOAD_FAST k", "BINARY_MULTIPLY", "LOAD_CONST 'axis'",
        "LOAD_CONST 1", "CALL_FUNCTION 257", "RETURN_VALUE",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (bytes([255, 255, 255]), "opcode"),
        (bytes([124, 5, 0, 83]), "entry 5 of 2"),
        (bytes([113, 1, 0, 83]), "jump"),
        (bytes([124, 0]), "middle"),
        (bytes([124, 0, 0]), "return"),
        (b"", "middle"),
    ],
)
def test_damaged_code_is_refused(code: bytes, says: str) -> None:
    data = python_3_5(code, _tuple(), _tuple(), ("x", "k"), 1)
    with pytest.raises(MarshalError, match=says):
        decode(read(data, "3.0"), "3.5")
    with pytest.raises(MarshalError, match="no Python from"):
        readings(data)


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(MarshalError, match="not a function"):
        readings(b"N")


def test_long_listings_are_cut() -> None:
    text = decode(read(_data("3.8", "long_jump"), "3.8"), "3.8").listing()
    assert len(text.splitlines()) == bytecode._LISTING_LIMIT + 1
    assert "more" in text.splitlines()[-1]


def test_jumps_lead_to_labels() -> None:
    lines = decode(read(_data("2.7", "branches"), "2.7"), "2.7").listing().splitlines()
    targets = [line.split()[-1] for line in lines if "JUMP" in line]
    assert targets
    assert all(f" {target}:" in lines for target in targets)


def test_what_a_stranger_wrote_is_listed_on_its_line() -> None:
    code = read(_data("3.8", "affine"), "3.8")
    strange = dataclasses.replace(
        code, name="a\x1b[31m\nb", variables=("x\r",), constants=(None, "\x1b]0;\u202e" * 10**5, 1)
    )
    text = decode(strange, "3.8").listing()
    assert all(c.isprintable() or c == "\n" for c in text)
    assert len(text.splitlines()) == len(decode(code, "3.8").listing().splitlines())
    assert max(map(len, text.splitlines())) < 200


def test_inner_functions_are_listed() -> None:
    program = readings(_data("3.12", "inner_functions")).programs[0]
    assert "  inner(v, k)" in program.listing().splitlines()
    assert isinstance(program.inner[0].code, Code)
