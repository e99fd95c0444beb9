"""Models of papers and tutorials that many have copied, each as a function that builds it.

Only such stand here as cannot be told from shapes alone: strides, ends without an activation, slopes, merges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from reconstruct.architectures.rows import Row

ANY = 0  # a width that the file decides


class Builder:
    """The rows of a model, layer by layer; each is called on the one before unless it is told what else."""

    def __init__(self, *size: int | None) -> None:
        self.rows = [Row("InputLayer", "input", {"size": list(size)} if size else {}, ())]

    def add(self, class_name: str, on: Sequence[int] | None = None, **config: Any) -> int:
        """Adds a layer and returns its number."""
        inputs = tuple(on) if on is not None else (len(self.rows) - 1,)
        number = sum(row.class_name == class_name for row in self.rows)
        name = f"{class_name.lower()}_{number}" if number else class_name.lower()
        self.rows.append(Row(class_name, name, config, inputs))
        return len(self.rows) - 1

    def conv(
        self,
        filters: int,
        kernel: int,
        strides: int = 1,
        padding: str = "valid",
        kind: str = "Conv2D",
        on: Sequence[int] | None = None,
        **config: Any,
    ) -> int:
        sizes: dict[str, Any] = {"kernel_size": [kernel, kernel], "strides": [strides, strides]}
        return self.add(kind, on, filters=filters, padding=padding, **sizes, **config)

    def dense(self, units: int, activation: str = "linear", **config: Any) -> int:
        return self.add("Dense", units=units, activation=activation, **config)

    def normalized(self, activation: str = "relu") -> int:
        self.add("BatchNormalization")
        return self.add("Activation", activation=activation)


_MNIH_2015 = ((32, 8, 4), (64, 4, 2), (64, 3, 1))  # filters, kernel, strides


def _seen(size: int, convolutions: Sequence[tuple[int, int, int]], padding: str = "valid") -> Builder:
    """What sees in a Q-network: convolutions on square images, flattened."""
    b = Builder(size, size)
    for filters, kernel, strides in convolutions:
        b.conv(filters, kernel, strides, padding, activation="relu")
    b.add("Flatten")
    return b


def _q_network(seen: Builder, units: int) -> Builder:
    """A Dense layer on what is seen, and a value without bounds for each action."""
    seen.dense(units, "relu")
    seen.dense(ANY)
    return seen


def sight_of_2015() -> Builder:
    return _seen(84, _MNIH_2015)


def sight_of_2013() -> Builder:
    return _seen(84, ((16, 8, 4), (32, 4, 2)))


def sight_of_car_racing() -> Builder:
    b = Builder(96, 96)
    b.conv(6, 7, 3, activation="relu")
    b.add("MaxPooling2D", pool_size=[2, 2], strides=[2, 2])
    b.conv(12, 4, activation="relu")
    b.add("MaxPooling2D", pool_size=[2, 2], strides=[2, 2])
    b.add("Flatten")
    return b


def atari_2015() -> Builder:
    """Mnih et al. 2015, Human-level control through deep reinforcement learning: 84 by 84, values without bounds."""
    return _q_network(sight_of_2015(), 512)


def atari_2013() -> Builder:
    """Mnih et al. 2013, Playing Atari with deep reinforcement learning."""
    return _q_network(sight_of_2013(), 256)


def flappy_bird() -> Builder:
    """Keras-FlappyBird (yanpanlau): the network of 2015 with `same` and images of 80 by 80."""
    return _q_network(_seen(80, _MNIH_2015, "same"), 512)


def car_racing() -> Builder:
    """The Q-network of CarRacing (andywu0913, OpenAI-GYM-CarRacing-DQN): images of 96 by 96, strides of 3."""
    return _q_network(sight_of_car_racing(), 216)


def cart_pole() -> Builder:
    """Deep Q-learning of CartPole (keon, deep-q-learning): four numbers in, two values out, which have no bounds."""
    b = Builder(4)
    b.dense(24, "relu")
    b.dense(24, "relu")
    b.dense(2)
    return b


def torcs_actor() -> Builder:
    """The actor of DDPG-Keras-Torcs (yanpanlau, ActorNetwork.py): steering, acceleration and brake."""
    b = Builder(29)
    b.dense(300, "relu")
    seen = b.dense(600, "relu")
    heads = [b.add("Dense", [seen], units=1, activation=a) for a in ("tanh", "sigmoid", "sigmoid")]
    b.add("Concatenate", heads)
    return b


def srcnn() -> Builder:
    """SRCNN as SRCNN-keras builds it (MarkPrecursor, main.py), with `same` in the middle only."""
    b = Builder()
    b.conv(128, 9, activation="relu")
    b.conv(64, 3, padding="same", activation="relu")
    b.conv(1, 5)
    return b


def csr_net() -> Builder:
    """CSRNet, which counts crowds (Li et al. 2018, arXiv 1802.10062), as Keras code has it, with a relu at the end."""
    b = Builder()
    for filters in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512):
        if filters:
            b.conv(filters, 3, padding="same", activation="relu")
        else:
            b.add("MaxPooling2D", pool_size=[2, 2], strides=[2, 2])
    for filters in (512, 512, 512, 256, 128, 64):
        b.conv(filters, 3, padding="same", activation="relu", dilation_rate=[2, 2])
    b.conv(1, 1, activation="relu")
    return b


def speech_emotion() -> Builder:
    """What many copies of "Speech Emotion Recognition with CNN" (Reza Chu) have: convolutions of 8 steps, padded, and
    pools of 8 on 216 numbers of a recording."""
    b = Builder(216)
    for counts in ((256, 256), (128, 128, 128, 128), (64, 64)):
        for k, filters in enumerate(counts, 1):
            b.add("Conv1D", filters=filters, kernel_size=[8], strides=[1], padding="same")
            if k == len(counts) and filters > 64:
                b.normalized()
                b.add("Dropout", rate=0.25)
                b.add("MaxPooling1D", pool_size=[8], strides=[8])
            else:
                b.add("Activation", activation="relu")
    b.add("Flatten")
    b.dense(ANY)
    b.add("Activation", activation="softmax")
    return b


def facial_expression() -> Builder:
    """The expressions of deepface (serengil, extendedmodels/Emotion.py)."""
    b = Builder(48, 48)
    b.conv(64, 5, activation="relu")
    b.add("MaxPooling2D", pool_size=[5, 5], strides=[2, 2])
    for filters in (64, 128):
        b.conv(filters, 3, activation="relu")
        b.conv(filters, 3, activation="relu")
        b.add("AveragePooling2D", pool_size=[3, 3], strides=[2, 2])
    b.add("Flatten")
    for _ in range(2):
        b.dense(1024, "relu")
        b.add("Dropout", rate=0.2)
    b.dense(ANY, "softmax")
    return b


def _pilot_net(activation: str) -> Builder:
    b = Builder(66, 200)
    for filters, kernel, strides in ((24, 5, 2), (36, 5, 2), (48, 5, 2), (64, 3, 1), (64, 3, 1)):
        b.conv(filters, kernel, strides, activation=activation)
    b.add("Flatten")
    return b


def pilot_net() -> Builder:
    """Bojarski et al. 2016, End to end learning for self-driving cars, as its many copies build it, with elu."""
    b = _pilot_net("elu")
    for units in (100, 50, 10):
        b.dense(units, "elu")
    b.dense(1)
    return b


def pilot_net_1164() -> Builder:
    """The same with the layer of 1164 that the figure of the paper shows; those who keep it use relu."""
    b = _pilot_net("relu")
    for units in (1164, 100, 50, 10):
        b.dense(units, "relu")
    b.dense(1)
    return b


def comma_ai() -> Builder:
    """The steering model of comma.ai (research, train_steering_model.py): an ELU behind each layer."""
    b = Builder(160, 320)
    for filters, kernel, strides in ((16, 8, 4), (32, 5, 2), (64, 5, 2)):
        b.conv(filters, kernel, strides, "same")
        if filters < 64:
            b.add("ELU")
    b.add("Flatten")
    b.add("ELU")
    b.dense(512)
    b.add("ELU")
    b.dense(1)
    return b


def mini_xception() -> Builder:
    """mini_XCEPTION (oarriaga, face_classification, models/cnn.py): the classes are averages over the image."""
    b = Builder(64, 64)
    for _ in range(2):
        b.conv(8, 3, use_bias=False)
        last = b.normalized()
    for filters in (16, 32, 64, 128):
        b.conv(filters, 1, 2, "same", on=[last], use_bias=False)
        aside = b.add("BatchNormalization")
        b.conv(filters, 3, 1, "same", "SeparableConv2D", [last], use_bias=False)
        b.normalized()
        b.conv(filters, 3, 1, "same", "SeparableConv2D", use_bias=False)
        b.add("BatchNormalization")
        pooled = b.add("MaxPooling2D", pool_size=[3, 3], strides=[2, 2], padding="same")
        last = b.add("Add", [pooled, aside])
    b.conv(ANY, 3, padding="same")
    b.add("GlobalAveragePooling2D")
    b.add("Activation", activation="softmax")
    return b


def u_net() -> Builder:
    """U-Net of zhixuhao (unet, model.py): relu throughout, `same`, convolutions of 2 behind UpSampling."""
    b = Builder()
    relu: dict[str, Any] = {"padding": "same", "activation": "relu"}
    ends = []
    for filters in (64, 128, 256, 512, 1024):
        b.conv(filters, 3, **relu)
        end = b.conv(filters, 3, **relu)
        ends.append(b.add("Dropout", rate=0.5) if filters > 256 else end)
        if filters < 1024:
            b.add("MaxPooling2D", pool_size=[2, 2], strides=[2, 2])
    for filters, end in zip((512, 256, 128, 64), reversed(ends[:-1]), strict=True):
        b.add("UpSampling2D", size=[2, 2])
        up = b.conv(filters, 2, **relu)
        b.add("Concatenate", [end, up])
        b.conv(filters, 3, **relu)
        b.conv(filters, 3, **relu)
    b.conv(2, 3, **relu)
    b.conv(ANY, 1, activation="sigmoid")
    return b


def point_net() -> Builder:
    """PointNet of Keras's examples (examples/vision/pointnet.py): matrices for points and features learnt from them."""
    b = Builder(2048)

    def seen(dropout: bool = False) -> None:
        for filters in (32, 64, 512):
            b.add("Conv1D", filters=filters, kernel_size=[1])
            b.normalized()
        b.add("GlobalMaxPooling1D")
        for units in (256, 128):
            b.dense(units)
            b.normalized()
            if dropout:
                b.add("Dropout", rate=0.3)

    def turned(x: int, size: int) -> int:
        seen()
        b.dense(size * size)
        matrix = b.add("Reshape", target_shape=[size, size])
        return b.add("Dot", [x, matrix], axes=[2, 1])

    turned(0, 3)
    for _ in range(2):
        b.add("Conv1D", filters=32, kernel_size=[1])
        x = b.normalized()
    turned(x, 32)
    seen(dropout=True)
    b.dense(ANY, "softmax")
    return b


