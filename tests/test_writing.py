"""Files that people keep are never left half written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconstruct import writing
from reconstruct.errors import ReadError


def test_json_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "r.json"
    target.write_text("older", "utf-8")

    def full(self: Path, other: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ReadError, match="No space left"):
        writing.write_json(target, {"a": 1})
    assert target.read_text("utf-8") == "older"
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


def test_what_is_written_any_parser_of_json_reads(tmp_path: Path) -> None:
    writing.write_json(tmp_path / "r.json", {"outputs": ({"largest": float("inf"), "worst": [float("nan"), 1.5]},)})
    found = json.loads((tmp_path / "r.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert found == {"outputs": [{"largest": None, "worst": [None, 1.5]}]}
