"""A recovery in a process of its own: what a file does to parsers stays there, and is a result."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import reconstruct
from reconstruct.errors import ReadError
from reconstruct.limits import Limits
from reconstruct.readers import trial
from reconstruct.runtimes import recovering
from reconstruct.runtimes.recovering import Recoverer
from reconstruct.runtimes.worker import Worker, environment
from tests.conftest import FIXTURES

SURVIVE = trial.survive  # before tests are told to trust their files
DIES = "import os, sys; print('{\"ok\": true}', flush=True); sys.stdin.readline(); os.kill(os.getpid(), 11)"


def dying(command: object, name: str, environment: object = None) -> Worker:
    return Worker([sys.executable, "-c", DIES], name)


@pytest.fixture
def model() -> Path:
    return FIXTURES / "files/keras-2.2.4/activations.h5"


def test_a_file_that_kills_its_process_is_a_failed_result(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(recovering, "Worker", dying)
    with Recoverer() as recoverer:
        result = recoverer.recover("a.h5", str(tmp_path / "out.keras"), {})
    assert result["status"] == "failed"
    assert [f["code"] for f in result["findings"]] == ["E_PARSER_CRASH"]
    assert "was killed by SIGSEGV" in result["error"]["message"]


def test_what_a_killed_process_was_writing_is_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begins = (
        "import sys; from reconstruct import writing; entered = writing.replacing(sys.argv[1]); entered.__enter__()"
    )
    output = str(tmp_path / "out.keras")
    command = [sys.executable, "-c", DIES.replace("sys.stdin.readline()", f"sys.stdin.readline(); {begins}"), output]
    monkeypatch.setattr(recovering, "Worker", lambda *_: Worker(command, "the process that recovers"))
    (tmp_path / ".out.keras-other").touch()
    with Recoverer() as recoverer:
        result = recoverer.recover("a.h5", output, {})
    assert "was killed by SIGSEGV" in result["error"]["message"]
    assert [path.name for path in tmp_path.iterdir()] == [".out.keras-other"]


def test_python_reads_in_another_process_first(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    monkeypatch.setattr(trial, "survive", SURVIVE)
    monkeypatch.setattr(trial, "_worker", dying(None, "the process that reads"))
    with pytest.raises(ReadError, match="was killed by SIGSEGV") as caught:
        reconstruct.inspect(model)
    assert caught.value.code == "E_PARSER_CRASH"
    recovery = reconstruct.recover(model)
    assert recovery.status == "failed"
    assert [f.code for f in recovery.result.findings] == ["E_PARSER_CRASH"]
    assert reconstruct.inspect(model, trust=True).model is not None


def test_a_confined_process_has_no_network_and_writes_no_large_files(tmp_path: Path) -> None:
    code = """
import json, socket, sys
from reconstruct.runtimes.confinement import allow, confine
confine(1 << 30)
allow(60, 1000)
found = {}
try:
    socket.create_connection(("192.0.2.1", 9), 1)
except OSError as error:
    found["network"] = error.errno
try:
    bytearray(1 << 31)
except MemoryError:
    found["memory"] = True
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with open(sys.argv[1], "wb") as file:
        file.write(b"0" * 2000)
except OSError as error:
    found["file"] = error.errno
print(json.dumps(found))
"""
    out = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "large"],
        env={**os.environ, **environment()},
        capture_output=True,
        check=True,
    ).stdout
    found = json.loads(out)
    assert found["memory"] is True
    assert found["file"] == 27  # EFBIG
    assert (tmp_path / "large").stat().st_size <= 1000
    assert found["network"] in (101, 113)  # unreachable


def test_too_little_memory_is_said(tmp_path: Path, model: Path) -> None:
    with Recoverer(Limits(recover_bytes=1 << 20)) as recoverer:
        result = recoverer.recover(str(model), str(tmp_path / "out.keras"), {})
    assert result["status"] == "failed"
    assert "defect" not in result["error"]["hint"]
    assert "recover_bytes" in result["error"]["hint"]  # whether Python or a library in C found it out


def test_computing_without_end_is_ended() -> None:
    code = "from reconstruct.runtimes.confinement import allow\nallow(1, 0)\nwhile True: pass"
    ended = subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment()}, check=False)
    assert ended.returncode == -signal.SIGXCPU


def test_the_command_line_leaves_nothing_behind(tmp_path: Path, model: Path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    command = [sys.executable, "-m", "reconstruct.cli", "recover", model, "-o", tmp_path / "out.keras"]
    surroundings = {**os.environ, **environment(), "TMPDIR": str(folder)}
    done = subprocess.run(command, env=surroundings, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert list(folder.iterdir()) == []
    assert {p.name for p in tmp_path.iterdir()} == {"tmp", "out.keras"}
