"""The ladder: one file to a verified model. This module orders the stages; nothing else does."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconstruct import inferring, integrity, rules
from reconstruct.artifact import Artifact, Finding
from reconstruct.errors import BuildError, ConfigError, ReconstructError, of_surroundings
from reconstruct.limits import DEFAULT, Limits
from reconstruct.objects import custom as custom_code
from reconstruct.objects import libraries, own_names, placeholders, unsaved
from reconstruct.objects import lost as lost_weights
from reconstruct.objects.missing import missing
from reconstruct.readers import read
from reconstruct.readers.lost import DOUBTFUL
from reconstruct.recovery import Options, Recovery
from reconstruct.report import Result, Tensors, Verification
from reconstruct.rules.engine import Outcome
from reconstruct.rules.inputs import with_input_shapes
from reconstruct.rules.layout import theano_doubt
from reconstruct.runtimes.worker import WorkerPool, pool_or_own
from reconstruct.scanning import resources
from reconstruct.verification.comparison import TOLERANCE, compare, tolerance_of
from reconstruct.verification.oracle import for_artifact as oracles_for
from reconstruct.verification.oracle import why_not_asked
from reconstruct.verification.verdict import Arrays, Verdict, against_examples, against_oracles, unverified

if TYPE_CHECKING:
    from reconstruct.runtimes.worker import WorkerPool

Progress = Callable[[str], None]
# Findings of rules that stand for a choice which neither the file nor, without an oracle, anything else confirms
ASSUMPTIONS = (
    *("known_layer_assumed", "lambda_assumption", "dim_ordering_assumed", "running_std_ambiguous"),
    *("weights_by_position", "activation_assumed", lost_weights.FRESH, DOUBTFUL),
)


_NOT_IN_ORACLES = Finding(
    "custom_objects_not_in_oracles",
    "info",
    "model",
    "classes given as objects, or registered in this process, are not there in the processes of oracles",
    "give the file with their code as custom=[…], or examples=",
)


def recover(
    path: str | os.PathLike[str],
    *,
    custom_objects: Mapping[str, Any] | None = None,
    custom: Sequence[str] = (),
    input_shape: Sequence[Any] | None = None,
    examples: str | os.PathLike[str] | None = None,
    backend: str | None = None,
    trust_code: bool = False,
    verify: bool = True,
    source: str | os.PathLike[str] | None = None,
    settings: Mapping[str, Any] | None = None,
    task: str | None = None,
    budget: float | None = None,
    limits: Limits = DEFAULT,
    trust: bool = False,
    fresh_weights: bool = False,
    pool: WorkerPool | None = None,
    on_progress: Progress | None = None,
) -> Recovery:
    """Recover the model in a file of any Keras, and compare it with what the original computes.

    `input_shape` is a shape without the batch axis, or a list of them; it is needed only where the file does not
    say. A file that is not to `trust` is first read by another process, in case it crashes a parser. `verify=False`
    asks no oracle: the result is `unverified` at best. `fresh_weights` gives layers of a salvaged file that lost
    weights initial values; without, they become placeholders. Never raises for what is wrong with the file: the status
    is then `failed`, and `Recovery.model` raises it.

    >>> recovery = recover("fixtures/files/keras-2.2.4/lstm.h5")   # doctest: +SKIP
    >>> recovery.status, recovery.result.verification.oracle       # doctest: +SKIP
    ('verified', 'keras 2.2.4')
    """
    shapes = None
    if input_shape is not None:
        several = any(isinstance(s, list | tuple) or (s is None and len(input_shape) > 1) for s in input_shape)
        shapes = list(input_shape) if several and isinstance(input_shape[0], list | tuple) else [list(input_shape)]
    options = Options(
        shapes,
        None if examples is None else str(examples),
        custom,
        custom_objects or {},
        backend,
        trust_code,
        verify,
        None if source is None else str(source),
        settings or {},
        task,
        budget,
        limits,
        trust,
        fresh_weights,
    )
    with pool_or_own(pool) as workers:
        return _recover(str(path), options, workers, on_progress or (lambda message: None))


def _recover(path: str, options: Options, pool: WorkerPool, say: Progress) -> Recovery:
    started = time.monotonic()
    result = Result(path)
    recovery = Recovery(result)
    try:
        _climb(recovery, options, pool, say)
    except ReconstructError as error:
        recovery.fail(error)
    except Exception as error:  # a config that no Keras writes, or a defect: the next file must not suffer
        unexpected = of_surroundings(error) or BuildError(
            f"unexpected {type(error).__name__}: {error}",
            path=path,
            hint="please report this, with the file if you can",
        )
        unexpected.__cause__ = error
        recovery.fail(unexpected)
    result.seconds = time.monotonic() - started
    return recovery


def _climb(recovery: Recovery, options: Options, pool: WorkerPool, say: Progress) -> None:
    result = recovery.result
    say("reading")
    artifact, fresh = _read(recovery, options)
    if artifact.model is None:
        inferring.climb(recovery, artifact, options, say)
        return
    from reconstruct.runtimes import incomplete, keras_3

    artifact = _as_told(recovery, artifact, options)
    artifact, options, given = _with_code(recovery, artifact, options, say)
    outcome = _translated(recovery, artifact, given)
    assert outcome.artifact.model is not None

    say("building")
    keras_3.clear()
    objects = {name: thing for name, thing in given.items() if callable(thing)}
    # A class that stands in for one of another name is written under its own
    recovery._custom_objects = {**{getattr(o, "__name__", k): o for k, o in objects.items()}, **objects}
    try:
        built, lost = incomplete.build(outcome.artifact.model, objects, fresh)
    except (BuildError, ConfigError) as error:
        if not _load_native(recovery, outcome, error):
            raise
        return
    recovery.add(*lost, *built.findings, *integrity.findings(outcome.artifact.model))
    result.assumptions = (*result.assumptions, *_assumed(built.findings))
    result.tensors = Tensors.of(artifact.tensors, [t for _, t in built.assigned])
    result.rung = "config"
    recovery._model, result.portable = built.model, keras_3.is_portable(built.model)
    if lost:
        result.assumptions = (*result.assumptions, *incomplete.assumed_shapes(built.model))
        recovery.stop("a model with placeholders cannot run")
        _compile(recovery, artifact, built.assigned)
        return

    say("verifying")
    _prove(recovery, artifact, outcome, options, pool)
    _compile(recovery, artifact, None if result.rung == "native" else built.assigned)


def _read(recovery: Recovery, options: Options) -> tuple[Artifact, set[str]]:
    """The artifact, with its findings in the result, and the paths of layers that are to have initial values.

    Raises as the readers do, and `BuildError` for what no rung can get over.
    """
    result = recovery.result
    recovery.artifact = artifact = read(result.source, options.limits, trust=options.trust)
    result.writer, result.container, result.findings = artifact.writer, artifact.container, artifact.findings
    result.tensors = Tensors.of(artifact.tensors)
    artifact, notes = lost_weights.treated(artifact, options.fresh_weights)
    result.findings = (*artifact.findings, *notes)
    result.assumptions = _assumed(result.findings)
    if artifact.model is not None:
        stops = _without_doubtful_counts(artifact, options)
        result.findings = (*stops, *notes)
        broken = next((f for f in stops if f.severity == "error"), None)
        if broken is not None:
            raise BuildError(broken.message, path=broken.path, hint=broken.hint)
        _refuse_sizes(artifact, options.limits)
    return artifact, {f.path for f in notes}


def _as_told(recovery: Recovery, artifact: Artifact, options: Options) -> Artifact:
    """The artifact with the shapes and the backend that the user says; what is left open of it is a doubt."""
    assert artifact.model is not None
    if options.input_shape is not None:
        artifact = artifact.replace(model=with_input_shapes(artifact.model, options.input_shape))
    if options.backend is not None and artifact.writer.backend is None:
        artifact = artifact.replace(writer=replace(artifact.writer, backend=options.backend))
        artifact = artifact.replace(dialect=artifact.writer)
    doubt = theano_doubt(artifact)
    if doubt is not None:
        recovery.add(doubt)
        recovery.doubts.append(doubt)
    recovery.doubts += [f for f in artifact.findings if f.code == DOUBTFUL]
    return artifact


def _with_code(
    recovery: Recovery, artifact: Artifact, options: Options, say: Progress
) -> tuple[Artifact, Options, dict[str, Any]]:
    """The code for classes and functions that Keras lacks, by name: given, registered, or found in the source tree.

    The artifact names what of it is meant by names that Keras has too, and the options name the module with what was
    found in the source, for oracles.
    """
    from reconstruct.runtimes import from_source, keras_3, legacy_code

    legacy_code.written_by(artifact.writer)
    known = keras_3.registered()
    recovery.in_process = frozenset({**known, **custom_code.REGISTRY, **options.custom_objects})
    code = custom_code.load(options.custom)
    given = {**known, **keras_3.registered_for_one(known), **code, **options.custom_objects}
    if options.source is not None:
        say("searching the source")
        chosen = from_source.choose(artifact, options.source, given, options.examples)
        recovery.add(*chosen.findings)
        recovery._source = chosen
        if chosen.doubt is not None:
            recovery.doubts.append(chosen.doubt)
        if chosen.path is not None:
            options = replace(options, custom=(*options.custom, chosen.path))
        given = {**keras_3.registered_for_one(known), **given, **chosen.objects}
    given = own_names.beside_keras(given)
    artifact, preferred = own_names.preferred(artifact, given)
    recovery.add(*preferred)
    unknown = unsaved.doubt(artifact.model, given) if artifact.model is not None else None
    if unknown is not None:
        recovery.add(unknown)
        recovery.doubts.append(unknown)
    return artifact, options, given


def _translated(recovery: Recovery, artifact: Artifact, given: dict[str, Any]) -> Outcome:
    """What the rules make of it. Classes that installed libraries have for what is lacking then join those `given`."""
    from reconstruct.runtimes import keras_3

    outcome = rules.apply(artifact, rules.RULES, given, placeholders.refused)
    assert outcome.artifact.model is not None
    lacking = {lacks.name for n in outcome.artifact.model.walk() if (lacks := missing(n, given)) is not None}
    given |= {name: thing for name, thing in libraries.load(lacking).items() if keras_3.is_layer(thing)}
    recovery.result.changes = outcome.changes
    recovery.add(*outcome.findings)
    recovery.form = outcome.artifact.model
    recovery.random = any(f.code == "random_outputs" for f in outcome.findings)
    recovery.result.assumptions = (*recovery.result.assumptions, *_assumed(outcome.findings))
    return outcome


def _prove(recovery: Recovery, artifact: Artifact, outcome: Outcome, options: Options, pool: WorkerPool) -> None:
    """Run the built model, compare it with an oracle, and say what came of it."""
    from reconstruct.runtimes import probing

    result = recovery.result
    assert recovery.form is not None
    try:
        made, outputs = probing.runnable(recovery._model, recovery.form)
    except probing.Unwritten as error:
        recovery.add(Finding("not_implemented", "error", "model", error.message, error.hint))
        recovery.stop(error.message)
        return
    if not result.portable or recovery.random:
        outputs = _with_fixed_draws(recovery, made, outputs)
    verdict = _verify(recovery, artifact, made, outputs, options, pool)
    if recovery.random and verdict.agrees is not None:
        recovery.add(_RANDOM_PARTS)
    result.verification = verdict.verification
    recovery.add(*verdict.findings)
    # Examples are the original's, whatever wrote the file
    doubts = [] if options.examples is not None and not recovery.random else recovery.doubts
    result.status = _status(verdict, doubts, result.assumptions)
    used = any(custom_code.find(recovery.in_process, n.class_name, n.package) for n in recovery.form.walk())
    if verdict.agrees is None and (used or options.custom_objects):
        recovery.add(_NOT_IN_ORACLES)
    recovery._expected = list(zip(made, outputs, strict=True))
    _take_native(recovery, outcome)


def _refuse_sizes(artifact: Artifact, limits: Limits) -> None:
    """Raises `BuildError` before anything is built that would take far more memory than the file justifies."""
    problem = next(resources.findings(artifact, limits), None)
    if problem is not None:
        raise BuildError(problem.message, path=problem.path, hint=problem.hint, code=problem.code)


def _assumed(findings: Sequence[Finding]) -> tuple[Mapping[str, Any], ...]:
    return tuple({"path": f.path, "message": f.message} for f in findings if f.code in ASSUMPTIONS)


def _without_doubtful_counts(artifact: Artifact, options: Options) -> tuple[Finding, ...]:
    """The findings; that a layer has other weights than Keras's own of that name stops nobody who has its code."""
    if options.source is None and not options.custom and not options.custom_objects:
        return artifact.findings
    return tuple(replace(f, severity="info") if f.code == "unexpected_weights" else f for f in artifact.findings)


