"""What EfficientNet and MobileNet models of the Keras 2 era brought along (efficientnet, keras-applications)."""

from __future__ import annotations

from reconstruct.artifact import Layer
from reconstruct.objects.known.declare import known


@known("FixedDropout", source="efficientnet 1.1.1, model.py", library="efficientnet")
def fixed_dropout(layer: Layer) -> Layer:
    """Dropout whose `noise_shape` may be partly open, as that of Keras 3's Dropout may; it acts in training only."""
    return layer.replace(class_name="Dropout", package=None)


KNOWN = (fixed_dropout,)
