"""Graph networks of MEGNet (megnet 1.3.2): several graphs as one batch, joined to atoms and bonds by indices.

Indices are what megnet makes: those of graphs ascend from 0, and every graph has atoms and bonds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reconstruct.artifact import Layer, Ref
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.nodes import Nodes
from reconstruct.objects.known.variables import named


class _Nodes(Nodes):
    """Nodes, with what megnet adds to them."""

    def activation(self, name: str, x: Ref) -> Ref:
        if name == "softplus2":  # log(exp(x) + 1) - log(2), as megnet's activations.py has it
            small = self.op("exp", self.op("negative", self.op("absolute", x)))
            half = self.op("add", self.op("multiply", small, 0.5), 0.5)
            return self.op("add", self.op("relu", x), self.op("log", half))
        if name == "swish":
            return self.op("multiply", self.op("sigmoid", x), x)
        if name == "hard_sigmoid":  # that of Keras 1 and 2
            return self.op("clip", self.op("add", self.op("multiply", x, 0.2), 0.5), 0.0, 1.0)
        return x if name == "linear" else self.op(name, x)

    def segments(self, data: Ref, index: Ref, size: int, like: Ref, mean: bool) -> Ref:
        """The sum or mean of the rows of `data` for each row of `like`; rows that none belongs to are 0."""
        first = self.op("get_item", like, (0, slice(None), slice(0, 1)))
        none = self.op("repeat", self.op("zeros_like", first), size, axis=-1)
        numbers = self.op("reshape", self.op("cumsum", self.op("ones_like", first), axis=0), (-1,))
        numbers = self.op("cast", self.op("subtract", numbers, 1), "int32")
        # One row of zeros for each, so that the number of segments is that of `like`
        ids = self.op("concatenate", [self.op("cast", index, "int32"), numbers])
        rows = self.op("reshape", data, (-1, size))
        total = self.op("segment_sum", self.op("concatenate", [rows, none]), ids)
        if mean:
            one = self.op("ones_like", self.op("get_item", rows, (slice(None), slice(0, 1))))
            nothing = self.op("zeros_like", first)
            count = self.op("segment_sum", self.op("concatenate", [one, nothing]), ids)
            total = self.op("divide", total, self.op("maximum", count, 1.0))
        return self.op("expand_dims", total, 0)


_KNOWN_ACTIVATIONS = ("softplus2", "swish", "hard_sigmoid", "linear", "relu", "tanh", "sigmoid", "softplus", "elu")


def _activation_name(layer: Layer, option: str) -> str:
    value = layer.config.get(option, "linear")
    if isinstance(value, Mapping) and isinstance(value.get("config"), str):
        value = value["config"]
    if value not in _KNOWN_ACTIVATIONS:
        raise NotEquivalent(f"{option} of {layer.name} is {value!r}, which is not known in a graph layer")
    return str(value)


@known("MEGNetLayer", source="megnet 1.3.2, layers/graph/megnet.py", library="megnet")
def megnet_layer(layer: Layer) -> Layer:
    """MEGNetLayer of megnet: Dense layers of Keras on bonds, atoms and states, joined by gathers and segment sums."""
    config = layer.config
    if not {"units_v", "units_e", "units_u"} <= set(config):
        return layer
    what = ("weight", "bias") if config.get("use_bias", True) else ("weight",)
    own = [f"{part}_{kind}_{i}" for kind in "veu" for part in what for i in range(len(config[f"units_{kind}"]))]
    found = named(layer, own)
    if not set(own) <= set(found):
        return layer
    if config.get("pool_method", "mean") not in ("mean", "sum"):
        raise NotEquivalent(f"MEGNetLayer pools by {config['pool_method']!r}")
    mean = config.get("pool_method", "mean") == "mean"
    activation = _activation_name(layer, "activation")
    nodes = _Nodes()
    atoms, bonds, states, *indices = (Ref(f"input_{i}") for i in range(7))
    index_1, index_2, atom_graph, bond_graph = (nodes.op("reshape", i, (-1,)) for i in indices)

    def perceptron(kind: str, x: Ref) -> Ref:
        units = config[f"units_{kind}"]
        for i in range(len(units)):
            x = nodes.dense(found[f"weight_{kind}_{i}"], found.get(f"bias_{kind}_{i}"), x, f"phi_{kind}_{i}")
            if i + 1 < len(units):  # the last has no activation: `_mlp` returns what comes before it
                x = nodes.activation(activation, x)
        return x

    ends = [nodes.op("take", atoms, i, axis=1) for i in (index_1, index_2)]
    state = nodes.op("take", states, bond_graph, axis=1)
    new_bonds = perceptron("e", nodes.op("concatenate", [*ends, bonds, state], axis=-1))
    size_e, size_v = int(config["units_e"][-1]), int(config["units_v"][-1])
    of_atom = nodes.segments(new_bonds, index_1, size_e, atoms, mean)
    state = nodes.op("take", states, atom_graph, axis=1)
    new_atoms = perceptron("v", nodes.op("concatenate", [of_atom, atoms, state], axis=-1))
    of_bonds = nodes.segments(new_bonds, bond_graph, size_e, states, mean)
    of_atoms = nodes.segments(new_atoms, atom_graph, size_v, states, mean)
    new_states = perceptron("u", nodes.op("concatenate", [of_bonds, of_atoms, states], axis=-1))
    return nodes.model(layer, inputs=7, outputs=[new_atoms, new_bonds, new_states])


@known("Set2Set", source="megnet 1.3.2, layers/readout/set2set.py", library="megnet")
def set2set(layer: Layer) -> Layer:
    """Set2Set of megnet: an LSTM cell of a few steps that attends to the rows of each graph, in operations of Keras.

    Its cell state is never carried on: the original keeps the new one in a variable of its own and drops it.
    """
    config = layer.config
    own = ["x_to_m_weight", "x_to_m_bias", "recurrent_kernel", "recurrent_bias"]
    found = named(layer, own if config.get("use_bias", True) else own[::2])
    if not {"T", "n_hidden"} <= set(config) or not {"x_to_m_weight", "recurrent_kernel"} <= set(found):
        return layer
    gate, inner = _activation_name(layer, "recurrent_activation"), _activation_name(layer, "activation_lstm")
    hidden, nodes = int(config["n_hidden"]), _Nodes()
    features, indices = Ref("input_0"), Ref("input_1")
    index = nodes.op("cast", nodes.op("get_item", indices, 0), "int32")
    memory = nodes.dense(found["x_to_m_weight"], found.get("x_to_m_bias"), features, "memory")
    ones = nodes.op("ones_like", nodes.op("get_item", memory, (0, slice(None), slice(0, 1))))
    graphs = nodes.op("expand_dims", nodes.op("segment_sum", ones, index), 0)
    query = nodes.op("repeat", nodes.op("zeros_like", graphs), 2 * hidden, axis=-1)
    cell = ""
    for _ in range(int(config["T"])):
        if cell:
            gates = nodes.shared(cell, query)
        else:
            gates = nodes.dense(found["recurrent_kernel"], found.get("recurrent_bias"), query, "cell")
            cell = gates.layer
        parts = [(Ellipsis, slice(i * hidden, (i + 1) * hidden)) for i in (0, 2, 3)]
        enter, new, leave = (nodes.op("get_item", gates, part) for part in parts)
        state = nodes.op("multiply", nodes.activation(gate, enter), nodes.activation(inner, new))
        output = nodes.op("multiply", nodes.activation(gate, leave), nodes.activation(inner, state))
        match = nodes.op("multiply", memory, nodes.op("take", output, index, axis=1))
        energy = nodes.op("reshape", nodes.op("sum", match, axis=-1), (-1, 1))
        largest = nodes.op("take", nodes.op("segment_max", energy, index), index, axis=0)
        weight = nodes.op("exp", nodes.op("subtract", energy, largest))
        total = nodes.op("take", nodes.op("segment_sum", weight, index), index, axis=0)
        attention = nodes.op("divide", weight, total)
        rows = nodes.op("multiply", nodes.op("get_item", memory, 0), attention)
        read = nodes.op("expand_dims", nodes.op("segment_sum", rows, index), 0)
        query = nodes.op("concatenate", [output, read], axis=-1)
    return nodes.model(layer, inputs=2, outputs=query)


@known("GaussianExpansion", source="megnet 1.3.2, layers/featurizer/_gaussian_expansion.py", library="megnet")
def gaussian_expansion(layer: Layer) -> Layer:
    """GaussianExpansion of megnet: the distance to each centre through a bell curve, in operations of Keras."""
    centers, width = layer.config.get("centers"), layer.config.get("width")
    if isinstance(centers, Mapping):
        centers = centers.get("value")
    if not isinstance(centers, list) or not isinstance(width, int | float):
        return layer
    nodes = _Nodes()
    values = np.asarray(centers, "float32").reshape(1, 1, -1)
    apart = nodes.op("subtract", nodes.op("expand_dims", Ref("input"), -1), values)
    bell = nodes.op("divide", nodes.op("square", apart), float(width) ** 2)
    return nodes.model(layer, inputs=1, outputs=nodes.op("exp", nodes.op("negative", bell)))


KNOWN = (megnet_layer, set2set, gaussian_expansion)
