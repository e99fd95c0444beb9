"""Attention of decoders, of two inputs, which people copy: of attention_keras and of the tutorials of translation."""

from __future__ import annotations

from reconstruct.artifact import Graph, Layer, Ref, Tensor
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.nodes import Nodes
from reconstruct.objects.known.parts import first, fit, is_dense, listed, named, no_mask_after, own_fields, parts_of
from reconstruct.rules.engine import Context

_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "Bidirectional", "CuDNNLSTM", "CuDNNGRU")


@known("AttentionLayer", source="attention_keras, layers/attention.py (thushv89)")
def attention_of_decoder(layer: Layer) -> Layer:
    """Each step of the decoder attends to all of the encoder, after Bahdanau, and gives its weights too: Dense layers
    and operations of Keras."""
    called, found = listed(layer, 2), named(layer, "W_a", "U_a", "V_a")
    if own_fields(layer) or called is None or found is None:
        return layer
    size = found[0].shape[0]
    if not fit(found, (size, size), (None, size), (size, 1)):
        return layer
    nodes, encoder, decoder = Nodes(), Ref("input_0"), Ref("input_1")
    of_encoder = nodes.op("expand_dims", nodes.dense(found[0], None, encoder, "of_encoder"), 1)
    of_decoder = nodes.op("expand_dims", nodes.dense(found[1], None, decoder, "of_decoder"), 2)
    score = nodes.dense(found[2], None, nodes.op("tanh", nodes.op("add", of_encoder, of_decoder)), "emission")
    weights = nodes.op("softmax", nodes.op("squeeze", score, -1), axis=-1)
    return nodes.model(called, 2, [nodes.op("matmul", weights, encoder), weights])


@known(
    "BahdanauAttention",
    "AttentionBahdanau",
    source="tensorflow.org, Neural machine translation with attention (2019 to 2021), and image captioning",
    certain=False,
)
def bahdanau_attention(layer: Layer, context: Context) -> Layer:
    """A state attends to all steps, by V·tanh(W1 + W2), and the weights, (batch, steps, 1); in Dense layers of Keras.

    Which input is the state says the layer that makes it; W1 is for the first input, unless only W2 fits it.
    """
    called, parts = listed(layer, 2), parts_of(layer)
    layers = sorted(parts.values(), key=lambda tensors: tensors[0].shape[-1] == 1)  # a `.keras` has `V` first
    if called is None or len(layers) != 3 or not all(is_dense(t) for t in layers):
        return layer
    of_first, of_second, emission = layers
    if not set(own_fields(layer)) <= {"units"} or emission[0].shape[-1] != 1:
        return layer
    refs = called.calls[0].refs()
    states = [_is_state(ref, context.graph or Graph(())) for ref in refs]
    if states not in ([True, False], [False, True]):
        raise NotEquivalent(f"which input of {layer.name} is the state and which the steps cannot be seen")
    nodes = Nodes()
    state, steps = (Ref(f"input_{states.index(which)}") for which in (True, False))
    kernels = {"input_0": of_first, "input_1": of_second}
    one = nodes.op("expand_dims", _dense(nodes, kernels[state.layer], state), 1)
    pairs = nodes.op("add", one, _dense(nodes, kernels[steps.layer], steps))
    weights = nodes.op("softmax", _dense(nodes, emission, nodes.op("tanh", pairs)), axis=1)
    weighted = nodes.op("sum", nodes.op("multiply", weights, steps), axis=1)
    return nodes.model(called, 2, [weighted, weights])


