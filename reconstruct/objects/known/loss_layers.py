"""Layers that add a loss while a model is trained, and hand its predictions on."""

from __future__ import annotations

from reconstruct.artifact import Call, Layer
from reconstruct.objects.known.declare import known
from reconstruct.rules.expansion import stock


@known(
    "CTCLayer",
    "CTCLossLayer",
    "FocalLossLayer",
    "FocalCTCLayer",
    source="keras.io/examples/vision/captcha_ocr and code after it",
    certain=False,
)
def loss_layer(layer: Layer) -> Layer:
    """A layer called on labels and predictions that adds a loss in training: its output is the predictions, as Identity
    of Keras gives them."""
    if layer.weights or layer.children or not layer.calls:
        return layer
    calls = []
    for each in layer.calls:
        refs = each.refs()
        if len(refs) != 2 or len(set(refs)) != 2:
            return layer
        named = each.kwargs.get("y_pred")
        calls.append(Call((named if named in refs else refs[1],)))
    return stock("Identity", layer.name).replace(calls=tuple(calls), path=layer.path)


KNOWN = (loss_layer,)
