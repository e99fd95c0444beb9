"""Layers of the libraries of CyberZHG: keras-self-attention, keras-multi-head, keras-pos-embd and their kin.

Where a mask can reach them, a layer of our own hands it to the operations; everything else is stock.
"""

from __future__ import annotations

import numpy as np

from reconstruct.artifact import Layer, Ref, Tensor
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.parts import (
    dense,
    handing_mask_on,
    mask_of,
    masks_exist,
    named,
    no_mask_after,
)
from reconstruct.rules.engine import Context
from reconstruct.rules.expansion import INPUT, call, chain, op, stock, subgraph

_HIDDEN = 10000.0  # what these libraries subtract from the score of a step that does not count
_EPSILON = 1e-7  # `K.epsilon()`


def _softmax(scores: str, name: str, epsilon: float = 0.0) -> tuple[Layer, ...]:
    """Softmax over the last axis; some add `K.epsilon()` to the sum, which shows where all steps are masked."""
    if not epsilon:
        return (op(name, "softmax", Ref(scores), axis=-1),)
    return (
        op(f"{name}_highest", "max", Ref(scores), axis=-1, keepdims=True),
        op(f"{name}_lower", "subtract", Ref(scores), Ref(f"{name}_highest")),
        op(f"{name}_exp", "exp", Ref(f"{name}_lower")),
        op(f"{name}_sum", "sum", Ref(f"{name}_exp"), axis=-1, keepdims=True),
        op(f"{name}_total", "add", Ref(f"{name}_sum"), epsilon),
        op(name, "divide", Ref(f"{name}_exp"), Ref(f"{name}_total")),
    )


def _hidden(scores: str, mask: str, name: str) -> tuple[Layer, ...]:
    """The scores less 10000 where the mask, of a shape that fits, is 0."""
    return (
        op(f"{name}_not", "subtract", 1.0, Ref(mask)),
        op(f"{name}_cost", "multiply", Ref(f"{name}_not"), _HIDDEN),
        op(name, "subtract", Ref(scores), Ref(f"{name}_cost")),
    )


def _near(scores: str, like: Ref, before: int, after: int, keys: Ref | None = None) -> tuple[Layer, ...]:
    """The scores (…, queries, keys) less 10000 for keys more than `before` steps before the query, or `after` after.

    The steps of `like` and `keys` (batch, steps, features) are counted by a sum of ones.
    """
    nodes: list[Layer] = []
    for name, of in (("query", like), ("key", keys or like)):
        nodes += [
            op(f"{name}_feature", "take", of, 0, axis=-1),
            op(f"{name}_zero", "zeros_like", Ref(f"{name}_feature")),
            op(f"{name}_ones", "add", Ref(f"{name}_zero"), 1.0),
            op(f"{name}_number", "cumsum", Ref(f"{name}_ones"), axis=1),
        ]
    return (
        *nodes,
        op("query_column", "expand_dims", Ref("query_number"), 2),
        op("key_row", "expand_dims", Ref("key_number"), 1),
        op("distance", "subtract", Ref("key_row"), Ref("query_column")),
        op("not_before", "greater_equal", Ref("distance"), float(-before)),
        op("not_after", "less_equal", Ref("distance"), float(after)),
        op("near", "logical_and", Ref("not_before"), Ref("not_after")),
        op("near_number", "cast", Ref("near"), "float32"),
        *_hidden(scores, "near_number", "local"),
    )


