"""Layers for images and for distances that people copy, written anew after what these compute.

`keras` is the Keras that `libraries.activate` made importable under that name.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import Input, Model
from keras import layers as L

from fixture_models.copied import Copied

KERAS_3 = keras.__version__.startswith("3.")
copied = Copied("copied-images", keras)
catalogue = copied.catalogue
layer, once, by_tf_keras = copied.layer, copied.once, copied.by_tf_keras


# Channels


@layer("axis", "momentum")
class Scale(L.Layer):
    """DenseNet-Keras: what Caffe has after a batch normalization."""

    def __init__(self, axis: int = -1, momentum: float = 0.9, **options: Any) -> None:
        super().__init__(**options)
        self.axis, self.momentum = axis, momentum

    def build(self, shape: Any) -> None:
        self.gamma = self.add_weight(name=f"{self.name}_gamma", shape=(shape[self.axis],))
        self.beta = self.add_weight(name=f"{self.name}_beta", shape=(shape[self.axis],))
        super().build(shape)

    def call(self, x: Any) -> Any:
        return x * self.gamma + self.beta


@layer("gamma_init")
class L2Normalization(L.Layer):
    """ssd_keras: channels of length 1, scaled."""

    def __init__(self, gamma_init: int = 20, **options: Any) -> None:
        super().__init__(**options)
        self.gamma_init = gamma_init

    def build(self, shape: Any) -> None:
        self.gamma = self.add_weight(name=f"{self.name}_gamma", shape=(shape[-1],))
        super().build(shape)

    def call(self, x: Any) -> Any:
        return tf.math.l2_normalize(x, 3) * self.gamma


class Gate(L.Layer):
    """Two dense layers, the first with relu, which weigh the channels."""

    def __init__(self, ratio: int = 2, **options: Any) -> None:
        super().__init__(**options)
        self.ratio = ratio

    def build(self, shape: Any) -> None:
        self.inner = L.Dense(shape[-1] // self.ratio, activation="relu")
        self.outer = L.Dense(shape[-1])
        if KERAS_3:
            self.inner.build((None, shape[-1]))
            self.outer.build((None, shape[-1] // self.ratio))
        super().build(shape)

    def of(self, x: Any) -> Any:
        return self.outer(self.inner(x))


@layer("ratio")
class SEBlock(Gate):
    """Squeeze and excitation."""

    def call(self, x: Any) -> Any:
        places = list(range(1, len(x.shape) - 1))
        weights = tf.sigmoid(self.of(tf.reduce_mean(x, places)))
        return x * tf.reshape(weights, (-1, *[1] * len(places), x.shape[-1]))


@layer("ratio")
class ChannelAttention(Gate):
    """The first half of CBAM."""

    def call(self, x: Any) -> Any:
        weights = tf.sigmoid(self.of(tf.reduce_mean(x, (1, 2))) + self.of(tf.reduce_max(x, (1, 2))))
        return weights[:, None, None]


@layer("kernel_size")
class SpatialAttention(L.Layer):
    """The second half of CBAM."""

    def __init__(self, kernel_size: int = 7, **options: Any) -> None:
        super().__init__(**options)
        self.kernel_size = kernel_size
        self.conv = L.Conv2D(1, kernel_size, padding="same", activation="sigmoid", use_bias=False)

    def build(self, shape: Any) -> None:
        if KERAS_3:
            self.conv.build((*shape[:-1], 2))
        super().build(shape)

    def call(self, x: Any) -> Any:
        both = [tf.reduce_mean(x, -1, keepdims=True), tf.reduce_max(x, -1, keepdims=True)]
        return x * self.conv(tf.concat(both, -1))


@once("Scale", "L2Normalization", "SEBlock", "ChannelAttention", "SpatialAttention")
def channels() -> Any:
    x = Input((5, 6, 4))
    y = L2Normalization()(Scale(axis=3)(x))
    weighed = L.Multiply()([y, ChannelAttention()(y)])
    steps = SEBlock()(L.Reshape((30, 4))(x))
    return Model(x, [y, SEBlock()(x), weighed, SpatialAttention(3)(weighed), steps])


# Pixels


@layer("padding")
class ReflectionPadding2D(L.Layer):
    """keras.io, CycleGAN: width and height."""

    def __init__(self, padding: Any = (1, 1), **options: Any) -> None:
        super().__init__(**options)
        self.padding = tuple(padding)

    def call(self, x: Any) -> Any:
        width, height = self.padding
        return tf.pad(x, [[0, 0], [height, height], [width, width], [0, 0]], mode="REFLECT")


@layer("block_size")
class DepthToSpace(L.Layer):
    """Super-resolution."""

    def __init__(self, block_size: int, **options: Any) -> None:
        super().__init__(**options)
        self.block_size = block_size

    def call(self, x: Any) -> Any:
        return tf.nn.depth_to_space(x, self.block_size)


@layer()
class PoolHelper(L.Layer):
    """GoogLeNet: without the first row and column of channels-first images."""

    def call(self, x: Any) -> Any:
        return x[:, :, 1:, 1:]


@layer("drop_prob")
class DropPath(L.Layer):
    """Stochastic depth."""

    def __init__(self, drop_prob: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.drop_prob = drop_prob

    def call(self, x: Any, training: Any = False) -> Any:
        return x


@by_tf_keras("ReflectionPadding2D", "DepthToSpace", "PoolHelper", "DropPath")
def pixels() -> Any:
    x = Input((4, 5, 8))
    return Model(x, [ReflectionPadding2D((2, 1))(x), PoolHelper()(DepthToSpace(2)(DropPath(0.1)(x)))])


# Generators and discriminators


@layer()
class PixelNormalization(L.Layer):
    """machinelearningmastery.com, progressive growing GAN."""

    def call(self, x: Any) -> Any:
        return x / tf.sqrt(tf.reduce_mean(x**2, axis=-1, keepdims=True) + 1.0e-8)


@layer()
class MinibatchStdev(L.Layer):
    """The same: how much samples differ, as a channel."""

    def call(self, x: Any) -> Any:
        variance = tf.reduce_mean(tf.square(x - tf.reduce_mean(x, axis=0, keepdims=True)), axis=0, keepdims=True)
        mean = tf.reduce_mean(tf.sqrt(variance + 1e-8))
        shape = tf.shape(x)
        return tf.concat([x, tf.fill((shape[0], shape[1], shape[2], 1), mean)], axis=-1)


@layer()
class WeightedSum(L.Add):
    """The same: fades a new block in."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.alpha = 0.0

    def _merge_function(self, inputs: Any) -> Any:
        return (1.0 - self.alpha) * inputs[0] + self.alpha * inputs[1]


