"""The ladder: one file to a verified model. This module orders the stages; nothing else does."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reconstruct import rules
from reconstruct.artifact import Artifact, Finding
from reconstruct.errors import BuildError, ReconstructError
from reconstruct.readers import read
from reconstruct.report import Result, Tensors, Verification
from reconstruct.rules.engine import Outcome
from reconstruct.rules.inputs import with_input_shapes
from reconstruct.rules.layout import theano_doubt
from reconstruct.verification import oracle as oracle_runs
from reconstruct.verification import probes
from reconstruct.verification.comparison import HALF_TOLERANCE, TOLERANCE, Comparison, compare

if TYPE_CHECKING:
    from reconstruct.runtimes.worker import WorkerPool

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What the user says about a file.

    `input_shape` has one shape an input, without the batch axis, None where unknown. `examples` is an `.npz` with
    `x0…` and `y0…`. `custom` are Python files or modules whose classes the model needs; `custom_objects` are such
    classes by name. `backend` is the one that trained the model, where the file does not say. `trust_code` lets code inside the file run in oracles.
    """

    input_shape: Sequence[Sequence[int | None] | None] | None = None
    examples: str | None = None
    custom: Sequence[str] = ()
    custom_objects: Mapping[str, Any] = field(default_factory=dict)
    backend: str | None = None
    trust_code: bool = False


