"""Files that people keep are never left half written."""

from __future__ import annotations

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
