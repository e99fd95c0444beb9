"""What recurrent layers that start from given states, as decoders do, give before the first step that counts.

At masked steps before the first that counts, Keras 1 to 2.2 give the initial state as output (Keras 2.2.4,
backend/tensorflow_backend.py, `rnn`: `tf.where(mask, output, states[0])`); Keras 2.3, tf.keras and Keras 3 give zeros.
"""

from __future__ import annotations

from dataclasses import replace

from reconstruct.artifact import Call, Layer, Ref, Writer
from reconstruct.rules.engine import multi_backend, rule
from reconstruct.rules.expansion import op

_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN")
_MODELS = ("Functional", "Model")


def _before_keras_2_3(writer: Writer) -> bool:
    """Keras 2.3 hands recurrent layers to the backend of tf.keras (backend/tensorflow_backend.py, `rnn`)."""
    return multi_backend(writer) and writer.version < (2, 3, 0)


@rule(layers=_MODELS, writers=_before_keras_2_3)
def initial_output_of_masked_steps(layer: Layer) -> Layer:
    """Before the first unmasked step, recurrent layers of Keras 1 to 2.2 give the initial state, later ones zeros."""
    model = layer
    for part in layer.graph.layers if layer.graph else ():
        once = part.class_name in _RECURRENT and len(part.calls) == 1
        if once and part.calls[0].kwargs.get("initial_state") and isinstance(part.calls[0].args[0], Ref):
            model = _with_initial_output(model, part)
    return model


def _with_initial_output(model: Layer, recurrent: Layer) -> Layer:
    name, kwargs, sequences = recurrent.name, recurrent.calls[0].kwargs, recurrent.config.get("return_sequences")
    mask = kwargs.get("mask")
    fixed = f"{name}_from_initial_state"
    assert model.graph is not None
    if not isinstance(mask, Ref) or any(n.name == fixed for n in model.graph.layers):
        return model
    states = kwargs["initial_state"]
    state = states[0] if isinstance(states, list) else states
    nodes = [recurrent]
    if recurrent.config.get("go_backwards"):
        nodes.append(op(f"{name}_mask_reversed", "flip", mask, axis=1))
        mask = Ref(f"{name}_mask_reversed")
    nodes.append(op(f"{name}_mask_number", "cast", mask, "int32"))
    nodes.append(op(f"{name}_seen", "cumsum" if sequences else "max", Ref(f"{name}_mask_number"), axis=1))
    nodes.append(op(f"{name}_unseen", "equal", Ref(f"{name}_seen"), 0))
    nodes.append(op(f"{name}_unseen_number", "cast", Ref(f"{name}_unseen"), "float32"))
    nodes.append(op(f"{name}_unseen_column", "expand_dims", Ref(f"{name}_unseen_number"), axis=-1))
    if sequences:
        nodes.append(op(f"{name}_state", "expand_dims", state, axis=1))
        state = Ref(f"{name}_state")
    nodes.append(op(f"{name}_initial_output", "multiply", Ref(f"{name}_unseen_column"), state))
    # Keras 3 gives zeros there, so a sum puts the state in place
    add = Layer("Add", fixed, {"name": fixed}, calls=(Call(([Ref(name), Ref(f"{name}_initial_output")],)),))
    return _inserted(model, name, [*nodes, add], Ref(fixed))


def _inserted(model: Layer, name: str, nodes: list[Layer], instead: Ref) -> Layer:
    """The model with `nodes` in place of the layer `name`, and with `instead` for its first output elsewhere."""
    graph = model.graph
    assert graph is not None

    def moved(ref: Ref) -> Ref:
        return instead if ref == Ref(name) else ref

    layers: list[Layer] = []
    for part in graph.layers:
        if part.name == name:
            layers += [n.replace(path=n.path or f"{model.path}/{n.name}") for n in nodes]
        else:
            layers.append(part.replace(calls=tuple(c.map(moved) for c in part.calls)))
    return model.replace(graph=replace(graph, layers=tuple(layers)).map_outputs(moved))


RULES = (initial_output_of_masked_steps,)
