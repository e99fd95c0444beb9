"""The process that reads files for `scan`, with limits on memory, computing time and what it may write.

Its `main` is the child: a line of JSON on stdin names a file, one on stdout is the answer.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from reconstruct.errors import ReconstructError
from reconstruct.limits import DEFAULT, Limits
from reconstruct.runtimes.answering import Say, answer_requests
from reconstruct.runtimes.confinement import allow, confine


class Scanner:
    """Reads files in a child process, which is started again when it dies."""

    def __init__(self, limits: Limits = DEFAULT) -> None:
        from reconstruct.runtimes.worker import Worker, child_command, environment

        self.limits = limits
        command = child_command("reconstruct.scanning.child")
        self._worker = Worker(command, "the process that reads files", environment())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._worker.close()

    def scan(self, path: str) -> dict[str, Any]:
        """The entry of the report for one file."""
        from reconstruct.scanning import crashed

        name = path.encode("utf-8", "surrogateescape").decode("latin-1")
        request = {"path": name, "folder": str(Path.cwd()), "limits": asdict(self.limits)}
        try:
            answer = self._worker.ask(request, self.limits.scan_seconds * 2)
        except ReconstructError as error:
            return crashed(path, str(error).splitlines()[0][:300])
        return {**answer["scan"], "source": path}


def entry(path: str, limits: Limits) -> dict[str, Any]:
    """The entry of the report for one file, made in this process. All text can be written as UTF-8."""
    from reconstruct.scanning.files import scan_file

    scan = scan_file(path, limits)
    made = {
        "source": scan.source,
        "kind": scan.kind,
        "writer": scan.writer,
        "status": scan.worst,
        "inspected": scan.inspected,
        "not_inspected": scan.not_inspected,
        "findings": [asdict(finding) for finding in scan.findings],
        "lambdas": scan.lambdas,
    }
    cleaned: dict[str, Any] = _writable(made)
    return cleaned


def _writable(value: Any) -> Any:
    """The value with control characters, surrogates and HTML in its texts escaped."""
    from reconstruct.display import clean
    from reconstruct.scanning.names import TAG

    if isinstance(value, str):
        return TAG.sub(r"\\u003c", clean(value))[:4000]
    if isinstance(value, dict):
        return {str(k): _writable(v) for k, v in value.items()}
    return [_writable(v) for v in value] if isinstance(value, list | tuple) else value


def _answer(request: dict[str, Any], say: Say) -> dict[str, Any]:
    limits = Limits(**request["limits"])
    confine(limits.scan_bytes)
    allow(limits.scan_seconds, 0)  # it has nothing to write; pipes are no files
    path = request["path"].encode("latin-1").decode("utf-8", "surrogateescape")
    os.chdir(request["folder"])
    try:
        return {"ok": True, "scan": entry(path, limits)}
    except MemoryError:
        from reconstruct.scanning import crashed

        message = "reading it took more memory than scan_bytes allows"
        return {"ok": True, "scan": crashed(request["path"], message)}


def main() -> None:
    """Be the child."""
    answer_requests(_answer)