@dataclass
class Recovery:
    """A recovered model, how it was recovered, and what proves it."""

    result: Result
    _model: Any = None
    _error: ReconstructError | None = None
    _expected: list[tuple[list[np.ndarray], list[np.ndarray]]] = field(default_factory=list)
    _custom_objects: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> Any:
        """The Keras 3 model. Raises what stopped the recovery where there is none."""
        if self._error is not None:
            raise self._error
        return self._model

    @property
    def status(self) -> str:
        """verified, unverified, partial, differs or failed."""
        return self.result.status

    @property
    def report(self) -> dict[str, Any]:
        """The result as the report has it."""
        return self.result.to_json()

    def fail(self, error: Exception) -> None:
        """Make this a failed recovery: from now on there is no model, and the report says why."""
        message, hint = str(error), getattr(error, "hint", "")
        where = getattr(error, "path", "") or getattr(error, "filename", None) or ""
        self.result.status = "failed"
        self.result.error = {"type": type(error).__name__, "message": message, "path": str(where), "hint": hint}
        self._error = error if isinstance(error, ReconstructError) else ReconstructError(message, path=str(where))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to `path`, whole or not at all, after the written file was loaded and compared once more.

        Raises `BuildError` where the file gives other outputs than the model.
        """
        target = Path(path)
        model = self.model
        from reconstruct.runtimes import keras_3

        target.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent)
        try:
            written = os.path.join(folder, "model.keras")
            keras_3.save(model, written)
            again = keras_3.load(written, self._custom_objects)
            for inputs, outputs in self._expected:
                found = compare(keras_3.run(again, inputs), outputs)
                if not found.within(TOLERANCE):
                    raise BuildError(
                        f"the written file differs from the model: {found.problem or f'by {found.relative:.1e}'}",
                        path=str(target),
                        hint="this is a defect of reconstruct or Keras; please report it",
                    )
            os.replace(written, target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.result.output = str(target)


def recover(
    path: str | os.PathLike[str],
    *,
    custom_objects: Mapping[str, Any] | None = None,
    custom: Sequence[str] = (),
    input_shape: Sequence[Any] | None = None,
    examples: str | os.PathLike[str] | None = None,
    backend: str | None = None,
    trust_code: bool = False,
    pool: WorkerPool | None = None,
    on_progress: Progress | None = None,
) -> Recovery:
    """Recover the model in a file of any Keras, and compare it with what the original computes.

    `input_shape` is a shape without the batch axis, or a list of them; it is needed only where the file does not
    say. Never raises for what is wrong with the file: the status is then `failed`, and `Recovery.model` raises it.

    >>> recovery = recover("fixtures/files/keras-2.2.4/lstm.h5")   # doctest: +SKIP
    >>> recovery.status, recovery.result.verification.oracle       # doctest: +SKIP
    ('verified', 'keras 2.2.4')
    """
    from reconstruct.runtimes.worker import WorkerPool as Pool

    shapes = None
    if input_shape is not None:
        several = any(isinstance(s, list | tuple) or s is None and len(input_shape) > 1 for s in input_shape)
        shapes = list(input_shape) if several and isinstance(input_shape[0], list | tuple) else [list(input_shape)]
    options = Options(shapes, None if examples is None else str(examples), custom, custom_objects or {}, backend, trust_code)
    own = Pool() if pool is None else None
    try:
        return _recover(str(path), options, own or pool, on_progress or (lambda message: None))  # type: ignore[arg-type]
    finally:
        if own is not None:
            own.close()


def _recover(path: str, options: Options, pool: WorkerPool, say: Progress) -> Recovery:
    started = time.monotonic()
    result = Result(path)
    recovery = Recovery(result)
    try:
        _climb(recovery, path, options, pool, say)
    except ReconstructError as error:
        recovery.fail(error)
    result.seconds = time.monotonic() - started
    return recovery


def _climb(recovery: Recovery, path: str, options: Options, pool: WorkerPool, say: Progress) -> None:
    result = recovery.result
    say("reading")
    artifact = read(path)
    result.writer, result.container, result.findings = artifact.writer, artifact.container, artifact.findings
    result.tensors = Tensors(len(artifact.tensors), 0, tuple(_sources(artifact.tensors)))
    if artifact.model is None:
        raise BuildError(
            "the file holds weights and no architecture, and inferring one is not implemented yet",
            path=path,
            hint="put the model's config beside it as JSON (model.to_json()), named like the weights",
        )
    broken = next((f for f in artifact.findings if f.severity == "error"), None)
    if broken is not None:
        raise BuildError(broken.message, path=broken.path, hint=broken.hint)
    if options.input_shape is not None:
        artifact = artifact.replace(model=with_input_shapes(artifact.model, options.input_shape))
    doubt = theano_doubt(artifact)
    if options.backend is not None and artifact.writer.backend is None:
        artifact = artifact.replace(writer=replace(artifact.writer, backend=options.backend))
        artifact, doubt = artifact.replace(dialect=artifact.writer), None
    if doubt is not None:
        result.findings = (*result.findings, doubt)
    outcome = rules.apply(artifact, rules.RULES)
    result.changes, result.findings = outcome.changes, (*result.findings, *outcome.findings)

    say("building")
    from reconstruct.objects import custom as custom_code
    from reconstruct.runtimes import keras_3

    keras_3.clear()
    objects = {**custom_code.load(options.custom), **options.custom_objects}
    assert outcome.artifact.model is not None
    built = keras_3.build(outcome.artifact.model, objects)
    result.findings = (*result.findings, *built.findings)
    result.tensors = _account(artifact, [t for _, t in built.assigned], result.tensors)
    result.rung = "config"
    recovery._model, recovery._custom_objects = built.model, objects
    result.portable = not objects

    say("verifying")
    inputs = _inputs(built.model, outcome)
    made = _runnable_probes(built.model, inputs)
    outputs = [keras_3.run(built.model, p) for p in made]
    _verify(recovery, artifact, made, outputs, options, pool, doubt)
    native = _take_native(recovery, outcome, path, objects, made, outputs)
    _compile(recovery, artifact, None if native else built.assigned)
    recovery._expected = list(zip(made, outputs, strict=True))


def _sources(tensors: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(s for t in tensors for s in t.sources))


def _account(artifact: Artifact, used: Sequence[Any], before: Tensors) -> Tensors:
    """Every array of the file is used or named."""
    names = set(_sources(used))
    unused = tuple(s for s in _sources(artifact.tensors) if s not in names)
    return Tensors(before.in_file, before.in_file - len(unused), unused)


def _inputs(model: Any, outcome: Outcome) -> list[probes.Input]:
    from reconstruct.runtimes import keras_3

    assert outcome.artifact.model is not None
    limits = probes.index_limits(outcome.artifact.model)
    return [probes.Input(n, s, d, limits.get(n)) for n, s, d in keras_3.inputs_of(model)]


def _runnable_probes(model: Any, inputs: Sequence[probes.Input]) -> list[list[np.ndarray]]:
    """Probes of the first size that the model takes, where the file leaves the size open."""
    from reconstruct.runtimes import keras_3

    sizes = probes.OPEN_SIZES if any(i.is_open for i in inputs) else probes.OPEN_SIZES[:1]
    problem: Exception | None = None
    for size in sizes:
        made = list(probes.make(inputs, size))
        try:
            keras_3.run(model, made[0])
        except Exception as error:
            problem = error
            continue
        return made
    raise BuildError(
        f"the model was built, but does not run: {type(problem).__name__}: {str(problem).splitlines()[0]}",
        hint="give the shape of its input: --input-shape 28,28,1 (without the batch axis)",
    ) from problem


def _verify(
    recovery: Recovery,
    artifact: Artifact,
    made: list[list[np.ndarray]],
    outputs: list[list[np.ndarray]],
    options: Options,
    pool: WorkerPool,
    doubt: Finding | None,
) -> None:
    """Compare with the first oracle that runs, and set status and verification."""
    result = recovery.result
    tolerance = HALF_TOLERANCE.get(getattr(recovery._model, "compute_dtype", ""), TOLERANCE)
    tried: list[dict[str, str]] = []
    if options.examples is not None:
        _verify_examples(recovery, options.examples, tolerance)
        return
    result.status = "partial" if result.assumptions else "unverified"
    reason = None if options.trust_code else oracle_runs.why_not_asked(artifact)
    if artifact.writer.backend == "theano" and artifact.writer.major == 1:
        reason = "no oracle runs Keras 1 on Theano"
    if reason is not None:
        tried.append({"oracle": "any", "outcome": reason})
        result.verification = Verification(tried=tuple(tried))
        return
    for oracle in oracle_runs.for_artifact(artifact, pool, trust_code=options.trust_code, custom=options.custom):
        try:
            answer = oracle.run(made, False)
        except oracle_runs.OracleFailed as error:
            tried.append({"oracle": oracle.name, "outcome": error.message})
            continue
        found = [compare(a, b) for a, b in zip(outputs, answer.outputs, strict=True)]
        worst = _worst(found)
        if not all(f.finite for f in found):
            tried.append({"oracle": oracle.name, "outcome": f"not finite on its own: {worst.problem}"})
            continue
        agrees = worst.within(tolerance)
        tried.append({"oracle": oracle.name, "outcome": "agrees" if agrees else "differs"})
        first = None if agrees else _first_difference(recovery, oracle, made, tolerance)
        result.verification = Verification(
            oracle.name, len(made), _finite(worst.absolute), _finite(worst.relative), tolerance, tuple(tried), first
        )
        if agrees and doubt is None:
            result.status = "partial" if result.assumptions else "verified"
        elif agrees:
            result.status = "unverified"  # the oracle makes of the file what we do, but it may be Theano's
        else:
            result.status = "differs"
            what = worst.problem or f"by {worst.relative:.1e}, more than {tolerance:g}"
            where = f"; the first layer that differs is {first}" if first else ""
            result.findings = (
                *result.findings,
                Finding("outputs_differ", "error", "model", f"{oracle.name} gives other outputs: {what}{where}"),
            )
        return
    result.verification = Verification(tried=tuple(tried))


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _worst(found: Sequence[Comparison]) -> Comparison:
    return max(found, key=lambda c: (c.problem is not None, c.relative))


def _verify_examples(recovery: Recovery, path: str, tolerance: float) -> None:
    from reconstruct.runtimes import keras_3
    from reconstruct.verification.examples import read_examples

    result = recovery.result
    xs, ys = read_examples(path)
    try:
        found = compare(keras_3.run(recovery._model, xs), ys)
    except ReconstructError:
        raise
    except Exception as error:
        raise BuildError(f"the model does not run on the examples: {error}", path=path) from error
    agrees = found.within(tolerance)
    result.status = "verified" if agrees else "differs"
    result.verification = Verification(
        "examples",
        len(xs[0]) if xs else 0,
        _finite(found.absolute),
        _finite(found.relative),
        tolerance,
        ({"oracle": "examples", "outcome": "agrees" if agrees else "differs"},),
    )
    if not agrees:
        what = found.problem or f"by {found.relative:.1e}, more than {tolerance:g}"
        result.findings = (
            *result.findings,
            Finding("outputs_differ", "error", "model", f"the examples have other outputs: {what}"),
        )


def _first_difference(
    recovery: Recovery, oracle: oracle_runs.Oracle, made: list[list[np.ndarray]], tolerance: float
) -> str | None:
    """The first layer, in the order of the model, whose output differs from the original's layer of that name."""
    from reconstruct.runtimes import keras_3

    try:
        theirs = oracle.run(made[:1], True).layers
        ours = keras_3.layer_outputs(recovery._model, made[0])
    except Exception:  # without them the outputs still differ; only the place is unknown
        return None
    for name, arrays in ours.items():
        original = [theirs[name, 0, k] for k in range(len(arrays)) if (name, 0, k) in theirs]
        if original and not compare(arrays[: len(original)], original).within(tolerance):
            return name
    return None