@layer("nb_kernels", "kernel_dim")
class MinibatchDiscrimination(L.Layer):
    """Pull request 3677 of Keras."""

    def __init__(self, nb_kernels: int, kernel_dim: int, **options: Any) -> None:
        super().__init__(**options)
        self.nb_kernels, self.kernel_dim = nb_kernels, kernel_dim

    def build(self, shape: Any) -> None:
        self.W = self.add_weight(name="kernel", shape=(self.nb_kernels, shape[1], self.kernel_dim))
        super().build(shape)

    def call(self, x: Any) -> Any:
        active = tf.einsum("bi,kid->bkd", x, tf.convert_to_tensor(self.W))
        apart = tf.abs(active[:, :, :, None] - tf.transpose(active, [1, 2, 0])[None])
        return tf.concat([x, tf.reduce_sum(tf.exp(-tf.reduce_sum(apart, axis=2)), axis=2)], axis=1)


@by_tf_keras("PixelNormalization", "MinibatchStdev", "WeightedSum", "MinibatchDiscrimination")
def discriminator() -> Any:
    x = Input((4, 3, 2))
    y = MinibatchStdev()(PixelNormalization()(WeightedSum()([x, L.Conv2D(2, 1)(x)])))
    return Model(x, [y, MinibatchDiscrimination(3, 2)(L.GlobalAveragePooling2D()(y))])


@layer("num_embeddings", "embedding_dim")
class VectorQuantizer(L.Layer):
    """keras.io, VQ-VAE: the nearest of the codes."""

    def __init__(self, num_embeddings: int, embedding_dim: int, **options: Any) -> None:
        super().__init__(**options)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim

    def build(self, shape: Any) -> None:
        self.codes = self.add_weight(name="embeddings_vqvae", shape=(self.embedding_dim, self.num_embeddings))
        super().build(shape)

    def call(self, x: Any) -> Any:
        flat, codes = tf.reshape(x, [-1, self.embedding_dim]), tf.convert_to_tensor(self.codes)
        far = tf.reduce_sum(flat**2, 1, keepdims=True) + tf.reduce_sum(codes**2, 0) - 2 * tf.matmul(flat, codes)
        chosen = tf.one_hot(tf.argmin(far, axis=1), self.num_embeddings)
        return tf.reshape(tf.matmul(chosen, codes, transpose_b=True), tf.shape(x))


@layer()
class Mish(L.Layer):
    """x · tanh(softplus(x))."""

    def call(self, x: Any) -> Any:
        return x * tf.tanh(tf.math.softplus(x))


