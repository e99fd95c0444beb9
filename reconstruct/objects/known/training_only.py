"""Layers that do something in training alone, or as if it never ended, which people copy."""

from __future__ import annotations

from reconstruct.artifact import Finding, Layer
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.parts import bare, no_mask_after, own_fields
from reconstruct.rules.engine import Context, Noted, multi_backend
from reconstruct.rules.expansion import INPUT, call, op, stock, subgraph

_LAMBDAS = {"hp_lambda", "lambda_", "lambda", "lamda", "alpha", "l", "grl_lambda"}


@known(
    "GradientReversal", "GradientReversalLayer", "GradReverse", "GRL",
    source="gradient_reversal_keras_tf (michetonu) and layers after it (Ganin and Lempitsky 2015)",
)  # fmt: skip
def gradient_reversal(layer: Layer) -> Layer | Noted:
    """What turns the gradients of training around hands its input on: Identity of Keras."""
    config = own_fields(layer)
    if not set(config) <= _LAMBDAS or len(config) > 1 or not bare(layer.replace(config={}), 1):
        return layer
    return _identity(layer, "turn its gradients around")


@known("DropBlock", "DropBlock1D", "DropBlock2D", source="keras-drop-block and tf-dropblock (Ghiasi et al. 2018)")
def drop_block(layer: Layer) -> Layer | Noted:
    """What drops blocks of an image in training hands it on: Identity of Keras."""
    own = {"block_size", "keep_prob", "drop_prob", "drop_rate", "rate", "scale", "sync_channels", "data_format", "seed"}
    config = own_fields(layer)
    if not {"block_size"} <= set(config) <= own or not bare(layer.replace(config={}), 1):
        return layer
    return _identity(layer, "drop blocks")


def _identity(layer: Layer, did: str) -> Noted:
    message = f"{layer.name} hands its input on: training will no longer {did}"
    made = stock("Identity", layer.name).replace(calls=layer.calls, path=layer.path)
    return Noted(made, (Finding("training_only_layer_dropped", "info", layer.path, message),))


_ALWAYS = {
    "MCDropout": "Dropout",
    "MonteCarloDropout": "Dropout",
    "PermaDropout": "Dropout",
    "MCAlphaDropout": "AlphaDropout",
}


@known(*_ALWAYS, source="Hands-On Machine Learning (A. Géron, 2019), chapter 11", certain=False)
def lasting_dropout(layer: Layer) -> Layer | Noted:
    """Dropout of Keras that is called as in training, always."""
    config = own_fields(layer)
    if layer.weights or not {"rate"} <= set(config) <= {"rate", "noise_shape", "seed"}:
        return layer
    options = {"name": "dropout", **{n: v for n, v in config.items() if v is not None}}
    dropout = {"class_name": _ALWAYS[layer.class_name], "config": options}
    # As for a Lambda layer that draws numbers (objects/lambda_functions.py): a model tells its layers if it is training
    function = {"module": "keras.layers", "registered_name": None, **dropout}
    always = stock("Lambda", "always", {"function": function, "arguments": {"training": True}})
    message = f"{layer.name!r} draws random numbers in every call, so that no two outputs are the same"
    made = subgraph(layer, call(always, INPUT))
    return Noted(made, (Finding("random_outputs", "warning", layer.path, message),))


@known("NonMasking", "RemoveMask", "DropMask", source="layers that end a mask, before those that do not know any")
def end_of_mask(layer: Layer, context: Context) -> Layer:
    """The input without its mask: a copy, an operation of Keras, which hands none on.

    What `tf.keras` and Keras 3 get back unchanged keeps its mask all the same (layers/layer.py, `_set_mask_metadata`).
    """
    if not bare(layer, 1):
        return layer
    if not multi_backend(context.writer):
        no_mask_after(layer, context)
    return subgraph(layer, op("unmasked", "copy", INPUT))


KNOWN = (gradient_reversal, drop_block, lasting_dropout, end_of_mask)
