"""The child process of `migrate`: recovers one file after another, sharing one import of the frameworks.

A line of JSON on stdin names a source, an output and a hint; the answer is the result of the report.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from reconstruct.errors import ReconstructError
from reconstruct.recover import recover
from reconstruct.recovery import Recovery
from reconstruct.runtimes.worker import WorkerPool


def main() -> None:
    """Answer requests until stdin ends."""
    # Frameworks print to stdout; answers go where they cannot reach
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _say(answers, {"ok": True})
    with WorkerPool() as pool:
        for line in sys.stdin:
            request = json.loads(line)
            if request.get("op") == "quit":
                break
            _say(answers, {"ok": True, "result": _one(request, pool)})


def _one(request: dict[str, Any], pool: WorkerPool) -> dict[str, Any]:
    hint = request["hint"]
    recovery = recover(
        request["source"],
        input_shape=hint.get("input_shape"),
        examples=hint.get("examples"),
        custom=hint.get("custom", ()),
        backend=hint.get("backend"),
        source=hint.get("source"),
        settings=hint.get("set"),
        task=hint.get("task"),
        budget=hint.get("budget"),
        pool=pool,
    )
    return write(recovery, request["output"], target=hint.get("target"), pool=pool)


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


def _say(answers: Any, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