@layer("axis", "epsilon")
class FixedBatchNormalization(L.Layer):
    """keras-frcnn: what is called a deviation is used as a variance."""

    def __init__(self, axis: int = -1, epsilon: float = 1e-3, **options: Any) -> None:
        super().__init__(**options)
        self.axis, self.epsilon = axis, epsilon

    def build(self, shape: Any) -> None:
        self.gamma, self.beta, self.running_mean, self.running_std = (
            self.add_weight(name=f"{self.name}_{own}", shape=(shape[self.axis],), trainable=False)
            for own in ("gamma", "beta", "running_mean", "running_std")
        )
        super().build(shape)

    def call(self, x: Any) -> Any:
        values = (tf.convert_to_tensor(w) for w in (self.running_mean, self.running_std, self.beta, self.gamma))
        return tf.nn.batch_normalization(x, *values, self.epsilon)


@once("VectorQuantizer", "Mish")
def codes() -> Any:
    x = Input((4, 3, 2))
    return Model(x, VectorQuantizer(5, 2)(Mish()(x)))


@by_tf_keras("FixedBatchNormalization")
def fixed_normalization() -> Any:
    x = Input((4, 3, 2))
    return Model(x, FixedBatchNormalization(axis=3)(x))


# Distances


@layer()
class EuclideanDistance(L.Layer):
    """keras.io, siamese network with a contrastive loss."""

    def call(self, inputs: Any) -> Any:
        square = tf.reduce_sum(tf.square(inputs[0] - inputs[1]), axis=-1, keepdims=True)
        return tf.sqrt(tf.maximum(square, 1e-7))


@layer()
class CosineSimilarity(L.Layer):
    """How alike two directions are."""

    def call(self, one: Any, other: Any) -> Any:
        product = tf.math.l2_normalize(one, axis=-1) * tf.math.l2_normalize(other, axis=-1)
        return tf.reduce_sum(product, axis=-1, keepdims=True)


@layer()
class CosineDistance(CosineSimilarity):
    """The same, less alike."""

    def call(self, one: Any, other: Any) -> Any:
        return 1 - super().call(one, other)


@layer()
class DistanceLayer(L.Layer):
    """keras.io, siamese network with a triplet loss."""

    def call(self, anchor: Any, positive: Any, negative: Any) -> Any:
        return tuple(tf.reduce_sum(tf.square(anchor - other), -1) for other in (positive, negative))


@by_tf_keras("EuclideanDistance", "CosineSimilarity", "CosineDistance", "DistanceLayer")
def distances() -> Any:
    x, y, z = Input((3,)), Input((3,)), Input((3,))
    near, far = DistanceLayer()(x, y, z)
    return Model([x, y, z], [EuclideanDistance()([x, y]), CosineSimilarity()(x, y), CosineDistance()(y, z), near, far])


# Neighbours, sizes, boxes


@layer("alpha", "k", "beta", "n")
class LRN(L.Layer):
    """GoogLeNet, as in the copies that have the channels last."""

    def __init__(self, alpha: float = 0.0001, k: float = 1, beta: float = 0.75, n: int = 5, **options: Any) -> None:
        super().__init__(**options)
        self.alpha, self.k, self.beta, self.n = alpha, k, beta, n

    def call(self, x: Any) -> Any:
        half, scale = self.n // 2, self.k
        squares = tf.pad(tf.square(x), [[0, 0], [0, 0], [0, 0], [half, half]])
        for i in range(self.n):
            scale += self.alpha / self.n * squares[..., i : i + x.shape[-1]]
        return x / scale**self.beta


@by_tf_keras("LRN")
def neighbours() -> Any:
    x = Input((3, 4, 6))
    return Model(x, LRN(alpha=0.5, k=2, n=5)(L.Conv2D(7, 1)(x)))


class Resized(L.Layer):
    """TensorFlow 1's resizing, from corners or with corners aligned."""

    def to(self, x: Any, size: Any, align_corners: bool = True) -> Any:
        return tf.compat.v1.image.resize_bilinear(x, size, align_corners=align_corners)


@layer("upsampling", "output_size", "data_format")
class BilinearUpsampling(Resized):
    """keras-deeplab-v3-plus."""

    def __init__(self, upsampling: Any = (2, 2), output_size: Any = None, data_format: Any = None, **o: Any) -> None:
        super().__init__(**o)
        self.data_format = data_format or "channels_last"
        self.output_size = tuple(output_size) if output_size else None
        self.upsampling = None if output_size else tuple(upsampling)

    def call(self, x: Any) -> Any:
        return self.to(
            x, self.output_size or [n * times for n, times in zip(x.shape[1:3], self.upsampling, strict=True)]
        )


