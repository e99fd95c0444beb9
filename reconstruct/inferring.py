"""The third rung of the ladder: a file that holds weights alone. `recover.py` calls it where there is no config."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from reconstruct import integrity, rules
from reconstruct.artifact import Artifact, Finding
from reconstruct.errors import BuildError, ReconstructError
from reconstruct.inference.infer import BUDGET, Hints, Inferred, held, infer
from reconstruct.objects import placeholders
from reconstruct.report import Tensors
from reconstruct.verification.comparison import TOLERANCE
from reconstruct.verification.examples import read_examples
from reconstruct.verification.verdict import Verdict, against_examples

if TYPE_CHECKING:
    from reconstruct.recovery import Options, Recovery


def climb(recovery: Recovery, artifact: Artifact, options: Options, say: Callable[[str], None]) -> None:
    """Infer a model, build it, and compare it with the examples, where there are some."""
    from reconstruct.runtimes import keras_3

    result = recovery.result
    result.rung = "inferred"
    say("inferring the architecture")
    examples = None if options.examples is None else read_examples(options.examples)
    budget = BUDGET if options.budget is None else options.budget
    inferred = infer(artifact, Hints(options.input_shape, examples, options.settings, options.task, budget), say)
    say("building")
    try:
        lost = _build(recovery, artifact, inferred)
    except BuildError as error:  # all its tensors are there all the same
        lost = _build(recovery, artifact, held(artifact, f"what was inferred cannot be built ({error.message})"))
    if lost:
        recovery.stop("a model with placeholders cannot run")
        return
    if options.examples is None or examples is None:
        recovery.stop("only examples can say what a model of inferred architecture computed")
        _run(recovery)
        return
    say("verifying")
    try:
        verdict = against_examples(lambda xs: keras_3.run(recovery.model, xs), options.examples, TOLERANCE)
    except BuildError as error:  # it has all tensors all the same
        recovery.stop(error.message)
        recovery.add(Finding("examples_disagree", "warning", "model", error.message, error.hint))
        return
    result.verification = verdict.verification
    recovery.add(*verdict.findings)
    result.status = _status(inferred, verdict)
    recovery._expected = [(list(examples[0]), keras_3.run(recovery.model, examples[0]))]
    if not verdict.agrees:
        message = "no choice that was tried within the budget agrees with the examples; this is the nearest"
        recovery.add(Finding("examples_disagree", "warning", "model", message, "--budget, --set"))


def _build(recovery: Recovery, artifact: Artifact, inferred: Inferred) -> list[Finding]:
    """Build the model that was inferred; what of it became placeholders."""
    from reconstruct.runtimes import incomplete, keras_3

    outcome = rules.apply(inferred.artifact, rules.RULES, {}, placeholders.refused)
    model = outcome.artifact.model
    assert model is not None
    keras_3.clear()
    built, lost = incomplete.build(model, {})
    result = recovery.result
    result.assumptions, result.changes = inferred.assumptions, outcome.changes
    recovery.add(*inferred.findings, *outcome.findings, *lost, *built.findings, *integrity.findings(model))
    recovery.form = model
    result.tensors = Tensors.of(artifact.tensors, [tensor for _, tensor in built.assigned])
    recovery._model, result.portable = built.model, keras_3.is_portable(built.model)
    return lost


def _run(recovery: Recovery) -> None:
    """Run the model once, so that what is written can be compared with it."""
    try:
        recovery.probes()
    except ReconstructError as error:
        recovery.add(Finding("not_run", "warning", "model", error.message, error.hint))


def _status(inferred: Inferred, verdict: Verdict) -> str:
    """Verified only where examples that took no part in the search agree too, their outputs vary so that this says
    something, and nothing that matters stays open."""
    constant = any(finding.code == "outputs_constant" for finding in verdict.findings)
    if verdict.agrees and inferred.confirmed and not inferred.assumptions and not constant:
        return "verified"
    return "partial"
