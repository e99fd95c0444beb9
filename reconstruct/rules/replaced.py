"""Layers that Keras 3 no longer has, or has under another name or with another meaning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reconstruct.artifact import MODEL_CLASSES, Finding, Layer, Ref, Tensor
from reconstruct.errors import NotEquivalent
from reconstruct.rules.engine import Noted, before_keras_3, multi_backend, rule
from reconstruct.rules.expansion import INPUT, call, chain, op, stock, subgraph

_RENAMED = {
    "SyncBatchNormalization": "BatchNormalization",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "MaxPool1D": "MaxPooling1D",
    "MaxPool2D": "MaxPooling2D",
    "MaxPool3D": "MaxPooling3D",
    "AvgPool1D": "AveragePooling1D",
    "AvgPool2D": "AveragePooling2D",
    "AvgPool3D": "AveragePooling3D",
    "GlobalMaxPool1D": "GlobalMaxPooling1D",
    "GlobalMaxPool2D": "GlobalMaxPooling2D",
    "GlobalAvgPool1D": "GlobalAveragePooling1D",
    "GlobalAvgPool2D": "GlobalAveragePooling2D",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "Convolution1DTranspose": "Conv1DTranspose",
    "Convolution2DTranspose": "Conv2DTranspose",
    "Convolution3DTranspose": "Conv3DTranspose",
    "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D",
    "Model": "Functional",
}


@rule()
def model_subclass(layer: Layer) -> Layer | Noted:
    """A subclass of `keras.Model` whose config is a functional model's is one, unless it has its own `call`."""
    if layer.graph is None or layer.class_name in MODEL_CLASSES:
        return layer
    found = Finding(
        "model_subclass",
        "warning",
        layer.path,
        f"{layer.name} was saved by a class {layer.class_name!r} of its author, which is taken for a plain model; "
        "what that class does in training is lost",
    )
    return Noted(layer.replace(class_name="Sequential" if layer.graph.sequential else "Functional"), (found,))


@rule(layers=_RENAMED, effect="neutral")
def class_names(layer: Layer) -> Layer:
    """Classes that Keras 3 has under another name only; in inference they compute the same."""
    return layer.replace(class_name=_RENAMED[layer.class_name])


@rule(layers=("RandomHeight", "RandomWidth"), effect="neutral", writers=before_keras_3)
def training_only_layers(layer: Layer) -> Layer:
    """RandomHeight and RandomWidth, which Keras 3 does not have, change nothing in inference."""
    return stock("Identity", layer.name).replace(calls=layer.calls, path=layer.path)


@rule(layers=("RandomCrop",), writers=before_keras_3)
def random_crop(layer: Layer) -> Noted:
    """RandomCrop of tf.keras cuts out the centre and resizes it in inference, Keras 3.15.1 does nothing: Resizing does.

    tf_keras 2.21, layers/preprocessing/image_preprocessing.py, `RandomCrop.call`, calls `smart_resize`.
    """
    config = {k: v for k, v in layer.config.items() if k in ("name", "trainable", "dtype", "height", "width")}
    resized = layer.replace(class_name="Resizing", config={**config, "crop_to_aspect_ratio": True})
    message = f"{layer.name} cropped at random in training; it now does in training what it did in inference"
    return Noted(resized, (Finding("augmentation_dropped", "info", layer.path, message),))


@rule(layers=("Resizing", "UpSampling2D"), writers=before_keras_3)
def interpolation_methods(layer: Layer) -> Layer:
    """Keras 3 interpolates by six methods; tf.keras had `gaussian` and `mitchellcubic` as well."""
    method = layer.config.get("interpolation")
    if method in ("gaussian", "mitchellcubic"):
        raise NotEquivalent(f"{layer.class_name} interpolates by {method!r}, which Keras 3 cannot")
    return layer


@rule(layers=("SeparableConv1D",), writers=before_keras_3)
def causal_separable_convolution(layer: Layer) -> Layer:
    """SeparableConv1D of Keras 3 knows no causal padding: zeros are put before the sequence by a layer of its own."""
    if layer.config.get("padding") != "causal":
        return layer
    size = _tuple(layer.config["kernel_size"], 1)[0]
    before = _tuple(layer.config.get("dilation_rate", 1), 1)[0] * (size - 1)
    config = {"padding": [before, 0], "data_format": layer.config.get("data_format", "channels_last")}
    return chain(layer, stock("ZeroPadding1D", "causal", config), layer.having(padding="valid"))


@rule(layers=("BatchNormalization",), writers=before_keras_3)
def renormalization_weights(layer: Layer) -> Layer | Noted:
    """Keras 3 has no batch renormalization (tf.keras), whose three further variables count in training only."""
    kept = {k: t for k, t in layer.weights.items() if k not in _RENORM}
    if not layer.config.get("renorm") or len(kept) == len(layer.weights):
        return layer
    message = f"{layer.name} was trained with batch renormalization, which Keras 3 does not have; outputs are the same"
    return Noted(layer.replace(weights=kept), (Finding("renormalization_dropped", "info", layer.path, message),))