def dcgan_generator() -> Builder:
    """The generator of TensorFlow's tutorial on DCGAN: LeakyReLU with Keras's slope, images between -1 and 1."""
    b = Builder()
    b.dense(7 * 7 * 256, use_bias=False)
    b.add("BatchNormalization")
    b.add("LeakyReLU")
    b.add("Reshape", target_shape=[7, 7, 256])
    for filters, strides in ((128, 1), (64, 2)):
        b.conv(filters, 5, strides, "same", "Conv2DTranspose", use_bias=False)
        b.add("BatchNormalization")
        b.add("LeakyReLU")
    b.conv(ANY, 5, 2, "same", "Conv2DTranspose", use_bias=False, activation="tanh")
    return b


def dcgan_discriminator() -> Builder:
    """The discriminator of TensorFlow's tutorial on DCGAN: it gives logits."""
    b = Builder(28, 28)
    for filters in (64, 128):
        b.conv(filters, 5, 2, "same")
        b.add("LeakyReLU")
        b.add("Dropout", rate=0.3)
    b.add("Flatten")
    b.dense(1)
    return b


def keras_gan_generator() -> Builder:
    """The generator of Keras-GAN (eriklindernoren, dcgan/dcgan.py)."""
    b = Builder()
    b.dense(128 * 7 * 7, "relu")
    b.add("Reshape", target_shape=[7, 7, 128])
    for filters in (128, 64):
        b.add("UpSampling2D", size=[2, 2])
        b.conv(filters, 3, padding="same")
        b.normalized()
    b.conv(ANY, 3, padding="same", activation="tanh")
    return b


