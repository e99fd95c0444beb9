"""The definitions of a user's source tree that a model needs: which of several fit, tried by building the model."""

from __future__ import annotations

import inspect
import itertools
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras

from reconstruct import rules
from reconstruct.artifact import Artifact, Finding, Layer
from reconstruct.errors import NotEquivalent
from reconstruct.inspection import missing_objects
from reconstruct.objects import custom, known, lambdas, own_names
from reconstruct.objects.source import Candidate, Source, Wanted
from reconstruct.objects.source.candidates import MAX_CHOICES
from reconstruct.runtimes import legacy_code, source_findings, source_training
from reconstruct.runtimes.source_findings import Trial
from reconstruct.runtimes.source_trials import prepared, same, tried, with_arguments, without_unusable
from reconstruct.stock import LAYERS


@dataclass
class Chosen:
    """What of the source is used: a module at `path` (None where nothing was found), and its `objects` by name.

    `written` is the module with the definitions for training too, which oracles need not have. `doubt` says that
    several definitions fit, and that nothing can tell which one the file was made with.
    """

    path: str | None = None
    written: str | None = None
    objects: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    doubt: Finding | None = None


def choose(artifact: Artifact, root: str, given: Mapping[str, Any], examples: str | None = None) -> Chosen:
    """Find what is missing in the source tree `root`, and take the definitions with which the model can be built."""
    chosen = Chosen()
    wanted = list(_wanted(artifact, given))
    for_training = source_training.wanted(artifact, given)
    source = Source(root, legacy_code.WRITER[0])
    alike = [w for w in _alike(artifact, given, source, examples) if w.name not in {other.name for other in wanted}]
    if not wanted and not for_training and not alike:
        return chosen
    folder = Path(tempfile.mkdtemp(prefix="reconstruct-source-"))
    weakref.finalize(chosen, shutil.rmtree, folder, ignore_errors=True)  # the oracles read the module later
    choice = _choose(chosen, artifact, source, given, wanted, alike, folder, examples)
    doubtful = None if examples else _doubtful_name(artifact, source, given, choice, folder / "doubtful")
    if doubtful is not None:
        chosen.doubt = doubtful
        chosen.findings.append(doubtful)
    made = source_training.definitions(source, for_training, choice, folder / "training")
    chosen.objects |= made.objects
    chosen.findings += made.findings
    chosen.written = made.path or chosen.path
    return chosen


def _choose(
    chosen: Chosen,
    artifact: Artifact,
    source: Source,
    given: Mapping[str, Any],
    wanted: Sequence[Wanted],
    alike: Sequence[Wanted],
    folder: Path,
    examples: str | None,
) -> Mapping[str, Candidate]:
    """Put into `chosen` the definitions with which the model can be built, and what is to be said of them."""
    chosen.findings += source_findings.about_tree(source, [w for w in wanted if w.name not in _known(artifact, given)])
    trials: list[Trial] = []
    choices = itertools.chain(source.choices([*wanted, *alike]), source.choices(wanted) if alike else ())

    def attempt(choice: Mapping[str, Candidate]) -> None:
        trial = tried(artifact, given, prepared(source, choice, folder / str(len(trials))), examples)
        if trial.error is not None:
            trial = with_arguments(artifact, given, trial, wanted, examples) or trial
        trials.append(trial)

    for choice in choices:
        if alike and any(t.error is None for t in trials) and not any(w.name in choice for w in alike):
            break  # what the tree has by a name of Keras fits
        attempt(choice)
    if not wanted and not any(t.error is None for t in trials):
        return {}
    if not trials:
        return {}
    taken = next((t for t in trials if t.error is None), trials[0])
    others = _untried(source, [*wanted, *alike], taken, trials) if taken.error is None else []
    for choice in others[:MAX_CHOICES]:
        attempt(choice)
    fitting = [t for t in trials if t.error is None]
    left, unusable = without_unusable(artifact, given, source, taken, examples)
    chosen.findings += unusable
    if left is None:
        chosen.findings += source_findings.about_choice(source, wanted, replace(taken, choice={}), trials)
        return {}
    taken = left
    chosen.path, chosen.objects = taken.path, taken.objects
    chosen.findings += source_findings.about_choice(source, [*wanted, *alike], taken, trials)
    if taken.arguments and examples is None:
        chosen.doubt = source_findings.assumed_arguments(taken)
        chosen.findings.append(chosen.doubt)
    different = [t for t in fitting if t is not taken and not same(t, taken)]
    places = [c.place for choice in others[MAX_CHOICES:] for n, c in choice.items() if c is not taken.choice[n]]
    places += [place for each in [*wanted, *alike] if each.name in taken.choice for place in source.acting(each)]
    if examples is None and (different or places):
        if different:
            chosen.doubt = source_findings.ambiguous(taken, different)
        else:
            chosen.doubt = source_findings.not_compared(taken, places)
        chosen.findings.append(chosen.doubt)
    return taken.choice