def _verify(
    recovery: Recovery,
    artifact: Artifact,
    made: list[Arrays],
    outputs: list[Arrays],
    options: Options,
    pool: WorkerPool,
) -> Verdict:
    """Ask the best oracle there is."""
    from reconstruct.runtimes import keras_3
    from reconstruct.runtimes.fixed_draws import fixed_draws

    model = recovery._model
    if not options.verify:
        return unverified("no oracle was to be asked")
    tolerance = tolerance_of(keras_3.compute_dtypes(model))
    if options.examples is not None and not recovery.random:
        return against_examples(lambda xs: keras_3.run(model, xs), options.examples, tolerance)
    reason = None if options.trust_code else why_not_asked(artifact, recovery._custom_objects)
    if artifact.writer.backend == "theano" and artifact.writer.major == 1:
        reason = "no oracle runs Keras 1 on Theano"
    if any(f.code == lost_weights.FRESH for f in recovery.result.findings):
        reason = "layers have initial values in place of weights that the file lost"
    if _NOT_FIXED in recovery.result.findings:
        reason = _NOT_FIXED.message
    if reason is not None:
        return unverified(reason)
    fixed = recovery.random
    asked = oracles_for(artifact, pool, trust_code=options.trust_code, custom=options.custom, fixed_draws=fixed)
    with fixed_draws() if fixed else contextlib.nullcontext():
        return against_oracles(asked, made, outputs, lambda xs: keras_3.layer_outputs(model, xs), tolerance)


