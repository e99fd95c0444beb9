"""What was done, as data. `Result.to_json` is a contract: other programs read it (`version` 1)."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from reconstruct.artifact import Finding, Tensor, Writer
from reconstruct.rules.engine import Change

VERSION = 1
# Worst last: a list of files exits with its worst (DESIGN: 0 verified, 3 unverified, 4 partial, 1 failed or differs).
EXIT_CODES = {"verified": 0, "unverified": 3, "partial": 4, "differs": 1, "failed": 1}
STATUSES = tuple(EXIT_CODES)


@dataclass(frozen=True)
class Verification:
    """The comparison with an oracle; `oracle` is None where none could say, and `tried` says what came of each."""

    oracle: str | None = None
    probes: int = 0
    max_abs_error: float | None = None
    max_rel_error: float | None = None
    tolerance: float | None = None
    tried: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True)
class Tensors:
    """How many arrays of the file were used, and the names of those that were not."""

    in_file: int = 0
    used: int = 0
    unused: tuple[str, ...] = ()

    @classmethod
    def of(cls, tensors: Sequence[Tensor], used: Sequence[Tensor] = ()) -> Tensors:
        """Every array of the file is used or named."""
        every, names = (list(dict.fromkeys(s for t in each for s in t.sources)) for each in (tensors, used))
        unused = tuple(source for source in every if source not in set(names))
        return cls(len(tensors), len(tensors) - len(unused), unused)


@dataclass
class Result:
    """What became of one file."""

    source: str
    status: str = "failed"
    output: str | None = None
    rung: str | None = None
    portable: bool = True
    writer: Writer | None = None
    container: str | None = None
    verification: Verification = field(default_factory=Verification)
    changes: tuple[Change, ...] = ()
    assumptions: tuple[Mapping[str, Any], ...] = ()
    findings: tuple[Finding, ...] = ()
    tensors: Tensors = field(default_factory=Tensors)
    error: Mapping[str, str] | None = None
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The result as the report has it."""
        writer = {"keras": self.writer.keras, "backend": self.writer.backend} if self.writer else None
        return {**asdict(self), "writer": writer, "seconds": round(self.seconds, 2)}

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.status]


def worst_exit_code(statuses: Sequence[str]) -> int:
    """The exit code for many results: the worst of them, or 0 for none."""
    order = list(STATUSES)
    return EXIT_CODES[max(statuses, key=order.index)] if statuses else 0


def document(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The whole report."""
    return {
        "version": VERSION,
        "reconstruct": version_of("keras-reconstruct"),
        "environment": environment(),
        "results": list(results),
    }


def environment() -> dict[str, str]:
    """Versions of what computed the result."""
    packages = ("keras", "tensorflow", "tf_keras", "numpy", "h5py")
    return {"python": sys.version.split()[0], "platform": platform.platform(), **{p: version_of(p) for p in packages}}


def version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
