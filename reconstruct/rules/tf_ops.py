"""TensorFlow functions in functional models of tf.keras 2.0 to 2.15 to `keras.ops` with the same outputs.

tf.keras makes a layer of every TensorFlow function that is called on the tensors of a functional model:
`TensorFlowOpLayer` up to 2.3, `TFOpLambda` and `SlicingOpLambda` from 2.4 on (layers/core.py, later
layers/core/tf_op_layer.py). Which function is which is in `tf_functions` and `tf_image_functions`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from reconstruct.artifact import MODEL_CLASSES, Call, Layer
from reconstruct.errors import NotEquivalent
from reconstruct.rules.engine import Rule, before_keras_3, rule
from reconstruct.rules.tf_expression import Expression, rewrite
from reconstruct.rules.tf_functions import FUNCTIONS, Builder, build, canonical
from reconstruct.rules.tf_graph_ops import function_layer
from reconstruct.rules.tf_image_functions import IMAGE_FUNCTIONS, resize_v1
from reconstruct.rules.tf_shapes import OP_LAYERS, evaluate_shapes, needs_evaluation, note_dtypes

# These differ from the functions of TensorFlow 2 that have their name.
_VERSION_1 = {"image.resize": resize_v1, "where": None}


@rule(layers=("TensorFlowOpLayer",), writers=before_keras_3)
def graph_op_to_function(layer: Layer) -> Layer:
    """tf.keras 2.0 to 2.3 saved an operation of the TensorFlow graph; it is named as the function it belongs to."""
    return function_layer(layer)


@rule(layers=MODEL_CLASSES, writers=before_keras_3)
def computed_shapes_to_numbers(layer: Layer) -> Layer:
    """tf.keras 2 could compute shapes in the model with tf.shape; keras.ops takes them as numbers."""
    if layer.graph is None or not needs_evaluation(layer.graph):
        return layer
    return layer.replace(graph=evaluate_shapes(layer.graph))


@rule(layers=MODEL_CLASSES, writers=before_keras_3, effect="neutral")
def types_of_function_inputs(layer: Layer) -> Layer:
    """TensorFlow treats integers otherwise than keras.ops; where its functions get them is noted for the rule below."""
    if layer.graph is None or not any(n.class_name in OP_LAYERS for n in layer.graph.layers):
        return layer
    noted = note_dtypes(layer.graph)
    if all(new is old for new, old in zip(noted.layers, layer.graph.layers, strict=True)):
        return layer
    return layer.replace(graph=noted)


@rule(layers=OP_LAYERS, writers=before_keras_3)
def tensorflow_function_to_keras_op(layer: Layer) -> Layer:
    """tf.keras 2.4 to 2.15 wrapped TensorFlow functions in layers; keras.ops has the same functions."""
    name = str(layer.config.get("function", ""))
    builder = _builder(name)
    if builder is None:
        raise NotEquivalent(
            f"the TensorFlow function tf.{name} has no known form in keras.ops",
            hint=f"register a layer that computes tf.{name} under the class name {layer.class_name}",
        )
    dtype = layer.config.get("input_dtype")
    results = [build(builder, name, call.args, call.kwargs, dtype) for call in layer.calls]
    if len(results) == 1:
        return rewrite(layer, results[0])
    return _several_calls(layer, name, results)


def _builder(name: str) -> Builder | None:
    short = canonical(name)
    if name.removeprefix("tf.").startswith("compat.v1.") and short in _VERSION_1:
        return _VERSION_1[short]
    return FUNCTIONS.get(short) or IMAGE_FUNCTIONS.get(short)


def _several_calls(layer: Layer, name: str, results: list[Any]) -> Layer:
    """A layer that is called more than once; each call is the same function of its own arguments."""
    nodes = [rewrite(layer, result) for result in results]
    if not all(
        isinstance(r, Expression) and r.config is None and n.class_name == "Op"
        for r, n in zip(results, nodes, strict=True)
    ):
        raise NotEquivalent(
            f"tf.{name} is called {len(results)} times and needs several functions of keras.ops each time"
        )
    calls = tuple(Call(call.args, call.kwargs) for node in nodes for call in node.calls)
    return dataclasses.replace(nodes[0], calls=calls)


@rule(layers=("ClassMethod", "InstanceMethod", "InstanceProperty"), writers=before_keras_3)
def ragged_and_sparse_methods(layer: Layer) -> Layer:
    """tf.keras 2.4 to 2.15 saved methods of ragged and sparse tensors as layers; Keras 3 models take neither."""
    symbol = layer.config.get("cls_symbol")
    member = layer.config.get("method_name") or layer.config.get("attr_name")
    if layer.class_name == "InstanceProperty" and member == "shape":
        return layer.replace(class_name="TFOpLambda", config={"function": "shape"})
    raise NotEquivalent(
        f"{symbol + '.' if symbol else ''}{member} works on ragged or sparse tensors, which Keras 3 models do not take",
        hint="rebuild the model for padded tensors",
    )


RULES: tuple[Rule, ...] = (
    graph_op_to_function,
    ragged_and_sparse_methods,
    computed_shapes_to_numbers,
    types_of_function_inputs,
    tensorflow_function_to_keras_op,
)
