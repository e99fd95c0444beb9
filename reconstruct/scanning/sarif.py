"""Findings as SARIF 2.1.0, which code scanning reads (OASIS, Static Analysis Results Interchange Format)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from reconstruct.scanning.codes import CODES

_LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def document(files: Sequence[Mapping[str, Any]], version: str) -> dict[str, Any]:
    """The SARIF document for files as the report of `scan` has them."""
    codes = sorted({finding["code"] for file in files for finding in file["findings"]})
    rules = [
        {
            "id": code,
            "shortDescription": {"text": CODES.get(code, code)},
            "defaultConfiguration": {"level": "warning" if code.startswith("W_") else "error"},
        }
        for code in codes
    ]
    results = [_result(file["source"], finding, codes) for file in files for finding in file["findings"]]
    driver = {"name": "reconstruct", "version": version, "rules": rules}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "results": results,
                "invocations": [{"executionSuccessful": not any(file["not_inspected"] for file in files)}],
            }
        ],
    }


def _result(source: str, finding: Mapping[str, Any], codes: Sequence[str]) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": quote(PurePath(source).as_posix(), safe="/:")}}
    text = finding["message"] + (f" ({finding['hint']})" if finding["hint"] else "")
    location: dict[str, Any] = {"physicalLocation": place}
    if finding["path"]:
        location["logicalLocations"] = [{"fullyQualifiedName": finding["path"]}]
    return {
        "ruleId": finding["code"],
        "ruleIndex": codes.index(finding["code"]),
        "level": _LEVELS[finding["severity"]],
        "message": {"text": text},
        "locations": [location],
    }
