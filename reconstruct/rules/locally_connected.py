"""LocallyConnected layers, which Keras 3 does not have, as EinsumDense: a kernel of its own for each place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reconstruct.artifact import Layer, Ref, Tensor
from reconstruct.errors import NotEquivalent
from reconstruct.rules.engine import before_keras_3, rule
from reconstruct.rules.expansion import INPUT, call, op, sizes, stock, subgraph


@rule(layers=("LocallyConnected1D", "LocallyConnected2D"), writers=before_keras_3)
def locally_connected(layer: Layer) -> Layer:
    """Keras 3 has no LocallyConnected layers: patches are taken and multiplied by EinsumDense, one kernel a place."""
    if not layer.weights:
        return layer
    rank = 1 if layer.class_name == "LocallyConnected1D" else 2
    first = layer.config.get("data_format") == "channels_first"
    size = sizes(layer.config["kernel_size"], rank)
    strides = sizes(layer.config.get("strides", 1), rank)
    padding = layer.config.get("padding", "valid")
    implementation = layer.config.get("implementation", 1)
    if implementation == 3:
        kernel = _from_sparse(layer, rank, first, size, strides, padding)
        implementation = 1 if padding == "valid" else 2
        layer = layer.with_weights(kernel=kernel)
    if implementation == 2:
        return _locally_connected_dense(layer, rank, first, size, strides, padding)
    if padding != "valid":
        raise NotEquivalent(f"LocallyConnected with padding {padding!r}")
    kernel = layer.weights["kernel"]
    filters = kernel.shape[-1]
    places = _places(layer, kernel, rank)
    channels = kernel.shape[-2] // int(np.prod(size))

    def per_place(k: np.ndarray) -> np.ndarray:
        if first:  # patches were flattened channels first (Keras 2.2.4, backend `local_conv2d`)
            k = k.reshape(-1, channels, int(np.prod(size)), filters).transpose(0, 2, 1, 3)
        return k.reshape(*places, -1, filters)

    letters = "ij"[: len(places)]
    weights = {"kernel": kernel.map(per_place, (*places, kernel.shape[-2], filters))}
    if "bias" in layer.weights:
        weights["bias"] = _bias(layer.weights["bias"], first)
        if first:
            weights["bias"] = weights["bias"].map(lambda b: np.moveaxis(b, 0, -1), (*places, filters))
    dense = stock(
        "EinsumDense",
        "per_place",
        {
            "equation": f"b{letters}f,{letters}fo->b{letters}o",
            "output_shape": [*places, filters],
            "bias_axes": f"{letters}o" if "bias" in weights else None,
            "activation": layer.config.get("activation"),
        },
        **weights,
    )
    nodes = []
    at = INPUT
    if first:
        nodes.append(op("channels_last", "transpose", at, axes=[0, *range(2, rank + 2), 1]))
        at = Ref("channels_last")
    if rank == 1:  # patches are taken of images only: a sequence is an image of width 1
        nodes.append(op("as_image", "expand_dims", at, axis=2))
        nodes.append(
            op("patches_of_image", "image.extract_patches", Ref("as_image"), [*size, 1], strides=[*strides, 1])
        )
        nodes.append(op("patches", "squeeze", Ref("patches_of_image"), axis=2))
    else:
        nodes.append(op("patches", "image.extract_patches", at, list(size), strides=list(strides)))
    at = Ref("patches")
    if len(places) < rank:  # in a row
        nodes.append(op("row_of_patches", "reshape", at, [-1, *places, kernel.shape[-2]]))
        at = Ref("row_of_patches")
    nodes.append(call(dense, at))
    at = Ref("per_place")
    if len(places) < rank:
        nodes.append(op("rows_and_columns", "build.reshape", at, -1, [Ref("patches"), 1, rank + 1], filters))
        at = Ref("rows_and_columns")
    if first:
        nodes.append(op("channels_first", "transpose", at, axes=[0, rank + 1, *range(1, rank + 1)]))
    return subgraph(layer, *nodes)


def _locally_connected_dense(
    layer: Layer, rank: int, first: bool, size: Sequence[int], strides: Sequence[int], padding: str
) -> Layer:
    """`implementation=2`: one dense kernel from all inputs to all outputs, masked where they are not connected."""
    kernel = layer.weights["kernel"]
    shape = kernel.shape
    half = rank + 1
    where_in = shape[1:half] if first else shape[:rank]
    where_out = shape[half + 1 :] if first else shape[half : half + rank]

    def masked(k: np.ndarray) -> np.ndarray:
        mask = _connected(where_in, where_out, size, strides, padding).astype(k.dtype)
        axes = [1] * half + [1] * half
        spots_in = range(1, half) if first else range(rank)
        spots_out = range(half + 1, 2 * half) if first else range(half, half + rank)
        for axis, n in zip([*spots_in, *spots_out], [*where_in, *where_out], strict=True):
            axes[axis] = n
        return k * mask.reshape(axes)

    letters_in, letters_out = ("cij"[:half], "oxy"[:half]) if first else ("ijk"[:rank] + "c", "xyz"[:rank] + "o")
    weights = {"kernel": kernel.map(masked)}
    if "bias" in layer.weights:
        weights["bias"] = _bias(layer.weights["bias"], first)
    dense = stock(
        "EinsumDense",
        layer.name,
        {
            "equation": f"b{letters_in},{letters_in}{letters_out}->b{letters_out}",
            "output_shape": list(shape[half:]),
            "bias_axes": letters_out if "bias" in weights else None,
            "activation": layer.config.get("activation"),
        },
        **weights,
    )
    return dense.replace(calls=layer.calls, path=layer.path)


def _connected(
    where_in: Sequence[int], where_out: Sequence[int], size: Sequence[int], strides: Sequence[int], padding: str
) -> np.ndarray:
    """Booleans (…in, …out): whether a convolution of this size connects the places (utils/conv_utils.py)."""
    mask: np.ndarray = np.ones((), bool)
    for n, m, k, s in zip(where_in, where_out, size, strides, strict=True):
        left = k // 2 if padding == "same" else 0
        starts = np.arange(m) * s - left
        i = np.arange(n)[:, None]
        axis = (i >= starts) & (i < starts + k)
        mask = np.multiply.outer(mask, axis)
    rank = len(where_in)
    return mask.transpose([*range(0, 2 * rank, 2), *range(1, 2 * rank, 2)])


def _bias(bias: Tensor, first: bool) -> Tensor:
    """The bias as it is added: Keras stores (…places, filters) in both data formats, and with channels first reads
    the same numbers as (filters, …places) without transposing them (Keras 2.2.4, backend `bias_add`)."""
    if not first:
        return bias
    shape = (bias.shape[-1], *bias.shape[:-1])
    return bias.map(lambda b: b.reshape(shape), shape)


def _from_sparse(
    layer: Layer, rank: int, first: bool, size: Sequence[int], strides: Sequence[int], padding: str
) -> Tensor:
    """`implementation=3` stores the connections only, ordered by output and then by input (tf.keras 2.1,
    `conv_kernel_idxs`): as the kernel of `implementation=1` where the padding is valid, else of 2."""
    if "bias" not in layer.weights:
        raise NotEquivalent("LocallyConnected with implementation=3 and no bias, which alone tells the places")
    kernel = layer.weights["kernel"]
    filters = int(layer.config["filters"])
    places = _places(layer, kernel, rank)
    count = int(np.prod(places))
    if padding == "valid":
        features = kernel.size // (count * filters)

        def per_place(k: np.ndarray) -> np.ndarray:
            if first:
                return k.reshape(filters, count, features).transpose(1, 2, 0)
            return k.reshape(count, filters, features).transpose(0, 2, 1)

        return kernel.map(per_place, (count, features, filters))
    if any(s != 1 for s in strides):
        raise NotEquivalent("LocallyConnected with implementation=3, padding 'same' and strides")
    mask = _connected(places, places, size, strides, padding)
    channels = kernel.size // (int(mask.sum()) * filters)
    inside = (channels, *places) if first else (*places, channels)
    outside = (filters, *places) if first else (*places, filters)
    half = rank + 1

    def dense(k: np.ndarray) -> np.ndarray:
        by_output = mask.transpose([*range(rank, 2 * rank), *range(rank)])
        axis_out, axis_in = (0, half) if first else (rank, 2 * rank + 1)
        by_output = np.expand_dims(by_output, (axis_out, axis_in))
        full = np.broadcast_to(by_output, (*outside, *inside))
        values = np.zeros(full.shape, k.dtype)
        values[full] = k
        return values.transpose([*range(half, 2 * half), *range(half)])

    return kernel.map(dense, (*inside, *outside))


def _places(layer: Layer, kernel: Tensor, rank: int) -> tuple[int, ...]:
    """The number of outputs along each axis; only the bias tells rows from columns, else it is that of both."""
    if "bias" in layer.weights and len(layer.weights["bias"].shape) == rank + 1:
        return layer.weights["bias"].shape[:rank]
    return (kernel.shape[0],)


RULES = (locally_connected,)
