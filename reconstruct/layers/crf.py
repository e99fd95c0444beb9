"""Conditional random fields: the best path through a chain of labels is found by a loop over time."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="reconstruct")
class CRF(keras.layers.Layer):
    """The CRF of keras-contrib 2.0.8 (layers/crf.py) in inference; `test_mode` is "viterbi" or "marginal".

    Lower energy is better. Two things are as they were there: the energy of a label after the last step counts where
    there is no mask, and `right_boundary` is added where a mask begins to hold after steps where it did not.
    """

    def __init__(
        self,
        units: int,
        test_mode: str = "viterbi",
        use_boundary: bool = True,
        use_bias: bool = True,
        activation: Any = "linear",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.units = units
        self.test_mode = test_mode
        self.use_boundary = use_boundary
        self.use_bias = use_bias
        self.activation = keras.activations.get(activation)

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(name="kernel", shape=(shape[-1], self.units))
        self.chain_kernel = self.add_weight(name="chain_kernel", shape=(self.units, self.units))
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        if self.use_boundary:
            self.left_boundary = self.add_weight(name="left_boundary", shape=(self.units,), initializer="zeros")
            self.right_boundary = self.add_weight(name="right_boundary", shape=(self.units,), initializer="zeros")
        self.built = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        energy = ops.matmul(inputs, self.kernel)
        energy = self.activation(energy + self.bias if self.use_bias else energy)
        mask = None if mask is None else ops.cast(mask, energy.dtype)
        if self.use_boundary:
            energy = energy + self._boundary_energy(energy, mask)
        if mask is not None:
            energy = energy * ops.expand_dims(mask, -1)
        if self.test_mode == "viterbi":
            path = ops.cast(self._best_path(energy, mask), "int32")
            return ops.one_hot(path, self.units, dtype=energy.dtype)
        return self._marginals(energy, mask)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None

    def compute_output_shape(self, shape: Any) -> Any:
        return (*shape[:2], self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "test_mode": self.test_mode,
            "use_boundary": self.use_boundary,
            "use_bias": self.use_bias,
            "activation": keras.activations.serialize(self.activation),
        }

    def _boundary_energy(self, energy: Any, mask: Any) -> Any:
        counts = ops.ones_like(energy[:, :, 0])
        if mask is None:
            first, last = counts - _after(counts), counts - _before(counts)
        else:
            first = ops.cast(mask > _after(mask), energy.dtype)
            last = ops.cast(_before(mask) > mask, energy.dtype)
        return ops.expand_dims(first, -1) * self.left_boundary + ops.expand_dims(last, -1) * self.right_boundary

    def _links(self, energy: Any, mask: Any) -> Any:
        """How much the energy of the labels of a step and the next counts: not between masked steps."""
        return ops.ones_like(energy[:, :, 0]) if mask is None else mask * _before(mask)

    def _best_path(self, energy: Any, mask: Any) -> Any:
        def step(lowest: Any, now: Any) -> tuple[Any, Any]:
            here, link = now
            total = self.chain_kernel * link[:, None, None] + ops.expand_dims(here + lowest, 2)
            return ops.min(total, axis=1), ops.cast(ops.argmin(total, axis=1), energy.dtype)

        steps = _steps_first(energy), _steps_first(self._links(energy, mask))
        _, best = ops.scan(step, ops.zeros_like(energy[:, 0]), steps)
        return _follow(best, best[-1][:, 0])

    def _marginals(self, energy: Any, mask: Any) -> Any:
        forward = self._sums(energy, self._links(energy, mask))
        turned = None if mask is None else ops.flip(mask, axis=1)
        backward_energy = ops.flip(energy, axis=1)
        backward = ops.flip(self._sums(backward_energy, self._links(backward_energy, turned)), axis=1)
        return ops.softmax(-(_after(forward) + energy + _before(backward)), axis=-1)

    def _sums(self, energy: Any, links: Any) -> Any:
        """For every step and next label, log of the sum over all paths to it."""

        def step(before: Any, now: Any) -> tuple[Any, Any]:
            here, link = now
            total = self.chain_kernel * link[:, None, None] + ops.expand_dims(here - before, 2)
            value = ops.logsumexp(-total, axis=1)
            return value, value

        _, values = ops.scan(step, ops.zeros_like(energy[:, 0]), (_steps_first(energy), _steps_first(links)))
        return _steps_first(values)


@keras.saving.register_keras_serializable(package="reconstruct")
class ChainDecoder(keras.layers.Layer):
    """The best path through scores of labels, as `crf_decode` of TensorFlow Addons 0.23 finds it (text/crf.py).

    Called on scores (batch, steps, labels), higher is better. It gives what the CRF layer of TensorFlow Addons gives:
    labels, with 0 after the end of the sequence; the scores with boundaries; the lengths; the transitions.
    """

    def __init__(self, units: int, use_boundary: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.units = units
        self.use_boundary = use_boundary

    def build(self, shape: Any) -> None:
        self.chain_kernel = self.add_weight(name="chain_kernel", shape=(self.units, self.units))
        if self.use_boundary:
            self.left_boundary = self.add_weight(name="left_boundary", shape=(self.units,), initializer="zeros")
            self.right_boundary = self.add_weight(name="right_boundary", shape=(self.units,), initializer="zeros")
        self.built = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        counts = ops.ones_like(inputs[:, :, 0]) if mask is None else ops.cast(mask, inputs.dtype)
        scores = inputs
        if self.use_boundary:
            first = ops.cast(counts > _after(counts), inputs.dtype)
            last = ops.cast(counts > _before(counts), inputs.dtype)
            scores = scores + ops.expand_dims(first, -1) * self.left_boundary
            scores = scores + ops.expand_dims(last, -1) * self.right_boundary
        lengths = ops.sum(ops.cast(counts, "int32"), axis=1)
        return self._best_path(scores, lengths), scores, lengths, ops.convert_to_tensor(self.chain_kernel)

    def compute_mask(self, inputs: Any, mask: Any = None) -> list[None]:
        return [None] * 4

    def compute_output_spec(self, inputs: Any, mask: Any = None) -> Any:
        batch, steps = inputs.shape[:2]
        return (
            keras.KerasTensor((batch, steps), "int32"),
            keras.KerasTensor(inputs.shape, inputs.dtype),
            keras.KerasTensor((batch,), "int32"),
            keras.KerasTensor((self.units, self.units), self.variable_dtype),
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "use_boundary": self.use_boundary}

    def _best_path(self, scores: Any, lengths: Any) -> Any:
        steps = ops.shape(scores)[1]
        number = ops.arange(1, steps, dtype=scores.dtype)
        own = ops.broadcast_to(ops.arange(self.units, dtype=scores.dtype), ops.shape(scores[:, 0]))

        def step(best: Any, now: Any) -> tuple[Any, Any]:
            here, i = now
            total = ops.expand_dims(best, 2) + self.chain_kernel
            inside = ops.expand_dims(i < ops.cast(lengths, i.dtype), 1)
            after = ops.where(inside, here + ops.max(total, axis=1), best)
            return after, ops.where(inside, ops.cast(ops.argmax(total, axis=1), best.dtype), own)

        best, tables = ops.scan(step, scores[:, 0], (_steps_first(scores)[1:], number))
        last = ops.cast(ops.argmax(best, axis=1), scores.dtype)
        path = ops.concatenate([_follow(tables, last), ops.expand_dims(last, 1)], axis=1)
        counts = ops.expand_dims(ops.arange(steps, dtype="int32"), 0) < ops.expand_dims(lengths, 1)
        return ops.where(counts, ops.cast(path, "int32"), 0)


def _follow(tables: Any, last: Any) -> Any:
    """The path that ends before the label `last`: `tables` (steps, batch, labels) say which label came before which.

    Labels are floats: `ops.scan` of Keras 3.15 on TensorFlow takes one dtype for all that goes through it.
    """

    def step(label: Any, table: Any) -> tuple[Any, Any]:
        before = ops.take_along_axis(table, ops.cast(ops.expand_dims(label, 1), "int32"), axis=1)[:, 0]
        return before, before

    _, path = ops.scan(step, last, tables, reverse=True)
    return _steps_first(path)


def _steps_first(x: Any) -> Any:
    """Batch and steps exchanged."""
    return ops.swapaxes(x, 0, 1)


def _after(x: Any) -> Any:
    """What was one step before, zeros at first."""
    return ops.concatenate([ops.zeros_like(x[:, :1]), x[:, :-1]], axis=1)


def _before(x: Any) -> Any:
    """What comes one step later, zeros at last."""
    return ops.concatenate([x[:, 1:], ops.zeros_like(x[:, :1])], axis=1)
