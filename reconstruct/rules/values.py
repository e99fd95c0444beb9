"""How values of configs were written: dtype policies, arrays, names of activations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconstruct.artifact import Finding, Layer
from reconstruct.errors import NotEquivalent
from reconstruct.rules.engine import Noted, before_keras_3, rule
from reconstruct.rules.expansion import rename


@rule(effect="neutral", writers=before_keras_3)
def dtype_policy_name(layer: Layer) -> Layer:
    """tf.keras wrote a policy as `{'class_name': 'Policy'}`; Keras 3 takes its name, as do files of every age."""
    dtype = layer.config.get("dtype")
    if not isinstance(dtype, Mapping) or dtype.get("class_name") not in ("Policy", "PolicyV1", "DTypePolicy"):
        return layer
    name = (dtype.get("config") or {}).get("name")
    # `_infer` let the input decide (tf.keras 2.0, mixed_precision/experimental/policy.py).
    return layer.without("dtype") if name in (None, "_infer", "infer") else layer.having(dtype=name)


@rule(effect="neutral", writers=before_keras_3)
def dtype_names(layer: Layer) -> Layer:
    """Keras 2 also spelt dtypes `float32_ref` and `<dtype: 'float32'>`, and wrote null for the default."""
    dtype = layer.config.get("dtype")
    if isinstance(dtype, str) and (dtype.startswith("<dtype:") or dtype.endswith("_ref")):
        return layer.having(dtype=dtype.removesuffix("_ref").replace("<dtype: '", "").replace("'>", ""))
    return layer.without("dtype") if "dtype" in layer.config and dtype is None else layer


@rule(effect="neutral", writers=before_keras_3)
def ndarray_values(layer: Layer) -> Layer:
    """Keras 2 wrote arrays as `{'type': 'ndarray', 'value': …}`; Keras 3 takes the list or the number (k#11281)."""
    return layer.replace(config={k: _plain(v) for k, v in layer.config.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        if value.get("type") == "ndarray" and "value" in value:
            inner = value["value"]
            return inner[0] if isinstance(inner, list) and len(inner) == 1 else inner
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value


@rule(effect="neutral", writers=before_keras_3)
def initializer_fields(layer: Layer) -> Layer:
    """tf.keras 1.13 to 2.0 wrote a dtype into initializers; in Keras 3 the variable has it."""
    changed = {
        k: {**v, "config": {n: c for n, c in v["config"].items() if n not in ("dtype", "partition_info")}}
        for k, v in layer.config.items()
        if k.endswith("_initializer") and isinstance(v, Mapping) and "dtype" in (v.get("config") or {})
    }
    return layer.having(**changed) if changed else layer


@rule(layers=("PReLU", "ReLU", "LeakyReLU", "ELU", "ThresholdedReLU"), effect="neutral", writers=before_keras_3)
def scalar_values(layer: Layer) -> Layer:
    """Keras 2 could write a number as a list of one (`alpha: [0.3]`); Keras 3 takes the number."""
    changed = {
        k: v[0]
        for k, v in layer.config.items()
        if k in ("alpha", "negative_slope", "max_value", "threshold", "theta") and isinstance(v, list) and len(v) == 1
    }
    return layer.having(**changed) if changed else layer


@rule(layers=("ReLU",), writers=before_keras_3)
def relu_none_values(layer: Layer) -> Layer:
    """tf.keras wrote null for a slope or threshold of 0; Keras 3 refuses null (layers/activations/relu.py)."""
    changed = {k: 0.0 for k in ("negative_slope", "threshold") if k in layer.config and layer.config[k] is None}
    return layer.having(**changed) if changed else layer


_ACTIVATIONS = ("activation", "recurrent_activation")


@rule(effect="neutral", writers=before_keras_3)
def activation_names(layer: Layer) -> Layer:
    """Keras 2 could write a stock activation as an object; in Keras 3 its name says the same."""
    changed = {}
    for field in _ACTIVATIONS:
        value = layer.config.get(field)
        if not isinstance(value, Mapping):
            continue
        config = value.get("config")
        if value.get("class_name") == "function" and isinstance(config, str):
            if str(value.get("module") or "builtins").startswith(("builtins", "keras.", "tf_keras.")):
                changed[field] = config
        elif isinstance(config, str) and value.get("class_name") in ("str", "activations"):
            changed[field] = config
    return layer.having(**changed) if changed else layer


@rule(layers=("BatchNormalization", "LayerNormalization"), effect="neutral", writers=before_keras_3)
def single_axis(layer: Layer) -> Layer:
    """tf.keras 2 wrote the axis of BatchNormalization as a list of one; Keras 3 takes a number (k#20973)."""
    axis = layer.config.get("axis")
    if isinstance(axis, Mapping):  # ListWrapper, as tf.keras 1.13 to 2.0 serialised it
        axis = axis.get("items") or list(axis.values())
    if layer.class_name == "BatchNormalization" and isinstance(axis, list) and len(axis) == 1:
        return layer.having(axis=axis[0])
    if layer.class_name == "BatchNormalization" and isinstance(axis, list):
        raise NotEquivalent(
            f"{layer.name} normalises each place of the axes {axis} by itself, Keras 3 those of one axis"
        )
    return layer


@rule()
def slash_in_names(layer: Layer) -> Layer:
    """Keras 3 refuses '/' in a name, which DenseNet and MobileNetV3 of tf.keras have (k#19335)."""
    if layer.graph is not None:
        layer = rename(layer, {n.name: _name(n.name) for n in layer.graph.layers})
    if any("/" in child.name for child in layer.children.values()):
        layer = layer.map_parts(lambda _, part: part.replace(name=_name(part.name)))
    return layer.replace(name=_name(layer.name)) if layer.path == "model" and "/" in layer.name else layer


@rule(layers=("RandomShear",), effect="neutral")
def shear_range(layer: Layer) -> Noted:
    """Keras 3 writes the range -f to f that a number f means, and refuses to read what is below 0 (Keras 3.15.1,
    random_shear.py, `_set_factor_with_name`); it acts in training only, where it becomes 0 to f."""
    found = {n: layer.config.get(n) for n in ("x_factor", "y_factor")}
    below = {n: v for n, v in found.items() if isinstance(v, list) and len(v) == 2 and v[0] < 0 and v[1] == -v[0]}
    if not below:
        return Noted(layer, ())
    message = f"RandomShear {layer.name!r} shears to both sides, which Keras 3 writes and does not read: now to one"
    changed = layer.having(**{n: [0.0, upper] for n, (_, upper) in below.items()})
    return Noted(changed, (Finding("augmentation_changed", "info", layer.path, message),))


@rule(layers=("Equalization",))
def equalization_in_pipeline(layer: Layer) -> Layer:
    """Keras 3 saves a Sequential with Equalization and cannot load it: the layer gives back its symbolic input, and the
    graph is a cycle (Keras 3.15.1, equalization.py, `compute_output_spec`). In a Pipeline it computes the same."""
    part = {"module": "keras.layers", "class_name": "Equalization", "config": dict(layer.config)}
    config = {"name": layer.name, "layers": [{**part, "registered_name": None}]}
    return layer.replace(class_name="Pipeline", config=config)


def _name(name: str) -> str:
    return name.replace("/", "_")


RULES = (
    dtype_policy_name,
    dtype_names,
    ndarray_values,
    initializer_fields,
    scalar_values,
    relu_none_values,
    activation_names,
    single_axis,
    slash_in_names,
    shear_range,
    equalization_in_pipeline,
)
