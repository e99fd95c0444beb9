"""The definitions of a user's source tree that a model needs: which of several fit, tried by building the model."""

from __future__ import annotations

import inspect
import itertools
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reconstruct import rules
from reconstruct.artifact import Artifact, Finding, Layer
from reconstruct.errors import NotEquivalent, ReconstructError
from reconstruct.inspection import missing_objects
from reconstruct.objects import custom, known, lambdas, own_names
from reconstruct.objects.source import Candidate, Source, Wanted
from reconstruct.runtimes import source_findings, source_training
from reconstruct.runtimes.fixed_draws import fixed_draws
from reconstruct.runtimes.source_findings import Trial
from reconstruct.stock import LAYERS
from reconstruct.verification import probes
from reconstruct.verification.comparison import TOLERANCE, compare
from reconstruct.verification.examples import read_examples

MODULE = "definitions.py"
MAX_GUESSES = 64
WIDE = 100.0


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
    source = Source(root)
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
    for number, choice in enumerate(choices):
        if alike and any(t.error is None for t in trials) and not any(w.name in choice for w in alike):
            break  # what the tree has by a name of Keras fits
        trial = _tried(artifact, given, _trial(source, choice, folder / str(number)), examples)
        if trial.error is not None:
            trial = _with_arguments(artifact, given, trial, wanted, examples) or trial
        trials.append(trial)
    if not wanted and not any(t.error is None for t in trials):
        return {}
    if not trials:
        return {}
    fitting = [t for t in trials if t.error is None]
    taken = fitting[0] if fitting else trials[0]
    chosen.path, chosen.objects = taken.path, taken.objects
    if not chosen.objects and taken.error is not None:
        raise taken.error
    chosen.findings += source_findings.about_choice(source, [*wanted, *alike], taken, trials)
    if taken.arguments and examples is None:
        chosen.doubt = source_findings.assumed_arguments(taken)
        chosen.findings.append(chosen.doubt)
    others = [t for t in fitting if t is not taken and not _same(t, taken)]
    if others and examples is None:
        chosen.doubt = source_findings.ambiguous(taken, others)
        chosen.findings.append(chosen.doubt)
    return taken.choice


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
            taken = taken or _tried(artifact, given, _trial(source, choice, folder / "taken"), None)
            other = _tried(artifact, given, _trial(source, {**choice, name: candidate}, folder / name), None)
            if taken.error is None and other.error is None and not _same(taken, other):
                return source_findings.doubtful_name(name, candidate)
    return None


def _trial(source: Source, choice: Mapping[str, Candidate], folder: Path) -> Trial:
    """A choice, with its module written into a folder of its own."""
    extraction = source.extract(choice)
    folder.mkdir(parents=True)
    path = folder / MODULE
    path.write_text(extraction.text, "utf-8")
    return Trial(dict(choice), extraction, str(path))


def _tried(artifact: Artifact, given: Mapping[str, Any], trial: Trial, examples: str | None) -> Trial:
    """Build the model with these definitions, and run it on what tells one from another."""
    from reconstruct.runtimes import building, keras_3

    try:
        found = custom.load([trial.path])
        trial.objects = {name: found[name] for name in trial.choice if name in found}
        objects = own_names.beside_keras({**given, **trial.objects})
        outcome = rules.apply(own_names.preferred(artifact, objects)[0], rules.RULES, objects)
        assert outcome.artifact.model is not None
        keras_3.clear()
        built = building.build(outcome.artifact.model, {n: o for n, o in objects.items() if callable(o)})
        if examples is not None:
            inputs, expected = read_examples(examples)
            ours = keras_3.run(built.model, inputs)
            if not compare(ours, expected).within(TOLERANCE):
                raise ReconstructError("its outputs are not those of the examples")
        else:
            trial.outputs = _outputs(built.model, outcome.artifact.model)
    except ReconstructError as error:
        trial.error = error
    except Exception as error:  # whatever the user's code does
        trial.error = ReconstructError(f"{type(error).__name__}: {error}")
    return trial


