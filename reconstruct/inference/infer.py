"""From a file of weights to a model: evidence, wiring, form and values, in this order."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from reconstruct.artifact import KERAS_3, Artifact, Call, Finding, Graph, Layer, Ref, Writer, refs_in
from reconstruct.inference import search
from reconstruct.inference.choices import (
    ENLARGING,
    Context,
    field_of,
    inner,
    softmax_witness,
    start_shapes,
    told_by_name,
    weighted,
)
from reconstruct.inference.evidence import Evidence, gather, with_inputs
from reconstruct.inference.flat import by_flat_images
from reconstruct.inference.forward import Weights
from reconstruct.inference.known import readings
from reconstruct.inference.moments import Moments
from reconstruct.inference.shapes import RECURRENT, Shape, spatial
from reconstruct.inference.structure import Form, Starts, Wiring, forms, neighbours, propagated, relaxed, tied
from reconstruct.inference.wiring import MERGING, contexts, orders, taken_by, wirings
from reconstruct.objects.missing import Missing
from reconstruct.objects.placeholders import is_placeholder, placeholder

BUDGET = 120.0
STRUCTURE_SECONDS = 20.0  # of computing, as those of graphs
UNAIDED_SECONDS = 30.0  # for all structures together, where no examples are to be searched
GRAPH_SECONDS = 5.0
FORMS_LEFT_SECONDS = 5.0  # for other forms that agree with the examples as well
WIRING_SHARE = 0.3  # of the time, in computing, for what is called on what
FORMS_AT_ONCE = 4
ANY_SIZE = 512
ALIKE = 0.7  # what it costs that layers of a kind are not all made alike


@dataclass(frozen=True)
class Hints:
    """What the user says of a file of weights."""

    input_shape: Sequence[Sequence[int | None] | None] | None = None
    examples: tuple[Sequence[np.ndarray], Sequence[np.ndarray]] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)  # LAYER.FIELD to value
    task: str | None = None
    budget: float = BUDGET


@dataclass(frozen=True)
class Inferred:
    """A model that the tensors are those of, in the form of `artifact.dialect`.

    `assumptions` are the choices that nothing decided. `examples_agree` is None without examples, else whether the
    deciding ones agree; `held_back` is how many confirmed it.
    """

    artifact: Artifact
    assumptions: tuple[Mapping[str, Any], ...] = ()
    findings: tuple[Finding, ...] = ()
    examples_agree: bool | None = None
    confirmed: bool = False
    held_back: int = 0


def infer(artifact: Artifact, hints: Hints, say: Callable[[str], None] = lambda text: None) -> Inferred:
    """The most plausible model for a file that holds weights alone, or the one that its user's examples decide."""
    until = time.monotonic() + (hints.budget if hints.examples is not None else min(hints.budget, UNAIDED_SECONDS))
    evidence = with_inputs(gather(artifact), _given(hints))
    dialect = _dialect(artifact)
    weights = Weights()
    base = _context(evidence, dialect, artifact, hints, weights)
    known = readings(evidence, artifact)
    moments = Moments(weights, dialect.major < 3)
    candidates = _forms(known, base, moments, hints, until)
    if hints.examples is None:
        first = next(candidates, None)
        if first is None:
            return _held(artifact, evidence, "no model was found that all shapes fit")
        opened = search.opened(*first)
        values = by_flat_images(opened, opened.best(), search.Evaluator(weights, dialect.major < 3))
        return _inferred(artifact, evidence, dialect, opened, values, first[1], hints)
    examples = search.split(*hints.examples)
    evaluator = search.Evaluator(weights, dialect.major < 3)
    found = search.Search(evaluator, examples, until, say).run(search.opened(f, c) for f, c in candidates)
    if found is None:
        # What the shapes of the examples do not fit has all tensors all the same
        without = [replace(hints, examples=None, input_shape=shapes) for shapes in (_given(hints), hints.input_shape)]
        first = next((f for h in without for f in _forms(known, base, moments, h, until + 10)), None)
        if first is None:
            return _held(artifact, evidence, "no model was found that fits shapes and examples")
        opened = search.opened(*first)
        result = _inferred(artifact, evidence, dialect, opened, opened.best(), first[1], hints)
        return replace(result, examples_agree=False)
    left, forms_left = None, []
    if found.solved:
        found = search.refined(evaluator, examples, found, until + 5)
        left = search.undecided(evaluator, examples, found, until + 5)
        forms_left = list(search.undecided_forms(evaluator, examples, found, time.monotonic() + FORMS_LEFT_SECONDS))
    around = contexts(found.open.form.wiring, base)
    result = _inferred(artifact, evidence, dialect, found.open, found.values, around, hints, left)
    if forms_left:
        more = _structural_assumptions(found.open.form, forms_left)
        result = replace(result, assumptions=(*result.assumptions, *more))
    return replace(
        result,
        examples_agree=found.solved,
        confirmed=found.confirmed,
        held_back=examples.held_back if found.solved else 0,
    )


