"""Marshal data: what Python writes is read, what is damaged or too much is refused, and nothing is ever made of it."""

import base64
import contextlib
import itertools
import json
import marshal
import math
import random
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from reconstruct.objects import marshal_reader
from reconstruct.objects.bytecode import readings
from reconstruct.objects.marshal_reader import Code, MarshalError, read
from tests.objects import lambda_sources

PYTHONS = json.loads((Path(__file__).parent / "bytecode.json").read_text())
LAYOUTS = {
    "2.7": "2.7", "3.6": "3.0", "3.7": "3.0", "3.8": "3.8", "3.9": "3.8", "3.10": "3.8", "3.11": "3.11", "3.12": "3.11",
    "3.13": "3.11",
}  # fmt: skip
VALUES: list[Any] = [
    None, True, False, ..., 0, 1, -1, 2**31 - 1, -(2**31), 2**31, -(2**40), 12345678901234567890123, -(2**100), 0.0,
    -0.5,
    1e300, math.inf, 1 + 2j, "", "name", "é", "☃", "\ud800", "x" * 300, "é" * 300, b"", b"\x00\xff" * 200, (), (1, 2),
    (None, ("axis", 1.5), "axis"), tuple(range(300)), frozenset({1, "a", (2, 3)}), ("a b", "a b", 1.25, 1.25),
]  # fmt: skip


@pytest.mark.parametrize("version", range(5))
@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_constants(value: Any, version: int) -> None:
    found = read(marshal.dumps(value, version), "3.11")
    assert found == value
    assert type(found) is type(value)


def test_references_are_followed() -> None:
    shared = ("a longer name", 1.5)
    value = (shared, shared, shared[0])
    data = marshal.dumps(value, 4)
    assert b"r" in data
    assert read(data, "3.8") == value


@pytest.mark.skipif(sys.version_info[:2] > (3, 13), reason="the layout of code objects of later versions is not known")
@pytest.mark.parametrize("name", sorted(lambda_sources.FUNCTIONS))
def test_a_function_of_this_python(name: str) -> None:
    genuine = lambda_sources.FUNCTIONS[name].__code__
    code = read(marshal.dumps(genuine), "3.11")
    assert isinstance(code, Code)
    assert (code.name, code.qualified_name, code.filename, code.first_line) == (
        genuine.co_name, genuine.co_qualname, genuine.co_filename, genuine.co_firstlineno,
    )  # fmt: skip
    assert (code.positional, code.positional_only, code.keyword_only, code.stack_size, code.flags) == (
        genuine.co_argcount, genuine.co_posonlyargcount, genuine.co_kwonlyargcount, genuine.co_stacksize,
        genuine.co_flags,
    )  # fmt: skip
    assert (code.code, code.names) == (genuine.co_code, genuine.co_names)
    assert (code.variables, code.cells, code.free) == (
        genuine.co_varnames, genuine.co_cellvars, genuine.co_freevars,
    )  # fmt: skip
    assert len(code.constants) == len(genuine.co_consts)
    assert (code.lines, code.exceptions) == (genuine.co_linetable, genuine.co_exceptiontable)


@pytest.mark.parametrize("version", PYTHONS)
def test_functions_of_every_python(version: str) -> None:
    for name, entry in PYTHONS[version].items():
        code = read(base64.b64decode(entry["code"]), LAYOUTS[version])
        genuine = lambda_sources.FUNCTIONS[name].__code__
        assert isinstance(code, Code)
        assert code.name == genuine.co_name
        assert code.parameters == genuine.co_varnames[: genuine.co_argcount]
        assert code.free == genuine.co_freevars
        assert code.filename == "<stdin>"


def test_a_function_is_data() -> None:
    code = read(base64.b64decode(PYTHONS["3.11"]["affine"]["code"]), "3.11")
    assert not callable(code)
    with pytest.raises(AttributeError):
        code.code = b""
    assert hash(code) == hash(read(base64.b64decode(PYTHONS["3.11"]["affine"]["code"]), "3.11"))


@pytest.mark.parametrize("version", PYTHONS)
def test_every_prefix_is_refused(version: str) -> None:
    data = base64.b64decode(PYTHONS[version]["inner_functions"]["code"])
    for length in range(len(data)):
        with pytest.raises(MarshalError):
            read(data[:length], LAYOUTS[version])
    with pytest.raises(MarshalError, match="follow"):
        read(data + b"N", LAYOUTS[version])


def test_changed_bytes_raise_nothing_else() -> None:
    generator = random.Random(3)
    for version, name in itertools.product(PYTHONS, ("euclidean", "inner_functions", "closure")):
        data = base64.b64decode(PYTHONS[version][name]["code"])
        for _ in range(200):
            mutant = bytearray(data)
            for _ in range(generator.randint(1, 4)):
                mutant[generator.randrange(len(mutant))] = generator.randrange(256)
            with contextlib.suppress(MarshalError):
                assert readings(bytes(mutant)).versions


def _laughs() -> bytes:
    """A tuple of tuples of … that is 10^12 objects when written out."""
    level = b"\xa9\x02NN"  # each level around it refers to the one inside nine times more
    for number in range(12):
        level = b"\xa9\x0a" + level + (b"r" + struct.pack("<I", 12 - number)) * 9
    return level


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "end"),
        (b"(" + struct.pack("<i", 2**31 - 1), "length"),
        (b"(" + struct.pack("<i", -1), "length"),
        (b"s" + struct.pack("<i", 10) + b"abc", "length"),
        (b"l" + struct.pack("<i", 10**6), "bits"),
        (b"l" + struct.pack("<ih", 1, -1), "digit"),
        (b")\x01" * 100 + b"N", "deeper"),
        (b"r" + struct.pack("<I", 0), "reference"),
        (b"\xa9\x01r" + struct.pack("<I", 0), "reference"),
        (_laughs(), "objects"),
        (b"[" + struct.pack("<i", 0), "kind"),
        (b"{0", "kind"),
        (b"0", "kind"),
        (b"?", "kind"),
        (b"u" + struct.pack("<i", 1) + b"\xff", "text"),
        (b"f\x03abc", "number"),
        (b"<" + struct.pack("<i", 1) + base64.b64decode(PYTHONS["3.11"]["affine"]["code"]), "set"),
        (b"N" * (marshal_reader.MAX_BYTES + 1), "bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_too_much_or_damaged_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(MarshalError, match=says):
        read(data, "3.11")


def test_strings_of_python_2() -> None:
    assert read(
        b"(" + struct.pack("<i", 2) + b"t" + struct.pack("<i", 1) + b"K" + b"R" + struct.pack("<I", 0), "2.7"
    ) == (
        "K",
        "K",
    )
    with pytest.raises(MarshalError, match="string"):
        read(b"R" + struct.pack("<I", 0), "2.7")
    with pytest.raises(MarshalError, match="references"):
        read(b"\xce", "2.7")
