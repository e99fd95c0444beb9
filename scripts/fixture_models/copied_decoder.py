"""The recurrent decoder of datalogue's keras-attention, written anew on the Recurrent of Keras 2.0.9 it was made of.

And a layer that ends a mask, which it does in the Keras of that time alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
from keras import backend as K
from keras import layers as L
from keras.engine import InputSpec
from keras.layers.recurrent import Recurrent
from keras.models import Sequential

from fixture_models.common import Catalogue, padded_tokens

catalogue = Catalogue("copied-decoder-keras-2.0.9")


class AttentionDecoder(Recurrent):
    """Each step attends to the whole input."""

    def __init__(self, units: int, output_dim: int, return_probabilities: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.units, self.output_dim, self.return_probabilities = units, output_dim, return_probabilities
        self.return_sequences = True

    def build(self, shape: Any) -> None:
        self.steps, size = shape[1:]
        self.states, self.input_spec = [None, None], [InputSpec(shape=(None, self.steps, size))]
        self.weight("V_a", self.units), self.weight("W_a", self.units, self.units)
        self.weight("U_a", size, self.units), self.weight("b_a", self.units)
        for gate in "rzpo":
            width = self.output_dim if gate == "o" else self.units
            self.weight(f"C_{gate}", size, width), self.weight(f"U_{gate}", self.units, width)
            self.weight(f"W_{gate}", self.output_dim, width), self.weight(f"b_{gate}", width)
        self.weight("W_s", size, self.units)
        self.built = True

    def weight(self, name: str, *shape: int) -> None:
        setattr(self, name, self.add_weight(shape=shape, name=name, initializer="glorot_uniform"))

    def call(self, inputs: Any) -> Any:
        self.whole = inputs
        self.keys = K.bias_add(K.dot(inputs, self.U_a), self.b_a)
        return super().call(inputs)

    def get_initial_state(self, inputs: Any) -> Any:
        nothing = K.tile(K.expand_dims(K.sum(K.zeros_like(inputs), axis=(1, 2))), [1, self.output_dim])
        return [nothing, K.tanh(K.dot(inputs[:, 0], self.W_s))]

    def gate(self, gate: str, labels: Any, state: Any, context: Any) -> Any:
        C, U, W, b = (getattr(self, f"{name}_{gate}") for name in "CUWb")
        return K.dot(labels, W) + K.dot(state, U) + K.dot(context, C) + b

    def step(self, x: Any, states: Any) -> Any:
        labels, state = states
        hidden = K.tanh(K.dot(K.repeat(state, self.steps), self.W_a) + self.keys)
        chances = K.exp(K.dot(hidden, K.expand_dims(self.V_a)))
        chances /= K.repeat(K.sum(chances, axis=1), self.steps)
        context = K.squeeze(K.batch_dot(chances, self.whole, axes=1), axis=1)
        reset, update = (K.sigmoid(self.gate(gate, labels, state, context)) for gate in "rz")
        proposed = K.tanh(self.gate("p", labels, reset * state, context))
        after = K.softmax(self.gate("o", labels, state, context))
        states = [after, (1 - update) * state + update * proposed]
        return (K.squeeze(chances, -1) if self.return_probabilities else after), states

    def compute_output_shape(self, shape: Any) -> Any:
        return (None, self.steps, self.steps if self.return_probabilities else self.output_dim)

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("units", "output_dim", "return_probabilities")}
        return {**super().get_config(), **own}


class NonMasking(L.Layer):
    """The same without its mask."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        return inputs

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None


def reload(path: Path) -> Any:
    return keras.models.load_model(
        str(path), custom_objects={"AttentionDecoder": AttentionDecoder, "NonMasking": NonMasking}
    )


@catalogue.add("AttentionDecoder", reload=reload)
def decoder() -> Any:
    return Sequential([L.LSTM(4, return_sequences=True, input_shape=(5, 3)), AttentionDecoder(6, 3)])


@catalogue.add("AttentionDecoder", reload=reload)
def attended() -> Any:
    return Sequential([AttentionDecoder(2, 3, return_probabilities=True, input_shape=(4, 3))])


@catalogue.add("NonMasking", "masks", inputs=padded_tokens(6, 9), reload=reload)
def unmasked() -> Any:
    return Sequential([L.Embedding(9, 2, mask_zero=True, input_length=6), NonMasking(), L.LSTM(2)])
