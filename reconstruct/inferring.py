"""The third rung of the ladder: a file that holds weights alone. `recover.py` calls it where there is no config."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from reconstruct import integrity, rules
from reconstruct.artifact import Artifact, Finding, Layer
from reconstruct.errors import BuildError, ReconstructError
from reconstruct.inference.hints import BUDGET, Hints
from reconstruct.inference.infer import Inferred, held, infer
from reconstruct.objects import custom, placeholders
from reconstruct.report import Tensors
from reconstruct.verification.comparison import TOLERANCE
from reconstruct.verification.examples import read_examples
from reconstruct.verification.verdict import Verdict, against_examples

if TYPE_CHECKING:
    from reconstruct.recovery import Options, Recovery

_NO_SOURCE = Finding(
    "source_not_used",
    "warning",
    "model",
    "a file of weights alone names no classes, so that nothing can be looked for in the source tree",
    "give the code of layers that are missing: reconstruct stub FILE -o layers.py, and --custom layers.py",
)


def climb(recovery: Recovery, artifact: Artifact, options: Options, say: Callable[[str], None]) -> None:
    """Infer a model, build it, and compare it with the examples, where there are some."""
    from reconstruct.runtimes import keras_3, legacy_code

    result = recovery.result
    result.rung = "inferred"
    say("inferring the architecture")
    examples = None if options.examples is None else read_examples(options.examples)
    budget = BUDGET if options.budget is None else options.budget
    inferred = infer(artifact, Hints(options.input_shape, examples, options.settings, options.task, budget), say)
    say("building")
    if options.source is not None:
        recovery.add(_NO_SOURCE)
    legacy_code.written_by(artifact.writer)
    given = {**custom.load(options.custom), **options.custom_objects}
    try:
        lost = _build_with(recovery, artifact, inferred, given)
    except BuildError as error:  # all its tensors are there all the same
        lost = _build(recovery, artifact, held(artifact, f"what was inferred cannot be built ({error.message})"), {})
    if lost:
        recovery.stop("a model with placeholders cannot run")
        return
    if options.examples is None or examples is None:
        recovery.stop("only examples can say what a model of inferred architecture computed")
        _run(recovery)
        return
    say("verifying")
    try:
        _check_inputs(recovery.model, examples[0])
        verdict = against_examples(lambda xs: keras_3.run(recovery.model, xs), options.examples, TOLERANCE)
    except BuildError as error:  # it has all tensors all the same
        recovery.stop(error.message)
        recovery.add(Finding("examples_disagree", "warning", "model", error.message, error.hint))
        return
    result.verification = verdict.verification
    recovery.add(*verdict.findings)
    result.status = _status(inferred, verdict)
    if verdict.agrees:
        recovery.add(_held_back(inferred, len(examples[0][0])))
    recovery._expected = [(list(examples[0]), keras_3.run(recovery.model, examples[0]))]
    if not verdict.agrees:
        message = "no choice that was tried within the budget agrees with the examples; this is the nearest"
        recovery.add(Finding("examples_disagree", "warning", "model", message, "--budget, --set"))


def _held_back(inferred: Inferred, rows: int) -> Finding:
    """How many of the examples took no part in the search."""
    if not inferred.held_back:
        message = "one example decides and leaves none to confirm what it decided, so that nothing is verified"
        return Finding("examples_held_back", "warning", "model", message, "give two or more; 8 are better")
    decided = rows - inferred.held_back
    agree = "agree as well" if inferred.confirmed else "do not all agree"
    message = f"{decided} of {rows} examples decided; {inferred.held_back} took no part in the search and {agree}"
    return Finding("examples_held_back", "info" if inferred.confirmed else "warning", "model", message)


def _check_inputs(model: Any, xs: Sequence[Any]) -> None:
    """Raises `BuildError` where the examples have more or fewer inputs than the model."""
    shapes = [str(tuple(x.shape)[1:]) for x in model.inputs]
    if len(xs) != len(shapes):
        raise BuildError(
            f"the examples have {len(xs)} input arrays (x0…), and the model {len(shapes)} inputs, {', '.join(shapes)}",
            hint="give an array for each, in this order",
        )


def _build_with(recovery: Recovery, artifact: Artifact, inferred: Inferred, given: Mapping[str, Any]) -> list[Finding]:
    """Build the model, with the user's classes in place of placeholders where these can take their weights."""
    assert inferred.artifact.model is not None
    classes = {n: c for n, c in given.items() if isinstance(c, type) and not custom.unwritten(c)}
    filled, used = _filled_in(inferred.artifact.model, classes)
    if used:
        own = {name: classes[name] for name in used}
        try:
            lost = _build(recovery, artifact, replace(inferred, artifact=inferred.artifact.replace(model=filled)), own)
        except ReconstructError as error:
            message = f"{', '.join(used)} as given cannot take the weights of the file: {error.message}"
            recovery.add(Finding("custom_not_used", "warning", error.path or "model", message, error.hint))
        else:
            recovery._custom_objects = own
            return lost
        return _build(recovery, artifact, inferred, {})
    unknown = {n.config["missing"]["name"]: None for n in filled.walk() if placeholders.is_placeholder(n)}
    if given and not unknown.keys() & given.keys():
        message = (
            "a file of weights alone names no classes, and none that was given is called like what is missing: "
            f"{', '.join(unknown) or 'nothing is'}"
        )
        recovery.add(Finding("custom_not_used", "warning", "model", message, "reconstruct stub FILE -o layers.py"))
    return _build(recovery, artifact, inferred, {})


def _filled_in(model: Layer, classes: Mapping[str, Any]) -> tuple[Layer, list[str]]:
    """The model without placeholders for classes that are there, and which of these it uses."""
    used: dict[str, None] = {}

    def visit(layer: Layer) -> Layer:
        original = layer.config["original"] if placeholders.is_placeholder(layer) else {}
        if original.get("class_name") not in classes or original.get("layers"):
            return layer.map_parts(lambda _, part: visit(part))
        used[original["class_name"]] = None
        config = {**original["config"], "name": layer.name}
        return layer.replace(class_name=original["class_name"], config=config, package=None)

    return visit(model), list(used)


def _build(recovery: Recovery, artifact: Artifact, inferred: Inferred, given: Mapping[str, Any]) -> list[Finding]:
    """Build the model that was inferred; what of it became placeholders."""
    from reconstruct.runtimes import incomplete, keras_3

    outcome = rules.apply(inferred.artifact, rules.RULES, given, placeholders.refused)
    model = outcome.artifact.model
    assert model is not None
    keras_3.clear()
    built, lost = incomplete.build(model, given)
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
