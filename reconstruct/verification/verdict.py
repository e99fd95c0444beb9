"""The comparison with an oracle, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reconstruct.artifact import Finding
from reconstruct.errors import BuildError, gist
from reconstruct.report import Verification
from reconstruct.verification.comparison import Comparison, compare
from reconstruct.verification.examples import read_examples
from reconstruct.verification.oracle import Oracle, OracleFailed

Arrays = list[np.ndarray]


@dataclass(frozen=True)
class Verdict:
    """`agrees` is None where no oracle could say what the original computed."""

    agrees: bool | None
    verification: Verification
    findings: tuple[Finding, ...] = ()


def unverified(reason: str) -> Verdict:
    """No oracle was asked, for this reason."""
    return Verdict(None, Verification(tried=({"oracle": "any", "outcome": reason},)))


def against_examples(run: Callable[[Arrays], Arrays], path: str, tolerance: float) -> Verdict:
    """Compare with the user's examples.

    Raises `ReadError` for a file that holds none, and `BuildError` where the model does not run on them.
    """
    inputs, expected = read_examples(path)
    try:
        ours = run(inputs)
    except Exception as error:
        raise BuildError(
            f"the model does not run on the examples: {type(error).__name__}: {gist(error)}",
            path=path,
            hint="x0… must have the shapes of the model's inputs, with a batch axis, in their order",
        ) from error
    if any(y.size == 0 for y in expected):
        raise BuildError("the examples hold no numbers to compare", path=path, hint="give at least one row")
    verdict = _verdict("examples", compare(ours, expected), len(inputs[0]), tolerance, [])
    return _weighed(verdict, [expected], tolerance)


def against_oracles(
    oracles: Iterable[Oracle],
    probes: Sequence[Arrays],
    outputs: Sequence[Arrays],
    layer_outputs: Callable[[Arrays], Mapping[str, Arrays]],
    tolerance: float,
) -> Verdict:
    """Compare with the first oracle that runs the original; the others are not asked.

    Where the original itself gives numbers that are not finite for a probe, that probe tells nothing and is named;
    an oracle for which no probe is left does not count.
    """
    tried: list[dict[str, str]] = []
    for oracle in oracles:
        try:
            answer = oracle.run(probes, False)
        except OracleFailed as error:
            tried.append({"oracle": oracle.name, "outcome": error.message})
            continue
        found = [compare(ours, theirs) for ours, theirs in zip(outputs, answer.outputs, strict=True)]
        telling = [f for f in found if f.finite]
        if not telling:
            tried.append({"oracle": oracle.name, "outcome": "the original's outputs are not finite for any probe"})
            continue
        verdict = _verdict(oracle.name, _worst(telling), len(telling), tolerance, tried)
        if len(telling) < len(found):
            verdict = _with(
                verdict,
                Finding(
                    "outputs_not_finite",
                    "warning",
                    "model",
                    f"for {len(found) - len(telling)} of {len(found)} probes the original gives NaN or infinity; "
                    "they were not compared",
                ),
            )
        verdict = _weighed(verdict, [o for o, f in zip(answer.outputs, found, strict=True) if f.finite], tolerance)
        if not verdict.agrees:
            return _with_place(verdict, oracle, probes, layer_outputs, tolerance)
        return verdict
    return Verdict(None, Verification(tried=tuple(tried)))


def _verdict(name: str, found: Comparison, probes: int, tolerance: float, tried: Sequence[dict[str, str]]) -> Verdict:
    agrees = found.within(tolerance)
    verification = Verification(
        name,
        probes,
        found.absolute if np.isfinite(found.absolute) else None,
        found.relative if np.isfinite(found.relative) else None,
        tolerance,
        (*tried, {"oracle": name, "outcome": "agrees" if agrees else "differs"}),
    )
    if agrees:
        return Verdict(True, verification)
    what = found.problem or f"by {found.relative:.1e}, more than {tolerance:g}"
    return Verdict(
        False, verification, (Finding("outputs_differ", "error", "model", f"{name}: the outputs differ: {what}"),)
    )


def _weighed(verdict: Verdict, outputs: Sequence[Arrays], tolerance: float) -> Verdict:
    """The verdict, with a finding for each output whose agreement proves little, since it hardly varies at all."""
    error = verdict.verification.max_abs_error or 0.0
    for k in range(len(outputs[0]) if verdict.agrees else 0):
        spread = _spread([o[k] for o in outputs])
        if spread is not None and (spread <= tolerance or error > spread / 10):
            verdict = _with(
                verdict,
                Finding(
                    "outputs_constant",
                    "warning",
                    "model",
                    f"output {k} of the original is nearly the same for all inputs compared (it varies by "
                    f"{spread:.1e}), so that it agrees proves little",
                    "give examples of real inputs and their outputs: --examples E.npz",
                ),
            )
    return verdict


def _spread(arrays: Sequence[np.ndarray]) -> float | None:
    """How much an output varies over all its rows: the largest range of any one number; None if nothing can tell."""
    numeric = [a for a in arrays if a.ndim and a.size and a.dtype.kind in "fiub"]
    rows = [row for a in numeric for row in a.astype(np.float64).reshape(len(a), -1)]
    return float(np.ptp(np.stack(rows), axis=0).max()) if len(rows) > 1 else None


def _with(verdict: Verdict, finding: Finding) -> Verdict:
    return Verdict(verdict.agrees, verdict.verification, (*verdict.findings, finding))


def _worst(found: Sequence[Comparison]) -> Comparison:
    return max(found, key=lambda c: (c.problem is not None, c.relative))


def _with_place(
    verdict: Verdict,
    oracle: Oracle,
    probes: Sequence[Arrays],
    layer_outputs: Callable[[Arrays], Mapping[str, Arrays]],
    tolerance: float,
) -> Verdict:
    """The verdict with the first layer, in the order of the model, that gives other outputs than the original's."""
    try:
        theirs = oracle.run(probes[:1], True).layers
        ours = layer_outputs(probes[0])
    except Exception:  # the outputs differ all the same; only the place stays unknown
        return verdict
    for name, arrays in ours.items():
        original = [theirs[name, 0, k] for k in range(len(arrays)) if (name, 0, k) in theirs]
        if original and not compare(arrays[: len(original)], original).within(tolerance):
            place = Finding("first_difference", "error", name, f"the first layer that differs is {name}")
            return _with(verdict, place)
    return verdict