def _take_native(
    recovery: Recovery,
    outcome: Outcome,
    path: str,
    objects: Mapping[str, Any],
    made: list[list[np.ndarray]],
    outputs: list[list[np.ndarray]],
) -> bool:
    """The first rung: where no rule had anything to change and Keras's own loader gives the verified outputs, take its
    model, which also keeps what only Keras reads (vocabularies, states of random generators)."""
    result = recovery.result
    if outcome.changes or outcome.artifact.writer.major < 3 or result.status != "verified":
        return False
    if result.container not in ("keras-zip", "h5-model") or Path(path).suffix not in (".keras", ".h5", ".hdf5"):
        return False
    from reconstruct.runtimes import keras_3

    try:
        native = keras_3.load(path, objects, compile=False)
        same = all(compare(keras_3.run(native, p), o).within(TOLERANCE) for p, o in zip(made, outputs, strict=True))
    except Exception:  # the second rung stands already
        return False
    if same:
        recovery._model = native
        result.rung = "native"
    return same


def _compile(recovery: Recovery, artifact: Artifact, assigned: list[tuple[Any, Any]] | None) -> None:
    """Compile as the original was; what cannot be had of that is a finding and never stops a recovery."""
    if artifact.training is None:
        return
    from reconstruct.rules import training
    from reconstruct.runtimes import compilation

    objects = recovery._custom_objects
    translated, changes, findings = training.translate(artifact.training, artifact.writer, artifact.model, objects)
    compiled = compilation.compile_model(recovery._model, translated, assigned, objects)
    recovery.result.changes = (*recovery.result.changes, *changes)
    recovery.result.findings = (*recovery.result.findings, *findings, *compiled)