@known("SeqSelfAttention", source="keras-self-attention 0.51, seq_self_attention.py", library="keras-self-attention")
def seq_self_attention(layer: Layer, context: Context) -> Layer:
    """Attention of each step to all, additive or multiplicative, of keras-self-attention, in Keras operations."""
    config = layer.config
    if not {"attention_type", "attention_width", "history_only"} <= set(config):
        return layer
    if masks_exist(context):
        raise NotEquivalent(
            "what SeqSelfAttention did with a mask depends on the version of keras-self-attention",
            hint="install the keras-self-attention that the model was trained with and give its class: --custom",
        )
    bias, activation = config.get("use_attention_bias", True), config.get("attention_activation")
    if config["attention_type"] == "multiplicative":
        found = named(layer, *(("Mul_Wa", "Mul_ba") if bias else ("Mul_Wa",)))
        if found is None:
            return layer
        kernel, *biases = found
        scored: tuple[Layer, ...] = (
            call(dense("query", [kernel]), INPUT),
            op("product", "einsum", "bqd,bkd->bqk", Ref("query"), INPUT),
            *(_biased("product", "score", biases) if biases else (op("score", "copy", Ref("product")),)),
        )
    else:
        additive = config.get("use_additive_bias", True)
        endings = ["Add_Wt", "Add_Wx", *["Add_bh"] * additive, "Add_Wa", *["Add_ba"] * bias]
        found = named(layer, *endings)
        if found is None:
            return layer
        at = dict(zip(endings, found, strict=True))
        scored = (
            call(dense("query", [at["Add_Wt"]]), INPUT),
            call(dense("key", [at[n] for n in ("Add_Wx", "Add_bh") if n in at]), INPUT),
            op("queries", "expand_dims", Ref("query"), 2),
            op("keys", "expand_dims", Ref("key"), 1),
            op("pairs", "add", Ref("queries"), Ref("keys")),
            op("hidden", "tanh", Ref("pairs")),
            call(dense("emission", [at[n] for n in ("Add_Wa", "Add_ba") if n in at]), Ref("hidden")),
            op("score", "squeeze", Ref("emission"), -1),
        )
    nodes = [*scored, call(stock("Activation", "activated", {"activation": activation or "linear"}), Ref("score"))]
    width = config["attention_width"]
    if width is not None or config["history_only"]:
        width = 10**9 if width is None else int(width)
        before = width - 1 if config["history_only"] else width // 2
        nodes += _near("activated", INPUT, before, width - 1 - before)
    nodes += [*_softmax(nodes[-1].name, "weights"), op("sum", "matmul", Ref("weights"), INPUT)]
    outputs = [Ref("sum"), Ref("weights")] if config.get("return_attention") else None
    return subgraph(layer, *nodes, outputs=outputs)


def _biased(of: str, name: str, biases: list[Tensor]) -> tuple[Layer, ...]:
    """The scores plus the one bias: Dense of one feature with the kernel 1 and that bias."""
    one = Tensor("kernel", (1, 1), "float32", lambda: np.ones((1, 1), "float32"))
    return (
        op(f"{of}_alone", "expand_dims", Ref(of), -1),
        call(dense(f"{of}_biased", [one, *biases]), Ref(f"{of}_alone")),
        op(name, "squeeze", Ref(f"{of}_biased"), -1),
    )


@known(
    "SeqWeightedAttention",
    source="keras-self-attention 0.51, seq_weighted_attention.py",
    library="keras-self-attention",
    certain=False,
)
def seq_weighted_attention(layer: Layer, context: Context) -> Layer:
    """The mean of all steps, weighted by softmax of a Dense of each, of keras-self-attention, in Keras operations."""
    bias = layer.config.get("use_bias", True)
    found = named(layer, *(("W", "b") if bias else ("W",)))
    if "return_attention" not in layer.config or found is None:
        return layer
    nodes: list[Layer] = [call(dense("score", found), INPUT), op("logits", "squeeze", Ref("score"), -1)]
    if masks_exist(context):
        nodes += [mask_of(INPUT), *_hidden("logits", "mask", "counting")]
    nodes += _softmax(nodes[-1].name, "weights", _EPSILON)
    nodes.append(op("sum", "einsum", "bs,bsd->bd", Ref("weights"), INPUT))
    outputs = [Ref("sum"), Ref("weights")] if layer.config["return_attention"] else None
    return subgraph(layer, *nodes, outputs=outputs)


def _inputs(layer: Layer) -> tuple[int, Ref, Ref, Ref]:
    """How many inputs it is called on, and which are queries, keys and values: all the same or a list of three."""
    given = layer.calls[0].args[0] if layer.calls and layer.calls[0].args else None
    if isinstance(given, list | tuple):
        if len(given) != 3:
            raise NotEquivalent(f"{layer.class_name} is called on {len(given)} tensors, not on three")
        return 3, Ref("input_0"), Ref("input_1"), Ref("input_2")
    return 1, INPUT, INPUT, INPUT


@known(
    "ScaledDotProductAttention",
    source="keras-self-attention 0.51, scaled_dot_attention.py",
    library="keras-self-attention",
    certain=False,  # others have a class of that name
)
def scaled_dot_product_attention(layer: Layer, context: Context) -> Layer:
    """Dot products of queries and keys, over the root of their size, of keras-self-attention, in Keras operations."""
    if not {"return_attention", "history_only"} <= set(layer.config) or layer.weights:
        return layer
    count, query, key, value = _inputs(layer)
    nodes = [
        op("query_one", "ones_like", query),
        op("size", "sum", Ref("query_one"), axis=-1, keepdims=True),
        op("root", "sqrt", Ref("size")),
        op("product", "einsum", "bqd,bkd->bqk", query, key),
        op("score", "divide", Ref("product"), Ref("root")),
    ]
    if layer.config["history_only"]:
        nodes += _near("score", query, 10**9, 0, key)
    if masks_exist(context):
        nodes += [mask_of(key), op("mask_row", "expand_dims", Ref("mask"), 1)]
        nodes += _hidden("local" if layer.config["history_only"] else "score", "mask_row", "counting")
    nodes += [*_softmax(nodes[-1].name, "weights"), op("sum", "matmul", Ref("weights"), value)]
    if layer.config["return_attention"]:
        no_mask_after(layer, context)
        return subgraph(layer, *nodes, inputs=count, outputs=[Ref("sum"), Ref("weights")])
    return handing_mask_on(layer, subgraph(layer, *nodes, inputs=count), context, of=query)


