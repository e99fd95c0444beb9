"""Talk to child processes that run a Keras version, with time limits; a hang or a crash there is an exception here.

Imports no framework. A child starts at the first request, is restarted after it died, and dies with its parent.
"""

import atexit
import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from reconstruct.errors import DEBUG, ReconstructError
from reconstruct.runtimes import oracles

Progress = Callable[[str], None]
START_SECONDS = 120.0
_ANSWER_BYTES = 16 * 2**20
_TAIL_BYTES = 16 * 2**10
_TAIL_LINES = 20


class WorkerTimeout(ReconstructError, TimeoutError):
    """A child did not answer in time and was killed."""


class WorkerCrashed(ReconstructError, RuntimeError):
    """A child died instead of answering, or could not start; the message has its last lines on stderr."""


class Worker:
    """One child process that answers each line of JSON on stdin with one on stdout, after a first line when ready.

    Safe to use from several threads: requests wait for each other.
    """

    def __init__(self, command: Sequence[str], name: str = "worker", environment: Mapping[str, str] | None = None):
        self.command, self.name = list(command), name
        self.environment = dict(environment or {})
        self.version = ""
        self.last_pid: int | None = None  # of the newest child, also when it is dead
        self._lock = threading.RLock()
        self._child: _Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process id of the live child, if there is one."""
        child = self._child
        return child.process.pid if child is not None and child.process.poll() is None else None

    def ask(self, request: Mapping[str, Any], timeout: float, say: Progress | None = None) -> dict[str, Any]:
        """The child's answer to `request`, within `timeout` seconds, for which its start does not count. Before it the
        child may say with `progress` what it does, which `say` gets.

        Raises `WorkerTimeout` when none came, after killing the child and all it started, and `WorkerCrashed` when
        the child died or said what is not an answer. The next request starts a new child.
        """
        with self._lock:
            child = self._ready()
            try:
                child.send(request)
                return self._answer(child, timeout, say)
            except BaseException:
                # Also after an interrupt: a late answer must never be taken for that to the next request.
                self._drop()
                raise

    def close(self) -> None:
        """End the child and wait for it; the worker can be asked again."""
        with self._lock:
            self._drop()

    def _ready(self) -> "_Child":
        if self._child is not None and self._child.process.poll() is not None:
            self._drop()
        if self._child is None:
            self._child = _Child(self.command, self.environment)
            self.last_pid = self._child.process.pid
            try:
                greeting = self._answer(self._child, START_SECONDS)
                if not greeting.get("ok"):
                    reason = greeting.get("error", "no reason given")
                    raise WorkerCrashed(f"{self.name} cannot start: {reason}")
            except BaseException:
                self._drop()
                raise
            self.version = str(greeting.get("version", ""))
        return self._child

    def _answer(self, child: "_Child", timeout: float, say: Progress | None = None) -> dict[str, Any]:
        until = time.monotonic() + timeout
        while True:
            try:
                line = child.lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise WorkerTimeout(f"{self.name} did not answer within {timeout:g} s") from None
            try:
                answer = json.loads(line)
            except ValueError:
                break
            if not isinstance(answer, dict):
                break
            if "progress" not in answer:
                return answer
            if say is not None:
                say(str(answer["progress"]))
        if line:
            raise WorkerCrashed(f"{self.name} said something that is not an answer: {line[:200]!r}")
        raise WorkerCrashed(f"{self.name} {child.how_it_ended()}")

    def _drop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None


class _Child:
    """A process in a group of its own, with a temporary folder, and threads that read what it says."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.folder = tempfile.mkdtemp(prefix="reconstruct-")
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **environment, "TMPDIR": self.folder},
                start_new_session=True,
            )
        except OSError as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise WorkerCrashed(f"{command[0]} cannot be started: {error}") from error
        self.stdin = _pipe(self.process.stdin)
        self.lines: queue.Queue[bytes] = queue.Queue()
        self.tail = b""
        self.readers = [
            threading.Thread(target=self._read_answers, args=(_pipe(self.process.stdout),), daemon=True),
            threading.Thread(target=self._read_complaints, args=(_pipe(self.process.stderr),), daemon=True),
        ]
        for reader in self.readers:
            reader.start()

    def _read_answers(self, stream: IO[bytes]) -> None:
        """Queue every line; an empty one stands for the end."""
        with stream:
            while line := stream.readline(_ANSWER_BYTES):
                self.lines.put(line)
        self.lines.put(b"")

    def _read_complaints(self, stream: IO[bytes]) -> None:
        """Keep the end of what the child writes to stderr; a talkative one must not fill memory or disk."""
        with stream:
            while chunk := os.read(stream.fileno(), 65536):
                self.tail = (self.tail + chunk)[-_TAIL_BYTES:]
                if os.environ.get(DEBUG):
                    sys.stderr.write(chunk.decode("utf-8", "replace"))

    def send(self, request: Mapping[str, Any]) -> None:
        try:
            self.stdin.write(json.dumps(request).encode() + b"\n")
            self.stdin.flush()
        except (BrokenPipeError, ConnectionError):
            pass  # it is dead: waiting for the answer tells how

    def how_it_ended(self) -> str:
        """How the child died, in words, with its last lines; its end is awaited a moment, for stdout closes earlier."""
        try:
            code = self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "closed its output"
        self.readers[1].join(timeout=1)
        lines = self.tail.decode("utf8", "replace").strip().splitlines()[-_TAIL_LINES:]
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        return how + (": " + "\n".join(lines) if lines else "")

    def kill(self) -> None:
        """End the process and everything in its group, wait for it, and remove its folder."""
        try:
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, signal.SIGKILL)  # the group outlives a leader that died
            else:
                self.process.kill()
        except (ProcessLookupError, PermissionError):
            pass
        self.process.wait()
        with contextlib.suppress(OSError):  # a request may still be in the buffer
            self.stdin.close()
        deadline = time.monotonic() + 2
        for reader in self.readers:
            reader.join(timeout=max(0.0, deadline - time.monotonic()))
        shutil.rmtree(self.folder, ignore_errors=True)


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError("every stream of a child is a pipe")
    return stream


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def command_for(runtime: oracles.Runtime) -> list[str]:
    """The command of a child that serves `runtime`."""
    folder = oracles.location(runtime)
    # -P: a file called keras.py in the current folder, next to a stranger's model, must not be imported.
    command = [sys.executable, "-P", "-m", "reconstruct.runtimes.serve", runtime.name]
    return command if folder is None else [*command, str(folder.resolve())]