@known(
    "LuongAttention",
    "AttentionLuong",
    source="machinetalk.org, Neural machine translation with attention mechanism (2019), and classes after it",
    certain=False,
)
def luong_attention(layer: Layer, context: Context) -> Layer:
    """Each step of the decoder, the first input, attends to all of the encoder, by their dot products, by those with a
    Dense of the encoder, or by two Dense layers of both; and the weights; in Keras Dense layers and operations."""
    config, called = own_fields(layer), listed(layer, 2)
    layers = sorted(
        parts_of(layer).values(), key=lambda tensors: tensors[0].shape[-1] == 1
    )  # a `.keras` has `va` first
    if called is None or not set(config) <= {*_LUONG, "units", "rnn_size", "hidden_dim"}:
        return layer
    kinds = ("dot", "general", "concat")
    if (
        len(layers) > 2
        or not all(is_dense(t) for t in layers)
        or first(config, *_LUONG) not in (None, kinds[len(layers)])
    ):
        return layer
    if any(_is_state(ref, context.graph or Graph(())) for ref in called.calls[0].refs()):
        raise NotEquivalent(f"{layer.name} is called on a state, and which shape it gives then is not in the file")
    nodes, decoder, encoder = Nodes(), Ref("input_0"), Ref("input_1")
    if len(layers) == 2:
        score = _concatenated(nodes, layers, decoder, encoder)
    else:
        keys = _dense(nodes, layers[0], encoder) if layers else encoder
        score = nodes.op("einsum", "bqd,bkd->bqk", decoder, keys)
    weights = nodes.op("softmax", score, axis=-1)
    return nodes.model(called, 2, [nodes.op("matmul", weights, encoder), weights])


_LUONG = ("attention_func", "method", "score", "score_function", "attention_type")


def _concatenated(nodes: Nodes, layers: list[list[Tensor]], decoder: Ref, encoder: Ref) -> Ref:
    """va·tanh(wa·[decoder, encoder]) for all pairs of steps."""
    pairs = []
    for i, (x, other) in enumerate(((decoder, encoder), (encoder, decoder))):
        one = nodes.op("ones_like", nodes.op("get_item", other, (Ellipsis, slice(0, 1))))
        pairs.append(nodes.op("multiply", nodes.op("expand_dims", x, 2 - i), nodes.op("expand_dims", one, 1 + i)))
    hidden = nodes.op("tanh", _dense(nodes, layers[0], nodes.op("concatenate", pairs, axis=-1)))
    return nodes.op("squeeze", _dense(nodes, layers[1], hidden), -1)


def _dense(nodes: Nodes, tensors: list[Tensor], x: Ref) -> Ref:
    return nodes.dense(tensors[0], tensors[1] if len(tensors) == 2 else None, x, "dense")


def _is_state(ref: Ref, graph: Graph) -> bool | None:
    """Whether a recurrent layer gives this as a state or its last step, or as all its steps; None for other layers."""
    layer = graph[ref.layer]
    if layer.class_name not in _RECURRENT:
        return None
    whole = layer.children.get("layer", layer)
    return ref.output > 0 or not whole.config.get("return_sequences", False)


_OURS = "reconstruct>AttentionDecoder"
_DECODER = (
    "V_a", "W_a", "U_a", "b_a", *(f"{name}_{gate}" for gate in "rzpo" for name in ("C", "U", "W", "b")), "W_s",
)  # fmt: skip


@known("AttentionDecoder", source="keras-attention (datalogue), models/custom_recurrents.py")
def attention_decoder(layer: Layer, context: Context) -> Layer:
    """A recurrent decoder that attends to all steps of its input in each of its own, after Bahdanau: Keras has none, a
    layer of our own does it."""
    config, found = layer.config, named(layer, *_DECODER)
    if layer.package == _OURS or found is None or not {"units", "output_dim", "return_probabilities"} <= set(config):
        return layer
    units, labels = config["units"], config["output_dim"]
    if not fit(found[:4], (units,), (units, units), (None, units), (units,)) or found[-2].shape != (labels,):
        return layer
    no_mask_after(layer, context)
    own = {name: config[name] for name in ("name", "units", "output_dim", "return_probabilities")}
    return layer.replace(package=_OURS, config=own, weights=dict(zip(_DECODER, found, strict=True)))


KNOWN = (attention_of_decoder, bahdanau_attention, luong_attention, attention_decoder)
