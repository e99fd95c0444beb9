"""Batch normalizations of object detectors, which are Keras's own but for what they do in training."""

from __future__ import annotations

from reconstruct.artifact import Layer
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.normalizations import by_last_name


@known("BatchNormalization", source="keras-resnet 0.2.0, layers/_batch_normalization.py", library="keras-resnet")
def frozen_batch_normalization(layer: Layer) -> Layer:
    """That of keras-resnet, which keras-retinanet uses: with `freeze`, BatchNormalization of Keras is not trainable."""
    if "freeze" not in layer.config:
        return layer
    trainable = bool(layer.config.get("trainable", True)) and not layer.config["freeze"]
    return layer.without("freeze").having(trainable=trainable)


@known("BatchNorm", "FixedBatchNormalization", source="Mask_RCNN, mrcnn/model.py; keras-frcnn", certain=False)
def batch_normalization_at_inference(layer: Layer) -> Layer:
    """BatchNormalization of Keras, which training leaves as it is; FixedBatchNormalization calls its variance a
    deviation."""
    axis = layer.config.get("axis")
    if axis is None or "epsilon" not in layer.config or len(layer.weights) != 4:
        return layer
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    if layer.class_name == "FixedBatchNormalization":
        found = [
            next((t for n, t in layer.weights.items() if n.endswith(own)), None)
            for own in ("gamma", "beta", "running_mean", "running_std")
        ]
        if None in found:
            return layer
        weights = {n: t for n, t in zip(names, found, strict=True) if t is not None}
        config = {k: v for k, v in layer.config.items() if k in ("name", "dtype", "epsilon", "axis")}
        config |= {"trainable": False}
    else:
        weights, config = by_last_name(layer.weights, list(names)), {**layer.config}
    return layer.replace(class_name="BatchNormalization", package=None, config=config, weights=weights)


KNOWN = (frozen_batch_normalization, batch_normalization_at_inference)
