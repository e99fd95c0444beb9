"""Models that give states, as in Keras's examples/lstm_seq2seq.py: encoders of sequences, for a decoder to start from,
and decoders that make one step at a time, taking the states and giving them on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from reconstruct.artifact import Layer
from reconstruct.inference.shapes import STATE, STEPS
from reconstruct.inference.structure import Node, Wiring

STATES = {"LSTM": 2, "GRU": 1}  # of LSTM, its output and its cell


def encodes(name: str) -> bool:
    """Whether a file is called after an encoder, as `encoder_model` in Keras's examples/lstm_seq2seq.py."""
    return re.search(r"(?<!auto)(?<!auto[-_])encod", name.lower()) is not None


def with_states(wiring: Wiring, of_encoder: bool) -> Iterator[Wiring]:
    """The wiring, and what gives the states of a last LSTM or GRU: alone, which come first for words in a file that is
    called after an encoder, or behind the outputs of all steps, or of the last one."""
    giving = list(_with_states(wiring))
    words = any(node.layer.class_name == "Embedding" for node in wiring.nodes)
    if giving and of_encoder and words:
        yield giving.pop(0)
    yield wiring
    yield from (replace(each, cost=each.cost + 3.0) for each in giving)


def _with_states(wiring: Wiring) -> Iterator[Wiring]:
    end = len(wiring.nodes) - 1
    while wiring.nodes[end].layer.class_name == "GAP":
        end -= 1
    node = wiring.nodes[end]
    if len(wiring.outputs) != 1 or node.layer.class_name not in STATES or node.twin is not None:
        return
    taken = _states(node.layer, end)
    count = len(taken)
    states = tuple(range(end + 1, end + 1 + count))
    reason = f"{wiring.reason}, and the model gives the states of {node.layer.name}"
    alone = replace(node, layer=node.layer.having(return_state=True))
    behind = replace(node, layer=node.layer.having(return_state=True, return_sequences=True))
    steps = Node(Layer(STEPS, "", {"states": count}), (end,))
    for layer, more, outputs in (
        (alone, [], states),
        (behind, [steps], (states[-1] + 1, *states)),
        (alone, [], (states[0], *states)),  # the output of the last step is the first state
    ):
        if len(outputs) > 1:
            nodes = (*wiring.nodes[:end], layer, *taken, *more)
            yield Wiring(nodes, outputs, wiring.cost + 0.1, reason, wiring.alternatives)


def steps_of_decoder(layers: Sequence[Layer]) -> Iterator[Wiring]:
    """What takes an input and states, and gives an output and states, or no states, if these are the layers of that."""
    entries = [n for n in layers if n.class_name == "InputLayer"]
    recurrent = [n for n in layers if n.class_name in STATES]
    if len(recurrent) != 1 or len(entries) != 1 + STATES[recurrent[0].class_name]:
        return
    nodes = [Node(n) for n in entries]
    at = 0
    states: list[Node] = []
    for layer in layers:
        if layer.class_name == "InputLayer":
            continue
        if layer is recurrent[0]:
            decoder = Node(layer.having(return_state=True, return_sequences=True), (at, *range(1, len(entries))))
            states = _states(layer, len(nodes))
            nodes += [decoder, Node(Layer(STEPS, "", {"states": len(states)}), (len(nodes),))]
        else:
            nodes.append(Node(layer, (at,)))
        at = len(nodes) - 1
    outputs = (at, *range(len(nodes), len(nodes) + len(states)))
    reason = f"{recurrent[0].name} takes the states and gives them on, as that of a decoder which makes one step"
    yield Wiring((*nodes, *states), outputs, 0.1, reason)
    yield Wiring(tuple(nodes), (at,), 1.0, f"{recurrent[0].name} takes the states of an encoder")


def _states(layer: Layer, node: int) -> list[Node]:
    """What takes each of the states of a layer, which is called at `node`."""
    count = STATES[layer.class_name]
    return [Node(Layer(STATE, "", {"index": k, "states": count}), (node,)) for k in range(count)]