@layer("new_size")
class Interp(Resized):
    """PSPNet."""

    def __init__(self, new_size: Any, **options: Any) -> None:
        super().__init__(**options)
        self.new_size = new_size

    def call(self, x: Any) -> Any:
        return self.to(x, self.new_size)


@layer("size", "data_format")
class BilinearUpSampling2D(L.Layer):
    """DenseDepth since TensorFlow 2."""

    def __init__(self, size: Any = (2, 2), data_format: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.data_format, self.size = data_format or "channels_last", tuple(size)

    def call(self, x: Any) -> Any:
        shape = tf.shape(x)
        return tf.image.resize(x, [shape[1] * self.size[0], shape[2] * self.size[1]])


@by_tf_keras("BilinearUpsampling", "Interp", "BilinearUpSampling2D")
def enlarged() -> Any:
    x = Input((3, 4, 2))
    outputs = [BilinearUpsampling((2, 3))(x), BilinearUpsampling(output_size=(5, 7))(x), Interp([1, 9])(x)]
    return Model(x, [*outputs, BilinearUpSampling2D((3, 2))(x)])


@layer(
    "img_height", "img_width", "this_scale", "next_scale", "aspect_ratios", "two_boxes_for_ar1", "clip_boxes",
    "variances", "coords", "normalize_coords",
)  # fmt: skip
class AnchorBoxes(L.Layer):
    """ssd_keras: boxes around each place of a feature map, of the same for each image."""

    def __init__(
        self, img_height: int, img_width: int, this_scale: float, next_scale: float, aspect_ratios: Any = (0.5, 1, 2),
        two_boxes_for_ar1: bool = True, clip_boxes: bool = False, variances: Any = (0.1, 0.1, 0.2, 0.2),
        coords: str = "centroids", normalize_coords: bool = False, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(**options)
        self.img_height, self.img_width = img_height, img_width
        self.this_scale, self.next_scale = this_scale, next_scale
        self.aspect_ratios, self.two_boxes_for_ar1, self.clip_boxes = list(aspect_ratios), two_boxes_for_ar1, clip_boxes
        self.variances, self.coords, self.normalize_coords = list(variances), coords, normalize_coords

    def call(self, x: Any) -> Any:
        side, sizes = min(self.img_height, self.img_width), []
        for ratio in self.aspect_ratios:
            sizes.append((self.this_scale * side * ratio**0.5, self.this_scale * side / ratio**0.5))
            if ratio == 1 and self.two_boxes_for_ar1:
                sizes.append(((self.this_scale * self.next_scale) ** 0.5 * side,) * 2)
        rows, columns = x.shape[1:3]
        cy = (np.arange(rows) + 0.5) * self.img_height / rows
        cx = (np.arange(columns) + 0.5) * self.img_width / columns
        boxes = np.zeros((rows, columns, len(sizes), 4))
        for i, (width, height) in enumerate(sizes):
            boxes[:, :, i, 0], boxes[:, :, i, 2] = cx - width / 2, cx + width / 2
            boxes[:, :, i, 1], boxes[:, :, i, 3] = (cy - height / 2)[:, None], (cy + height / 2)[:, None]
        for start, length in ((0, self.img_width), (1, self.img_height)):
            corners = boxes[..., start::2]
            if self.clip_boxes:
                corners[corners >= length] = length - 1
                corners[corners < 0] = 0
            if self.normalize_coords:
                corners /= length
        if self.coords == "centroids":
            first, last = boxes[..., :2].copy(), boxes[..., 2:].copy()
            boxes[..., :2], boxes[..., 2:] = (first + last) / 2, last - first
        elif self.coords == "minmax":
            boxes = boxes[..., [0, 2, 1, 3]]
        boxes = np.concatenate([boxes, np.zeros_like(boxes) + self.variances], axis=-1)
        return tf.tile(tf.constant(boxes[None], tf.float32), (tf.shape(x)[0], 1, 1, 1, 1))


@by_tf_keras("AnchorBoxes")
def anchors() -> Any:
    x = Input((40, 60, 2))
    y = L.Conv2D(3, 1, strides=(10, 12))(x)
    options = {"img_height": 40, "img_width": 60, "this_scale": 0.3, "next_scale": 0.6}
    clipped = AnchorBoxes(**options, coords="minmax", clip_boxes=True)(y)
    relative = AnchorBoxes(**options, coords="corners", two_boxes_for_ar1=False, normalize_coords=True)(y)
    return Model(x, [L.Reshape((-1, 8))(AnchorBoxes(**options)(y)), clipped, relative])
