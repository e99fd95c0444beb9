"""A recovered model written for tf_keras and for TensorFlow up to 2.15, and compared with what tf_keras makes of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from reconstruct import rules, writing
from reconstruct.artifact import Artifact, Finding, Writer
from reconstruct.errors import FRAMEWORKS, BuildError, NotEquivalent, OracleUnavailable
from reconstruct.readers import read
from reconstruct.recovery import Recovery
from reconstruct.rules.engine import Outcome
from reconstruct.runtimes import oracles
from reconstruct.runtimes.worker import WorkerPool
from reconstruct.targets import activations, files, graphs, layers, operations
from reconstruct.verification.comparison import compare, tolerance_of
from reconstruct.verification.oracle import OracleFailed, for_artifact

NAME = "tf-keras"
RULES: tuple[rules.Rule, ...] = (
    *layers.BEFORE,
    *operations.RULES,
    *activations.RULES,
    *layers.AFTER,
)
TF_KERAS = Writer(files.KERAS, "tensorflow")


def translate(artifact: Artifact) -> Outcome:
    """The model in the form of tf_keras.

    Raises `NotEquivalent` with every layer that has no form there, and why.
    """
    outcome = rules.apply(artifact, RULES, {}, lambda layer, error: layer)
    if outcome.refused:
        seen = dict.fromkeys((r.path, r.message, r.hint) for r in outcome.refused)
        reasons = "; ".join(f"{path}: {message}" for path, message, _ in seen)
        first = next(iter(seen))
        hint = first[2] or "Keras 3 runs the model: leave out --target"
        raise NotEquivalent(f"no equivalent in tf_keras: {reasons}", path=first[0], hint=hint)
    model = outcome.artifact.model
    assert model is not None
    done = outcome.artifact.replace(model=graphs.in_order(model), dialect=TF_KERAS)
    return Outcome(done, outcome.changes, outcome.findings)


def save(recovery: Recovery, path: str | os.PathLike[str], pool: WorkerPool) -> None:
    """Write the model of a recovery to `path`, as HDF5 or `.keras` by its suffix, whole or not at all.

    tf_keras, in a process of its own, loads the file and must give what the recovered model gives, which was compared
    with the original before. Raises `NotEquivalent` for what tf_keras cannot say, and `BuildError` where it cannot be
    had, or loads the file and disagrees.
    """
    target = Path(path)
    reason = oracles.why_unavailable(oracles.TF_KERAS)
    if reason is not None:
        message = f"nothing can say whether tf_keras loads the file: {reason}"
        raise OracleUnavailable(message, hint=FRAMEWORKS)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = writing.scratch_folder(target)
    try:
        # What Keras 3 writes has every shape in it, and was loaded and compared itself
        recovery.save(folder / "model.keras")
        recovery.result.output = None
        artifact = read(folder / "model.keras")
        usual = rules.apply(artifact, rules.RULES).artifact  # e.g. an input layer for a Sequential without one
        outcome = translate(usual)
        written = folder / f"model{target.suffix}.tmp"
        model = outcome.artifact.model
        assert model is not None
        (files.write_keras if target.suffix == ".keras" else files.write_h5)(model, written)
        agreement = _verified(recovery, written, pool)
        written.replace(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    recovery.result.changes = (*recovery.result.changes, *outcome.changes)
    recovery.add(*outcome.findings, *agreement)
    if recovery.result.rung and getattr(recovery.model, "compiled", False):
        message = "the file for tf_keras holds the model and no training state; compile it anew to train it"
        recovery.add(Finding("training_not_written", "info", "model", message))
    recovery.result.output = str(target)


def _verified(recovery: Recovery, written: Path, pool: WorkerPool) -> Sequence[Finding]:
    """What tf_keras makes of the file, as findings; raises `BuildError` where that is not what it should be."""
    from reconstruct.runtimes import keras_3

    if not recovery._expected:
        raise BuildError(
            "the recovered model was not run, so that nothing can be compared with what tf_keras makes of it",
            hint="leave out --target",
        )
    oracle = next(iter(for_artifact(read(written), pool, trust_code=False, custom=(), fixed_draws=recovery.random)))
    probes = [inputs for inputs, _ in recovery._expected]
    try:
        answer = oracle.run(probes, False)
    except OracleFailed as error:
        message = f"{oracle.name} does not run the file written for it: {error.message}"
        raise BuildError(message, hint="please report this, with the file if you can") from error
    tolerance = tolerance_of(keras_3.compute_dtypes(recovery.model))
    worst = 0.0
    for theirs, (_, ours) in zip(answer.outputs, recovery._expected, strict=True):
        found = compare(theirs, ours)
        if not found.finite:
            continue
        if not found.within(tolerance):
            what = found.problem or f"by {found.relative:.1e}"
            hint = "please report this, with the file if you can"
            raise BuildError(f"the file written for {oracle.name} gives other outputs there: {what}", hint=hint)
        worst = max(worst, found.absolute)
    message = f"{oracle.name} loads the file and agrees with the recovered model (largest difference {worst:.1e})"
    return [Finding("target_verified", "info", "model", message)]