def _dialect(artifact: Artifact) -> Writer:
    """The Keras whose meaning the choices have. Tensors of Keras 1 are brought to the form of Keras 2 at once."""
    if not artifact.lists_layers:
        return KERAS_3
    return Writer("2.0.9", "tensorflow") if artifact.writer.major < 2 else artifact.writer


def _context(evidence: Evidence, dialect: Writer, artifact: Artifact, hints: Hints, weights: Weights) -> Context:
    version = dialect.version
    era = "since"
    if version < (2, 3, 0):
        era = "between" if dialect.is_tf_keras else "before_2_3"
    layers = [inner(f.layer) for f in evidence.layers if f.layer.weights or f.layer.children]
    witness = 0.0
    if layers and layers[-1].class_name == "Dense" and "bias" in layers[-1].weights:
        bias = weights(layers[-1].weights["bias"])
        witness = softmax_witness(bias) if bias.size > 1 else 0.0
    first = taken_by(layers[0]) if layers and not spatial(layers[0].class_name) else None
    entered = first.channels if first is not None else None
    given = (_given(hints) or [None])[0]
    return Context(
        entered=entered,
        steps=given[0] if given is not None and len(given) == 2 else None,
        version=version,
        era=era,
        softmax=witness,
        task=hints.task,
        told=told_by_name(Path(artifact.source).name),
    )


