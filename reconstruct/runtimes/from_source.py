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
from reconstruct.objects.source import Candidate, Extraction, Source, Wanted
from reconstruct.runtimes import source_training
from reconstruct.runtimes.fixed_draws import fixed_draws
from reconstruct.stock import LAYERS
from reconstruct.verification import probes
from reconstruct.verification.comparison import TOLERANCE, compare
from reconstruct.verification.examples import read_examples

MODULE = "definitions.py"
SHOWN = 6
MAX_GUESSES = 64


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


@dataclass
class _Trial:
    choice: dict[str, Candidate]
    extraction: Extraction
    path: str
    objects: dict[str, Any]
    error: ReconstructError | None = None
    outputs: list[list[np.ndarray]] | None = None
    arguments: dict[str, int] = field(default_factory=dict)  # by layer and name, where the weights told them


def choose(artifact: Artifact, root: str, given: Mapping[str, Any], examples: str | None = None) -> Chosen:
    """Find what is missing in the source tree `root`, and take the definitions with which the model can be built."""
    chosen = Chosen()
    wanted = list(_wanted(artifact, given))
    for_training = source_training.wanted(artifact, given)
    source = Source(root)
    alike = [w for w in _alike(artifact, given, source) if w.name not in {other.name for other in wanted}]
    if not wanted and not for_training and not alike:
        return chosen
    folder = Path(tempfile.mkdtemp(prefix="reconstruct-source-"))
    weakref.finalize(chosen, shutil.rmtree, folder, ignore_errors=True)  # the oracles read the module later
    choice = _choose(chosen, artifact, source, given, wanted, alike, folder, examples)
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
    chosen.findings += _about_tree(source, [w for w in wanted if w.name not in _known(artifact, given)])
    trials: list[_Trial] = []
    choices = itertools.chain(source.choices([*wanted, *alike]), source.choices(wanted) if alike else ())
    for number, choice in enumerate(choices):
        if alike and any(t.error is None for t in trials) and not any(w.name in choice for w in alike):
            break  # what the tree has by a name of Keras fits
        path = folder / str(number) / MODULE
        path.parent.mkdir()
        extraction = source.extract(choice)
        path.write_text(extraction.text, "utf-8")
        trial = _tried(artifact, given, _Trial(choice, extraction, str(path), {}), examples)
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
    chosen.findings += _about_choice(source, [*wanted, *alike], taken, trials)
    if taken.arguments and examples is None:
        chosen.doubt = _assumed_arguments(taken)
        chosen.findings.append(chosen.doubt)
    others = [t for t in fitting if t is not taken and not _same(t, taken)]
    if others and examples is None:
        chosen.doubt = _doubt(taken, others)
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


def _alike(artifact: Artifact, given: Mapping[str, Any], source: Source) -> list[Wanted]:
    """Names of Keras's own by which the file means what the tree defines: an activation that the tree gives to Keras
    or that the Keras of the file did not have, and a class with none of the fields that Keras's own would have saved.
    """
    found: dict[str, Wanted] = {}
    for layer in artifact.model.walk() if artifact.model is not None else ():
        for _, name in own_names.activations(layer):
            meant = name in source.index.registered or not own_names.had_activation(artifact.writer, name)
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


def _tried(artifact: Artifact, given: Mapping[str, Any], trial: _Trial, examples: str | None) -> _Trial:
    """Build the model with these definitions, and run it on what tells one from another."""
    from reconstruct.runtimes import keras_3

    try:
        found = custom.load([trial.path])
        trial.objects = {name: found[name] for name in trial.choice if name in found}
        objects = own_names.beside_keras({**given, **trial.objects})
        outcome = rules.apply(own_names.preferred(artifact, objects)[0], rules.RULES, objects)
        assert outcome.artifact.model is not None
        keras_3.clear()
        built = keras_3.build(outcome.artifact.model, {n: o for n, o in objects.items() if callable(o)})
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
    artifact: Artifact, given: Mapping[str, Any], trial: _Trial, wanted: Sequence[Wanted], examples: str | None
) -> _Trial | None:
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
        other = _tried(artifact, given, _Trial(trial.choice, trial.extraction, str(path), {}), examples)
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

    limits, mask = probes.index_limits(described), probes.mask_value(described)
    inputs = [probes.Input(n, s, d, limits.get(n), mask) for n, s, d in keras_3.inputs_of(model)]
    for size in probes.sizes_to_try(inputs):
        try:
            with fixed_draws():  # or a model that draws would differ from itself
                return [keras_3.run(model, probe) for probe in probes.make(inputs, size)]
        except Exception:  # another size of an open axis, perhaps
            continue
    raise ReconstructError("the model is built, but does not run")


def _same(one: _Trial, other: _Trial) -> bool:
    """Whether two choices give the same outputs, so that it is of no account which one is taken."""
    if one.outputs is None or other.outputs is None:
        return one.outputs is other.outputs
    return all(compare(a, b).within(TOLERANCE) for a, b in zip(one.outputs, other.outputs, strict=True))


# What the user is told


def _about_tree(source: Source, wanted: Sequence[Wanted]) -> Iterator[Finding]:
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


def _about_choice(
    source: Source, wanted: Sequence[Wanted], taken: _Trial, trials: Sequence[_Trial]
) -> Iterator[Finding]:
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


def _why(candidate: Candidate, trials: Sequence[_Trial]) -> str:
    with_it = [t for t in trials if any(c.place == candidate.place for c in t.choice.values())]
    errors = [t.error for t in with_it]
    if not errors:
        return " (not tried)"
    error = errors[0]
    return f" ({error.message.splitlines()[0][:200]})" if error is not None and all(errors) else " (which fits too)"


def _assumed_arguments(taken: _Trial) -> Finding:
    values = ", ".join(f"{argument}={value}" for argument, value in taken.arguments.items())
    return Finding(
        "argument_from_weights",
        "warning",
        "model",
        f"the file does not say what some arguments were; of the sizes of its weights only these fit: {values}; an "
        "oracle is given the same and cannot tell",
        "write get_config into the class with the right values, or give --examples E.npz",
    )


def _doubt(taken: _Trial, others: Sequence[_Trial]) -> Finding:
    places = sorted({c.place for t in others for n, c in t.choice.items() if c.place != taken.choice[n].place})
    used = ", ".join(c.place for c in taken.choice.values())
    return Finding(
        "source_ambiguous",
        "warning",
        "model",
        f"other definitions fit the file as well and compute something else: {', '.join(places)}; {used} was taken, "
        "and an oracle that runs the same code cannot tell",
        "give examples of inputs and their true outputs: --examples E.npz; or the right code: --custom FILE.py",
    )
