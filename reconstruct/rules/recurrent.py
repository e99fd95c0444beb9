"""Recurrent layers: CuDNN weights, defaults that changed, states as extra inputs, time-major data."""

from __future__ import annotations

from typing import Any

import numpy as np

from reconstruct.artifact import Call, Layer, Ref
from reconstruct.errors import NotEquivalent
from reconstruct.rules.engine import before_keras_3, rule
from reconstruct.rules.expansion import INPUT, call, op, subgraph

_STATEFUL = "SimpleRNN LSTM GRU CuDNNLSTM CuDNNGRU RNN ConvLSTM1D ConvLSTM2D ConvLSTM3D Bidirectional".split()


@rule(layers=("CuDNNLSTM", "CuDNNGRU"), writers=before_keras_3)
def cudnn_to_plain(layer: Layer) -> Layer:
    """Keras 3 has no CuDNN layers; LSTM and GRU(reset_after=True) compute the same from converted weights."""
    return plain_of_cudnn(layer)


def plain_of_cudnn(layer: Layer) -> Layer:
    """The LSTM or GRU that computes what a CuDNNLSTM or CuDNNGRU does.

    The conversion is the one of Keras 2.2.4 (engine/saving.py, `_convert_rnn_weights`): each gate's kernel is
    stored transposed in C order; an LSTM's two biases are added, a GRU's two stay apart.
    """
    gates = 4 if layer.class_name == "CuDNNLSTM" else 3
    weights = dict(layer.weights)
    for name in ("kernel", "recurrent_kernel"):
        if name in weights:
            weights[name] = weights[name].map(_converter(gates, name == "kernel"))
    if "bias" in weights:
        bias = weights["bias"]
        half = bias.size // 2
        weights["bias"] = (
            bias.map(lambda b: b[:half] + b[half:], (half,))
            if gates == 4
            else bias.map(lambda b: b.reshape(2, half), (2, half))
        )
    new: dict[str, Any] = {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True}
    if gates == 3:
        new["reset_after"] = True
    return layer.having(**new).replace(class_name=layer.class_name.removeprefix("CuDNN"), weights=weights)


def _converter(gates: int, is_input: bool):  # type: ignore[no-untyped-def]
    def convert(kernel: np.ndarray) -> np.ndarray:
        blocks = np.split(kernel, gates, axis=1)
        return np.hstack([b.T.reshape(b.shape, order="F") if is_input else b.T for b in blocks])

    return convert


@rule(layers=("GRU", "GRUCell"), writers=before_keras_3)
def gru_reset_before(layer: Layer) -> Layer:
    """A GRU without `reset_after` was written before Keras 2.1.5 had it, when it meant False; Keras 3 means True."""
    return layer if "reset_after" in layer.config else layer.having(reset_after=False)


@rule(layers=("LSTM", "GRU", "LSTMCell", "GRUCell", "ConvLSTM2D"), writers=before_keras_3)
def recurrent_activation_default(layer: Layer) -> Layer:
    """Where a config names no recurrent_activation, it was hard_sigmoid (the default until Keras 2.2)."""
    return layer if "recurrent_activation" in layer.config else layer.having(recurrent_activation="hard_sigmoid")


@rule(layers=_STATEFUL, effect="neutral", writers=before_keras_3)
def initial_state_argument(layer: Layer) -> Layer:
    """Keras 1 and 2 pass initial states as further inputs of the call; Keras 3 as `initial_state`."""
    if layer.config.get("num_constants") and any(isinstance(c.args[0], list) for c in layer.calls):
        raise NotEquivalent("RNN constants (`num_constants`) have no form in Keras 3")
    return layer.replace(calls=tuple(_with_state(c) for c in layer.calls)) if layer.calls else layer


def _with_state(each: Call) -> Call:
    if each.kwargs.get("constants", 0) is None:  # tf.keras wrote this default of Bidirectional's call
        each = Call(each.args, {k: v for k, v in each.kwargs.items() if k != "constants"})
    first = each.args[0] if each.args else None
    if isinstance(first, list) and len(first) > 1:
        return Call((first[0], *each.args[1:]), {**each.kwargs, "initial_state": list(first[1:])})
    if isinstance(first, list) and len(first) == 1:
        return Call((first[0], *each.args[1:]), each.kwargs)
    return each


@rule(layers=("RNN",))
def stack_of_one_cell(layer: Layer) -> Layer:
    """Keras 3.15.1 cannot mask a stack of one cell (backend/tensorflow/rnn.py, `pack_sequence_as`): the cell alone."""
    stack = layer.children.get("cell")
    if stack is None or stack.class_name != "StackedRNNCells" or len(stack.children) != 1:
        return layer
    return layer.replace(children={"cell": next(iter(stack.children.values()))})


@rule(layers=("LSTM", "GRU", "SimpleRNN", "RNN"), writers=before_keras_3)
def time_major(layer: Layer) -> Layer:
    """Keras 3 has no `time_major` (k#20750): the input is transposed, and a returned sequence back."""
    if not layer.config.get("time_major"):
        return layer
    inner = layer.without("time_major").replace(name="recurrent")
    sequences = bool(layer.config.get("return_sequences"))
    states = {"SimpleRNN": 1, "GRU": 1, "LSTM": 2}.get(layer.class_name, 1) if layer.config.get("return_state") else 0
    nodes = [op("batch_major", "transpose", INPUT, axes=[1, 0, 2]), call(inner, Ref("batch_major"))]
    output = Ref("recurrent")
    if sequences:
        nodes.append(op("time_major", "transpose", output, axes=[1, 0, 2]))
        output = Ref("time_major")
    outputs: Any = [output, *(Ref("recurrent", 0, 1 + i) for i in range(states))] if states else output
    return subgraph(layer, *nodes, outputs=outputs)


@rule(layers=("Bidirectional",), writers=before_keras_3)
def time_major_in_both_directions(layer: Layer) -> Layer:
    """Keras 3 has no `time_major` (k#20750): the input of both directions is transposed, and a sequence back."""
    if not any(child.config.get("time_major") for child in layer.children.values()):
        return layer
    inner = layer.map_parts(lambda _, child: child.without("time_major")).replace(name="recurrent")
    nodes = [op("batch_major", "transpose", INPUT, axes=[1, 0, 2]), call(inner, Ref("batch_major"))]
    if layer.children["forward_layer"].config.get("return_sequences"):
        nodes.append(op("time_major", "transpose", Ref("recurrent"), axes=[1, 0, 2]))
    return subgraph(layer, *nodes)


RULES = (
    cudnn_to_plain,
    gru_reset_before,
    recurrent_activation_default,
    initial_state_argument,
    stack_of_one_cell,
    time_major_in_both_directions,
    time_major,
)
