"""CRF and normalizations of keras-contrib 2.0.8, which is on no package index, written anew for Keras 2.2.4.

The deviation of InstanceNormalization is sqrt(variance) + epsilon; with axis=None all values of a sample are normalized
together. GroupNormalization makes groups of what follows one another in memory: with the channels last, of rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
from keras import backend as K
from keras import layers as L
from keras.models import Model, Sequential

from fixture_models.common import Catalogue, padded_tokens

catalogue = Catalogue("keras-contrib-2.0.8")


class CRF(L.Layer):
    """What it computes in prediction: energies are minimised; `test_mode` says whether it gives a path or chances."""

    def __init__(self, units: int, learn_mode: str = "join", test_mode: str | None = None, **options: Any) -> None:
        self.options = {
            name: options.pop(name, value)
            for name, value in {
                "use_boundary": True, "use_bias": True, "activation": "linear", "sparse_target": False,
                "kernel_initializer": "glorot_uniform", "chain_initializer": "orthogonal", "bias_initializer": "zeros",
                "boundary_initializer": "zeros", "input_dim": None, "unroll": False,
            }.items()
        }  # fmt: skip
        super().__init__(**options)
        self.supports_masking = True
        self.units, self.learn_mode = units, learn_mode
        self.test_mode = test_mode or {"join": "viterbi", "marginal": "marginal"}[learn_mode]

    def get_config(self) -> dict[str, Any]:
        own = {"units": self.units, "learn_mode": self.learn_mode, "test_mode": self.test_mode}
        return {**super().get_config(), **own, **self.options}

    def build(self, shape: Any) -> None:
        weights = {"kernel": (shape[-1], self.units), "chain_kernel": (self.units, self.units)}
        if self.options["use_bias"]:
            weights["bias"] = (self.units,)
        if self.options["use_boundary"]:
            weights |= {"left_boundary": (self.units,), "right_boundary": (self.units,)}
        for name, size in weights.items():
            setattr(
                self,
                name,
                self.add_weight(name=name, shape=size, initializer="glorot_uniform" if len(size) > 1 else "zeros"),
            )
        super().build(shape)

    def compute_output_shape(self, shape: Any) -> Any:
        return (*shape[:2], self.units)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return mask if mask is None or self.learn_mode == "marginal" else K.any(mask, axis=1)

    def call(self, x: Any, mask: Any = None) -> Any:
        energy = K.dot(x, self.kernel)
        energy = keras.activations.get(self.options["activation"])(
            energy + self.bias if self.options["use_bias"] else energy
        )
        counts = K.ones_like(energy[:, :, :1]) if mask is None else K.expand_dims(K.cast(mask, "float32"))
        none = K.zeros_like(counts[:, :1])
        if self.options["use_boundary"]:
            first = K.cast(counts > K.concatenate([none, counts[:, :-1]], 1), "float32")
            later = K.concatenate([counts[:, 1:], none], 1)
            last = K.cast(counts > later if mask is None else later > counts, "float32")
            energy = energy + first * self.left_boundary + last * self.right_boundary
        energy = energy * counts
        forward = K.concatenate([energy, counts, self._links(counts, mask)], 2)
        if self.test_mode == "marginal":
            turned = K.reverse(counts, 1)
            backward = K.concatenate([K.reverse(energy, 1), turned, self._links(turned, mask)], 2)
            alpha, beta = self._sums(forward), K.reverse(self._sums(backward), 1)
            wide = K.zeros_like(alpha[:, :1])
            before, after = K.concatenate([wide, alpha[:, :-1]], 1), K.concatenate([beta[:, 1:], wide], 1)
            return K.softmax(-(before + energy + after))
        return self._path(forward, energy)

    def _links(self, counts: Any, mask: Any) -> Any:
        if mask is None:
            return counts
        return counts * K.concatenate([counts[:, 1:], K.zeros_like(counts[:, :1])], 1)

    def _chain(self, now: Any) -> Any:
        return K.expand_dims(self.chain_kernel, 0) * K.expand_dims(now[:, -1:])

    def _sums(self, sequence: Any) -> Any:
        def step(now: Any, states: Any) -> Any:
            value = K.logsumexp(-(self._chain(now) + K.expand_dims(now[:, : self.units] - states[0], 2)), 1)
            return value, [value]

        return K.rnn(step, sequence, [K.zeros_like(sequence[:, 0, : self.units])])[1]

    def _path(self, sequence: Any, energy: Any) -> Any:
        def step(now: Any, states: Any) -> Any:
            total = self._chain(now) + K.expand_dims(now[:, : self.units] + states[0], 2)
            return K.cast(K.argmin(total, 1), "float32"), [K.min(total, 1)]

        def back(table: Any, states: Any) -> Any:
            chosen = K.sum(table * K.one_hot(K.cast(states[0][:, 0], "int32"), self.units), 1, keepdims=True)
            return chosen, [chosen]

        tables = K.reverse(K.rnn(step, sequence, [K.zeros_like(energy[:, 0])])[1], 1)
        path = K.reverse(K.rnn(back, tables, [tables[:, 0, :1]])[1], 1)
        return K.one_hot(K.cast(K.squeeze(path, 2), "int32"), self.units)


def reload(path: Path) -> Any:
    return keras.models.load_model(str(path), custom_objects={"CRF": CRF})


def add(name: str, masked: bool, steps: int | None, **options: Any) -> None:
    def build() -> Any:
        first = L.Embedding(9, 5, mask_zero=masked, input_shape=(steps,))
        return Sequential([first, L.Bidirectional(L.LSTM(3, return_sequences=True)), CRF(4, **options)])

    catalogue.add("CRF", "masks", name=name, inputs=padded_tokens(7, 9), reload=reload)(build)


add("viterbi", False, 7)
add("viterbi_masked", True, None)
add("viterbi_of_marginal", True, 7, learn_mode="marginal", test_mode="viterbi", use_bias=False, use_boundary=False)
add("marginal_masked", True, None, learn_mode="marginal", activation="tanh")
add("marginal_of_join", False, None, test_mode="marginal")


class InstanceNormalization(keras.layers.Layer):
    """See the module."""

    def __init__(
        self, axis: int | None = None, epsilon: float = 1e-3, center: bool = True, scale: bool = True, **kwargs: Any
    ) -> None:
        for field in ("beta", "gamma"):
            for kind in ("initializer", "regularizer", "constraint"):
                kwargs.pop(f"{field}_{kind}", None)
        super().__init__(**kwargs)
        self.supports_masking = True
        self.axis, self.epsilon, self.center, self.scale = axis, epsilon, center, scale

    def build(self, input_shape: Any) -> None:
        shape = (1,) if self.axis is None else (input_shape[self.axis],)
        self.gamma = self.add_weight(shape=shape, name="gamma", initializer="ones") if self.scale else None
        self.beta = self.add_weight(shape=shape, name="beta", initializer="zeros") if self.center else None
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        rank = K.ndim(inputs)
        axes = [a for a in range(1, rank) if self.axis is None or a != self.axis % rank]
        shape = [1] * rank
        if self.axis is not None:
            shape[self.axis] = K.int_shape(inputs)[self.axis]
        deviation = K.std(inputs, axes, keepdims=True) + self.epsilon
        result = (inputs - K.mean(inputs, axes, keepdims=True)) / deviation
        if self.gamma is not None:
            result *= K.reshape(self.gamma, shape)
        return result if self.beta is None else result + K.reshape(self.beta, shape)

    def get_config(self) -> dict[str, Any]:
        nothing = {f"{w}_{k}": None for w in ("beta", "gamma") for k in ("regularizer", "constraint")}
        own = {"axis": self.axis, "epsilon": self.epsilon, "center": self.center, "scale": self.scale}
        return {**super().get_config(), **own, **nothing}


def load_normalization(path: Any) -> Any:
    return keras.models.load_model(str(path), custom_objects={"InstanceNormalization": InstanceNormalization})


@catalogue.add("InstanceNormalization", reload=load_normalization)
def instance_normalization() -> Any:
    x = L.Input((6, 5, 3))
    y = InstanceNormalization(axis=-1, epsilon=0.1)(L.Conv2D(4, 2)(x))
    y = InstanceNormalization(axis=3, scale=False)(L.Conv2D(4, 2, activation="relu")(y))
    y = InstanceNormalization(epsilon=0.2)(L.Conv2D(3, 2)(y))
    return Model(x, L.Dense(2)(InstanceNormalization(center=False)(L.Flatten()(y))))


@catalogue.add("InstanceNormalization", reload=load_normalization)
def instance_normalization_axis_1() -> Any:
    x = L.Conv2D(4, 2, input_shape=(5, 6, 3))
    return Sequential([x, InstanceNormalization(axis=1, epsilon=0.1), L.Flatten(), L.Dense(2)])


class GroupNormalization(keras.layers.Layer):
    """See the module."""

    def __init__(
        self, groups: int = 32, axis: int = -1, epsilon: float = 1e-5, center: bool = True, scale: bool = True,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        for field in ("beta", "gamma"):
            for kind in ("initializer", "regularizer", "constraint"):
                kwargs.pop(f"{field}_{kind}", None)
        super().__init__(**kwargs)
        self.groups, self.axis, self.epsilon, self.center, self.scale = groups, axis, epsilon, center, scale

    def build(self, input_shape: Any) -> None:
        shape = (input_shape[self.axis],)
        self.gamma = self.add_weight(shape=shape, name="gamma", initializer="ones") if self.scale else None
        self.beta = self.add_weight(shape=shape, name="beta", initializer="zeros") if self.center else None
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        shape = list(K.int_shape(inputs))
        size, rank = shape[self.axis] // self.groups, len(shape)
        grouped = list(shape)
        grouped[self.axis] = size
        parts = K.reshape(inputs, [-1, self.groups, *grouped[1:]])
        axes = list(range(2, rank + 1))
        result = (parts - K.mean(parts, axes, keepdims=True)) / K.sqrt(K.var(parts, axes, keepdims=True) + self.epsilon)
        each = [1] * rank
        each[self.axis] = size
        each.insert(1, self.groups)
        if self.gamma is not None:
            result *= K.reshape(self.gamma, each)
        if self.beta is not None:
            result += K.reshape(self.beta, each)
        return K.reshape(result, [-1, *shape[1:]])

    def get_config(self) -> dict[str, Any]:
        others = {f"{w}_initializer": None for w in ("beta", "gamma")}
        own = {name: getattr(self, name) for name in ("groups", "axis", "epsilon", "center", "scale")}
        return {**super().get_config(), **own, **others}


@catalogue.add(
    "GroupNormalization",
    reload=lambda path: keras.models.load_model(str(path), custom_objects={"GroupNormalization": GroupNormalization}),
)
def group_normalization() -> Any:
    x = L.Input((6, 5, 4))
    y = GroupNormalization(2, epsilon=0.1)(x)
    y = GroupNormalization(2, axis=3, center=False)(L.Conv2D(6, 2, activation="relu")(y))
    y = GroupNormalization(4, axis=1, epsilon=0.1)(L.Permute((3, 1, 2))(GroupNormalization(1)(L.Conv2D(4, 2)(y))))
    return Model(x, y)