def keras_gan_discriminator() -> Builder:
    """The discriminator of Keras-GAN (eriklindernoren, dcgan/dcgan.py): slopes of 0.2, padding at one side."""
    b = Builder(28, 28)
    for filters, strides in ((32, 2), (64, 2), (128, 2), (256, 1)):
        b.conv(filters, 3, strides, "same")
        if filters == 64:
            b.add("ZeroPadding2D", padding=[[0, 1], [0, 1]])
        if filters > 32:
            b.add("BatchNormalization")
        b.add("LeakyReLU", negative_slope=0.2)
        b.add("Dropout", rate=0.25)
    b.add("Flatten")
    b.dense(1, "sigmoid")
    return b


def gan_generator() -> Builder:
    """The generator of the first of Keras-GAN (eriklindernoren, gan/gan.py), 28 by 28."""
    b = Builder()
    for units in (256, 512, 1024):
        b.dense(units)
        b.add("LeakyReLU", negative_slope=0.2)
        b.add("BatchNormalization")
    b.dense(784, "tanh")
    b.add("Reshape", target_shape=[28, 28, 1])
    return b


CLASSICS: dict[str, Callable[[], Builder]] = {
    "the Q-network of Mnih et al. 2015": atari_2015,
    "the Q-network of Mnih et al. 2013": atari_2013,
    "the Q-network of Keras-FlappyBird": flappy_bird,
    "the Q-network of CarRacing": car_racing,
    "a Q-network of CartPole": cart_pole,
    "the actor of DDPG-Keras-Torcs": torcs_actor,
    "the facial expressions of deepface": facial_expression,
    "CSRNet": csr_net,
    "the convolutions of speech emotion recognition": speech_emotion,
    "SRCNN as SRCNN-keras builds it": srcnn,
    "NVIDIA's PilotNet": pilot_net,
    "NVIDIA's PilotNet with a layer of 1164": pilot_net_1164,
    "the steering model of comma.ai": comma_ai,
    "mini_XCEPTION": mini_xception,
    "zhixuhao's U-Net": u_net,
    "PointNet of Keras's examples": point_net,
    "the generator of TensorFlow's DCGAN": dcgan_generator,
    "the discriminator of TensorFlow's DCGAN": dcgan_discriminator,
    "the generator of Keras-GAN's DCGAN": keras_gan_generator,
    "the discriminator of Keras-GAN's DCGAN": keras_gan_discriminator,
    "the generator of Keras-GAN": gan_generator,
}
# What stands before a head of an author's own
TRUNKS: dict[str, Callable[[], Builder]] = {
    "the convolutions of Mnih et al. 2015": sight_of_2015,
    "the convolutions of Mnih et al. 2013": sight_of_2013,
    "the convolutions of the Q-network of CarRacing": sight_of_car_racing,
}

__all__ = ["ANY", "CLASSICS", "TRUNKS", "Builder"]
