"""Everything about files that their user should know before opening them: no framework, and nothing in them is run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from reconstruct.artifact import Finding
from reconstruct.limits import DEFAULT, Limits
from reconstruct.scanning.child import Scanner

__all__ = ["exit_code", "scan"]


def scan(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], limits: Limits = DEFAULT) -> dict[str, Any]:
    """Look at files and folders without opening what they name or running what they hold.

    The report has an entry for each under `files`: `source`, `kind`, `writer`, `status` (`clean`, `warning`, `error`),
    `inspected` and `not_inspected`, `lambdas`, and `findings` with `code`, `severity`, `path`, `message` and `hint`
    (the codes are in `reconstruct.scanning.codes`). Files are read in a child process with limits on memory and time;
    that it died is a finding, too. Never raises for what is wrong with a file.

    >>> reconstruct.scan("fixtures/files/keras-2.2.4/lstm.h5")["files"][0]["status"]   # doctest: +SKIP
    'clean'
    """
    every = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    with Scanner(limits) as scanner:
        return document([scanner.scan(os.fspath(path)) for path in every])


def document(files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The whole report."""
    from reconstruct.report import VERSION, version_of

    return {"version": VERSION, "reconstruct": version_of("keras-reconstruct"), "files": list(files)}


def exit_code(report: Mapping[str, Any]) -> int:
    """1 where any file has a finding of severity error, else 0."""
    return int(any(f["severity"] == "error" for file in report["files"] for f in file["findings"]))


def crashed(source: str, message: str) -> dict[str, Any]:
    """The entry of a file that ended the process that read it."""
    hint = "do not open it elsewhere either; get it again from where it came from"
    finding = Finding("E_PARSER_CRASH", "error", "", message, hint)
    return {
        **dict.fromkeys(("kind", "writer")),
        "source": source,
        "status": "error",
        "inspected": [],
        "not_inspected": ["the file"],
        "findings": [asdict(finding)],
        "lambdas": [],
    }
