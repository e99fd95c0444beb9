"""Hostile files through every command that reads without a framework: each ends, writes nothing but what it is asked
to write, and shows nothing that acts on a terminal."""

from __future__ import annotations

import json
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import reconstruct
from reconstruct.cli import app
from reconstruct.errors import ReconstructError
from reconstruct.scanning.child import Scanner
from reconstruct.scanning.codes import CODES
from tests.hostile import cases, further

SECONDS = 5.0
ACTING = ("Cc", "Cf", "Cs")  # control, format (such as right-to-left overrides) and surrogates


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> str:
    return cases.made(cases.CLEAN_CASES["h5"], tmp_path_factory.mktemp("clean") / "in")


def acting(text: str) -> list[str]:
    return [c for c in text if unicodedata.category(c) in ACTING and c != "\n"]


def tree(folder: Path) -> list[tuple[str, int, float]]:
    return [(str(p), p.lstat().st_size, p.lstat().st_mtime) for p in sorted(folder.rglob("*"))]


@pytest.fixture(scope="module")
def scanner() -> Iterator[Scanner]:
    with Scanner() as one:
        yield one


@pytest.mark.parametrize("name", further.FURTHER)
def test_scan_names_what_it_is(tmp_path: Path, scanner: Scanner, name: str) -> None:
    case = further.FURTHER[name]
    entry = scanner.scan(cases.made(case.make, tmp_path / "in"))
    codes = {finding["code"] for finding in entry["findings"]}
    assert set(case.codes) <= codes, entry["findings"]
    assert codes <= CODES.keys() - {"E_PARSER_CRASH"}
    assert not acting(json.dumps(entry, ensure_ascii=False))


HDF5 = [name for name in further.FURTHER if not name.endswith("_keras")]


def shown(arguments: list[str]) -> None:
    """Run a command, which ends in time and shows nothing that acts."""
    started = time.process_time()
    result = CliRunner().invoke(app, arguments)
    assert time.process_time() - started < SECONDS, arguments
    assert result.exit_code in (0, 1, 4), (arguments, result.output)
    assert "Traceback" not in result.output
    assert "a defect of" not in result.output, arguments
    assert not acting(result.output), arguments


@pytest.mark.parametrize("name", HDF5)
def test_every_command_ends_and_shows_nothing_that_acts(tmp_path: Path, clean: str, name: str) -> None:
    source = cases.made(further.FURTHER[name].make, tmp_path / "in")
    before = tree(tmp_path / "in")
    shown(["inspect", source])
    shown(["diff", source, clean])
    (tmp_path / "out").mkdir()
    try:  # as the process does that the command starts, which takes most of a second
        said = reconstruct.salvage(source, tmp_path / "out" / "salvaged.h5").to_json()
    except ReconstructError as error:
        said = {"message": error.message, "hint": error.hint}
    assert not acting(json.dumps(said, ensure_ascii=False))
    assert tree(tmp_path / "in") == before
    assert {p.name for p in tmp_path.iterdir()} == {"in", "out"}
    assert {p.name for p in (tmp_path / "out").iterdir()} <= {"salvaged.h5", "salvaged.json"}


@pytest.mark.parametrize("name", HDF5[::10])
def test_salvage_as_a_command(tmp_path: Path, name: str) -> None:
    source = cases.made(further.FURTHER[name].make, tmp_path / "in")
    before = tree(tmp_path / "in")
    (tmp_path / "out").mkdir()
    shown(["salvage", source, "-o", str(tmp_path / "out" / "salvaged.h5")])
    assert tree(tmp_path / "in") == before
    assert {p.name for p in (tmp_path / "out").iterdir()} <= {"salvaged.h5", "salvaged.json"}
