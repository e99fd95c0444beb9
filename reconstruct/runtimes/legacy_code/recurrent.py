"""`AbstractRNNCell` and `DropoutRNNCellMixin` of tf.keras; and `Recurrent`, from which layers of Keras 1 and of Keras 2
up to 2.1 derive (keras/layers/recurrent.py).
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras.src.legacy import backend as legacy


class AbstractRNNCell(keras.layers.Layer):
    """The base of a cell (tf.keras 2.15, layers/rnn/abstract_rnn_cell.py): its first state is of zeros."""

    def get_initial_state(self, inputs: Any = None, batch_size: Any = None, dtype: Any = None) -> Any:
        if inputs is not None:
            batch_size, dtype = tf.shape(inputs)[0], inputs.dtype
        dtype = dtype or self.compute_dtype
        return keras.tree.map_structure(lambda size: tf.zeros([batch_size, size], dtype), self.state_size)


class DropoutRNNCellMixin:
    """What cells drop of their inputs and states in training (tf.keras 2.15, layers/rnn/dropout_rnn_cell_mixin.py)."""

    def reset_dropout_mask(self) -> None:
        """No mask is kept."""

    def reset_recurrent_dropout_mask(self) -> None:
        """No mask is kept."""

    def get_dropout_mask_for_cell(self, inputs: Any, training: Any, count: int = 1) -> Any:
        return _dropped(inputs, getattr(self, "dropout", 0), training, count)

    def get_recurrent_dropout_mask_for_cell(self, inputs: Any, training: Any, count: int = 1) -> Any:
        return _dropped(inputs, getattr(self, "recurrent_dropout", 0), training, count)


def _dropped(inputs: Any, rate: Any, training: Any, count: int) -> Any:
    if not rate:
        return None
    ones = tf.ones_like(inputs)
    masks = [tf.nn.dropout(ones, rate) if training is True else ones for _ in range(count)]
    return masks if count > 1 else masks[0]


class Recurrent(keras.layers.Layer):
    """A layer with `step(x, states)`, and `preprocess_input`, `get_constants` and `get_initial_states` if need be."""

    def __init__(
        self,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **options: Any,
    ) -> None:
        known = {k: v for k, v in options.items() if k in ("name", "trainable", "dtype")}
        super().__init__(**known)
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.stateful, self.unroll = go_backwards, stateful, unroll
        self.supports_masking = True

    def get_initial_states(self, x: Any) -> list[Any]:
        size = getattr(self, "output_dim", None) or self.units
        return [tf.zeros([tf.shape(x)[0], size], x.dtype) for _ in getattr(self, "states", [None, None])]

    def get_initial_state(self, x: Any) -> list[Any]:
        return self.get_initial_states(x)

    def preprocess_input(self, x: Any, training: Any = None) -> Any:
        return x

    def get_constants(self, x: Any, training: Any = None) -> list[Any]:
        return []

    def reset_states(self) -> None:
        """Layers here start every sequence from their initial states."""

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        mask = mask[0] if isinstance(mask, list) else mask
        return mask if self.return_sequences else None

    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        x = inputs[0] if isinstance(inputs, list) else inputs
        mask = mask[0] if isinstance(mask, list) else mask
        states = self.get_initial_states(x)
        constants = self.get_constants(x)
        last, outputs, states = legacy.rnn(
            self.step,
            self.preprocess_input(x),
            states,
            go_backwards=self.go_backwards,
            mask=mask,
            constants=constants,
            unroll=self.unroll,
            input_length=x.shape[1],
        )
        found = outputs if self.return_sequences else last
        return [found, *states] if self.return_state else found

    def get_config(self) -> dict[str, Any]:
        own = {
            name: getattr(self, name)
            for name in ("return_sequences", "return_state", "go_backwards", "stateful", "unroll")
        }
        return {**super().get_config(), **own}
