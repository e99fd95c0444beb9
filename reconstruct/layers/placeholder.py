"""What stands in a model for a layer whose code is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="reconstruct")
class Placeholder(keras.layers.Layer):
    """A layer whose code is missing: it has the name, config, weights and connections of the original, and cannot run.

    `original` is the layer as the file says it (`class_name`, `config`, …), `variables` are its weights as
    `[name, shape, dtype]`, `output_shapes` the shapes of its outputs with the batch axis (None where open), found from
    what follows it. `missing` says what is missing (`kind`, `name`, `message`, `hint`), `arguments` what the
    original is called with. Calling the layer on numbers raises `NotImplementedError`.
    """

    def __init__(
        self,
        original: Mapping[str, Any],
        variables: Sequence[Sequence[Any]],
        output_shapes: Sequence[Sequence[int | None]],
        missing: Mapping[str, str],
        arguments: Sequence[str],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.original = dict(original)
        self.variable_specs = [list(spec) for spec in variables]
        self.output_shapes = [tuple(shape) for shape in output_shapes]
        self.missing = dict(missing)
        self.arguments = list(arguments)
        for name, shape, dtype in self.variable_specs:
            # Keras takes no "/" in the name of a variable
            self.add_weight(
                name=name.replace("/", "_"), shape=tuple(shape), dtype=dtype, initializer="zeros", trainable=False
            )
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        hint = self.missing.get("hint")
        raise NotImplementedError(f"{self.name}: {self.missing['message']}" + (f" ({hint})" if hint else ""))

    def compute_output_shape(self, *_: Any, **__: Any) -> Any:
        return self.output_shapes[0] if len(self.output_shapes) == 1 else list(self.output_shapes)

    def compute_output_spec(self, *_: Any, **__: Any) -> Any:
        tensors = [keras.KerasTensor(shape, dtype=self.compute_dtype) for shape in self.output_shapes]
        return tensors[0] if len(tensors) == 1 else tensors

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "original": self.original,
            "variables": self.variable_specs,
            "output_shapes": [list(shape) for shape in self.output_shapes],
            "missing": self.missing,
            "arguments": self.arguments,
        }