_RANDOM_PARTS = Finding(
    "random_parts",
    "warning",
    "model",
    "the model draws random numbers in every call, so that its outputs are never the same twice; it was compared with "
    "the same fixed numbers in place of those drawn, here and in the oracle; examples would tell nothing",
)
_NOT_FIXED = Finding(
    "draws_not_fixed",
    "warning",
    "model",
    "the model gives other outputs in every call, and not by drawing from TensorFlow, so that they cannot be compared",
)


def _with_fixed_draws(recovery: Recovery, made: list[Arrays], outputs: list[Arrays]) -> list[Arrays]:
    """The outputs with which a model that draws random numbers can be compared; those of any other as they are."""
    model = recovery._model

    def differs(again: list[Arrays], before: list[Arrays]) -> bool:
        found = [compare(a, b) for a, b in zip(again, before, strict=True)]
        return any(f.finite and not f.within(TOLERANCE) for f in found)

    if not recovery.random and not differs([recovery.run(model, made[0])], outputs[:1]):
        return outputs
    recovery.random = True
    fixed = [recovery.run(model, probe) for probe in made]
    if differs([recovery.run(model, probe) for probe in made], fixed):
        recovery.add(_NOT_FIXED)
    return fixed


def _status(verdict: Verdict, doubts: Sequence[Finding], assumptions: Sequence[Any]) -> str:
    if verdict.agrees is False:
        return "differs"
    # In doubt, the oracle makes of the file what we do, and both may be wrong
    if verdict.agrees and not doubts:
        return "verified"
    return "partial" if assumptions else "unverified"


