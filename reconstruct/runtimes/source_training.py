"""Losses, metrics, optimizers and other parts for training alone, from the user's source tree.

No output depends on them: one that is not found, or whose definition does not run, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from reconstruct.artifact import Artifact, Finding
from reconstruct.errors import ReadError
from reconstruct.objects import custom
from reconstruct.objects.source import Candidate, Source, Wanted
from reconstruct.objects.training_parts import parts
from reconstruct.rules.training import own_names


@dataclass
class Definitions:
    """The `objects` by name, and the module at `path` that defines them; None where there are none."""

    path: str | None = None
    objects: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def wanted(artifact: Artifact, given: Mapping[str, Any]) -> list[Wanted]:
    """What the file names for training and the user has not given; objects also by names of Keras, since the tree may
    have another class of that name."""
    assert artifact.model is not None
    names = [
        part.name.rpartition(">")[2]
        for part in parts(artifact.model)
        if part.fields is not None or not hasattr(getattr(keras, f"{part.kind}s"), part.name)
    ]
    names += own_names(artifact.training) if artifact.training is not None else []
    return [Wanted(name, "function") for name in dict.fromkeys(names) if custom.find(given, name) is None]


def definitions(source: Source, names: Sequence[Wanted], choice: Mapping[str, Candidate], folder: Path) -> Definitions:
    """The definitions of these names, each the likeliest that runs, in a module with those already chosen."""
    made = Definitions()
    taken = dict(choice)
    for each in names:
        for number, candidate in enumerate(source.candidates(each)):
            path = folder / f"{each.name}_{number}" / "definitions.py"
            path.parent.mkdir(parents=True)
            extraction = source.extract({**taken, each.name: candidate})
            path.write_text(extraction.text, "utf-8")
            try:
                found = custom.load([str(path)])
            except ReadError:
                continue
            if each.name not in found or extraction.missing:
                continue
            taken[each.name] = candidate
            made.path, made.objects[each.name] = str(path), found[each.name]
            inside = candidate.definition.scope.function
            message = f"{each.name} is defined at {candidate.place}"
            if inside is not None:
                message += f", inside of {inside.name}; what that was called with is not in the file"
            made.findings.append(Finding("source_used", "info", candidate.place, message))
            break
    return made
