"""The activation of a last layer: nothing but examples decides it, and much hints at it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from reconstruct.artifact import Layer
from reconstruct.inference import priors
from reconstruct.inference.choices import last_shapes
from reconstruct.inference.context import Context, inner
from reconstruct.inference.shapes import ENLARGING, spatial


def generates(ends: Sequence[Layer], context: Context) -> bool:
    """Whether the last of Dense layers with LeakyReLU gives many times the numbers that go in, as a generator does."""
    units = max((n.weights["kernel"].shape[-1] for n in ends), default=0)
    return "LeakyReLU" in context.classes and 0 < 4 * (context.entered or 0) <= units


def last(layer: Layer, context: Context) -> Mapping[str, float]:
    """What activations cost of a last layer, by its shape, the model around it, and names."""
    costs = dict(_last_by_shape(layer, context))
    if context.task not in _TASKS:
        by_file = dict(context.told)
        if "Embedding" in context.classes:  # words are told apart, also by a generator of texts
            by_file["softmax"] = min(0.0, by_file.get("softmax", 0.0))
        for told in (by_file, told_by_name(context.called.get(layer.name, layer.name), _LAYER_NAMES)):
            for name, change in told.items():
                costs[name] = costs.get(name, 5.0) + change
    return costs


# What authors call files, with what it changes in the cost of a last activation.
_FILE_NAMES: tuple[tuple[str, Mapping[str, float]], ...] = (
    (r"(dqn|sarsa|ddpg|naf)_.*_weights(_actor|_critic)?\.h5f", {"linear": -2.4}),  # keras-rl 0.4, examples
    (r"actor(?!.*critic).*(ddpg|td3)|(ddpg|td3).*actor(?!.*critic)", {"tanh": -4.0}),  # without a distribution
    (r"actor(?!.*critic)", {"tanh": -2.4}),
    (r"critic|value|dqn|q_?net|q_?learn|reinforcement|(?<![a-z])agent", {"linear": -2.2}),
    (r"generator", {"softmax": 3.0}),
    (r"decod|auto_?enc|(?<![a-z])v?ae(?![a-z])", {"softmax": 3.0, "tanh": 1.5}),
    (r"encod|embed|extract|latent", {"linear": -2.2}),
    (r"key_?point|landmark|bbox", {"linear": -2.2}),
    (r"classifier", {"softmax": -2.8, "sigmoid": -0.5}),
    (r"discrim|classif|detect", {"sigmoid": -0.5, "softmax": -0.5}),
    (r"regress|forecast|predict|price|stock|energy|weather|volatil", {"linear": -0.5}),
)


# What authors call last layers, likewise.
_LAYER_NAMES: tuple[tuple[str, Mapping[str, float]], ...] = (
    (r"logit|conf_?map|heat_?map|offset|affinity|regress|bbox|coord|q_?val", {"linear": -2.2}),
    (r"^(encod|latent|bottleneck|embed|z_|mu$|mean$|log_?(var|std))", {"linear": -2.2}),
    (r"^(recon|decod)", {"softmax": 3.0}),
    (r"softmax", {"softmax": -3.0}),
    (r"sigmoid", {"sigmoid": -3.0}),
    (r"tanh", {"tanh": -3.0}),
    (r"linear", {"linear": -3.0}),
)


def told_by_name(name: str, known: Sequence[tuple[str, Mapping[str, float]]] = _FILE_NAMES) -> dict[str, float]:
    """What the name of a file says of the last activation, as changes of costs."""
    return next((dict(changes) for pattern, changes in known if re.search(pattern, name.lower())), {})


def _last_by_shape(layer: Layer, context: Context) -> Mapping[str, float]:
    units = _units(layer)
    if context.task in _TASKS:
        kind = _TASKS[str(context.task)]
        chosen = ("sigmoid" if units == 1 else "softmax") if kind == "classes" else kind
        return {**priors.LAST_SEVERAL, chosen: 0.0}
    if spatial(layer.class_name) == 1:  # signals, not pictures
        return {**priors.LAST_IMAGE, "linear": 0.5}
    if spatial(layer.class_name):
        return _last_image(units, context)
    if units == 1 and max(context.beside, default=0) > MOST_ACTIONS and any("Conv" in c for c in context.classes):
        return {**priors.LAST_ONE, "tanh": 0.2}  # who wins a game, beside all moves of it (arXiv 1712.01815)
    if units == 1 and any(
        n > 1 for n in context.beside
    ):  # a value beside a policy (Mnih et al. 2016, arXiv 1602.01783)
        return {**priors.LAST_ONE, "linear": 0.2, "sigmoid": 1.8}
    if units == 1:
        costs = dict(priors.LAST_ONE)
        if context.classes & {"LSTM", "GRU", "SimpleRNN", "Bidirectional"}:
            of_text = "Embedding" in context.classes
            costs["linear"], costs["sigmoid"] = (1.3, 0.5) if of_text else (0.5, 1.3)
        elif "Conv1D" in context.classes and "Embedding" not in context.classes:
            costs["linear"], costs["sigmoid"] = 0.6, 1.0
        elif context.classes & {"Lambda", "ELU"} and "Conv2D" in context.classes:
            costs["linear"], costs["sigmoid"] = 0.2, 2.0  # how to steer (Bojarski et al. 2016, arXiv 1604.07316)
        if context.classes & {"MultiHeadAttention", "LayerNormalization", "InputLayers"}:
            costs["linear"] = 0.4
        if context.classes & {"BatchNormalization", "Embedding"} and not context.classes & {"LSTM", "GRU"}:
            costs["sigmoid"] = 0.5
        return costs
    costs = dict(priors.LAST_SEVERAL)
    if any(n.class_name == "Reshape" for n in context.following):  # a picture, or steps of numbers
        pictures = any(len(shape) > 1 and shape[0] == shape[1] for shape, _ in last_shapes(units, context))
        return {**priors.LAST_IMAGE, "softmax": 5.0} if pictures else {**costs, "softmax": 4.0, "linear": 0.4}
    if generates([layer], context):
        return priors.LAST_GENERATED
    if units == context.entered and (context.narrows or units > MOST_OUTPUTS):
        # What gives as many numbers as it takes gives them back
        costs["softmax"] += 2.5
        costs["linear"] -= 0.8
        if any(math.isqrt(units // n) ** 2 * n == units >= 28 * 28 for n in (1, 3)):  # a picture
            costs["sigmoid"] -= 2.0
    if 1 in context.beside:  # a policy beside a value
        costs["softmax"] -= 0.7
        costs["linear"] += 0.5
    if context.steps == 1 and _of_agent(context):
        costs.update(priors.LAST_OF_AGENT)
    words = units > MOST_OUTPUTS or "Embedding" in context.classes  # or what a text is about
    if words and context.told.get("linear", 0.0) > -2.0:
        costs["linear"] += 1.2
    costs["softmax"] -= context.softmax + min(context.softmax, 0.0)  # of which the others may make what they will
    return costs


def _units(layer: Layer) -> int:
    """How many numbers or channels a layer with a kernel gives; 1 where it has none."""
    kernel = layer.weights.get("kernel", layer.weights.get("pointwise_kernel"))
    return kernel.shape[-2 if layer.class_name.endswith("Transpose") else -1] if kernel is not None else 1


def _last_image(units: int, context: Context) -> Mapping[str, float]:
    """What gives an image from numbers is a generator, or a decoder; from an image that nothing makes smaller it is a
    filter, or super-resolution."""
    classes = context.classes
    if units > 3:
        return {**priors.LAST_SEVERAL, "sigmoid": 1.2}
    if "Reshape" in classes and (classes & {*ENLARGING, "GAP"} or context.entered):
        generates = context.generates or classes & {"LeakyReLU", "BatchNormalization"}
        return priors.LAST_GENERATED if generates else priors.LAST_IMAGE
    again = any("Pooling" in name or name.endswith("Transpose") for name in classes)
    steps = any(name.startswith("ConvLSTM") for name in classes)
    return priors.LAST_IMAGE if again or steps else priors.LAST_FILTERED


_TASKS = {
    "classification": "classes",
    "multilabel": "sigmoid",
    "binary": "sigmoid",
    "regression": "linear",
    "q-values": "linear",
    "image": "sigmoid",
}


def behind_last(context: Context) -> Mapping[str, float]:
    """What activations cost of an Activation at the end; `context.following` has the layer with weights before it."""
    before = next((inner(n) for n in context.following if inner(n).weights), None)
    known = any(n.graph is not None for n in context.following)  # an architecture, which is whole
    if before is None and known:
        return {**priors.LAST_SEVERAL, "linear": 0.1}
    if before is not None:
        costs = dict(last(before, context))
        # A layer for nothing, which people write all the same where the last layer of another kind of model has one,
        # behind the recurrent layers of a forecast, and in agents
        told = 0.0 if context.task else context.told.get("linear", 0.0)
        extra = 0.8 if _units(before) == 1 and _forecasts(context) else 2.5
        if told < -2.0:
            extra = 1.5
        if context.steps == 1 and _of_agent(context):
            extra = 0.3
        elif spatial(before.class_name) and _units(before) > 3:  # features, or an image of classes
            extra = 4.0
            if told < -2.0:
                costs["relu"] = 0.0
        return {**costs, "linear": extra + told}
    return {**priors.LAST_SEVERAL, "linear": 2.5}


def _forecasts(context: Context) -> bool:
    return bool(context.classes & {"LSTM", "GRU", "SimpleRNN"}) and "Embedding" not in context.classes


def _of_agent(context: Context) -> bool:
    """Whether it flattens a window of observations, as the agents of keras-rl do (keras-rl, examples/dqn_cartpole.py):
    nothing else flattens a single step."""
    return "Flatten" in context.classes and not context.classes & {"LSTM", "GRU", "SimpleRNN", "Bidirectional"}


MOST_OUTPUTS = 100  # of regression
MOST_ACTIONS = 20  # of the games that a value beside a policy is not a board's


def softmax_witness(bias: np.ndarray) -> float:
    """How much the bias of a last layer speaks for softmax, in natural logarithms.

    The gradient of cross-entropy after softmax sums to zero over the classes, so a bias that started at zeros keeps a
    sum near zero: of 27 trained softmax layers 23 have |sum| below 0.3 of the sum of absolutes, of 17 others 5. Where
    classes are several, optimizers that scale each step drive those that seldom occur down: the other 4 are below zero,
    and of 80 that were trained shortly 46 are below -0.3, of 31 others 2.
    """
    total = float(np.abs(bias).sum())
    if total == 0.0:
        return 0.0
    share = float(bias.sum()) / total
    if abs(share) < 1e-3:  # as plain gradient descent leaves it, and every optimizer does with two classes
        return 4.0
    if abs(share) < 0.3:
        return 1.2
    if share < 0 and bias.size >= 5:
        return 0.8
    return 0.0 if abs(share) < 0.6 else -1.4
