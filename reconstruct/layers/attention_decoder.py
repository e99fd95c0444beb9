"""A decoder that attends to all steps of its input in each of its own; recurrent layers of Keras see one at a time."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="reconstruct")
class AttentionDecoder(keras.layers.Layer):
    """That of datalogue's keras-attention (models/custom_recurrents.py), after Bahdanau: a softmax over `output_dim`
    labels for each step, or with `return_probabilities` what each step attends to.

    The labels of a step are those of the state before it, as they were there.
    """

    def __init__(self, units: int, output_dim: int, return_probabilities: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.output_dim = output_dim
        self.return_probabilities = return_probabilities

    def build(self, shape: Any) -> None:
        size, units, labels = shape[-1], self.units, self.output_dim
        shapes = {"V_a": (units,), "W_a": (units, units), "U_a": (size, units), "b_a": (units,)}
        for gate, width in (("r", units), ("z", units), ("p", units), ("o", labels)):
            of_gate = {"C": (size, width), "U": (units, width), "W": (labels, width), "b": (width,)}
            shapes |= {f"{name}_{gate}": of for name, of in of_gate.items()}
        for name, of in (shapes | {"W_s": (size, units)}).items():
            setattr(self, name, self.add_weight(name=name, shape=of))
        self.built = True

    def call(self, inputs: Any) -> Any:
        keys = ops.matmul(inputs, self.U_a) + self.b_a
        ends = self.output_dim, self.output_dim + self.units

        def step(before: Any, _: Any) -> tuple[Any, Any]:
            labels, state = before[:, : ends[0]], before[:, ends[0] : ends[1]]
            of_state = ops.expand_dims(ops.matmul(state, self.W_a), 1)
            chances = ops.softmax(ops.sum(ops.tanh(of_state + keys) * self.V_a, axis=-1), axis=-1)
            context = ops.einsum("bs,bsd->bd", chances, inputs)
            reset = ops.sigmoid(self._gate("r", labels, state, context))
            update = ops.sigmoid(self._gate("z", labels, state, context))
            proposed = ops.tanh(self._gate("p", labels, reset * state, context))
            after = ops.softmax(self._gate("o", labels, state, context), axis=-1)
            now = ops.concatenate([after, (1 - update) * state + update * proposed, chances], axis=-1)
            return now, now  # what TensorFlow gathers has to have the shape of the state

        state = ops.tanh(ops.matmul(inputs[:, 0], self.W_s))
        labels, chances = ops.zeros_like(ops.matmul(state, self.U_o)), ops.zeros_like(inputs[:, :, 0])
        start = ops.concatenate([labels, state, chances], axis=-1)
        _, decoded = ops.scan(step, start, ops.transpose(inputs, (1, 0, 2)))
        decoded = ops.transpose(decoded, (1, 0, 2))
        return decoded[:, :, ends[1] :] if self.return_probabilities else decoded[:, :, : ends[0]]

    def _gate(self, gate: str, labels: Any, state: Any, context: Any) -> Any:
        pairs = (("W", labels), ("U", state), ("C", context))
        return sum(ops.matmul(x, getattr(self, f"{name}_{gate}")) for name, x in pairs) + getattr(self, f"b_{gate}")

    def compute_output_shape(self, shape: Any) -> Any:
        return (*shape[:2], shape[1] if self.return_probabilities else self.output_dim)

    def get_config(self) -> dict[str, Any]:
        own = {name: getattr(self, name) for name in ("units", "output_dim", "return_probabilities")}
        return {**super().get_config(), **own}
