"""The mask of a tensor as a tensor, for operations that compute with it, and a mask for what operations give."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="reconstruct")
class GivenMask(keras.layers.Layer):
    """1 for each step of the input (batch, steps, …) that counts and 0 for each that is masked; 1 where it has no mask.

    No function of `keras.ops` sees a mask.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return ops.ones(ops.shape(inputs)[:2], dtype=self.compute_dtype)
        return ops.cast(mask, self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None

    def compute_output_shape(self, shape: Any) -> Any:
        return tuple(shape[:2])


@keras.saving.register_keras_serializable(package="reconstruct")
class CarryMask(keras.layers.Layer):
    """The first of two inputs, with the mask of the second.

    No function of `keras.ops` hands a mask on.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return ops.copy(inputs[0])

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None if mask is None else mask[1]

    def compute_output_shape(self, shapes: Any) -> Any:
        return tuple(shapes[0])
