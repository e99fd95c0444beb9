"""A first reading of a file in a process of its own, so that what kills a parser does not kill the caller.

HDF5 is read by a library in C, and files that crash it are known (25 CVEs need HDF5 2.0). Its `main` is the child:
a line of JSON on stdin names a file, one on stdout says that it was read, whatever was found in it.
"""

from __future__ import annotations

import atexit
import contextlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reconstruct.errors import ReadError, ReconstructError
from reconstruct.limits import Limits
from reconstruct.runtimes.answering import Say, answer_requests
from reconstruct.runtimes.confinement import allow, confine, held
from reconstruct.runtimes.worker import Worker, WorkerCrashed, child_command, environment

_HINT = "it does the same to other programs that read it: get it again from where it came from"
_worker: Worker | None = None


def survive(path: Path, limits: Limits) -> None:
    """Have the file read, its arrays too, by another process. Raises `ReadError` where that process dies or hangs."""
    global _worker
    if _worker is None:
        _worker = Worker(child_command("reconstruct.readers.trial"), "the process that reads", environment())
        atexit.register(_worker.close)
    seconds = limits.scan_seconds + (held(path) >> 26)  # a disk gives 64 MiB a second
    request = {"path": str(path.absolute()), "limits": asdict(limits), "seconds": seconds}
    try:
        _worker.ask(request, 10.0 * seconds)
    except ReconstructError as error:
        code = "E_PARSER_CRASH" if isinstance(error, WorkerCrashed) else "E_CORRUPT"
        raise ReadError(f"{path} cannot be read: {error.message}", path=str(path), hint=_HINT, code=code) from error


def _answer(request: dict[str, Any], say: Say) -> dict[str, Any]:
    from reconstruct.readers import read

    limits = Limits(**request["limits"])
    confine(limits.recover_bytes)
    allow(request["seconds"], 0)
    # What is wrong with a file that can be read is found by its reader, who says it better
    with contextlib.suppress(ReconstructError, OSError, ValueError, MemoryError):
        for tensor in read(request["path"], limits).tensors:
            tensor.read()
    return {"ok": True}


def main() -> None:
    """Be the child."""
    answer_requests(_answer)
