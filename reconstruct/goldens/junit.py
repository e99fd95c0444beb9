"""Checks as JUnit XML, which continuous integration reads."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

from reconstruct.display import clean
from reconstruct.goldens.checking import DIFFERS, SAME, Check


def text(results: Sequence[Check]) -> str:
    """The document: a test case for each golden, a failure where it differs, an error where it cannot be run."""
    failures = [r for r in results if r.status == DIFFERS]
    errors = [r for r in results if r.status not in (SAME, DIFFERS)]
    counts = {"tests": len(results), "failures": len(failures), "errors": len(errors)}
    suite = ElementTree.Element("testsuite", {"name": "reconstruct check", **{k: str(n) for k, n in counts.items()}})
    for result in results:
        case = ElementTree.SubElement(suite, "testcase", classname=clean(result.golden), name=clean(result.model))
        if result.status != SAME:
            kind = "failure" if result in failures else "error"
            first, *more = [clean(line) for line in result.message().splitlines()]
            ElementTree.SubElement(case, kind, message=first, type=result.status).text = "\n".join(more)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
