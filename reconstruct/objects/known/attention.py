"""Attention layers after a recurrent one: of the library "attention", and those that people copy from gists.

Where a mask can reach them, a layer of our own hands it to the operations; everything else is stock.
"""

from __future__ import annotations

import numpy as np

from reconstruct.artifact import Layer, Ref, Tensor
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.parts import (
    dense,
    fit,
    mask_of,
    masks_exist,
    named,
    own_fields,
    parts_of,
)
from reconstruct.rules.engine import Context
from reconstruct.rules.expansion import INPUT, call, op, stock, subgraph

_EPSILON = 1e-7  # `K.epsilon()`


@known("Attention", source="attention 5.0, attention.py (philipperemy)", library="attention")
def attention_of_last_step(layer: Layer) -> Layer:
    """Attention of the last step to all steps, after Luong or Bahdanau, then a Dense of it and the last step, with
    tanh; of the library "attention", in Keras's Dense and operations."""
    parts = {_whole_name(path.rpartition("/")[2]): tensors for path, tensors in parts_of(layer).items()}
    luong = parts.get("luong_w") or parts.get("attention_score_vec")
    vector = parts.get("attention_vector") or parts.get("w_c")
    if not set(own_fields(layer)) <= {"units", "score"} or vector is None or len(vector) != 1:
        return layer
    last = op("last", "take", INPUT, -1, axis=1)
    if luong and len(parts) == 2:
        scored: tuple[Layer, ...] = (
            call(dense("compared", luong), INPUT),
            op("score", "einsum", "bd,bsd->bs", Ref("last"), Ref("compared")),
        )
    elif {"bahdanau_v", "bahdanau_w1", "bahdanau_w2"} <= set(parts) and len(parts) == 4:
        scored = (
            call(dense("of_last", parts["bahdanau_w1"]), Ref("last")),
            op("of_last_step", "expand_dims", Ref("of_last"), 1),
            call(dense("of_each", parts["bahdanau_w2"]), INPUT),
            op("pairs", "add", Ref("of_last_step"), Ref("of_each")),
            op("hidden", "tanh", Ref("pairs")),
            call(dense("emission", parts["bahdanau_v"]), Ref("hidden")),
            op("score", "squeeze", Ref("emission"), -1),
        )
    else:
        return layer
    return subgraph(
        layer,
        last,
        *scored,
        op("weights", "softmax", Ref("score"), axis=-1),
        op("context", "einsum", "bs,bsd->bd", Ref("weights"), INPUT),
        op("both", "concatenate", [Ref("context"), Ref("last")], axis=-1),
        call(dense("vector", vector, activation="tanh"), Ref("both")),
    )


_LAST_STEP_PARTS = (
    "luong_w", "bahdanau_v", "bahdanau_w1", "bahdanau_w2", "attention_vector", "w_c", "attention_score_vec",
)  # fmt: skip


def _whole_name(name: str) -> str:
    """The name of a part: from `attention_vector` of a layer called `attention` the file's reader leaves `vector`."""
    return next((whole for whole in _LAST_STEP_PARTS if whole == name or whole.endswith(f"_{name}")), name)


_GIST = "the attention layers of gists and tutorials: softmax over steps of tanh(x·W + b), and the sum"
_GIST_FIELDS = {
    "return_sequences", "step_dim", "bias", "use_bias", "return_attention", "features_dim", "W_regularizer",
    "b_regularizer", "u_regularizer", "W_constraint", "b_constraint", "u_constraint", "supports_masking", "init",
    "attention_dim",
}  # fmt: skip
_HIERARCHICAL = ("AttLayer", "HierarchicalAttentionNetwork")


@known(
    "Attention", "AttentionWithContext", *_HIERARCHICAL,
    source=_GIST, certain=False,
)  # fmt: skip
def attention_with_context(layer: Layer, context: Context) -> Layer:
    """Steps weighted by the product of tanh(x·W + b) with u, normalised over time and summed; in Keras operations.

    W (features, features), b (features,) and u (features,) is `AttentionWithContext` of the gist of cbaziotis; the
    `AttLayer` of richliao's textClassifier has a column u and as many features between as its `attention_dim`.
    """
    found = _weights_of_gist(layer)
    size = found[0].shape[0] if found and found[0].shape else None
    if layer.class_name in _HIERARCHICAL:
        between = layer.config.get("attention_dim", found[-1].shape[0] if found and found[-1].shape else None)
        shapes: tuple[tuple[int | None, ...], ...] = ((None, between), (between,), (between, 1))
    else:
        shapes = ((size, size), (size,), (size,))
    if not fit(found, *shapes):
        return layer
    kernel, bias, u = found
    scored = (
        call(dense("hidden", [kernel, bias], activation="tanh"), INPUT),
        call(dense("emission", [_column(u)]), Ref("hidden")),
        op("score", "squeeze", Ref("emission"), -1),
    )
    return subgraph(layer, *scored, *_of_exp(masks_exist(context)), *_steps_summed(layer))


