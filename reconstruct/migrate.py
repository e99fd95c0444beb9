"""Many files: each is recovered in one of a few worker processes, and none stops the others."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from reconstruct.errors import ReadError
from reconstruct.limits import DEFAULT, Limits
from reconstruct.naming import output_name
from reconstruct.objects.source.tree import paths
from reconstruct.readers.config_json import config_names
from reconstruct.readers.sniff import HDF5_SIGNATURE
from reconstruct.report import VERSION
from reconstruct.runtimes.confinement import memory_of_machine
from reconstruct.runtimes.recovering import Recoverer

# The next file waits: so what no single file needs is too long here
MIGRATING = replace(DEFAULT, recover_seconds=900)
STATE = ".reconstruct.json"
_SUFFIXES = (".h5", ".hdf5", ".hdf", ".keras", ".json")


@dataclass(frozen=True)
class Task:
    """One file, the path it is written to, and what the user said about it."""

    source: str
    output: str
    hint: Mapping[str, Any]


def migrate(
    sources: Sequence[str | os.PathLike[str]],
    destination: str | os.PathLike[str],
    *,
    hints: Mapping[str, Mapping[str, Any]] | None = None,
    jobs: int | None = None,
    custom: Sequence[str] = (),
    source: str | None = None,
    target: str | None = None,
    limits: Limits = MIGRATING,
    on_total: Callable[[int], None] | None = None,
    on_unchanged: Callable[[int], None] | None = None,
    on_result: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Recover all models among `sources` (files, or directories that are searched) into the directory `destination`.

    Returns one result a file, as the report has it, in the order of the sources. A file that fails does not stop the
    others. A file that an earlier run with the same hints finished, and that has not changed, is not done again;
    `on_unchanged` gets the number of these.
    `hints` has, by path relative to its source directory, `input_shape`, `examples`, `custom`, `source` and `backend`.
    `source` is a folder with the user's own code, for every file whose hint names no other. With `target="tf-keras"`
    the files are `.h5` for tf_keras and TensorFlow up to 2.15: every release of tf.keras 2 reads HDF5, `.keras` only
    those since 2.12.
    """
    folder = Path(destination)
    folder.mkdir(parents=True, exist_ok=True)
    state = _State(folder / STATE)
    tasks = plan(sources, folder, hints or {}, custom, source, state.owners, target)
    if on_total:
        on_total(len(tasks))
    results: dict[str, dict[str, Any]] = {}

    def done(task: Task, result: dict[str, Any]) -> None:
        results[task.source] = result
        state.record(task, result)
        if on_result:
            on_result(result)

    waiting = []
    for task in tasks:
        before = state.finished(task)
        if before is None:
            waiting.append(task)
        else:
            results[task.source] = before
            if on_result:
                on_result(before)
    if on_unchanged and len(tasks) > len(waiting):
        on_unchanged(len(tasks) - len(waiting))
    for task, result in _run(waiting, jobs or default_jobs(), limits):
        done(task, result)
    return [results[task.source] for task in tasks]


