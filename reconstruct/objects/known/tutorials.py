"""Small layers that people copy from tutorials: capsules, variational autoencoders, distributions, radial bases.

None is certain: most have no config that could tell them from another class of that name. Names, the number of
inputs and the shapes of weights must fit.
"""

from __future__ import annotations

import numpy as np

from reconstruct.artifact import Finding, Layer, Ref, constant
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.nodes import Nodes
from reconstruct.objects.known.parts import bare, dense, first, fit, named, own_fields
from reconstruct.rules.engine import Noted
from reconstruct.rules.expansion import INPUT, call, op, stock, subgraph

_CAPSNET = "CapsNet-Keras, capsulelayers.py (XifengGuo)"
_EPSILON = 1e-7
# As for a Lambda layer that draws numbers (objects/lambda_functions.py)
_NOISE = {
    "module": "keras.layers",
    "class_name": "GaussianNoise",
    "config": {"name": "noise", "stddev": 1.0},
    "registered_name": None,
}


@known("Length", source=_CAPSNET, certain=False)
def capsule_length(layer: Layer) -> Layer:
    """The length of each vector, with `K.epsilon()` under the root as in the later versions; in Keras operations."""
    if not bare(layer, 1):
        return layer
    return subgraph(layer, *_length(INPUT, "length"))


def _length(of: Ref, name: str) -> tuple[Layer, ...]:
    return (
        op(f"{name}_square", "square", of),
        op(f"{name}_sum", "sum", Ref(f"{name}_square"), axis=-1),
        op(f"{name}_above_zero", "add", Ref(f"{name}_sum"), _EPSILON),
        op(name, "sqrt", Ref(f"{name}_above_zero")),
    )


@known("Mask", source=_CAPSNET, certain=False)
def capsule_mask(layer: Layer) -> Layer:
    """All capsules but the longest, or but the one given, set to zero and put in a row; in Keras operations."""
    both = bare(layer, 2)
    if not both and not bare(layer, 1):
        return layer
    of, chosen = (Ref("input_0"), Ref("input_1")) if both else (INPUT, Ref("is_longest"))
    nodes = () if both else (
        *_length(INPUT, "length"),
        op("longest", "max", Ref("length"), axis=1, keepdims=True),
        op("equal", "equal", Ref("length"), Ref("longest")),
        op("is_longest", "cast", Ref("equal"), "float32"),
    )  # fmt: skip
    return subgraph(
        layer,
        *nodes,
        op("column", "expand_dims", chosen, -1),
        op("kept", "multiply", of, Ref("column")),
        call(stock("Flatten", "row"), Ref("kept")),
        inputs=2 if both else 1,
    )


@known("CapsuleLayer", source=_CAPSNET, certain=False)
def capsule_layer(layer: Layer) -> Layer:
    """Capsules with dynamic routing: EinsumDense predicts each capsule from each before, in Keras operations."""
    config = layer.config
    times = config.get("routings", config.get("num_routing"))
    weights = list(layer.weights.values())
    count, size = config.get("num_capsule"), config.get("dim_capsule", config.get("dim_vector"))
    if not isinstance(times, int) or times < 1 or not fit(weights, (count, None, size, None)) or count is None:
        return layer
    inputs = weights[0].shape[1]
    predict = stock(
        "EinsumDense",
        "predicted",
        {"equation": "bik,jidk->bjid", "output_shape": [count, inputs, size]},
        kernel=weights[0],
    )
    nodes = [
        call(predict, INPUT),
        op("first", "take", Ref("predicted"), 0, axis=-1),
        op("agreed_0", "zeros_like", Ref("first")),
    ]
    for i in range(times):
        nodes += [
            op(f"coupling_{i}", "softmax", Ref(f"agreed_{i}"), axis=1),
            op(f"sum_{i}", "einsum", "bji,bjid->bjd", Ref(f"coupling_{i}"), Ref("predicted")),
            *_squashed(f"sum_{i}", f"output_{i}"),
        ]
        if i < times - 1:
            nodes += [
                op(f"fits_{i}", "einsum", "bjd,bjid->bji", Ref(f"output_{i}"), Ref("predicted")),
                op(f"agreed_{i + 1}", "add", Ref(f"agreed_{i}"), Ref(f"fits_{i}")),
            ]
    return subgraph(layer, *nodes)


def _squashed(of: str, name: str) -> tuple[Layer, ...]:
    """The vectors with the length n made n² / (1 + n²)."""
    return (
        op(f"{name}_squares", "square", Ref(of)),
        op(f"{name}_norm", "sum", Ref(f"{name}_squares"), axis=-1, keepdims=True),
        op(f"{name}_more", "add", Ref(f"{name}_norm"), 1.0),
        op(f"{name}_share", "divide", Ref(f"{name}_norm"), Ref(f"{name}_more")),
        op(f"{name}_positive", "add", Ref(f"{name}_norm"), _EPSILON),
        op(f"{name}_root", "sqrt", Ref(f"{name}_positive")),
        op(f"{name}_scale", "divide", Ref(f"{name}_share"), Ref(f"{name}_root")),
        op(name, "multiply", Ref(of), Ref(f"{name}_scale")),
    )