def _with_arguments(
    artifact: Artifact, given: Mapping[str, Any], trial: Trial, wanted: Sequence[Wanted], examples: str | None
) -> Trial | None:
    """The trial with values for arguments that a class without `get_config` did not save: a size that the shapes of
    its weights leave no choice about. None where several would do, or none does."""
    lacking: dict[str, dict[str, list[str]]] = {}  # class, layer, arguments
    for each in wanted:
        cls = trial.objects.get(each.name)
        if each.kind != "layer" or not isinstance(cls, type):
            continue
        own = vars(cls).get("__init__")
        parameters = list(inspect.signature(own).parameters.values())[1:] if inspect.isfunction(own) else []
        needed = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
        for layer in artifact.model.walk() if artifact.model is not None else ():
            if layer.class_name == each.name and set(needed) - set(layer.config):
                lacking.setdefault(each.name, {})[layer.name] = [n for n in needed if n not in layer.config]
    spots = [(c, layer, name) for c, layers in lacking.items() for layer, names in layers.items() for name in names]
    if not spots or artifact.model is None:
        return None
    sizes = {n.name: sorted({s for t in n.weights.values() for s in t.shape}) for n in artifact.model.walk()}
    fitting = []
    for values in itertools.islice(itertools.product(*(sizes.get(layer, []) for _, layer, _ in spots)), MAX_GUESSES):
        path = Path(trial.path).with_name(f"with_{'_'.join(map(str, values))}.py")
        lines = [trial.extraction.text]
        for cls_name in lacking:
            own_values: dict[str, dict[str, int]] = {}
            for (c, layer_name, name), value in zip(spots, values, strict=True):
                if c == cls_name:
                    own_values.setdefault(layer_name, {})[name] = value
            lines.append(_FROM_CONFIG.format(cls=cls_name, values=own_values))
        path.write_text("\n".join(lines), "utf-8")
        other = _tried(artifact, given, Trial(trial.choice, trial.extraction, str(path)), examples)
        if other.error is None:
            other.arguments = {f"{layer}.{name}": v for (_, layer, name), v in zip(spots, values, strict=True)}
            fitting.append(other)
    return fitting[0] if len(fitting) == 1 else None


# The layers of a class by name, with the arguments that the file lacks
_FROM_CONFIG = """
_made_{cls} = {cls}.from_config
_values_{cls} = {values!r}
{cls}.from_config = classmethod(
    lambda cls, config, *rest, **more: _made_{cls}({{**_values_{cls}.get(config.get("name"), {{}}), **config}})
)
"""


def _outputs(model: Any, described: Layer) -> list[list[np.ndarray]] | None:
    from reconstruct.runtimes import keras_3

    inputs = probes.inputs_of(described, keras_3.inputs_of(model))
    for size in probes.sizes_to_try(inputs):
        try:
            with fixed_draws():  # or a model that draws would differ from itself
                made = list(probes.make(inputs, size))
                return [keras_3.run(model, probe) for probe in (*made, _wide(made[0]))]
        except Exception:  # another size of an open axis, perhaps
            continue
    raise ReconstructError("the model is built, but does not run")


def _wide(probe: Sequence[np.ndarray]) -> list[np.ndarray]:
    """A probe with numbers that reach where one definition cuts values off and another does not; indices stay."""
    return [x * np.asarray(WIDE, x.dtype) if x.dtype.kind == "f" and (x != np.round(x)).any() else x for x in probe]


def _same(one: Trial, other: Trial) -> bool:
    """Whether two choices give the same outputs, so that it is of no account which one is taken."""
    if one.outputs is None or other.outputs is None:
        return one.outputs is other.outputs
    return all(compare(a, b).within(TOLERANCE) or _equal(a, b) for a, b in zip(one.outputs, other.outputs, strict=True))


def _equal(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    """Whether numbers are the very same, those too large to be any among them."""
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))
