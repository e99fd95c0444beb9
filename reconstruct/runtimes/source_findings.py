"""What the user is told of the definitions that were taken from a source tree, and of those that were not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reconstruct.artifact import Finding
from reconstruct.errors import ReconstructError
from reconstruct.objects.source import Candidate, Extraction, Source, Wanted

SHOWN = 6


@dataclass
class Trial:
    """One choice of definitions, and what came of building the model with them."""

    choice: dict[str, Candidate]
    extraction: Extraction
    path: str
    objects: dict[str, Any] = field(default_factory=dict)
    error: ReconstructError | None = None
    built: bool = False  # whether the error, if any, is one of running
    outputs: list[list[np.ndarray]] | None = None
    arguments: dict[str, int] = field(default_factory=dict)  # by layer and name, where the weights told them


def about_tree(source: Source, wanted: Sequence[Wanted]) -> Iterator[Finding]:
    for each in wanted:
        for place in source.acting(each):
            message = f"{each.name} is not taken from {place}, which is not run"
            yield Finding("source_not_run", "warning", "model", message, "give its value or code: --custom FILE.py")
    absent = [w.name for w in wanted if w.kind != "value" and not source.candidates(w)]
    if absent:
        files = len(source.index.tree.files)
        yield Finding(
            "source_missing",
            "warning",
            "model",
            f"{', '.join(absent)}: nothing in the {files} files of {source.root} defines "
            f"{'it' if len(absent) == 1 else 'them'}",
            "name the folder of the whole project, or give the code: --custom FILE.py",
        )
        if source.unreadable:
            shown = "; ".join(source.unreadable[:SHOWN]) + ("; …" if len(source.unreadable) > SHOWN else "")
            yield Finding("source_unreadable", "warning", "model", f"files that could not be parsed: {shown}")


def about_choice(source: Source, wanted: Sequence[Wanted], taken: Trial, trials: Sequence[Trial]) -> Iterator[Finding]:
    own = {c.place for c in taken.choice.values()}
    needed = [f"{p.name} ({p.place})" for p in taken.extraction.pieces if p.place not in own]
    for name, candidate in taken.choice.items():
        with_ = f", with {', '.join(needed[:SHOWN])}{' …' if len(needed) > SHOWN else ''}" if needed else ""
        yield Finding("source_used", "info", candidate.place, f"{name} is defined at {candidate.place}{with_}")
        needed = []
    for name, why in taken.extraction.missing.items():
        yield Finding(
            "source_incomplete",
            "warning",
            "model",
            f"the definitions use {name}, which could not be had: {why}",
            "give the name a value in a file of your own: --custom FILE.py",
        )
    for each in wanted:
        others = [c for c in source.candidates(each) if c is not taken.choice.get(each.name)]
        others = [c for c in others if c.place != taken.choice[each.name].place] if each.name in taken.choice else []
        if not others:
            continue
        told = "; ".join(f"{c.place}{_why(c, trials)}" for c in others[:SHOWN])
        yield Finding(
            "source_candidates",
            "info",
            taken.choice[each.name].place,
            f"{each.name} is defined {len(others) + 1} times; {taken.choice[each.name].place} was taken, not {told}",
        )


def _why(candidate: Candidate, trials: Sequence[Trial]) -> str:
    with_it = [t for t in trials if any(c.place == candidate.place for c in t.choice.values())]
    errors = [t.error for t in with_it]
    if not errors:
        return " (not tried)"
    error = errors[0]
    return f" ({error.message.splitlines()[0][:200]})" if error is not None and all(errors) else " (which fits too)"


def unusable(name: str, candidate: Candidate, error: ReconstructError) -> Finding:
    """A definition that does not run on Keras 3, with the line where it stops."""
    return Finding(
        "source_unusable",
        "warning",
        candidate.place,
        f"{name} as {candidate.place} defines it cannot be used: {error.message}",
        error.hint or f"give a definition of {name} that runs on Keras 3: --custom FILE.py",
    )


def assumed_arguments(taken: Trial) -> Finding:
    values = ", ".join(f"{argument}={value}" for argument, value in taken.arguments.items())
    return Finding(
        "argument_from_weights",
        "warning",
        "model",
        f"the file does not say what some arguments were; of the sizes of its weights only these fit: {values}; an "
        "oracle is given the same and cannot tell",
        "write get_config into the class with the right values, or give --examples E.npz",
    )


def ambiguous(taken: Trial, others: Sequence[Trial]) -> Finding:
    places = sorted({c.place for t in others for n, c in t.choice.items() if c.place != taken.choice[n].place})
    return _undecided(
        f"other definitions fit the file as well and compute something else: {', '.join(places)}; {_used(taken)} was "
        "taken, and an oracle that runs the same code cannot tell"
    )


def not_compared(taken: Trial, places: Sequence[str]) -> Finding:
    """Definitions that may be the right ones too, and that were not run: too many, or more than a definition."""
    return _undecided(
        f"{_used(taken)} was taken, and other definitions of the name were not run, so that nothing tells whether they "
        f"compute the same: {'; '.join(places[:SHOWN])}{'; …' if len(places) > SHOWN else ''}"
    )


def _used(taken: Trial) -> str:
    return ", ".join(c.place for c in taken.choice.values())


def _undecided(message: str) -> Finding:
    hint = "give examples of inputs and their true outputs: --examples E.npz; or the right code: --custom FILE.py"
    return Finding("source_ambiguous", "warning", "model", message, hint)


def doubtful_name(name: str, candidate: Candidate) -> Finding:
    """An activation by a name of Keras's own, which the tree has too, and which computes something else there."""
    return Finding(
        "source_ambiguous",
        "warning",
        "model",
        f"{name!r} is an activation of Keras, and {candidate.place} defines another; nothing in the file tells which "
        "one it was made with, and Keras's was taken; an oracle takes it too and cannot tell",
        "give the function with --custom FILE.py if it was that one, or give --examples E.npz",
    )