def child_command(module: str) -> list[str]:
    """The command of a child that runs `main` of a module of this package, imported once and not as a script."""
    return [sys.executable, "-P", "-c", f"from {module} import main; main()"]


def environment() -> dict[str, str]:
    """Where the child finds this package, also when it is not installed; and one thread for NumPy's products.

    These threads wait for each other by computing, so that where other processes have the cores, as with `--jobs`,
    the small products of inference take ten times as long with two threads as with one.
    """
    package = Path(__file__).resolve().parents[2]
    others = os.environ.get("PYTHONPATH")
    path = f"{package}{os.pathsep}{others}" if others else str(package)
    return {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "OPENBLAS_NUM_THREADS": "1"}


class WorkerPool:
    """At most one live child for each runtime; all end with the pool, and with the process at the latest."""

    def __init__(self) -> None:
        self._workers: dict[oracles.Runtime, Worker] = {}
        self._lock = threading.Lock()
        atexit.register(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def worker(self, runtime: oracles.Runtime) -> Worker:
        """The worker for `runtime`, whose child starts with the first request."""
        with self._lock:
            if runtime not in self._workers:
                self._workers[runtime] = Worker(command_for(runtime), runtime.name, environment())
            return self._workers[runtime]

    def close(self) -> None:
        """End every child."""
        with self._lock:
            workers, self._workers = list(self._workers.values()), {}
        for worker in workers:
            worker.close()
        atexit.unregister(self.close)


@contextlib.contextmanager
def pool_or_own(pool: WorkerPool | None) -> Iterator[WorkerPool]:
    """The caller's pool, which stays as it is, or without one a pool that ends with the block."""
    if pool is not None:
        yield pool
        return
    with WorkerPool() as own:
        yield own
