"""Masks of recurrent layers that start from given states, as the decoders of encoder–decoder models do.

Keras 3 hands an automatic mask only to a layer called on one tensor (layers/layer.py, `__call__`), so such a layer must
be given its mask. And at masked steps before the first that counts, Keras 1 to 2.2 give the initial state as output
(Keras 2.2.4, backend/tensorflow_backend.py, `rnn`: `tf.where(mask, output, states[0])`), Keras 2.3, tf.keras and Keras 3 zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reconstruct.artifact import Call, Graph, Layer, Ref, Writer
from reconstruct.rules.engine import before_keras_3, multi_backend, rule
from reconstruct.rules.expansion import op

_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN")
_PASS_MASKS = (
    "Activation Dropout SpatialDropout1D GaussianNoise GaussianDropout BatchNormalization TimeDistributed LeakyReLU "
    "PReLU ELU ReLU ActivityRegularization Dense LayerNormalization"
).split()
_MODELS = ("Functional", "Model")


@rule(layers=_MODELS, writers=before_keras_3)
def mask_beside_initial_state(layer: Layer) -> Layer:
    """A recurrent layer called with initial states gets no automatic mask in Keras 3: it is passed as an argument."""
    return _each_recurrent(layer, (*_RECURRENT, "Bidirectional"), _with_mask)


def _before_keras_2_3(writer: Writer) -> bool:
    """Keras 2.3 hands recurrent layers to the backend of tf.keras (backend/tensorflow_backend.py, `rnn`)."""
    return multi_backend(writer) and writer.version < (2, 3, 0)


@rule(layers=_MODELS, writers=_before_keras_2_3)
def initial_output_of_masked_steps(layer: Layer) -> Layer:
    """Before the first unmasked step, recurrent layers of Keras 1 to 2.2 give the initial state, later ones zeros."""
    return _each_recurrent(layer, _RECURRENT, _with_initial_output)


def _each_recurrent(model: Layer, classes: tuple[str, ...], change: Callable[[Layer, Layer], Layer]) -> Layer:
    """The model after `change` for every recurrent layer in it that is called once, with initial states."""
    for part in model.graph.layers if model.graph else ():
        once = part.class_name in classes and len(part.calls) == 1
        if once and part.calls[0].kwargs.get("initial_state") and isinstance(part.calls[0].args[0], Ref):
            model = change(model, part)
    return model


def _with_mask(model: Layer, recurrent: Layer) -> Layer:
    graph, each = model.graph, recurrent.calls[0]
    assert graph is not None
    if "mask" in each.kwargs:
        return model
    mask = _mask_of(graph, each.args[0], recurrent.name)
    if mask is None:
        return model
    nodes, ref = mask
    masked = recurrent.replace(calls=(Call(each.args, {**each.kwargs, "mask": ref}),))
    return _inserted(model, recurrent.name, [*nodes, masked])


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
    # Keras 3 gives zeros there, so a sum puts the state in place; Add, a layer, hands the mask on
    add = Layer("Add", fixed, {"name": fixed}, calls=(Call(([Ref(name), Ref(f"{name}_initial_output")],)),))
    return _inserted(model, name, [*nodes, add], Ref(fixed))


def _inserted(model: Layer, name: str, nodes: list[Layer], instead: Ref | None = None) -> Layer:
    """The model with `nodes` in place of the layer `name`, and with `instead` for its first output elsewhere."""
    graph = model.graph
    assert graph is not None

    def moved(ref: Ref) -> Ref:
        return instead if instead is not None and ref == Ref(name) else ref

    layers: list[Layer] = []
    for part in graph.layers:
        if part.name == name:
            layers += [n.replace(path=n.path or f"{model.path}/{n.name}") for n in nodes]
        else:
            layers.append(part.replace(calls=tuple(c.map(moved) for c in part.calls)))
    return model.replace(graph=replace(graph, layers=tuple(layers)).map_outputs(moved))


def _mask_of(graph: Graph, ref: Ref, name: str) -> tuple[list[Layer], Ref] | None:
    """Operations that compute the mask that Keras hands along with a tensor, or None where it has none."""
    source = graph[ref.layer]
    if not source.calls:
        return None
    given = source.calls[ref.call].args[0]
    if not isinstance(given, Ref):
        return None
    if source.class_name == "Embedding" and source.config.get("mask_zero"):
        return [op(f"{name}_mask", "not_equal", given, 0)], Ref(f"{name}_mask")
    if source.class_name == "Masking":
        value = float(source.config.get("mask_value", 0.0))
        nodes = [
            op(f"{name}_mask_parts", "not_equal", given, value),
            op(f"{name}_mask", "any", Ref(f"{name}_mask_parts"), axis=-1),
        ]
        return nodes, Ref(f"{name}_mask")
    if source.class_name in _PASS_MASKS:
        return _mask_of(graph, given, name)
    if source.class_name in (*_RECURRENT, "Bidirectional"):
        inner = source.children.get("forward_layer", source)
        return _mask_of(graph, given, name) if inner.config.get("return_sequences") and ref.output == 0 else None
    return None


RULES = (mask_beside_initial_state, initial_output_of_masked_steps)
