"""TensorFlow Hub: a layer that is a SavedModel from elsewhere."""

from __future__ import annotations

from reconstruct.artifact import Layer
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import known


@known("KerasLayer", source="tensorflow-hub 0.16.1, keras_layer.py", library="tensorflow-hub")
def hub_layer(layer: Layer) -> Layer:
    """KerasLayer of tensorflow-hub runs a SavedModel that the file of Keras only names: it is not in the file.

    The handle is an address or a path that a stranger wrote; it is shown, and never opened.
    """
    if "handle" not in layer.config:
        return layer
    handle = str(layer.config["handle"])[:200]
    raise NotEquivalent(
        f"{layer.name} runs a module of TensorFlow Hub, {handle!r}, which is not in the file",
        hint=f"pip install tensorflow-hub tf-keras and load the file with these, or rebuild the layer from {handle}",
    )


KNOWN = (hub_layer,)