def default_jobs() -> int:
    """One worker a core, and no more than memory allows: a worker with its oracles takes about 2 GB."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = memory_of_machine()
    if memory is None:
        return max(1, min(cores, 2))
    return max(1, min(cores, memory // (2 << 30)))


def plan(
    sources: Sequence[str | os.PathLike[str]],
    target: Path,
    hints: Mapping[str, Mapping[str, Any]],
    custom: Sequence[str] = (),
    code: str | None = None,
    owners: Mapping[str, str] | None = None,
    form: str | None = None,
) -> list[Task]:
    """The files to recover and where each goes: no two to the same place, and none to that of a source or of what an
    earlier run wrote for another source (`owners`: absolute output to absolute source). `form` is what they are written
    for, if not for Keras 3.

    Raises `ReadError` for a source that does not exist.
    """
    found: dict[Path, tuple[Path, str]] = {}
    for source in map(Path, sources):
        if not source.exists():
            raise ReadError(f"there is no {source}", path=str(source), hint="check the path")
        for file, relative in _files(source, target):
            found.setdefault(file.resolve(), (file, relative))
    tasks: list[Task] = []
    sourced = {_relative(path, target) for path in found}
    taken: set[str] = set()
    for path, (file, relative) in found.items():
        others = {_relative(Path(o), target) for o, by in (owners or {}).items() if by != str(path)}
        output = output_name(relative, taken | sourced | others, ".h5" if form else ".keras")
        taken.add(output.lower())  # some file systems do not tell case
        hint = dict(hints.get(relative, {}))
        hint["custom"] = [*custom, *hint.get("custom", [])]
        if code is not None:
            hint.setdefault("source", code)
        if form is not None:
            hint["target"] = form
        tasks.append(Task(str(file), str(target / output), hint))
    return tasks


def _relative(path: Path, target: Path) -> str:
    """A path below the destination as `output_name` would give it; others never collide with one."""
    return os.path.relpath(path, target.resolve()).replace(os.sep, "/").lower()


def _files(source: Path, target: Path) -> Iterator[tuple[Path, str]]:
    if source.is_file() or (source / "config.json").is_file():
        yield source, source.name
        return
    for folder, names, files in os.walk(source):
        here = Path(folder)
        names[:] = sorted(n for n in names if not n.startswith(".") and (here / n).resolve() != target.resolve())
        for name in list(names):
            if (here / name / "config.json").is_file() and (here / name / "metadata.json").is_file():
                names.remove(name)
                yield here / name, (here / name).relative_to(source).as_posix()
        weights = {n for n in files if not n.endswith(".json")}
        for name in sorted(files):
            path = here / name
            if path.is_file() and not name.startswith(".") and _may_be_model(path, weights):
                yield path, path.relative_to(source).as_posix()


def _may_be_model(path: Path, beside: set[str]) -> bool:
    """By suffix, or by content where the suffix says nothing; a JSON file only if nothing beside it may be its weights,
    since the weights then bring it along."""
    if path.suffix == ".json":
        return False
    if path.suffix.lower() in _SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return file.read(8) == HDF5_SIGNATURE
    except OSError:
        return False


def _run(tasks: Sequence[Task], jobs: int, limits: Limits) -> Iterator[tuple[Task, dict[str, Any]]]:
    """Each task in one of `jobs` processes, which stay for further tasks; results as they come."""
    if not tasks:
        return
    count = min(jobs, len(tasks))
    free: SimpleQueue[Recoverer] = SimpleQueue()
    recoverers = [Recoverer(limits) for _ in range(count)]
    for recoverer in recoverers:
        free.put(recoverer)

    def one(task: Task) -> dict[str, Any]:
        recoverer = free.get()
        try:
            return recoverer.recover(task.source, task.output, task.hint)
        finally:
            free.put(recoverer)

    try:
        with ThreadPoolExecutor(count) as threads:
            futures: dict[Future[dict[str, Any]], Task] = {threads.submit(one, task): task for task in tasks}
            try:
                while futures:
                    finished, _ = wait(futures, return_when=FIRST_COMPLETED)
                    for future in finished:
                        yield futures.pop(future), future.result()
            except BaseException:
                for future in futures:
                    future.cancel()
                for recoverer in recoverers:
                    recoverer.close()
                raise
    finally:
        for recoverer in recoverers:
            recoverer.close()


class _State:
    """What earlier runs into the same directory finished, one line of JSON a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, dict[str, Any]] = {}
        self.owners: dict[str, str] = {}  # which source an output in the directory belongs to
        self._ragged = False  # whether the last line was cut off when a run was killed
        try:
            text = path.read_text("utf-8")
        except OSError:
            return
        self._ragged = not text.endswith("\n")
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                self._known[entry["key"]] = entry["result"]
                if entry["result"].get("output"):
                    output = str(Path(entry["result"]["output"]).resolve())
                    self.owners[output] = str(Path(entry["result"]["source"]).resolve())
            except (ValueError, KeyError, TypeError):
                continue  # the last line of a run that was killed

    def finished(self, task: Task) -> dict[str, Any] | None:
        """The result of an earlier run for the same file and hints, if its output still stands."""
        result = self._known.get(_key(task))
        if result is None or not result.get("output") or not Path(result["output"]).exists():
            return None
        return result

    def record(self, task: Task, result: Mapping[str, Any]) -> None:
        start, self._ragged = "\n" if self._ragged else "", False
        with self._path.open("a", encoding="utf-8") as file:
            file.write(start + json.dumps({"key": _key(task), "result": result}) + "\n")


def _key(task: Task) -> str:
    """What the result depends on: the files as they are now, where it goes, the hints, and this version."""
    source = Path(task.source).absolute()
    beside = [source.with_name(name) for name in config_names(source)]
    named = [Path(name) for name in (*task.hint.get("custom", ()), task.hint.get("examples")) if name]
    code = paths(Path(task.hint["source"])) if task.hint.get("source") else ()
    states = [_stamp(path) for path in (source, *beside, *named, *code)]
    parts = [str(source), states, str(Path(task.output).absolute()), task.hint, VERSION]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
