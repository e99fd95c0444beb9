"""What keras-bert adds to the attention layers of CyberZHG's other libraries."""

from __future__ import annotations

import numpy as np

from reconstruct.artifact import Call, Layer, Ref, Tensor
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.parts import dense, fit, handing_mask_on, listed, named, own_fields
from reconstruct.rules.engine import Context
from reconstruct.rules.expansion import INPUT, call, op, stock, subgraph

_SOURCE = "keras-bert 0.89, layers"
_LIBRARY = "keras-bert"


@known("Dense", "FeedForward", source="keras-bert 0.89 with keras-transformer 0.40, gelu.py", certain=False)
def gelu_by_tanh(layer: Layer, context: Context) -> Layer:
    """What keras-bert calls gelu is approximated by tanh, but by erf as in Keras until version 0.80: Dense layers and
    an operation of Keras. Nothing but the date of tf.keras tells the versions apart."""
    recent = context.writer.is_tf_keras and context.writer.version >= (2, 7, 0)
    if layer.config.get("activation") != "gelu" or not recent:
        return layer
    if all(n.class_name != "TokenEmbedding" for n in context.model.walk()):
        return layer
    if layer.class_name == "Dense":
        nodes = [
            call(layer.replace(name="linear").having(name="linear", activation="linear"), INPUT),
            op("gelu", "gelu", Ref("linear"), approximate=True),
        ]
        return handing_mask_on(layer, subgraph(layer, *nodes), context, "TokenEmbedding")
    found = named(layer, *(("W1", "b1", "W2", "b2") if layer.config.get("use_bias", True) else ("W1", "W2")))
    if found is None or "dropout_rate" not in layer.config:
        return layer
    half = len(found) // 2
    nodes = [
        call(dense("inner", found[:half]), INPUT),
        op("gelu", "gelu", Ref("inner"), approximate=True),
        call(stock("Dropout", "dropout", {"rate": layer.config["dropout_rate"]}), Ref("gelu")),
        call(dense("outer", found[half:]), Ref("dropout")),
    ]
    return handing_mask_on(layer, subgraph(layer, *nodes), context, "TokenEmbedding")


@known("TokenEmbedding", "EmbeddingRet", source=f"{_SOURCE}/embedding.py", library=_LIBRARY)
def embedding_with_its_table(layer: Layer, context: Context) -> Layer:
    """Embedding of Keras; where the table, its second output, is used, all rows of it are looked up."""
    tables = list(layer.weights.values())
    if not {"input_dim", "output_dim"} <= set(layer.config):
        return layer
    size = int(layer.config["input_dim"])
    if not fit(tables, (size, int(layer.config["output_dim"]))):
        return layer
    graph = context.graph
    used = [r for n in graph.layers for c in n.calls for r in c.refs() if r.layer == layer.name] if graph else []
    if not any(ref.output == 1 for ref in used):
        return layer.replace(class_name="Embedding", package=None)
    own = {**layer.config, "name": "tokens"}
    tokens = call(layer.replace(class_name="Embedding", package=None, name="tokens", config=own), INPUT)
    return subgraph(
        layer,
        op("token", "get_item", INPUT, (0, slice(0, 1))),
        op("zero", "zeros_like", Ref("token")),
        op("whole", "cast", Ref("zero"), "int32"),
        op("rows", "add", Ref("whole"), np.arange(size, dtype="int32")),
        tokens.replace(calls=(*tokens.calls, Call((Ref("rows"),)))),
        outputs=[Ref("tokens"), Ref("tokens", 1)],
    )


@known("EmbeddingSimilarity", "EmbeddingSim", source=f"{_SOURCE}/embedding.py", library=_LIBRARY)
def embedding_similarity(layer: Layer) -> Layer:
    """The softmax of how near a vector is to each row of a table, and a bias; in Keras operations and EinsumDense."""
    called, biases = listed(layer, 2), list(layer.weights.values())
    if called is None or "initializer" not in layer.config or (biases and not fit(biases, (None,))):
        return layer
    nodes = [op("product", "einsum", "bsd,vd->bsv", Ref("input_0"), Ref("input_1"))]
    if biases:
        nodes.append(call(_plus(biases[0]), Ref("product")))
    nodes.append(op("chances", "softmax", Ref(nodes[-1].name), axis=-1))
    return subgraph(called, *nodes, inputs=2)


def _plus(bias: Tensor) -> Layer:
    """A bias alone: EinsumDense that takes each number once."""
    size = bias.shape[0]
    one = Tensor("kernel", (size,), "float32", lambda: np.ones(size, "float32"))
    config = {"equation": "...v,v->...v", "output_shape": size, "bias_axes": "v"}
    return stock("EinsumDense", "biased", config, kernel=one, bias=bias)


@known("Extract", source=f"{_SOURCE}/extract.py", library=_LIBRARY)
def extract_step(layer: Layer) -> Layer:
    """One step of a sequence, by an operation of Keras."""
    index = layer.config.get("index")
    if set(own_fields(layer)) != {"index"} or not isinstance(index, int) or layer.weights:
        return layer
    return subgraph(layer, op("step", "get_item", INPUT, (slice(None), index)))


@known("Masked", source=f"{_SOURCE}/masked.py", library=_LIBRARY)
def masked_predictions(layer: Layer) -> Layer:
    """Predictions whose loss counts where words were hidden: they themselves, by an operation of Keras."""
    called = listed(layer, 2)
    if set(own_fields(layer)) != {"return_masked"} or called is None or layer.weights:
        return layer
    if layer.config["return_masked"]:
        raise NotEquivalent(f"{layer.name} gives the mask of its input as numbers too")
    return subgraph(called, op("predictions", "copy", Ref("input_0")), inputs=2)


KNOWN = (gelu_by_tanh, embedding_with_its_table, embedding_similarity, extract_step, masked_predictions)
