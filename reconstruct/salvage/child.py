"""The process that takes out of damaged files what they hold, so that nothing in them reaches the caller.

Its `main` is the child, with limits on memory, computing time, written files and the network: a line of JSON on stdin
names files and an output; lines on stdout say what it does, and the last is the result of the report.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reconstruct import writing
from reconstruct.errors import ReadError, ReconstructError, defect
from reconstruct.limits import Limits
from reconstruct.runtimes.answering import Say, answer_requests
from reconstruct.runtimes.confinement import allow_for, confine
from reconstruct.runtimes.worker import Worker, WorkerCrashed, child_command, environment

_HINT = "where memory or time was short: --limit recover_bytes=… or recover_seconds=…; else look for another copy"


def salvaged(paths: Sequence[Path], output: Path, limits: Limits, say: Callable[[str], None]) -> dict[str, Any]:
    """What `salvage` makes of these files in a process of its own, as the report has it. Raises `ReadError`, also where
    that process dies or hangs."""
    request = {"paths": [str(path) for path in paths], "output": str(output), "limits": asdict(limits)}
    with Worker(child_command("reconstruct.salvage.child"), "the process that salvages", environment()) as worker:
        try:
            answer = worker.ask(request, limits.recover_seconds, say)
        except ReconstructError as error:
            writing.clear(output, worker.last_pid)
            code = "E_PARSER_CRASH" if isinstance(error, WorkerCrashed) else "E_CORRUPT"
            message = f"{paths[0]} cannot be salvaged: {error.message}"
            raise ReadError(message, path=str(paths[0]), hint=_HINT, code=code) from error
    if "error" in answer:
        raise ReadError(**answer["error"])
    return dict(answer["result"])


def _answer(request: dict[str, Any], say: Say) -> dict[str, Any]:
    from reconstruct.salvage import salvage

    limits = Limits(**request["limits"])
    confine(limits.recover_bytes)
    allow_for([Path(path) for path in request["paths"]], limits)
    try:
        found = salvage(request["paths"], request["output"], limits, lambda message: say({"progress": message}))
    except Exception as error:
        traceback.print_exc()
        known = error if isinstance(error, ReconstructError) else defect(error)
        return {"error": {"message": known.message, "path": known.path, "hint": known.hint, "code": known.code}}
    return {"result": found.to_json()}


def main() -> None:
    """Be the child."""
    answer_requests(_answer)
