"""What stands around a layer, and what all choices have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconstruct.artifact import Layer
from reconstruct.inference.shapes import Shape

WITH_ACTIVATION = (
    "Dense Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose DepthwiseConv1D DepthwiseConv2D "
    "SeparableConv1D SeparableConv2D"
).split()
ACTIVATION_LAYERS = ("Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax", "ThresholdedReLU")
# What may stand between a layer and the activation layer that makes what it gives into its output
TO_ACTIVATION = (
    "BatchNormalization LayerNormalization GroupNormalization Dropout SpatialDropout1D SpatialDropout2D GaussianNoise "
    "AlphaDropout MaxPooling1D MaxPooling2D AveragePooling1D AveragePooling2D Add GlobalAveragePooling2D "
    "GlobalMaxPooling2D ZeroPadding2D Reshape Flatten"
).split()
UNLISTED = "activation_of_"  # in front of the names of activations that a file does not list


@dataclass(frozen=True)
class Option:
    """A layer as it may be, or None where there is none at all."""

    layer: Layer | None
    cost: float


@dataclass(frozen=True)
class Context:
    """What stands around a layer: those that follow, nearest first; whether no weights follow; who wrote the file."""

    following: tuple[Layer, ...] = ()
    last: bool = False
    classes: frozenset[str] = frozenset()
    apart: bool = False  # whether the activations of hidden layers are layers of their own
    enlarged: bool = False  # whether it stands in a decoder, where images have been made larger or of numbers
    version: tuple[int, int, int] = (3, 0, 0)
    era: str = "since"  # of the default of gates: before_2_3, between, since
    softmax: float = 0.0  # how much the last bias speaks for softmax, as a cost that linear has more
    target: Shape | None = None  # the shape of the output, where examples show it
    entered: int | None = None  # how many numbers the model takes
    narrows: bool = False  # whether a layer gives fewer numbers than that
    beside: tuple[int, ...] = ()  # how many numbers the other outputs of the model have
    steps: int | None = None  # how many steps its first input has
    guessed: bool = False  # whether the sizes of the input are guesses, which only the plainest structures should fit
    oblong: bool = False  # whether the sides of square images may be treated unlike, too
    task: str | None = None
    discriminates: bool = False  # whether it is of a discriminator, as the name of the file says or what is before it
    generates: bool = False  # whether a discriminator follows in the same model
    encodes: bool = False  # whether it is called after an encoder
    told: Mapping[str, float] = field(default_factory=dict)  # what the name of the file says of the last activation
    called: Mapping[str, str] = field(default_factory=dict)  # `Evidence.called`
    measured: Mapping[Any, float] = field(default_factory=dict)  # what statistics say of an activation or its slope
    fixed: Mapping[str, Any] = field(default_factory=dict)  # fields that the user has set


def with_field(layer: Layer, name: str, value: Any) -> Layer:
    """The layer with a field set, in the layers that it wraps where it wraps some."""
    if layer.class_name == "Bidirectional" and name != "merge_mode":
        return layer.replace(children={k: c.having(**{name: value}) for k, c in layer.children.items()})
    if layer.class_name == "TimeDistributed":
        return layer.replace(children={k: with_field(c, name, value) for k, c in layer.children.items()})
    return layer.having(**{name: value})


def field_of(layer: Layer, name: str) -> Any:
    """The value that `with_field` sets."""
    if layer.children and name != "merge_mode":
        return field_of(next(iter(layer.children.values())), name)
    return layer.config.get(name)


def means(said: Any, value: Any) -> bool:
    """Whether a user who says this means the value of a field: one number may be said for all axes, and lists are
    tuples.

    >>> means(2, [2, 2]), means((3, 3), [3, 3]), means(2, [2, 1])
    (True, True, False)
    """
    if isinstance(value, list | tuple):
        said = said if isinstance(said, list | tuple) else [said] * len(value)
        return len(said) == len(value) and all(map(means, said, value))
    return bool(said == value)


def inner(layer: Layer) -> Layer:
    """The layer that computes, inside its wrappers."""
    return inner(next(iter(layer.children.values()))) if layer.children else layer


def slope_field(old: bool) -> str:
    """What LeakyReLU calls its slope: Keras 3 gave it another name (layers/activations/leaky_relu.py)."""
    return "alpha" if old else "negative_slope"


def weighted(layer: Layer) -> bool:
    """Whether there are weights in it, in the layers that it wraps, or in the model that it is."""
    return any(n.weights for n in layer.walk())