@known("Attention", "attention", "AttentionLayer", *_HIERARCHICAL, source=_GIST, certain=False)
def attention_of_gists(layer: Layer, context: Context) -> Layer:
    """Steps weighted by tanh(x·W + b), normalised over time and summed; in Keras operations.

    W (features, 1) and b (steps, 1) is that of machinelearningmastery.com; W (features,) and b (steps,) is `Attention`
    of the gist of cbaziotis; W (features,) alone is the first `AttLayer` of richliao's textClassifier.
    """
    found = _weights_of_gist(layer)
    mastery = fit(found, (None, 1), (None, 1))
    if layer.class_name in _HIERARCHICAL:
        if not fit(found, (None,)):
            return layer
        scored: tuple[Layer, ...] = (
            call(dense("product", [_column(found[0])]), INPUT),
            op("column", "tanh", Ref("product")),
            op("score", "squeeze", Ref("column"), -1),
        )
    elif mastery or fit(found, (None,), (None,)):
        kernel, bias = found
        steps = bias.shape[0]
        scored = (
            call(dense("product", [_column(kernel)]), INPUT),
            call(stock("Reshape", "in_row", {"target_shape": [steps]}), Ref("product")),
            _plus("biased", bias.map(lambda a: a.reshape(-1), (steps,)), Ref("in_row")),
            op("score", "tanh", Ref("biased")),
        )
    else:
        return layer
    if mastery or len(found) == 1:
        weighted = [op("weights", "softmax", Ref("score"), axis=-1)]
    else:
        weighted = _of_exp(masks_exist(context))
    return subgraph(layer, *scored, *weighted, *_steps_summed(layer))


def _weights_of_gist(layer: Layer) -> list[Tensor]:
    """The weights in the order in which the layer makes them; none for a layer with fields that no gist has."""
    config = own_fields(layer)
    if not set(config) <= _GIST_FIELDS or config.get("return_attention"):
        return []
    if all("vars/" in name for name in layer.weights):
        return named(layer, *layer.weights) or []
    return list(layer.weights.values())


def _column(vector: Tensor) -> Tensor:
    """A vector as the kernel of a Dense with one unit."""
    return vector.map(lambda a: a.reshape(-1, 1), (vector.shape[0], 1))


def _plus(name: str, bias: Tensor, of: Ref) -> Layer:
    """A bias alone: Dense with the kernel 1 on the diagonal."""
    size = bias.shape[0]
    one = Tensor("kernel", (size, size), "float32", lambda: np.eye(size, dtype="float32"))
    return call(dense(name, [one, bias]), of)


def _of_exp(masked: bool) -> list[Layer]:
    """How the scores become weights in the gist of cbaziotis: exp over its sum and `K.epsilon()`; masks count."""
    nodes = [op("exp", "exp", Ref("score"))]
    if masked:
        nodes += [mask_of(INPUT), op("counted", "multiply", Ref("exp"), Ref("mask"))]
    return [
        *nodes,
        op("all", "sum", Ref(nodes[-1].name), axis=1, keepdims=True),
        op("total", "add", Ref("all"), _EPSILON),
        op("weights", "divide", Ref(nodes[-1].name), Ref("total")),
    ]


def _steps_summed(layer: Layer) -> list[Layer]:
    """The sum of the weighted steps, or with `return_sequences` these steps."""
    if layer.config.get("return_sequences"):
        return [op("column", "expand_dims", Ref("weights"), -1), op("steps", "multiply", INPUT, Ref("column"))]
    return [op("sum", "einsum", "bs,bsd->bd", Ref("weights"), INPUT)]


@known("AttentionWeightedAverage", source="textgenrnn 2.0, AttentionWeightedAverage.py (after DeepMoji)")
def attention_weighted_average(layer: Layer, context: Context) -> Layer:
    """Steps weighted by softmax of their products with one kernel, W (features, 1), and summed, of textgenrnn and
    DeepMoji, in Keras's Dense and operations; with `return_attention` the weights, too."""
    kernel = list(layer.weights.values())
    if not set(own_fields(layer)) <= {"return_attention"} or not fit(kernel, (None, 1)):
        return layer
    outputs = [Ref("sum"), Ref("weights")] if layer.config.get("return_attention") else Ref("sum")
    return subgraph(
        layer,
        call(dense("product", kernel), INPUT),
        op("row", "squeeze", Ref("product"), -1),
        op("largest", "max", Ref("row"), axis=-1, keepdims=True),
        op("score", "subtract", Ref("row"), Ref("largest")),
        *_of_exp(masks_exist(context)),
        op("sum", "einsum", "bs,bsd->bd", Ref("weights"), INPUT),
        outputs=outputs,
    )


@known("AttentionSum", source="tutorials of attention after an LSTM", certain=False)
def attention_sum(layer: Layer) -> Layer:
    """Weights of steps times what the steps hold, summed over the steps, in Keras operations."""
    given = layer.calls[0].args[0] if layer.calls and layer.calls[0].args else None
    if layer.weights or own_fields(layer) or not isinstance(given, list | tuple) or len(given) != 2:
        return layer
    return subgraph(
        layer,
        op("weighted", "multiply", Ref("input_0"), Ref("input_1")),
        op("sum", "sum", Ref("weighted"), axis=1),
        inputs=2,
    )


KNOWN = (
    attention_of_last_step,
    attention_with_context,
    attention_of_gists,
    attention_weighted_average,
    attention_sum,
)