def _untried(
    source: Source, wanted: Sequence[Wanted], taken: Trial, trials: Sequence[Trial]
) -> list[dict[str, Candidate]]:
    """The choice that was taken with another definition of one name each, which no choice that fits has had."""
    known = {(n, c.place) for t in trials if t.error is None for n, c in t.choice.items()}
    seen = [{n: c.place for n, c in t.choice.items()} for t in trials]
    found = [
        {**taken.choice, each.name: candidate}
        for each in wanted
        if each.name in taken.choice
        for candidate in source.candidates(each)
        if (each.name, candidate.place) not in known
    ]
    return [choice for choice in found if {n: c.place for n, c in choice.items()} not in seen]


def _wanted(artifact: Artifact, given: Mapping[str, Any]) -> Iterator[Wanted]:
    """The names that the file needs code for."""
    unknown = [rule for rule in rules.RULES if rule not in known.RULES]  # the user's own code goes first
    model = rules.apply(artifact, unknown, given, instead=lambda layer, error: layer).artifact.model
    assert model is not None
    entries = missing_objects(model, given)
    for entry in entries:
        uses = entry["uses"]
        if entry["kind"] == "layer":
            yield Wanted(
                entry["name"],
                "layer",
                tuple(use["config"] for use in uses),
                tuple(dict.fromkeys(w["name"] for use in uses for w in use["weights"])),
            )
    doubted = {f.path for f in artifact.findings if f.code == "unexpected_weights"}
    others = _known(artifact, given) - {entry["name"] for entry in entries}  # not Keras's own of that name
    for layer in artifact.model.walk() if artifact.model is not None else ():
        if layer.class_name in given or not layer.weights:
            continue
        if layer.path in doubted or layer.class_name in others:
            yield Wanted(layer.class_name, "layer", (layer.config,), tuple(layer.weights))
    for entry in entries:
        if entry["kind"] == "activation" and entry["name"].isidentifier():
            yield Wanted(entry["name"], "activation")
    names: dict[str, str] = {}
    for layer in model.walk():
        if layer.class_name == "Lambda":
            names |= dict(_names_of(layer))
    yield from (Wanted(name, kind) for name, kind in names.items() if name not in given)


def _alike(artifact: Artifact, given: Mapping[str, Any], source: Source, examples: str | None) -> list[Wanted]:
    """Names of Keras's own by which the file means what the tree defines: an activation that the tree gives to Keras
    or that the Keras of the file did not have, and a class with none of the fields that Keras's own would have saved.
    Where examples tell, any activation of the tree may be meant.
    """
    found: dict[str, Wanted] = {}
    for layer in artifact.model.walk() if artifact.model is not None else ():
        for _, name in own_names.activations(layer):
            meant = (
                examples is not None
                or name in source.index.registered
                or not own_names.had_activation(artifact.writer, name)
            )
            if meant and name not in given and name in source.index.found:
                found[name] = Wanted(name, "activation")
        name = layer.class_name
        stock = getattr(keras.layers, name, None) if name in LAYERS and name in source.index.found else None
        if stock is None or layer.is_model or custom.find(given, name, layer.package) is not None:
            continue
        fields = inspect.signature(stock.__init__).parameters.keys() - {"self", "args", "kwargs", "name", "dtype"}
        if fields and not fields & layer.config.keys():
            found[name] = Wanted(name, "layer", (layer.config,), tuple(layer.weights))
    return list(found.values())


def _known(artifact: Artifact, given: Mapping[str, Any]) -> set[str]:
    """The names that can do without the user's code, since they are known from elsewhere."""
    assert artifact.model is not None
    outcome = rules.apply(artifact, known.RULES, given, instead=lambda layer, error: layer)
    assert outcome.artifact.model is not None
    left = {n.class_name for n in outcome.artifact.model.walk()}
    return {n.class_name for n in artifact.model.walk()} - left


def _names_of(layer: Layer) -> Iterator[tuple[str, str]]:
    """The function that a Lambda layer names, or the names that its code may take from around it."""
    try:
        function = lambdas.stored(layer.config)
        if function.code is None:
            if function.name and function.name.isidentifier():
                yield function.name, "function"
            return
        programs = lambdas.programs(function).programs
    except NotEquivalent:
        return
    lacks = lambdas.Context().library().lacks
    for program in programs[:1]:
        yield from ((name, "value") for name in program.globals(lacks))


def _doubtful_name(
    artifact: Artifact, source: Source, given: Mapping[str, Any], choice: Mapping[str, Candidate], folder: Path
) -> Finding | None:
    """A finding for an activation that may be Keras's or another of that name in the tree, where it matters which."""
    assert artifact.model is not None
    names = {name for layer in artifact.model.walk() for _, name in own_names.activations(layer)}
    taken = None
    for name in sorted((names & source.index.found.keys()) - choice.keys() - given.keys()):
        for candidate in source.candidates(Wanted(name, "activation"))[:1]:
            taken = taken or tried(artifact, given, prepared(source, choice, folder / "taken"), None)
            other = tried(artifact, given, prepared(source, {**choice, name: candidate}, folder / name), None)
            if taken.error is None and other.error is None and not same(taken, other):
                return source_findings.doubtful_name(name, candidate)
    return None