def _take_native(recovery: Recovery, outcome: Outcome) -> None:
    """The first rung: where no rule had anything to change and Keras's own loader gives the verified outputs, take its
    model, which also keeps what only Keras reads (vocabularies, states of random generators)."""
    result = recovery.result
    if outcome.changes or outcome.artifact.writer.major < 3 or result.status != "verified":
        return
    if result.container not in ("keras-zip", "h5-model") or Path(result.source).suffix not in (
        ".keras",
        ".h5",
        ".hdf5",
    ):
        return
    from reconstruct.runtimes import keras_3

    try:
        native = keras_3.load(result.source, recovery._custom_objects, compile=False)
        same = all(compare(recovery.run(native, p), o).within(TOLERANCE) for p, o in recovery._expected)
    except Exception:  # the second rung stands already
        return
    if same:
        recovery._model, result.rung = native, "native"


def _load_native(recovery: Recovery, outcome: Outcome, error: ReconstructError) -> bool:
    """The first rung alone, for a file by Keras 3 that only Keras itself can read; nothing independent confirms it."""
    if outcome.changes or outcome.artifact.writer.major < 3 or outcome.artifact.container == "config-json":
        return False
    from reconstruct.runtimes import keras_3

    result = recovery.result
    try:
        recovery._model = keras_3.load(result.source, recovery._custom_objects, compile=False)
    except Exception:  # then the error of the second rung says more
        return False
    result.rung, result.status = "native", "unverified"
    result.portable = keras_3.is_portable(recovery._model)
    result.tensors = Tensors.of(outcome.artifact.tensors, outcome.artifact.tensors)
    result.verification = Verification(
        tried=({"oracle": "any", "outcome": f"only Keras itself could read the file: {error.message}"},)
    )
    return True


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
    recovery.add(*findings, *compiled)
