"""Workers, with a child of a few lines in place of a framework."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from reconstruct.errors import ReconstructError
from reconstruct.runtimes.worker import Worker, WorkerCrashed, WorkerTimeout

CHILD = """
import json, os, subprocess, sys, time
print(json.dumps({"ok": True, "version": "1.0"}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    op = request["op"]
    if op == "hang":
        grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        open(request["path"], "w").write(str(grandchild.pid))
        time.sleep(60)
    if op == "abort":
        print("something terrible", file=sys.stderr, flush=True)
        os.abort()
    if op == "exit":
        sys.exit(7)
    if op == "babble":
        print("this is no JSON", flush=True)
        continue
    if op == "shout":
        sys.stderr.write("x" * 5_000_000)
    if op == "folder":
        request["folder"] = os.environ["TMPDIR"]
    print(json.dumps({"ok": True, "pid": os.getpid(), **request}), flush=True)
"""


@pytest.fixture
def worker() -> Worker:
    return Worker([sys.executable, "-c", CHILD], "echo")


def _gone(pid: int) -> bool:
    """Whether a process has ended within a few seconds; a zombie that is not ours to wait for counts as ended."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def test_starts_lazily_and_stays(worker: Worker) -> None:
    assert worker.pid is None
    with worker:
        first = worker.ask({"op": "echo", "text": "ä\n"}, 10)
        assert first["text"] == "ä\n"
        assert worker.version == "1.0"
        assert worker.ask({"op": "echo"}, 10)["pid"] == first["pid"] == worker.pid
    assert worker.pid is None
    assert _gone(first["pid"])


def test_timeout_kills_the_whole_group(worker: Worker, tmp_path: Path) -> None:
    with worker:
        pid = worker.ask({"op": "echo"}, 10)["pid"]
        with pytest.raises(WorkerTimeout, match="echo did not answer within 1 s") as caught:
            worker.ask({"op": "hang", "path": str(tmp_path / "pid")}, 1)
        assert isinstance(caught.value, TimeoutError)
        assert isinstance(caught.value, ReconstructError)
        assert _gone(pid)
        assert _gone(int((tmp_path / "pid").read_text()))
        assert worker.ask({"op": "echo"}, 10)["pid"] != pid


def test_crash_names_signal_and_last_words(worker: Worker) -> None:
    with worker:
        with pytest.raises(WorkerCrashed, match=r"(?s)echo was killed by SIGABRT.*something terrible"):
            worker.ask({"op": "abort"}, 10)
        with pytest.raises(WorkerCrashed, match="echo ended with exit code 7"):
            worker.ask({"op": "exit"}, 10)
        with pytest.raises(WorkerCrashed, match="not an answer"):
            worker.ask({"op": "babble"}, 10)
        assert worker.ask({"op": "echo", "n": 3}, 10)["n"] == 3


def test_child_killed_between_requests_is_replaced(worker: Worker) -> None:
    with worker:
        pid = worker.ask({"op": "echo"}, 10)["pid"]
        os.kill(pid, signal.SIGKILL)
        assert _gone(pid)
        assert worker.ask({"op": "echo"}, 10)["pid"] != pid


def test_stderr_is_drained(worker: Worker) -> None:
    with worker:
        assert worker.ask({"op": "shout"}, 10)["ok"]


def test_nothing_is_left_behind(worker: Worker) -> None:
    before = threading.active_count()
    with worker:
        folder = Path(worker.ask({"op": "folder"}, 10)["folder"])
        assert folder.is_dir()
    assert not folder.exists()
    assert threading.active_count() == before


def test_requests_from_threads_get_their_own_answers(worker: Worker) -> None:
    answers: list[tuple[int, int]] = []

    def ask(n: int) -> None:
        answers.append((n, worker.ask({"op": "echo", "n": n}, 10)["n"]))

    with worker:
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(answers) == [(n, n) for n in range(8)]


def test_a_child_that_cannot_start() -> None:
    refusing = 'import json; print(json.dumps({"ok": False, "error": "ImportError: no tensorflow"}))'
    with Worker([sys.executable, "-c", refusing], "keras 0.0") as worker:
        with pytest.raises(WorkerCrashed, match=r"keras 0\.0 cannot start: ImportError: no tensorflow"):
            worker.ask({"op": "echo"}, 10)
        assert worker.pid is None
    with (
        Worker(["/no/such/program"]) as worker,
        pytest.raises(WorkerCrashed, match="cannot be started"),
    ):
        worker.ask({"op": "echo"}, 10)


SERVING = """
import queue, sys, threading, time
from pathlib import Path
from reconstruct.runtimes.serve import _read_requests
threading.Thread(target=_read_requests, args=(queue.Queue(), Path(sys.argv[1])), daemon=True).start()
print("ready", flush=True)
time.sleep(60)
"""


def test_server_ends_with_its_parent_even_when_busy(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    child = subprocess.Popen(
        [sys.executable, "-c", SERVING, str(scratch)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[2],
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(timeout=10) == 0
    assert not scratch.exists()
