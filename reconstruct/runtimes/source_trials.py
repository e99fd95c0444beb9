"""Building a model with definitions of a user's source tree, to see whether they fit."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reconstruct import rules
from reconstruct.artifact import Artifact, Finding, Layer
from reconstruct.errors import BuildError, ReconstructError
from reconstruct.objects import custom, own_names, placeholders
from reconstruct.objects.source import Candidate, Source, Wanted
from reconstruct.runtimes import source_findings
from reconstruct.runtimes.fixed_draws import fixed_draws
from reconstruct.runtimes.source_findings import Trial
from reconstruct.verification import probes
from reconstruct.verification.comparison import TOLERANCE, compare
from reconstruct.verification.examples import read_examples

MODULE = "definitions.py"
MAX_GUESSES = 64
WIDE = 100.0


def prepared(source: Source, choice: Mapping[str, Candidate], folder: Path) -> Trial:
    """A choice, with its module written into a folder of its own."""
    extraction = source.extract(choice)
    folder.mkdir(parents=True)
    path = folder / MODULE
    path.write_text(extraction.text, "utf-8")
    return Trial(dict(choice), extraction, str(path))


def tried(artifact: Artifact, given: Mapping[str, Any], trial: Trial, examples: str | None) -> Trial:
    """Build the model with these definitions, and run it on what tells one from another."""
    from reconstruct.runtimes import incomplete, keras_3

    try:
        found = custom.load([trial.path])
        trial.objects = {name: found[name] for name in trial.choice if name in found}
        objects = own_names.beside_keras({**given, **trial.objects})
        outcome = rules.apply(own_names.preferred(artifact, objects)[0], rules.RULES, objects, placeholders.refused)
        model = outcome.artifact.model
        assert model is not None
        keras_3.clear()
        built, lost = incomplete.build(model, {n: o for n, o in objects.items() if callable(o)})
        own = {layer.path for layer in model.walk() if layer.class_name in trial.choice}
        for finding in lost:
            if finding.path in own:
                raise BuildError(finding.message, path=finding.path)
        trial.built = True
        if lost:
            return trial  # what needs no definition of these cannot be run either
        if examples is not None:
            inputs, expected = read_examples(examples)
            ours = keras_3.run(built.model, inputs)
            if not compare(ours, expected).within(TOLERANCE):
                raise ReconstructError("its outputs are not those of the examples")
        else:
            trial.outputs = _outputs(built.model, model)
    except ReconstructError as error:
        trial.error = error
    except Exception as error:  # whatever the user's code does
        trial.error = ReconstructError(f"{type(error).__name__}: {error}")
    return trial


def without_unusable(
    artifact: Artifact, given: Mapping[str, Any], source: Source, trial: Trial, examples: str | None
) -> tuple[Trial | None, list[Finding]]:
    """The trial without the definitions that cannot be built, and why not: their layers are placeholders, or what is
    known of them. None where nothing is left of it."""
    findings: list[Finding] = []
    folder, choice = Path(trial.path).parent, trial.choice
    while trial.error is not None and not trial.built:
        unusable = _unusable(artifact, trial) or choice.keys()
        findings += [source_findings.unusable(n, choice[n], trial.error) for n in choice if n in unusable]
        choice = {n: c for n, c in choice.items() if n not in unusable}
        if not choice:
            return None, findings
        folder = folder / "without"
        trial = tried(artifact, given, prepared(source, choice, folder), examples)
    return trial, findings


def _unusable(artifact: Artifact, trial: Trial) -> set[str]:
    """The class of the choice whose layer could not be built, or whose part could not."""
    path = trial.error.path or "" if trial.error is not None else ""
    layers = artifact.model.walk() if artifact.model is not None else ()
    around = [n for n in layers if n.class_name in trial.choice and (path == n.path or path.startswith(f"{n.path}/"))]
    return {around[-1].class_name} if around else set()


def with_arguments(
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
        other = tried(artifact, given, Trial(trial.choice, trial.extraction, str(path)), examples)
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


def same(one: Trial, other: Trial) -> bool:
    """Whether two choices give the same outputs, so that it is of no account which one is taken."""
    if one.outputs is None or other.outputs is None:
        return one.outputs is other.outputs
    return all(compare(a, b).within(TOLERANCE) or _equal(a, b) for a, b in zip(one.outputs, other.outputs, strict=True))


def _equal(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    """Whether numbers are the very same, those too large to be any among them."""
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))