_RENORM = ("moving_stddev", "renorm_mean", "renorm_stddev")


@rule(layers=("LayerScale",))
def layer_scale(layer: Layer) -> Layer:
    """LayerScale of ConvNeXt (applications/convnext.py) is not public: a DepthwiseConv2D of size 1 does the same."""
    if "projection_dim" not in layer.config:
        return layer
    size = int(layer.config["projection_dim"])
    config = {k: v for k, v in layer.config.items() if k in ("name", "trainable", "dtype")}
    config |= {"kernel_size": 1, "use_bias": False, "data_format": "channels_last"}
    kernels = [t.map(_as_kernel, (1, 1, size, 1)) for t in layer.weights.values()]
    weights = dict(zip(("depthwise_kernel",), kernels, strict=False))
    return layer.replace(class_name="DepthwiseConv2D", package=None, config=config, weights=weights)


def _as_kernel(gamma: np.ndarray) -> np.ndarray:
    return gamma.reshape(1, 1, -1, 1)


@rule(layers=("StochasticDepth",))
def stochastic_depth(layer: Layer) -> Layer:
    """Keras has the StochasticDepth of ConvNeXt in no public place (applications/convnext.py); Dropout of whole
    samples is the same."""
    if "drop_path_rate" not in layer.config:
        return layer
    config = {k: v for k, v in layer.config.items() if k in ("name", "trainable", "dtype")}
    config |= {"rate": layer.config["drop_path_rate"], "noise_shape": [None, 1, 1, 1]}
    return layer.replace(class_name="Dropout", package=None, config=config)


@rule(layers=("ThresholdedReLU",), writers=before_keras_3)
def thresholded_relu(layer: Layer) -> Layer:
    """Keras 3 has no ThresholdedReLU; ReLU with `threshold` passes the same values: those above it."""
    config = {k: v for k, v in layer.config.items() if k in ("name", "trainable", "dtype")}
    return layer.replace(class_name="ReLU", config={**config, "threshold": float(layer.config.get("theta", 1.0))})


@rule(layers=("LocallyConnected1D", "LocallyConnected2D"), writers=before_keras_3)
def locally_connected(layer: Layer) -> Layer:
    """Keras 3 has no LocallyConnected layers: patches are taken and multiplied by EinsumDense, one kernel a place."""
    if not layer.weights:
        return layer
    rank = 1 if layer.class_name == "LocallyConnected1D" else 2
    first = layer.config.get("data_format") == "channels_first"
    size = _tuple(layer.config["kernel_size"], rank)
    strides = _tuple(layer.config.get("strides", 1), rank)
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

    letters = "ij"[:rank]
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
    nodes.append(call(dense, Ref("patches")))
    if first:
        nodes.append(op("channels_first", "transpose", Ref("per_place"), axes=[0, rank + 1, *range(1, rank + 1)]))
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
    if "bias" in layer.weights and len(layer.weights["bias"].shape) == rank + 1:
        return layer.weights["bias"].shape[:rank]
    if rank == 1:
        return (kernel.shape[0],)
    side = round(kernel.shape[0] ** 0.5)
    if side * side != kernel.shape[0]:
        raise NotEquivalent(f"{layer.name} has {kernel.shape[0]} places in an unknown number of rows and columns")
    return (side, side)


def _tuple(value: object, rank: int) -> tuple[int, ...]:
    return tuple(int(v) for v in value) if isinstance(value, list | tuple) else (int(value),) * rank  # type: ignore[call-overload]


@rule(layers=("UpSampling2D",), writers=multi_backend)
def bilinear_upsampling_of_keras_2(layer: Layer) -> Layer:
    """Bilinear UpSampling2D of Keras 2.2 and 2.3 counts from pixel corners, Keras 3 from pixel centres.

    Keras 2.3.1 calls TensorFlow 1's resize_bilinear: output i lies at i/size between input pixels. That is the mean
    over `size` neighbours of the image repeated `size` times, the last pixel being repeated further.
    """
    if layer.config.get("interpolation") != "bilinear":
        return layer
    rows, cols = _tuple(layer.config.get("size", 2), 2)
    first = layer.config.get("data_format") == "channels_first"
    pads = [[0, rows - 1], [0, cols - 1]]
    width = [[0, 0], [0, 0], *pads] if first else [[0, 0], *pads, [0, 0]]
    data_format = "channels_first" if first else "channels_last"
    return subgraph(
        layer,
        call(stock("UpSampling2D", "repeat", {"size": [rows, cols], "data_format": data_format}), INPUT),
        op("edge", "pad", Ref("repeat"), width, mode="symmetric"),
        call(
            stock(
                "AveragePooling2D",
                "between",
                {"pool_size": [rows, cols], "strides": [1, 1], "padding": "valid", "data_format": data_format},
            ),
            Ref("edge"),
        ),
    )


RULES = (
    training_only_layers,
    random_crop,
    interpolation_methods,
    causal_separable_convolution,
    renormalization_weights,
    layer_scale,
    stochastic_depth,
    thresholded_relu,
    locally_connected,
    bilinear_upsampling_of_keras_2,
)
