"""Layers that Keras 3 no longer has, or has under another name or with another meaning."""

from __future__ import annotations

import numpy as np

from reconstruct.artifact import MODEL_CLASSES, Finding, Layer, Ref
from reconstruct.errors import NotEquivalent
from reconstruct.rules.engine import Noted, before_keras_3, multi_backend, rule
from reconstruct.rules.expansion import INPUT, call, chain, op, sizes, stock, subgraph
from reconstruct.stock import LOOKUPS

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


@rule(layers=("GroupedQueryAttention",), effect="neutral", writers=lambda writer: writer.major >= 3)
def grouped_query_attention(layer: Layer) -> Layer:
    """The class of `keras.layers.GroupQueryAttention` has an "ed" more, which Keras 3 writes into HDF5 files.

    Somebody's own class of that name has other fields (Keras 3.15.1, layers/attention/grouped_query_attention.py).
    """
    if not {"head_dim", "num_query_heads", "num_key_value_heads"} <= layer.config.keys():
        return layer
    return layer.replace(class_name="GroupQueryAttention")


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
    size = sizes(layer.config["kernel_size"], 1)[0]
    before = sizes(layer.config.get("dilation_rate", 1), 1)[0] * (size - 1)
    config = {"padding": [before, 0], "data_format": layer.config.get("data_format", "channels_last")}
    return chain(layer, stock("ZeroPadding1D", "causal", config), layer.having(padding="valid"))


@rule(layers=LOOKUPS, writers=before_keras_3)
def lookup_counts(layer: Layer) -> Layer:
    """Keras 3 gives whole numbers where lookups count or mark words, tf.keras floats (3.15.1,
    layers/preprocessing/index_lookup.py), and states one axis too many for counts of TextVectorization.

    Rescaling by 1 makes floats of them; a Reshape says the shape that there is, for which the layers behind are built.
    """
    config = layer.config
    vocabulary = config.get("vocabulary")
    if config.get("output_mode", "int") == "int":
        return layer
    floats = stock("Rescaling", "floats", {"scale": 1.0, "offset": 0.0})
    full = config.get("max_tokens") if config.get("pad_to_max_tokens") else None
    size = full or (len(vocabulary) + 1 if isinstance(vocabulary, list) else None)  # one for words that are not in it
    if layer.class_name != "TextVectorization" or config.get("split", "whitespace") is None or size is None:
        return chain(layer, layer, floats)
    return chain(layer, layer, stock("Reshape", "counts", {"target_shape": [size]}), floats)


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


@rule(layers=("UpSampling2D",), writers=multi_backend)
def bilinear_upsampling_of_keras_2(layer: Layer) -> Layer:
    """Bilinear UpSampling2D of Keras 2.2 and 2.3 counts from pixel corners, Keras 3 from pixel centres.

    Keras 2.3.1 calls TensorFlow 1's resize_bilinear: output i lies at i/size between input pixels. That is the mean
    over `size` neighbours of the image repeated `size` times, the last pixel being repeated further.
    """
    if layer.config.get("interpolation") != "bilinear":
        return layer
    rows, cols = sizes(layer.config.get("size", 2), 2)
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
    grouped_query_attention,
    training_only_layers,
    random_crop,
    interpolation_methods,
    causal_separable_convolution,
    lookup_counts,
    renormalization_weights,
    layer_scale,
    stochastic_depth,
    thresholded_relu,
    bilinear_upsampling_of_keras_2,
)
