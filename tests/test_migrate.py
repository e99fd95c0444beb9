"""Many files: none stops the others, no output overwrites another, and a second run goes on where the first ended."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from reconstruct import cli, migrate
from reconstruct.errors import ReadError
from reconstruct.limits import Limits
from reconstruct.migrate import STATE, default_jobs, plan
from reconstruct.naming import output_name
from reconstruct.runtimes import recovering
from reconstruct.runtimes.worker import Worker
from tests.conftest import FIXTURES

migrate_module = sys.modules["reconstruct.migrate"]
MLP = FIXTURES / "files" / "keras-2.2.4" / "mlp.h5"
OUTPUTS = FIXTURES / "outputs" / "keras-2.2.4" / "mlp.npz"

# In place of a process with frameworks: what happens to a file, its name says.
CHILD = """
import json, os, pathlib, sys, time
print(json.dumps({"ok": True}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    source = pathlib.Path(request["source"])
    with open(os.environ["LOG"], "a") as log:
        log.write(json.dumps({"file": source.name, "hint": request["hint"], "pid": os.getpid()}) + "\\n")
    if "kill" in source.name:
        os.abort()
    if "hang" in source.name:
        time.sleep(60)
    if "slow" in source.name:
        time.sleep(0.5)
    result = {"source": str(source), "status": "failed", "output": None, "error": {"type": "E", "message": "bad"}}
    if "bad" not in source.name:
        pathlib.Path(request["output"]).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(request["output"]).write_text(source.read_text())
        result.update(status="verified", output=request["output"], error=None)
    print(json.dumps({"ok": True, "result": result}), flush=True)
"""
Handled = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Handled:
    """Make `migrate` use children without frameworks; the function returned tells what they were asked so far."""
    log = tmp_path / "log"
    monkeypatch.setenv("LOG", str(log))
    monkeypatch.setattr(recovering, "Worker", lambda command, name, _: Worker([sys.executable, "-c", CHILD], name))
    return lambda: [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "old"
    folder.mkdir()
    return folder


def fill(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, "utf-8")


def contents(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text("utf-8") for p in sorted(folder.rglob("*.keras"))}


def statuses(results: list[dict[str, Any]]) -> dict[str, str]:
    return {Path(r["source"]).name: r["status"] for r in results}


def test_no_output_overwrites_another(source: Path, tmp_path: Path, handled: Handled) -> None:
    fill(source, "a.h5", "a.hdf5", "a.keras", "A.H5", "sub/a.h5")
    results = migrate([source], tmp_path / "new", jobs=2)
    assert [r["status"] for r in results] == ["verified"] * 5
    assert sorted(contents(tmp_path / "new").values()) == ["A.H5", "a.h5", "a.hdf5", "a.keras", "sub/a.h5"]
    assert len({r["output"].lower() for r in results}) == 5
    assert contents(tmp_path / "new")["sub/a.keras"] == "sub/a.h5"


def test_a_source_is_never_overwritten(source: Path, handled: Handled) -> None:
    fill(source, "model.keras")
    (task,) = plan([source], source, {})
    assert Path(task.output) == source / "model.keras.keras"


def test_a_later_run_does_not_overwrite_what_an_earlier_one_wrote(tmp_path: Path, handled: Handled) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        fill(tmp_path / name, "model.h5")
    (first,) = migrate([tmp_path / "a"], tmp_path / "out")
    (second,) = migrate([tmp_path / "b"], tmp_path / "out")
    assert Path(first["output"]).name == "model.keras"
    assert Path(second["output"]).name == "model.h5.keras"
    assert migrate([tmp_path / "a"], tmp_path / "out") == [first]


def test_names_of_outputs() -> None:
    taken: set[str] = set()
    found = []
    for name in ("a.h5", "a.hdf5", "a.hdf5.keras", "b/model.weights.h5", "noext", "x.y/z"):
        found.append(output_name(name, taken))
        taken.add(found[-1].lower())
    assert found == ["a.keras", "a.hdf5.keras", "a.hdf5.keras.keras", "b/model.keras", "noext.keras", "x.y/z.keras"]


def test_failures_do_not_stop_the_others_and_results_are_in_order(
    source: Path, tmp_path: Path, handled: Handled
) -> None:
    fill(source, "a-slow.h5", "b-bad.h5", "c-kill.h5", "d-hang.h5", "e.h5", "f.h5")
    seen: list[str] = []
    totals: list[int] = []

    def on_result(result: dict[str, Any]) -> None:
        seen.append(Path(result["source"]).name)

    limits = Limits(recover_seconds=2)
    results = migrate([source], tmp_path / "new", jobs=2, limits=limits, on_total=totals.append, on_result=on_result)
    assert list(statuses(results).items()) == [
        ("a-slow.h5", "verified"),
        ("b-bad.h5", "failed"),
        ("c-kill.h5", "failed"),
        ("d-hang.h5", "failed"),
        ("e.h5", "verified"),
        ("f.h5", "verified"),
    ]
    assert totals == [6]
    assert sorted(seen) == list(statuses(results))
    killed, hung = (next(r for r in results if name in r["source"]) for name in ("c-kill", "d-hang"))
    assert "SIGABRT" in killed["error"]["message"]
    assert "did not answer within 2 s" in hung["error"]["message"]
    assert set(contents(tmp_path / "new")) == {"a-slow.keras", "e.keras", "f.keras"}
    assert len({entry["pid"] for entry in handled()}) > 2  # a new one for what comes after one that died


def test_a_second_run_does_only_what_is_left(source: Path, tmp_path: Path, handled: Handled) -> None:
    fill(source, "a.h5", "b.h5", "c-bad.h5")
    first = migrate([source], tmp_path / "new", jobs=1)
    done = len(handled())
    second = migrate([source], tmp_path / "new", jobs=1)
    assert [r["source"] for r in second] == [r["source"] for r in first]
    assert statuses(second) == statuses(first)
    assert [e["file"] for e in handled()[done:]] == ["c-bad.h5"]  # a failure is tried again

    os.utime(source / "a.h5", ns=(1, 1))
    (tmp_path / "new" / "b.keras").unlink()
    done = len(handled())
    migrate([source], tmp_path / "new", jobs=1)
    assert [e["file"] for e in handled()[done:]] == ["a.h5", "b.h5", "c-bad.h5"]


def test_another_hint_is_another_task(source: Path, tmp_path: Path, handled: Handled) -> None:
    fill(source, "a.h5", "sub/a.h5")
    hints = {"sub/a.h5": {"input_shape": [[28, 28, 1]], "custom": ["b.py"]}}
    migrate([source], tmp_path / "new", jobs=1, custom=["a.py"])
    migrate([source], tmp_path / "new", jobs=1, custom=["a.py"], hints=hints)
    assert [entry["hint"] for entry in handled()] == [
        {"custom": ["a.py"]},
        {"custom": ["a.py"]},
        {"custom": ["a.py", "b.py"], "input_shape": [[28, 28, 1]]},
    ]


def test_a_run_that_was_killed_goes_on(source: Path, tmp_path: Path, handled: Handled) -> None:
    fill(source, "a.h5", "b.h5")
    migrate([source], tmp_path / "new", jobs=1)
    state = tmp_path / "new" / STATE
    lines = state.read_text("utf-8").splitlines()
    state.write_text(lines[0] + "\n" + lines[1][:40], "utf-8")  # in the middle of its last line
    done = len(handled())
    assert set(statuses(migrate([source], tmp_path / "new", jobs=1)).values()) == {"verified"}
    assert [e["file"] for e in handled()[done:]] == ["b.h5"]
    assert len(migrate([source], tmp_path / "new", jobs=1)) == 2
    assert len(handled()) == done + 1


def test_what_is_taken_from_a_directory(source: Path, tmp_path: Path) -> None:
    fill(source, "a.h5", "b.keras", "c.json", "readme.txt", ".hidden.h5", ".git/d.h5", "unzipped/config.json")
    fill(source, "unzipped/metadata.json", "unzipped/model.weights.h5", "new/a.keras")
    shutil.copy(MLP, source / "no_suffix")
    found = [Path(t.source).relative_to(source).as_posix() for t in plan([source], source / "new", {})]
    assert sorted(found) == ["a.h5", "b.keras", "no_suffix", "unzipped"]


def test_a_file_named_twice_is_one_task(source: Path, tmp_path: Path) -> None:
    fill(source, "a.h5")
    tasks = plan([source / "a.h5", source, source / "a.h5"], tmp_path, {})
    assert [t.source for t in tasks] == [str(source / "a.h5")]


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="there is no"):
        migrate([tmp_path / "gone"], tmp_path / "new")


def test_an_empty_directory_has_no_results(source: Path, tmp_path: Path, handled: Handled) -> None:
    assert migrate([source], tmp_path / "new") == []
    assert handled() == []


def test_there_is_a_worker_for_each_core_at_most() -> None:
    assert 1 <= default_jobs() <= (os.cpu_count() or 1)


@pytest.mark.oracle
def test_real_files_through_the_command_line(source: Path, tmp_path: Path) -> None:
    (source / "sub").mkdir()
    shutil.copy(MLP, source / "a.h5")
    shutil.copy(FIXTURES / "files" / "keras-2.2.4" / "lstm.h5", source / "a.hdf5")
    shutil.copy(FIXTURES / "files" / "keras-1.2.2" / "mlp.h5", source / "sub" / "a.h5")
    (source / "broken.h5").write_bytes(MLP.read_bytes()[:2000])
    with np.load(OUTPUTS) as stored:
        np.savez(tmp_path / "e.npz", x0=stored["x0"], y0=stored["y0"])
    hints = tmp_path / "hints.json"
    hints.write_text(json.dumps({"a.h5": {"examples": str(tmp_path / "e.npz")}}), "utf-8")
    report, new = tmp_path / "r.json", tmp_path / "new"
    arguments = ["migrate", source, new, "--hints", hints, "--report", report, "--jobs", 1]
    result = CliRunner().invoke(cli.app, [str(a) for a in arguments])
    assert result.exit_code == 1, result.output
    document = json.loads(report.read_text("utf-8"))
    found = {os.path.relpath(r["source"], source): r for r in document["results"]}
    assert {name: (r["status"], r["verification"]["oracle"]) for name, r in found.items()} == {
        "a.h5": ("verified", "examples"),
        "a.hdf5": ("verified", "keras 2.2.4"),
        "broken.h5": ("failed", None),
        "sub/a.h5": ("verified", "keras 1.2.2"),
    }
    assert found["broken.h5"]["error"]["type"] == "ReadError"
    assert sorted(p.relative_to(new).as_posix() for p in new.rglob("*.keras")) == [
        "a.hdf5.keras",
        "a.keras",
        "sub/a.keras",
    ]
    assert [p.name for p in new.iterdir() if p.name.startswith(".") and p.name != STATE] == []

    (source / "broken.h5").unlink()
    again = CliRunner().invoke(cli.app, [str(a) for a in arguments])
    assert again.exit_code == 0, again.output
    assert "3 done by an earlier run, and unchanged" in again.output


def test_a_destination_that_looks_like_a_file_is_a_mistake(source: Path, tmp_path: Path) -> None:
    fill(source, "a.h5")
    result = CliRunner().invoke(cli.app, ["migrate", str(source / "a.h5"), str(tmp_path / "new.keras")])
    assert result.exit_code == 2
    assert "reconstruct recover FILE -o OUT.keras" in " ".join(result.output.split())
    assert not (tmp_path / "new.keras").exists()


def test_the_users_code_goes_with_every_file_and_is_read_again_when_it_changes(source: Path, tmp_path: Path) -> None:
    fill(source, "a.h5", "b.h5")
    code = tmp_path / "code"
    code.mkdir()
    (code / "layers.py").write_text("x = 1", "utf-8")
    tasks = plan([source], tmp_path / "new", {"a.h5": {"source": "other"}}, code=str(code))
    named = {Path(t.source).name: t.hint.get("source") for t in tasks}
    assert named.pop("a.h5") == "other"
    assert set(named.values()) == {str(code)}
    before = [migrate_module._key(t) for t in tasks if t.hint["source"] == str(code)]
    (code / "layers.py").write_text("x = 12", "utf-8")
    after = [migrate_module._key(t) for t in tasks if t.hint["source"] == str(code)]
    assert not set(before) & set(after)