@known("Sampling", source='Keras example "Variational AutoEncoder" (keras.io/examples/generative/vae)', certain=False)
def sampling(layer: Layer) -> Layer | Noted:
    """Mean plus noise times exp(log variance / 2): GaussianNoise of Keras, switched on, draws the noise."""
    if not bare(layer, 2):
        return layer
    made = subgraph(
        layer,
        op("half", "multiply", Ref("input_1"), 0.5),
        op("deviation", "exp", Ref("half")),
        op("zero", "zeros_like", Ref("input_0")),
        call(stock("Lambda", "noise", {"function": _NOISE, "arguments": {"training": True}}), Ref("zero")),
        op("spread", "multiply", Ref("deviation"), Ref("noise")),
        op("sum", "add", Ref("input_0"), Ref("spread")),
        inputs=2,
    )
    message = f"{layer.name!r} draws random numbers in every call, so that no two outputs are the same"
    return Noted(made, (Finding("random_outputs", "warning", layer.path, message),))


@known("VectorQuantizer", source='Keras example "Vector-Quantized Variational Autoencoders" (vq_vae)', certain=False)
def vector_quantizer(layer: Layer) -> Layer:
    """Each vector as the nearest of the codes: a Dense tells how near each is, and an Embedding of Keras has them.

    The square of the distance is x² - 2·x·code + code², so the nearest has the largest x·code - code²/2.
    """
    found, config = list(layer.weights.values()), own_fields(layer)
    size, count = config.get("embedding_dim"), config.get("num_embeddings")
    if size is None or count is None or size == count or not set(config) <= {"embedding_dim", "num_embeddings", "beta"}:
        return layer
    if not fit(found, (size, count)):
        return layer
    codes = found[0]
    half = codes.map(lambda a: -0.5 * (a * a).sum(axis=0), (count,))
    table = codes.map(lambda a: a.T, (count, size))
    sizes = {"input_dim": count, "output_dim": size}
    return subgraph(
        layer,
        call(dense("near", [codes, half]), INPUT),
        op("nearest", "argmax", Ref("near"), axis=-1),
        call(stock("Embedding", "codes", sizes, embeddings=table), Ref("nearest")),
    )


@known("GaussianLayer", source="deepar of arrigonialberto86, model/layers.py", certain=False)
def gaussian_layer(layer: Layer) -> Layer:
    """The mean and the deviation of a normal distribution, each a Dense of the input: the second through softplus,
    and 1e-6 more; in Keras Dense and operations."""
    found = named(layer, "kernel_1", "kernel_2", "bias_1", "bias_2")
    if found is None or not fit(found, (None, None), found[0].shape, (found[0].shape[1],), (found[0].shape[1],)):
        return layer
    return subgraph(
        layer,
        call(dense("mean", [found[0], found[2]]), INPUT),
        call(dense("spread", [found[1], found[3]], activation="softplus"), INPUT),
        op("deviation", "add", Ref("spread"), 1e-6),
        outputs=[Ref("mean"), Ref("deviation")],
    )


@known("RBFLayer", source="rbf_keras (P. Vidnerová), rbflayer.py; answers on Stack Overflow", certain=False)
def radial_basis(layer: Layer) -> Layer:
    """exp of minus beta times the squared distance to each centre, whose beta is its own, or `gamma` of the config for
    all; in Keras Dense and operations."""
    config, found = own_fields(layer), list(layer.weights.values())
    count = config.get("output_dim", config.get("units"))
    if set(config) == {"output_dim"} and fit(found, (count, None), (count,)):
        centres, betas = found[0], found[1]
    elif set(config) == {"units", "gamma"} and fit(found, (None, count)):
        centres = found[0].map(lambda a: a.T, found[0].shape[::-1])
        betas = constant("gamma", np.full(centres.shape[0], config["gamma"], "float32"))
    else:
        return layer
    nodes, (count, size) = Nodes(), centres.shape
    copies = constant("kernel", np.tile(np.eye(size, dtype="float32"), (1, count)))
    away = nodes.dense(copies, centres.map(lambda a: -a.reshape(-1), (count * size,)), INPUT, "from_each")
    square = nodes.op("sum", nodes.op("square", nodes.reshape(away, [count, size])), axis=-1)
    by_beta = {"equation": "bc,c->bc", "output_shape": [count]}
    falling = nodes.stock("EinsumDense", by_beta, {"kernel": betas.map(np.negative, (count,))}, square)
    return nodes.model(layer, 1, nodes.op("exp", falling))


@known(
    "Linear", "SimpleDense", "CustomDense", "CustomDenseLayer", "MyDense", "MyDenseLayer", "DenseLayer",
    source="keras.io/guides/making_new_layers_and_models_via_subclassing", certain=False,
)  # fmt: skip
def dense_again(layer: Layer) -> Layer:
    """What guides write to show how layers are made: Dense of Keras, without activation unless the config has one."""
    config, found = own_fields(layer), list(layer.weights.values())
    units = first(config, "units", "num_outputs", "output_dim")
    if not set(config) <= {"units", "num_outputs", "output_dim", "activation"} or not 1 <= len(found) <= 2:
        return layer
    if not fit(found, (None, units), (units,)) and not fit(found, (None, units)):
        return layer
    made = dense(layer.name, found, activation=config.get("activation") or "linear")
    return made.replace(calls=layer.calls, path=layer.path)


KNOWN = (
    capsule_length,
    capsule_mask,
    capsule_layer,
    sampling,
    vector_quantizer,
    gaussian_layer,
    radial_basis,
    dense_again,
)