@known("MultiHeadAttention", source="keras-multi-head 0.29, multi_head_attention.py", library="keras-multi-head")
def multi_head_attention(layer: Layer, context: Context) -> Layer:
    """MultiHeadAttention of keras-multi-head: kernels for all heads, each followed by an activation Keras's lacks."""
    config = layer.config
    if "head_num" not in config:
        return layer
    bias, heads, activation = config.get("use_bias", True), int(config["head_num"]), config.get("activation", "relu")
    endings = [f"{kind}{part}" for part in "qkvo" for kind in ("W", "b")[: 1 + bool(bias)]]
    found = named(layer, *endings)
    if found is None:
        return layer
    at = dict(zip(endings, found, strict=True))
    width = at["Wq"].shape[1]
    count, query, key, value = _inputs(layer)
    nodes: list[Layer] = []
    for part, of in (("q", query), ("k", key), ("v", value)):
        weights = [at[n] for n in (f"W{part}", f"b{part}") if n in at]
        nodes.append(call(dense(f"{part}_all", weights, activation=activation or "linear"), of))
        shape = {"target_shape": [-1, heads, width // heads]}
        nodes.append(call(stock("Reshape", part, shape), Ref(f"{part}_all")))
    nodes += [
        op("product", "einsum", "bqhd,bkhd->bhqk", Ref("q"), Ref("k")),
        op("score", "multiply", Ref("product"), float((width // heads) ** -0.5)),
    ]
    if config.get("history_only"):
        local = _near("score", query, 10**9, 0, key)
        wide = op("near_of_head", "expand_dims", Ref("near_number"), 1)
        nodes += [*local[:-3], wide, *_hidden("score", "near_of_head", "local")]
    if masks_exist(context):
        nodes += [mask_of(key), op("mask_row", "expand_dims", Ref("mask"), (1, 2))]
        nodes += _hidden("local" if config.get("history_only") else "score", "mask_row", "counting")
    output = [at[n] for n in ("Wo", "bo") if n in at]
    nodes += [
        *_softmax(nodes[-1].name, "weights"),
        op("sum", "einsum", "bhqk,bkhd->bqhd", Ref("weights"), Ref("v")),
        call(stock("Reshape", "joined", {"target_shape": [-1, width]}), Ref("sum")),
        call(dense("out", output, activation=activation or "linear"), Ref("joined")),
    ]
    return handing_mask_on(layer, subgraph(layer, *nodes, inputs=count), context, of=query)


@known(
    "LayerNormalization",
    source="keras-layer-normalization 0.16, layer_normalization.py",
    library="keras-layer-normalization",
)
def layer_normalization(layer: Layer) -> Layer:
    """LayerNormalization of keras-layer-normalization has no `axis`, it is the last; Keras's does the same there."""
    if "axis" in layer.config or "gamma_initializer" not in layer.config or "epsilon" not in layer.config:
        return layer
    return layer.replace(package=None).having(axis=-1)


@known(
    "FeedForward",
    source="keras-position-wise-feed-forward 0.8",
    library="keras-position-wise-feed-forward",
    certain=False,  # others have one with a residual
)
def feed_forward(layer: Layer) -> Layer:
    """Two Dense layers with Dropout between, of keras-position-wise-feed-forward; in Keras the same in a row."""
    bias = bool(layer.config.get("use_bias", True))
    found = named(layer, *(("W1", "b1", "W2", "b2") if bias else ("W1", "W2")))
    if not {"units", "activation", "dropout_rate"} <= set(layer.config) or found is None:
        return layer
    half = len(found) // 2
    return chain(
        layer,
        dense("inner", found[:half], activation=layer.config["activation"] or "linear"),
        stock("Dropout", "dropout", {"rate": layer.config["dropout_rate"]}),
        dense(layer.name, found[half:]),
    )


@known("PositionEmbedding", source="keras-pos-embd 0.13, pos_embd.py", library="keras-pos-embd")
def position_embedding(layer: Layer, context: Context) -> Layer:
    """A table of positions that is looked up, added or appended, of keras-pos-embd, in Keras an Embedding."""
    mode, tables = layer.config.get("mode"), list(layer.weights.values())
    if mode not in ("expand", "add", "concat") or len(tables) != 1 or "input_dim" not in layer.config:
        return layer
    table = tables[0]
    found = stock("Embedding", "positions", dict(zip(("input_dim", "output_dim"), table.shape, strict=True)))
    found = found.with_weights(embeddings=table)
    if mode == "expand":
        no_mask_after(layer, context)
        if layer.config.get("mask_zero"):
            raise NotEquivalent("PositionEmbedding makes a mask by its own rule, which no layer of Keras does")
        size = int(layer.config["input_dim"])
        return subgraph(
            layer,
            op("whole", "cast", INPUT, "int32"),
            op("clipped", "clip", Ref("whole"), -size, size),
            op("row", "add", Ref("clipped"), size),
            call(found, Ref("row")),
        )
    counted = (
        op("feature", "take", INPUT, 0, axis=-1),
        op("zero", "zeros_like", Ref("feature")),
        op("ones", "add", Ref("zero"), 1),
        op("counted", "cumsum", Ref("ones"), axis=1),
        op("number", "subtract", Ref("counted"), 1),
        call(found, Ref("number")),
    )
    if mode == "add":
        joined = op("sum", "add", INPUT, Ref("positions"))
    else:
        joined = op("both", "concatenate", [INPUT, Ref("positions")], axis=-1)
    return handing_mask_on(layer, subgraph(layer, *counted, joined), context)


@known("TrigPosEmbedding", source="keras-pos-embd 0.13, trig_pos_embd.py", library="keras-pos-embd")
def trig_pos_embedding(layer: Layer, context: Context) -> Layer:
    """Sines and cosines of positions, added or appended, of keras-pos-embd, in Keras operations."""
    mode, size = layer.config.get("mode"), layer.config.get("output_dim")
    if mode not in ("add", "concat", "expand") or "output_dim" not in layer.config:
        return layer
    if mode == "add":
        features: tuple[Layer, ...] = (
            op("ones", "ones_like", INPUT),
            op("size", "sum", Ref("ones"), axis=-1, keepdims=True),
            op("feature_1", "cumsum", Ref("ones"), axis=-1),
            op("feature", "subtract", Ref("feature_1"), 1.0),
            op("step_1", "cumsum", Ref("ones"), axis=1),
            op("step", "subtract", Ref("step_1"), 1.0),
            op("pair", "floor_divide", Ref("feature"), 2.0),
            op("even", "multiply", Ref("pair"), 2.0),
            op("power", "divide", Ref("even"), Ref("size")),
            op("scale", "power", 10000.0, Ref("power")),
            op("angle", "divide", Ref("step"), Ref("scale")),
            op("odd", "subtract", Ref("feature"), Ref("even")),
            op("is_odd", "greater", Ref("odd"), 0.5),
            op("sine", "sin", Ref("angle")),
            op("cosine", "cos", Ref("angle")),
            op("encoding", "where", Ref("is_odd"), Ref("cosine"), Ref("sine")),
        )
        added = subgraph(layer, *features, op("sum", "add", INPUT, Ref("encoding")))
        return handing_mask_on(layer, added, context)
    feature = np.arange(int(size or 0))
    scales = (1.0 / 10000.0 ** (feature // 2 * 2 / max(len(feature), 1))).astype("float32")
    is_odd = feature % 2 == 1
    if mode == "expand":
        step: tuple[Layer, ...] = (op("float_step", "cast", INPUT, "float32"),)
    else:
        step = (
            op("feature", "take", INPUT, 0, axis=-1),
            op("ones", "ones_like", Ref("feature")),
            op("counted", "cumsum", Ref("ones"), axis=1),
            op("float_step", "subtract", Ref("counted"), 1.0),
        )
    nodes = [
        *step,
        op("step", "expand_dims", Ref("float_step"), -1),
        op("angle", "multiply", Ref("step"), scales),
        op("sine", "sin", Ref("angle")),
        op("cosine", "cos", Ref("angle")),
        op("encoding", "where", is_odd, Ref("cosine"), Ref("sine")),
    ]
    if mode == "concat":
        nodes.append(op("both", "concatenate", [INPUT, Ref("encoding")], axis=-1))
    return handing_mask_on(layer, subgraph(layer, *nodes), context)


KNOWN = (
    seq_self_attention,
    seq_weighted_attention,
    scaled_dot_product_attention,
    multi_head_attention,
    layer_normalization,
    feed_forward,
    position_embedding,
    trig_pos_embedding,
)