def _forms(
    known: Sequence[Evidence], base: Context, moments: Moments, hints: Hints, until: float
) -> Iterator[tuple[Form, list[Context]]]:
    """The forms of all wirings: a few of each in turn, more of the likelier ones."""
    wired = time.thread_time() + (until - time.monotonic()) * WIRING_SHARE
    targets = None if hints.examples is None else [y.shape[1:] for y in hints.examples[1]]
    streams = [
        _forms_of(ordered, base, moments, hints, until)
        for each in known
        for wiring in wirings(each, wired)
        for ordered in orders(wiring, _given(hints), targets)
    ]
    portion = FORMS_AT_ONCE
    while streams and time.monotonic() < until:
        left = []
        for k, stream in enumerate(streams):
            taken = list(itertools.islice(stream, portion if k == 0 else max(1, portion // 4)))
            yield from taken
            if taken:
                left.append(stream)
        streams, portion = left, portion * 2


def _forms_of(
    wiring: Wiring, base: Context, moments: Moments, hints: Hints, until: float
) -> Iterator[tuple[Form, list[Context]]]:
    targets: list[Shape | None] = [None] * len(wiring.outputs)
    if hints.examples is not None:
        targets = [tuple(y.shape[1:]) for y in hints.examples[1]]
        if len(wiring.outputs) != len(targets):
            return
    around = contexts(wiring, replace(base, target=targets[0] if hints.examples is not None else None))
    told = moments.told(wiring)
    around = [
        replace(c, fixed=_fixed(wiring.nodes[i].layer.name, hints.settings), measured=told.get(i, {}))
        for i, c in enumerate(around)
    ]
    known = [replace(c, guessed=_given(hints) is None) for c in around]
    for sizes in ("open", "square", "any"):
        starts = _starts(wiring, hints, sizes)
        if starts is None or time.monotonic() > until or (sizes == "any" and wiring.cost):
            return
        seconds = GRAPH_SECONDS if wiring.cost else STRUCTURE_SECONDS
        found = forms(wiring, known, starts, targets, until, seconds)
        if _given(hints) is not None and all(len(starts[i]) == 1 for i in wiring.inputs):
            start = [starts[i][0][0] for i in wiring.inputs]
            alike = tied(wiring, known, start, targets, until)
            sizeless = relaxed(wiring, known, start, targets, until, GRAPH_SECONDS) if _any_size(wiring) else iter(())
            if hints.examples is not None:  # which may want any of them
                found = _alternating(alike, found, sizeless)
            else:
                complete = all(n.layer.class_name != "GAP" for n in wiring.nodes)
                found = _first_of(sizeless, _plainer(found, alike) if complete else found, alike)
        any_found = False
        for form in found:
            any_found = True
            yield form, around
        if any_found or _given(hints) is not None:
            return


def _any_size(wiring: Wiring) -> bool:
    """Whether nothing tells the heights, widths and lengths of the layers, as the weights behind Flatten do and what is
    merged with something else, or made smaller and larger again."""
    names = [n.layer.class_name for n in wiring.nodes]
    if any("Pooling" in n and not n.startswith("Global") for n in names) and any(n in ENLARGING for n in names):
        return False
    return not any(inner(n.layer).class_name in (*_FIXED_SIZES, *MERGING, "Unknown") for n in wiring.nodes)


_FIXED_SIZES = "Dense Flatten Reshape Permute RepeatVector".split()


def _first_of(*streams: Iterator[Form]) -> Iterator[Form]:
    """All of the first stream that has anything."""
    for stream in streams:
        form = next(stream, None)
        if form is not None:
            yield form
            yield from stream
            return


def _plainer(forms: Iterator[Form], alike: Iterator[Form]) -> Iterator[Form]:
    """The forms by cost, or those whose layers are alike where the first of these costs hardly more."""
    first, other = next(forms, None), next(alike, None)
    if first is not None and (other is None or other.cost > first.cost + ALIKE):
        yield first
        yield from forms
    elif other is not None:
        yield other
        yield from alike


def _alternating(*streams: Iterator[Form]) -> Iterator[Form]:
    """One form of each in turn, none looked for before it is wanted."""
    left = list(streams)
    while left:
        for stream in list(left):
            form = next(stream, None)
            if form is None:
                left.remove(stream)
            else:
                yield form


def _given(hints: Hints) -> list[Shape | None] | None:
    """The input shapes that the user says, or that examples show."""
    if hints.input_shape is not None:
        return [None if s is None else tuple(s) for s in hints.input_shape]
    if hints.examples is not None:
        return [tuple(x.shape[1:]) for x in hints.examples[0]]
    return None


def _starts(wiring: Wiring, hints: Hints, sizes: str) -> Starts | None:
    given = _given(hints)
    starts: dict[int, Sequence[tuple[Shape, float]]] = {}
    for k, i in enumerate(wiring.inputs):
        if given is not None:
            if len(given) != len(wiring.inputs):
                return None
            shape = given[k]
            if shape is not None:
                starts[i] = [(shape, 0.0)]
                if hints.examples is not None and None in shape:
                    starts[i] = [(tuple(hints.examples[0][k].shape[1:]), 0.0)]
                continue
        starts[i] = list(start_shapes(_first_weighted(wiring, i), sizes))
        if sizes == "open" and _resized(wiring):
            # Only with sizes can skips tell where an encoder halves what its decoder doubles; they stay open after
            starts[i] = [(tuple(ANY_SIZE if n is None else n for n in shape), cost) for shape, cost in starts[i]]
        if not starts[i]:
            return None
    return starts


def _resized(wiring: Wiring) -> bool:
    names = [node.layer.class_name for node in wiring.nodes]
    return any(n.startswith("UpSampling") or n.endswith("Transpose") for n in names) and any(
        n in MERGING for n in names
    )


def _first_weighted(wiring: Wiring, index: int) -> Layer | None:
    todo, seen = [index], set()
    while todo:
        at = todo.pop(0)
        layer = wiring.nodes[at].layer
        if weighted(layer):
            return layer
        for user in wiring.users(at):
            if user not in seen:
                seen.add(user)
                todo.append(user)
    return None


def _fixed(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key.rpartition(".")[2]: value for key, value in settings.items() if key.rpartition(".")[0] == name}


# The result


def _inferred(
    artifact: Artifact,
    evidence: Evidence,
    dialect: Writer,
    opened: search.Open,
    values: search.Values,
    around: Sequence[Context],
    hints: Hints,
    left: list[tuple[search.Key, list[Any]]] | None = None,
) -> Inferred:
    form = opened.form
    layers = opened.layers(values)
    model = _model(form, layers, hints, dialect.major < 3)
    assumptions = list(_assumptions(opened, values, layers, left))
    if left is None and form.wiring.cost:
        assumptions.append(_assumption("model", form.wiring.reason, form.wiring.alternatives, None))
    findings = (*_findings(evidence), *_unmet(model, hints.settings))
    # What does not say who wrote it is of Keras 3, where it lists no layers, and not of Keras 1
    writer = artifact.writer if artifact.lists_layers else dialect
    return Inferred(artifact.replace(model=model, dialect=dialect, writer=writer), tuple(assumptions), findings)


def _unmet(model: Layer, settings: Mapping[str, Any]) -> Iterator[Finding]:
    """What the user has set and no layer has: a name that is spelled otherwise, most likely."""
    layers = {n.name: n for n in model.walk() if n is not model}
    for key in settings:
        name, _, field_name = key.rpartition(".")
        layer = layers.get(name)
        if layer is not None and field_of(layer, field_name) is not None:
            continue
        reason = f"no layer is called {name!r}" if layer is None else f"{layer.class_name} has no {field_name!r} to set"
        hint = f"the layers are: {', '.join(list(layers)[:20])}{', …' if len(layers) > 20 else ''}"
        message = f"the setting {key!r} changes nothing: {reason}"
        yield Finding("setting_unused", "warning", "model", message, hint if layer is None else "")


def _assumptions(
    opened: search.Open,
    values: search.Values,
    layers: Sequence[Layer | None],
    left: list[tuple[search.Key, list[Any]]] | None,
) -> Iterator[dict[str, Any]]:
    """The choices that nothing decides; with examples only those that they leave open."""
    items: list[tuple[search.Key, list[Any]]] = (
        [(k, [v for v, _ in a if v != values[k]][:6]) for k, a in opened.fields.items()] if left is None else left
    )
    for key, alternatives in items:
        if not alternatives:
            continue
        layer = layers[key[0]]
        assert layer is not None
        yield _assumption(
            layer.path or f"model/{layer.name}",
            f"{layer.class_name} {layer.name!r} is taken to have {key[1]} {values[key]!r}"
            + ("; the examples do not tell" if left is not None else ""),
            alternatives,
            f"{layer.name}.{key[1]}",
        )
    if left is None:
        others = neighbours(opened.form, opened.contexts, [None] * len(opened.form.wiring.outputs))
        yield from _structural_assumptions(opened.form, itertools.islice(others, MOST_NEIGHBOURS))


def _structural_assumptions(form: Form, fitting: Iterable[Form]) -> Iterator[dict[str, Any]]:
    """The fields that are others in forms that fit as well."""
    others: dict[tuple[int, str], list[Any]] = {}
    for other in fitting:
        for i, (mine, theirs) in enumerate(zip(form.layers, other.layers, strict=True)):
            if mine is None or theirs is None or mine == theirs:
                continue
            for name in _STRUCTURE:
                a, b = field_of(mine, name), field_of(theirs, name)
                if a is not None and a != b and b not in others.setdefault((i, name), []):
                    others[i, name].append(b)
    for (i, name), alternatives in others.items():
        layer = form.layers[i]
        if layer is not None and alternatives:
            message = f"{layer.class_name} {layer.name!r} is taken to have {name} {field_of(layer, name)!r}"
            setting = f"{layer.name}.{name}" if layer.path else None
            yield _assumption(layer.path or "model", message, alternatives[:6], setting)


MOST_NEIGHBOURS = 2000
_STRUCTURE = ("strides", "padding", "pool_size", "size", "return_sequences", "merge_mode", "target_shape", "n", "dims")


def _assumption(path: str, message: str, alternatives: Sequence[Any], setting: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"path": path, "message": message, "alternatives": list(alternatives)}
    if setting is not None:
        found["set"] = f"--set {setting}=VALUE"
    return found


def _findings(evidence: Evidence) -> tuple[Finding, ...]:
    """How sure the layers are."""
    doubtful = [f for f in evidence.layers if f.sure != "certain"]
    found = [
        Finding(
            "layers_inferred",
            "info",
            "model",
            f"the file holds weights alone; names and tensors together tell {len(evidence.layers) - len(doubtful)} of "
            f"{len(evidence.layers)} layers",
        )
    ]
    if doubtful:
        names = ", ".join(f"{f.layer.name} ({f.layer.class_name})" for f in doubtful[:10])
        found.append(Finding("layers_likely", "info", "model", f"less sure are the classes of: {names}"))
    return tuple(found)


def _slope(layer: Layer) -> float | None:
    """The slope of a LeakyReLU that stands behind a layer and that the file does not list."""
    value = str(layer.config.get("activation"))
    return float(value.split("@")[1]) if value.startswith("leaky_relu@") else None


def _model(form: Form, layers: Sequence[Layer | None], hints: Hints, old: bool) -> Layer:
    """The layers as a model: sequential where each follows the one before, else functional."""
    wiring = form.wiring
    alias = list(range(len(layers)))
    for i, layer in enumerate(layers):
        if layer is None:
            alias[i] = alias[wiring.nodes[i].inputs[0]]
    made: dict[str, Layer] = {}
    refs: dict[int, Ref] = {}  # to the output of each node
    taken: set[str] = set()
    for i, layer in enumerate(layers):
        if layer is None:
            continue
        node = wiring.nodes[i]
        below = [refs[alias[j]] for j in node.inputs]
        if layer.graph is not None:
            parts = _inlined(layer.graph, below[0], taken, hints.settings)
            made |= {n.name: n for n in parts}
            refs[i] = Ref(parts[-1].name)
            continue
        call = _call(layer, below, [layers[alias[j]] for j in node.inputs])
        if node.twin is not None:
            name = refs[node.twin].layer
            if _slope(layer) is not None:
                call = Call((_called_again(made, name.removesuffix("_leaky"), call),))
            refs[i] = _called_again(made, name, call)
            continue
        name = layer.name or f"{layer.class_name.lower()}_{i}"
        while name in taken:
            name += "_"
        taken.add(name)
        refs[i] = Ref(name)
        layer = layer.replace(name=name, path=f"model/{name}").having(name=name)
        layer = layer.replace(config={**_DEFAULTS.get(layer.class_name, {}), **layer.config}, calls=(call,))
        if not node.inputs:
            layer = layer.replace(calls=()).having(batch_shape=[None, *_input_shape(form, i, hints)])
        slope = _slope(layer)
        if slope is None:
            made[name] = layer
            continue
        refs[i] = Ref(f"{name}_leaky")
        made[name] = layer.having(activation="linear")
        behind = {"name": f"{name}_leaky", ("alpha" if old else "negative_slope"): slope}
        calls = (Call((Ref(name),)),)
        made[f"{name}_leaky"] = Layer("LeakyReLU", f"{name}_leaky", behind, calls=calls, path=f"model/{name}_leaky")
    straight = all(
        len(node.inputs) == 1 and alias[node.inputs[0]] == alias[i - 1]
        for i, node in enumerate(wiring.nodes)
        if i and layers[i] is not None
    )
    branched = any(n.class_name == "MultiHeadAttention" for n in made.values()) or any(
        n.graph for n in layers if n is not None
    )
    if straight and len(wiring.outputs) == 1 and not branched:
        graph = Graph(tuple(n.replace(calls=()) for n in made.values()))
        return Layer("Sequential", "model", {"name": "model"}, graph=graph, path="model")
    inputs = [refs[i] for i in wiring.inputs]
    outputs = [refs[alias[i]] for i in wiring.outputs]
    graph = Graph(tuple(made.values()), inputs, outputs)
    return Layer("Functional", "model", {"name": "model"}, graph=graph, path="model")


def _call(layer: Layer, below: Sequence[Ref], whose: Sequence[Layer | None]) -> Call:
    """A call of the layer on these outputs, and on those of which layers."""
    if layer.class_name == "MultiHeadAttention":
        return Call((below[0], below[0]))
    if layer.class_name in RECURRENT and len(below) > 1:
        encoder = whose[1]
        own = encoder is not None and encoder.config.get("return_state")
        states = range(2 if layer.class_name == "LSTM" else 1)
        state = [replace(below[1], output=k + 1) if own else below[1] for k in states]
        return Call((below[0],), {"initial_state": state})
    return Call((list(below) if len(below) > 1 else below[0],) if below else ())


def _called_again(made: dict[str, Layer], name: str, call: Call) -> Ref:
    """The output of one more call of a layer that is made."""
    made[name] = made[name].replace(calls=(*made[name].calls, call))
    return Ref(name, call=len(made[name].calls) - 1)


def _inlined(graph: Graph, entry: Ref, taken: set[str], settings: Mapping[str, Any]) -> list[Layer]:
    """The layers of a model, which is called on `entry`, as layers of the model that it is in, set as the user says."""
    names = {ref.layer: entry.layer for ref in refs_in(graph.inputs)}
    made = []
    for layer in graph.layers:
        if not layer.calls:
            continue
        name = layer.name
        while name in taken:
            name += "_"
        taken.add(name)
        names[layer.name] = name
        calls = tuple(call.map(lambda ref: Ref(names[ref.layer])) for call in layer.calls)
        made.append(
            layer.replace(name=name, path=f"model/{name}", calls=calls).having(name=name, **_fixed(name, settings))
        )
    return made


# What Keras wants to be told and no output depends on in inference, or, of Activation, that it does nothing.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    **{
        name: {"rate": 0.5}
        for name in "Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianDropout AlphaDropout".split()
    },
    "GaussianNoise": {"stddev": 0.1},
    "Activation": {"activation": "linear"},
    "RandomRotation": {"factor": 0.1},
    "RandomZoom": {"height_factor": 0.1},
    "RandomContrast": {"factor": 0.1},
    "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
}


def _input_shape(form: Form, index: int, hints: Hints) -> Shape:
    """The shape as the user says it, with sizes open that the model leaves open."""
    if hints.input_shape is not None:
        given = hints.input_shape[list(form.wiring.inputs).index(index)]
        if given is not None:
            return tuple(given)
    start = [form.shapes[i] for i in form.wiring.inputs]
    if hints.examples is None:
        opened = [tuple(None if n == ANY_SIZE and k < len(s) - 1 else n for k, n in enumerate(s)) for s in start]
        if propagated(form.wiring, form.layers, opened, [None] * len(form.wiring.outputs)) is not None:
            start = opened
    return start[list(form.wiring.inputs).index(index)]


def held(artifact: Artifact, reason: str) -> Inferred:
    """All tensors in placeholders, for a file whose model cannot be had."""
    return _held(artifact, gather(artifact), reason)


def _held(artifact: Artifact, evidence: Evidence, reason: str) -> Inferred:
    """A placeholder for each layer with weights, in the file's order, so that no tensor is lost."""
    missing = Missing("wiring", "", f"{reason}, so that what is called on what is not known", "give --examples")
    entry = Layer("InputLayer", "input", {"name": "input", "batch_shape": [None, None]}, path="model/input")
    held = [
        f.layer if is_placeholder(f.layer) else placeholder(f.layer, replace(missing, name=f.layer.class_name))
        for f in evidence.layers
        if f.layer.weights or f.layer.children
    ]
    graph = Graph((entry, *held))
    model = Layer("Sequential", "model", {"name": "model"}, graph=graph, path="model")
    finding = Finding(
        "not_wired", "error", "model", f"{reason}: the model holds all tensors and cannot run", "--examples"
    )
    return Inferred(artifact.replace(model=model, dialect=KERAS_3), (), (*_findings(evidence), finding))


__all__ = ["BUDGET", "Hints", "Inferred", "held", "infer"]
