"""The weights of a custom layer, by the layer within it that they belong to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconstruct.artifact import Call, Graph, Layer, Ref, Tensor
from reconstruct.errors import NotEquivalent
from reconstruct.rules.engine import Context
from reconstruct.rules.expansion import INPUT, call, stock

_BASE = frozenset(
    "name trainable dtype batch_input_shape batch_shape input_shape autocast activity_regularizer".split()
)
_ATTENTION = {"query": "query", "key": "key", "value": "value", "output": "output", "attention_output": "output"}

Parts = dict[str, list[Tensor]]


def parts_of(layer: Layer) -> Parts:
    """The tensors of each layer within `layer`, by its path, in the order in which they were made.

    An `.h5` has them in that order. A `.keras` names them by attribute (`ffn/layers/dense_1/vars/0`), so there the
    numbers in the names tell the order: `layernorm1` before `layernorm2`, `dense` before `dense_1`.
    """
    found: Parts = {}
    zipped = all("vars/" in name for name in layer.weights)
    names = sorted(layer.weights, key=_by_number) if zipped else list(layer.weights)
    for name in names:
        path = re.sub(r"/?vars/\d+$", "", name) if zipped else name.rpartition("/")[0]
        found.setdefault(path, []).append(layer.weights[name])
    return found


def _by_number(name: str) -> list[tuple[str, int]]:
    """A key that sorts `dense` before `dense_2` and that before `dense_10`."""
    return [(text, int(number or 0)) for text, number in re.findall(r"([^\d/]*?)_?(\d*)(?:/|$)", name)]


def own_fields(layer: Layer) -> dict[str, Any]:
    """What the config says beyond what every layer has."""
    return {k: v for k, v in layer.config.items() if k not in _BASE}


def first(config: Mapping[str, Any], *names: str, default: Any = None) -> Any:
    """The value of the first of the names that the config has."""
    return next((config[n] for n in names if n in config), default)


def bare(layer: Layer, inputs: int) -> bool:
    """Whether the layer has neither weights nor config of its own, and takes so many tensors, as one list."""
    given = layer.calls[0].args if layer.calls else ()
    listed = len(given) == 1 and isinstance(given[0], list | tuple)
    count = 1 if not layer.calls else len(given[0] if listed else given)
    return not layer.weights and not own_fields(layer) and count == inputs and (inputs == 1 or listed)


def listed(layer: Layer, inputs: int) -> Layer | None:
    """The layer with the tensors of each call in one list, as a model of several inputs takes them, whether its code
    takes a list or an argument for each; None if it is not called on so many."""
    calls = []
    for each in layer.calls:
        given = each.args[0] if len(each.args) == 1 and isinstance(each.args[0], list | tuple) else each.args
        refs = [*given, *(v for v in each.kwargs.values() if isinstance(v, Ref))]
        if len(refs) != inputs or not all(isinstance(ref, Ref) for ref in refs):
            return None
        calls.append(Call((refs,)))
    return layer.replace(calls=tuple(calls)) if calls else None


def take_attention(parts: Parts) -> dict[str, list[Tensor]] | None:
    """Remove from `parts` the projections of the one MultiHeadAttention in it; None if there is none or several."""
    found = take_attentions(parts, 1)
    return found[0] if found else None


def take_attentions(parts: Parts, count: int) -> list[dict[str, list[Tensor]]] | None:
    """Remove from `parts` the projections of each MultiHeadAttention in it, in their order; None if there are others
    than `count`.

    Keras calls them `query` in variables and `query_dense` (tf_keras: `_query_dense`) as attributes.
    """
    found: dict[str, dict[str, list[Tensor]]] = {}
    paths: list[str] = []
    for path, tensors in parts.items():
        of, _, name = path.rpartition("/")
        own = _ATTENTION.get(name.strip("_").removesuffix("_dense"))
        if own and tensors[0].shape[-1:] and len(tensors[0].shape) == 3:
            if own in found.setdefault(of, {}):
                return None
            found[of][own] = tensors
            paths.append(path)
    if len(found) != count or any(len(projections) != 4 for projections in found.values()):
        return None
    for path in paths:
        del parts[path]
    return list(found.values())


def attention(name: str, projections: Mapping[str, Sequence[Tensor]], **config: Any) -> Layer:
    """MultiHeadAttention with these projections; sizes are those of the kernels."""
    _, heads, key = projections["query"][0].shape
    weights: dict[str, Tensor] = {}
    for own, tensors in projections.items():
        made = "attention_output" if own == "output" else own
        weights |= {f"{made}/{n}": t for n, t in zip(("kernel", "bias"), tensors, strict=False)}
    config = {"num_heads": heads, "key_dim": key, "value_dim": projections["value"][0].shape[2], **config}
    if projections["output"][0].shape[2] != projections["query"][0].shape[0]:
        config["output_shape"] = projections["output"][0].shape[2]
    return stock("MultiHeadAttention", name, {**config, "use_bias": len(projections["query"]) == 2}, **weights)


def dense(name: str, tensors: Sequence[Tensor], **config: Any) -> Layer:
    """Dense with this kernel and perhaps a bias; a convolution of one step is one too."""
    kernel = tensors[0]
    if len(kernel.shape) == 3:
        kernel = kernel.map(lambda array: array[0], kernel.shape[1:])
    weights = dict(zip(("kernel", "bias"), [kernel, *tensors[1:]], strict=False))
    return stock("Dense", name, {"units": kernel.shape[1], "use_bias": len(tensors) == 2, **config}, **weights)


def is_dense(tensors: Sequence[Tensor]) -> bool:
    """Whether these are a kernel that Dense could have and perhaps its bias."""
    shape = tensors[0].shape
    fits = len(shape) == 2 or (len(shape) == 3 and shape[0] == 1)
    return fits and len(tensors) < 3 and all(t.shape == shape[-1:] for t in tensors[1:])


def is_norm(tensors: Sequence[Tensor]) -> bool:
    """Whether these are the gamma and beta of a LayerNormalization over the last axis."""
    return len(tensors) == 2 and tensors[0].shape == tensors[1].shape and len(tensors[0].shape) == 1


def norm(name: str, tensors: Sequence[Tensor], epsilon: float) -> Layer:
    return stock("LayerNormalization", name, {"epsilon": epsilon}, gamma=tensors[0], beta=tensors[1])


def fit(tensors: Iterable[Tensor], *shapes: tuple[int | None, ...]) -> bool:
    """Whether the tensors have these shapes; None is any size."""
    given = [t.shape for t in tensors]
    return len(given) == len(shapes) and all(
        len(g) == len(s) and all(n is None or n == m for m, n in zip(g, s, strict=True))
        for g, s in zip(given, shapes, strict=True)
    )


def masks_exist(context: Context, *makers: str) -> bool:
    """Whether a layer of the model makes a mask: a stock one, one of `makers`, or one whose code the user gave.

    Unlike `Context.may_mask` it does not count the very layer that asks, which a `.keras` file names by its module.
    """
    return any(
        (n.class_name == "Embedding" and n.config.get("mask_zero"))
        or n.class_name in ("Masking", *makers)
        or n.class_name in context.objects
        for n in context.model.walk()
    )


def named(layer: Layer, *endings: str) -> list[Tensor] | None:
    """The weights of these names, in this order; None if these are not all the weights there are.

    The layer's own name may stand before (`attention_1_Wq`). A `.keras` has no names: there they are in the order in
    which the layer makes them, which is that of `endings`.
    """
    if len(layer.weights) != len(endings):
        return None
    if all("vars/" in name for name in layer.weights):
        return [layer.weights[name] for name in sorted(layer.weights, key=_by_number)]
    found = [[t for n, t in layer.weights.items() if n == end or n.endswith(f"_{end}")] for end in endings]
    return [f[0] for f in found] if all(len(f) == 1 for f in found) else None


def mask_of(ref: Ref, name: str = "mask") -> Layer:
    """A node that gives the mask of `ref` as numbers (batch, steps): a layer of our own, no operation sees masks."""
    return call(Layer("GivenMask", name, {"name": name}, package="reconstruct>GivenMask"), ref)


_USE_MASKS = (
    "LSTM GRU SimpleRNN RNN Bidirectional TimeDistributed ConvLSTM2D GlobalAveragePooling1D BatchNormalization CRF "
    "Attention AdditiveAttention MultiHeadAttention Softmax"
).split()


def masks_used(context: Context, *users: str) -> bool:
    """Whether a layer of the model, or one of the classes `users`, uses masks."""
    return any(n.class_name in _USE_MASKS or n.class_name in users for n in context.model.walk())


def no_mask_after(layer: Layer, context: Context, *makers: str) -> None:
    """Raise `NotEquivalent` where the layer hands a mask on to one that uses it: what replaces it hands on none."""
    user = _user_of_mask(layer, context, *makers)
    if user is not None:
        raise NotEquivalent(f"{layer.class_name} hands its mask on, perhaps to {user.class_name} {user.name!r}")


def handing_mask_on(layer: Layer, made: Layer, context: Context, *makers: str, of: Ref = INPUT) -> Layer:
    """`made`, the model of one output that replaces `layer`, with the mask of its input `of` where one after uses it:
    by a layer of our own, as operations hand none on. `makers` are classes that make masks and are not stock yet."""
    return made if _user_of_mask(layer, context, *makers) is None else carrying_mask(layer, made, of)


def carrying_mask(layer: Layer, made: Layer, of: Ref = INPUT) -> Layer:
    """`made`, the model of one output that replaces `layer`, with the mask of its input `of`."""
    graph = made.graph
    if graph is None:
        return made
    carry = Layer("CarryMask", "masked", {"name": "masked"}, package="reconstruct>CarryMask")
    carry = call(carry, [graph.outputs, of]).replace(path=f"{layer.path}/masked")
    return made.replace(graph=Graph((*graph.layers, carry), graph.inputs, Ref("masked")))


def _user_of_mask(layer: Layer, context: Context, *makers: str) -> Layer | None:
    """A layer after this one that uses masks, in a model that has them."""
    if not masks_exist(context, *makers) or context.graph is None:
        return None
    after = context.graph.layers[[n.name for n in context.graph.layers].index(layer.name) + 1 :]
    users = (*_USE_MASKS, "GivenMask")
    return next((n for n in after if any(inner.class_name in users for inner in n.walk())), None)
