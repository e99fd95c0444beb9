"""A form, with a layer chosen for each of its nodes, to a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconstruct.artifact import Call, Graph, Layer, Ref, refs_in
from reconstruct.inference.context import slope_field
from reconstruct.inference.entries import ANY_SIZE
from reconstruct.inference.hints import Hints
from reconstruct.inference.shapes import RECURRENT, STATE, STEPS, Shape
from reconstruct.inference.structure import Form, propagated

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


def assembled(form: Form, layers: Sequence[Layer | None], hints: Hints, old: bool) -> Layer:
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
        slope = _slope(layer)
        if layer.class_name == "Activation" and slope is not None:
            layer, slope = layer.replace(class_name="LeakyReLU", config={slope_field(old): slope}), None
        node = wiring.nodes[i]
        below = [refs[alias[j]] for j in node.inputs]
        if layer.class_name in (STATE, STEPS):
            refs[i] = replace(below[0], output=layer.config["index"] + 1 if layer.class_name == STATE else 0)
            continue
        if layer.graph is not None:
            parts = _inlined(layer.graph, below[0], taken, hints)
            made |= {n.name: n for n in parts}
            refs[i] = Ref(parts[-1].name)
            continue
        call = _call(layer, below, [layers[alias[j]] for j in node.inputs])
        if node.twin is not None:
            name = refs[node.twin].layer
            if slope is not None:
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
        if slope is None:
            made[name] = layer
            continue
        refs[i] = Ref(f"{name}_leaky")
        made[name] = layer.having(activation="linear")
        behind = {"name": f"{name}_leaky", slope_field(old): slope}
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


def _slope(layer: Layer) -> float | None:
    """The slope of a LeakyReLU that stands behind a layer and that the file does not list."""
    value = str(layer.config.get("activation"))
    return float(value.split("@")[1]) if value.startswith("leaky_relu@") else None


def _call(layer: Layer, below: Sequence[Ref], whose: Sequence[Layer | None]) -> Call:
    """A call of the layer on these outputs, and on those of which layers."""
    if layer.class_name == "MultiHeadAttention":
        return Call((below[0], below[0]))
    if layer.class_name in RECURRENT and len(below) > 2:  # each state by itself
        return Call((below[0],), {"initial_state": list(below[1:])})
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


def _inlined(graph: Graph, entry: Ref, taken: set[str], hints: Hints) -> list[Layer]:
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
        made.append(layer.replace(name=name, path=f"model/{name}", calls=calls).having(name=name, **hints.fixed(name)))
    return made


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
