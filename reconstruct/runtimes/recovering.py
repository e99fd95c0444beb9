"""A process that recovers files of strangers, so that what they do to parsers and frameworks does not reach the caller.

Its `main` is the child, with limits on memory, computing time, written files and the network: a line of JSON on
stdin names a source, an output and a hint; lines on stdout say what it does, and the last is the result of the report.
It shares one import of the frameworks between files.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from reconstruct import writing
from reconstruct.artifact import Finding
from reconstruct.errors import ReconstructError, defect
from reconstruct.limits import DEFAULT, Limits
from reconstruct.recover import recover
from reconstruct.recovery import Recovery
from reconstruct.report import Result
from reconstruct.runtimes.answering import Say, answer_requests
from reconstruct.runtimes.confinement import allow_for, confine
from reconstruct.runtimes.worker import Worker, WorkerCrashed, WorkerPool, child_command, environment


class Recoverer:
    """Recovers files in a child process, which is started again when it dies."""

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self.limits = limits
        self._worker = Worker(
            child_command("reconstruct.runtimes.recovering"), "the process that recovers", environment()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the child."""
        self._worker.close()

    def recover(
        self, source: str, output: str, hint: Mapping[str, Any], say: Callable[[str], None] | None = None
    ) -> dict[str, Any]:
        """Recover and write one file; the result as the report has it, also where the child dies or hangs.

        `hint` has what a file of hints may have, and `trust_code`, `write_differing`, `fresh_weights`
        and `code`, a path.
        """
        started = time.monotonic()
        request = {"source": source, "output": output, "hint": dict(hint), "limits": asdict(self.limits)}
        try:
            return dict(self._worker.ask(request, self.limits.recover_seconds, say)["result"])
        except ReconstructError as error:
            writing.clear(output, self._worker.last_pid)
            return _failed(source, error, time.monotonic() - started).to_json()


def _failed(source: str, error: ReconstructError, seconds: float) -> Result:
    """The result of a file whose process died or hung."""
    message = f"the process that worked on it failed: {error.message}"
    hint = (
        "a damaged file may do this to a parser: `reconstruct scan` and `reconstruct salvage` say more; where memory "
        "or time was short: --limit recover_bytes=… or recover_seconds=…"
    )
    failed = Result(source, seconds=seconds)
    failed.error = {"type": type(error).__name__, "message": message, "path": source, "hint": hint}
    if isinstance(error, WorkerCrashed):
        failed.findings = (Finding("E_PARSER_CRASH", "error", "", message, hint),)
    return failed


def main() -> None:
    """Answer requests until stdin ends."""
    with WorkerPool() as pool:
        answer_requests(lambda request, say: {"ok": True, "result": _answer(request, pool, say)})


def _answer(request: dict[str, Any], pool: WorkerPool, say: Say) -> dict[str, Any]:
    limits = Limits(**request["limits"])
    confine(limits.recover_bytes)
    allow_for([Path(request["source"])], limits)
    try:
        return recovered(request, limits, pool, lambda message: say({"progress": message}))
    except Exception as error:
        traceback.print_exc()
        failed = Recovery(Result(request["source"]))
        failed.fail(defect(error))
        return failed.report


def recovered(
    request: Mapping[str, Any], limits: Limits, pool: WorkerPool, say: Callable[[str], None]
) -> dict[str, Any]:
    """What the child does for a request, in this process."""
    hint, output = request["hint"], request["output"]
    recovery = recover(
        request["source"],
        input_shape=hint.get("input_shape"),
        examples=hint.get("examples"),
        custom=hint.get("custom", ()),
        backend=hint.get("backend"),
        trust_code=hint.get("trust_code", False),
        source=hint.get("source"),
        settings=hint.get("set"),
        task=hint.get("task"),
        budget=hint.get("budget"),
        limits=limits,
        fresh_weights=hint.get("fresh_weights", False),
        pool=pool,
        on_progress=say,
    )
    result = write(recovery, output, hint.get("write_differing", False), hint.get("target"), pool)
    if hint.get("code") is None or result["status"] == "failed":
        return result
    try:
        writing.write_text(hint["code"], recovery.code(output))
    except ReconstructError as error:  # the model is written all the same
        message = f"{hint['code']} was not written: {error.message}"
        recovery.add(Finding("code_not_written", "warning", hint["code"], message, error.hint))
    else:
        message = f"{hint['code']} builds the model and loads its weights, with what is assumed in comments"
        recovery.add(Finding("code_written", "info", hint["code"], message))
    return recovery.report


def write(
    recovery: Recovery,
    output: str,
    write_differing: bool = False,
    target: str | None = None,
    pool: WorkerPool | None = None,
) -> dict[str, Any]:
    """Save what is worth saving, for Keras 3 or `target`; the result as the report has it."""
    if recovery.status in ("verified", "unverified", "partial") or (recovery.status == "differs" and write_differing):
        try:
            recovery.save(output, target=target, pool=pool)
        except (ReconstructError, OSError) as error:
            recovery.fail(error)
    return recovery.report
