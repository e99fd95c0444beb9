"""Small models as plain data, and what makes models and files of them.

A `Recipe` prints as the code that makes it, so one that failed can be kept as it is; the same recipe and seed give the
same model and weights.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Shape = tuple[int | None, ...]  # with the batch axis

CONTAINERS = ("keras", "h5", "keras-dir", "json+weights.h5", "json+h5")
WRITERS = ("keras", "tf_keras")


@dataclass(frozen=True)
class Spec:
    """A layer: its class and arguments, among which may be further layers and models."""

    class_name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """A model. `calls` are (number of a layer, numbers of tensors); tensors are counted from the inputs on."""

    inputs: tuple[tuple[Shape, str], ...]
    layers: tuple[Spec | Recipe, ...]
    calls: tuple[tuple[int, tuple[int, ...]], ...]
    outputs: tuple[int, ...]
    sequential: bool = False
    seed: int = 0


def keras_of(writer: str) -> Any:
    """The Keras that is called `keras` or `tf_keras`."""
    if writer == "keras":
        import keras

        return keras
    import tf_keras

    return tf_keras


def can_write(writer: str, container: str) -> bool:
    """Whether that Keras writes such a container: weights of the older kind beside a JSON only tf_keras does."""
    return container != "json+h5" or writer == "tf_keras"


def build(recipe: Recipe, keras: Any) -> Any:
    """The model of a recipe, with weights that its seed decides."""
    model = _model(recipe, keras, "model")
    rng = np.random.default_rng(recipe.seed)
    for variable in model.weights:
        name = str(getattr(variable, "path", variable.name))
        value = np.asarray(variable)
        if value.dtype.kind != "f":
            continue
        made = rng.uniform(0.5, 1.5, value.shape) if "variance" in name else 0.4 * rng.standard_normal(value.shape)
        variable.assign(made.astype(value.dtype))
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state"):  # Normalization computes with numbers made of its variables
            layer.finalize_state()
    return model


def _model(recipe: Recipe, keras: Any, name: str) -> Any:
    inputs = [input_of(keras, shape, dtype) for shape, dtype in recipe.inputs]
    layers = [layer_of(spec, keras, i) for i, spec in enumerate(recipe.layers)]
    if recipe.sequential:
        (shape, dtype), *_ = recipe.inputs
        return keras.Sequential([_input_layer(keras, shape, dtype), *layers], name=name)
    tensors = list(inputs)
    for number, arguments in recipe.calls:
        tensors.append(called(layers[number], [tensors[i] for i in arguments]))
    outputs = [tensors[i] for i in recipe.outputs]
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs if len(outputs) > 1 else outputs[0], name=name)


def layer_of(spec: Spec | Recipe, keras: Any, number: int = 0) -> Any:
    """The layer or nested model that is meant, not yet built; models are named by their number among the layers."""
    if isinstance(spec, Recipe):
        return _model(spec, keras, f"inner_{number}")
    options = {k: _value(v, keras) for k, v in spec.options.items()}
    return getattr(keras.layers, spec.class_name)(**options)


def _value(value: Any, keras: Any) -> Any:
    if isinstance(value, Spec | Recipe):
        return layer_of(value, keras)
    if isinstance(value, list) and value and isinstance(value[0], Spec):
        return [layer_of(v, keras) for v in value]
    return value


def called(layer: Any, tensors: Sequence[Any]) -> Any:
    """What the layer gives; attention takes query and value, the others one tensor or a list."""
    if type(layer).__name__ in ("MultiHeadAttention", "GroupedQueryAttention"):
        return layer(tensors[0], tensors[-1])
    many = type(layer).__name__ in ("Attention", "AdditiveAttention")
    return layer(list(tensors) if many or len(tensors) > 1 else tensors[0])


def input_of(keras: Any, shape: Shape, dtype: str) -> Any:
    return keras.Input(shape=shape[1:], dtype=dtype)


def _input_layer(keras: Any, shape: Shape, dtype: str) -> Any:
    if keras.__name__ == "keras":
        return keras.layers.InputLayer(shape=shape[1:], dtype=dtype)
    return keras.layers.InputLayer(input_shape=shape[1:], dtype=dtype)


def write(model: Any, container: str, folder: Path) -> Path:
    """Save the model in `folder` as such a container; the path is the one to give to `recover`."""
    if container in ("keras", "h5"):
        path = folder / f"model.{container}"
        model.save(path)
        return path
    if container == "keras-dir":
        model.save(folder / "packed.keras")
        with zipfile.ZipFile(folder / "packed.keras") as archive:
            archive.extractall(folder / "model")
        return folder / "model"
    path = folder / "model.json"
    path.write_text(model.to_json())
    model.save_weights(folder / f"model.{container.removeprefix('json+')}")
    return path
