"""The quantizers of QKeras (qkeras 0.9.0 and qkeras-v3 1.2.1, quantizers.py), read from a config and computed.

Each is written once, as arithmetic on `Number`s: a weight of the file is quantized with NumPy, an activation becomes a
graph of `keras.ops` in the very order of the original's operations, so that values between two steps round alike. The
gradient passes straight through, as in the original.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reconstruct.errors import NotEquivalent
from reconstruct.rules.tf_expression import Expression, ops

_EPSILON = 1e-7  # keras.backend.epsilon()
_LN2 = math.log(2.0)


class Number:
    """An array of the file, or a tensor of the model: Python's operators on either."""

    def __init__(self, value: Any) -> None:
        self.value = value

    @property
    def is_array(self) -> bool:
        return isinstance(self.value, np.ndarray | np.generic)

    def apply(self, function: str, *args: Any) -> Number:
        """`keras.ops.<function>` of the arguments, or NumPy's function of that name."""
        values = [a.value if isinstance(a, Number) else a for a in args]
        if self.is_array:
            return Number(_NUMPY.get(function, getattr(np, function, None))(*values))  # type: ignore[misc]
        return Number(ops(function, *values))

    def __add__(self, other: Any) -> Number:
        return self.apply("add", self, other)

    def __radd__(self, other: Any) -> Number:
        return self.apply("add", other, self)

    def __sub__(self, other: Any) -> Number:
        return self.apply("subtract", self, other)

    def __rsub__(self, other: Any) -> Number:
        return self.apply("subtract", other, self)

    def __mul__(self, other: Any) -> Number:
        return self.apply("multiply", self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Number:
        return self.apply("divide", self, other)

    def __neg__(self) -> Number:
        return self.apply("negative", self)

    def __abs__(self) -> Number:
        return self.apply("absolute", self)

    def __le__(self, other: Any) -> Number:
        return self.apply("less_equal", self, other)

    def __lt__(self, other: Any) -> Number:
        return self.apply("less", self, other)

    def __ge__(self, other: Any) -> Number:
        return self.apply("greater_equal", self, other)

    def round(self) -> Number:
        return self.apply("round", self)  # half to even, in NumPy and TensorFlow

    def floor(self) -> Number:
        return self.apply("floor", self)

    def sign(self) -> Number:
        return self.apply("sign", self)

    def clip(self, low: float, high: float) -> Number:
        return self.apply("clip", self, low, high)

    def where(self, true: Any, false: Any) -> Number:
        return self.apply("where", self, true, false)

    def power_of_2(self) -> Number:
        return self.apply("power", 2.0, self)

    def log2(self) -> Number:
        return self.apply("log", self) / _LN2

    def float(self) -> Number:
        return self.apply("cast", self, "float32")


_NUMPY: dict[str, Callable[..., Any]] = {
    "cast": lambda x, dtype: np.asarray(x, dtype),
    "stop_gradient": lambda x: x,
    "sigmoid": lambda x: (1.0 / (1.0 + np.exp(-x))).astype("float32"),
}


@dataclass(frozen=True)
class Quantizer:
    """A quantizer by the name of its class, with all of its options."""

    name: str
    options: Mapping[str, Any]

    def __getitem__(self, option: str) -> Any:
        return self.options[option]

    @property
    def automatic(self) -> bool:
        """Whether the scale depends on the values that are quantized."""
        return isinstance(self.options.get("alpha"), str)

    @property
    def internal_sigmoid(self) -> bool:
        """Whether it computes with the sigmoid that `set_internal_sigmoid` chooses, which no file says."""
        if self.name == "quantized_relu":
            return bool(self["use_sigmoid"])
        return self.name in _SIGMOIDS and not self.options.get(_SIGMOIDS[self.name])

    def of_kernel(self) -> Quantizer:
        """The quantizer as layers use it for kernels: an alpha that was left open is learnt from the kernel.

        `_set_trainable_parameter` of qkeras 0.9.0, quantizers.py.
        """
        if self.options.get("alpha", 1.0) is not None or self.name not in _LEARNT_ALPHA:
            return self
        changed = {"alpha": "auto_po2"} | ({"symmetric": True} if "symmetric" in self.options else {})
        return replace(self, options={**self.options, **changed})

    def of_array(self, array: np.ndarray) -> np.ndarray:
        """The quantized values of a weight."""
        with np.errstate(all="ignore"):
            result = _QUANTIZE[self.name](Number(np.asarray(array, "float32")), self)
        return np.asarray(result.value, "float32")

    def of_tensor(self, value: Any) -> Expression:
        """The quantized values of a tensor of the model, as operations of Keras.

        Raises `NotEquivalent` where the scale depends on the tensor's own values.
        """
        if self.automatic:
            raise NotEquivalent(
                f"{self.name} with alpha={self['alpha']!r} scales an activation by the values of the whole batch",
                hint="train again with a fixed alpha, or write the layer by hand",
            )
        result = _QUANTIZE[self.name](Number(value), self).value
        assert isinstance(result, Expression)
        return result


def read_quantizer(value: Any) -> Quantizer | None:
    """The quantizer that a config names, in any of QKeras's spellings; None where it names something else.

    Strings, such as `"quantized_relu(4,0)"`, are calls with literal arguments: they are parsed, never evaluated.

    >>> read_quantizer("quantized_relu(4,0)")["bits"]
    4
    >>> read_quantizer("relu") is None
    True
    """
    if isinstance(value, str):
        name, args, kwargs = _parse(value)
    elif isinstance(value, Mapping):
        name = str(value.get("class_name", "")).split(">")[-1]
        config = value.get("config")
        if name == "function" and isinstance(config, str):
            return read_quantizer(config)
        args, kwargs = (), dict(config) if isinstance(config, Mapping) else {}
        kwargs = {k: v for k, v in kwargs.items() if not k.startswith("__")}
    else:
        return None
    if name not in OPTIONS:
        return None
    known = OPTIONS[name]
    unknown = set(kwargs) - set(known) - _WITHOUT_EFFECT
    if unknown or len(args) > len(known):
        raise NotEquivalent(f"{name} has no option {', '.join(sorted(unknown)) or f'number {len(args)}'}")
    given = {**dict(zip(known, args, strict=False)), **{k: v for k, v in kwargs.items() if k in known}}
    options = {**known, **given}
    for option, default in known.items():
        number = isinstance(default, int | float) and not isinstance(default, bool)
        if number and not isinstance(options[option], int | float):
            raise NotEquivalent(f"{option} of {name} is {options[option]!r}, not a number")
    if name == "quantized_bits":
        # The scale and the values it scales were brought in line after 0.9.0, with `post_training_scale`
        options["realigned"] = "post_training_scale" in given
    return Quantizer(name, options)


def _parse(text: str) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text, (), {}
    if isinstance(node, ast.Name):
        return node.id, (), {}
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return text, (), {}
    try:
        args = tuple(ast.literal_eval(a) for a in node.args)
        kwargs = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise NotEquivalent(f"the arguments of {text[:80]!r} are not plain values") from None
    return node.func.id, args, kwargs


# Options in the order of their positions, with their defaults.
OPTIONS: dict[str, dict[str, Any]] = {
    "quantized_linear": {
        "bits": 8, "integer": 0, "symmetric": 1, "keep_negative": True, "alpha": None, "use_stochastic_rounding": False,
        "scale_axis": None, "qnoise_factor": 1.0,
    },
    "quantized_bits": {
        "bits": 8, "integer": 0, "symmetric": 0, "keep_negative": True, "alpha": None, "use_stochastic_rounding": False,
        "scale_axis": None, "qnoise_factor": 1.0, "var_name": None, "use_ste": True, "use_variables": False,
        "elements_per_scale": None, "min_po2_exponent": None, "max_po2_exponent": None, "post_training_scale": None,
    },
    "bernoulli": {"alpha": None, "temperature": 6.0, "use_real_sigmoid": True},
    "ternary": {"alpha": None, "threshold": None, "use_stochastic_rounding": False, "number_of_unrolls": 5},
    "stochastic_ternary": {
        "alpha": None, "threshold": None, "temperature": 8.0, "use_real_sigmoid": True, "number_of_unrolls": 5,
    },
    "binary": {"use_01": False, "alpha": None, "use_stochastic_rounding": False},
    "stochastic_binary": {"alpha": None, "temperature": 6.0, "use_real_sigmoid": True},
    "quantized_relu": {
        "bits": 8, "integer": 0, "use_sigmoid": 0, "negative_slope": 0.0, "use_stochastic_rounding": False,
        "relu_upper_bound": None, "is_quantized_clip": True, "qnoise_factor": 1.0,
    },
    "quantized_ulaw": {"bits": 8, "integer": 0, "symmetric": 0, "u": 255.0},
    "quantized_tanh": {"bits": 8, "use_stochastic_rounding": False, "symmetric": False, "use_real_tanh": False},
    "quantized_sigmoid": {"bits": 8, "symmetric": False, "use_real_sigmoid": False, "use_stochastic_rounding": False},
    "quantized_po2": {
        "bits": 8, "max_value": None, "use_stochastic_rounding": False, "quadratic_approximation": False,
        "log2_rounding": "rnd", "qnoise_factor": 1.0,
    },
    "quantized_relu_po2": {
        "bits": 8, "max_value": None, "negative_slope": 0, "use_stochastic_rounding": False,
        "quadratic_approximation": False, "log2_rounding": "rnd", "qnoise_factor": 1.0,
    },
    "quantized_hswish": {
        "bits": 8, "integer": 0, "symmetric": 0, "alpha": None, "use_stochastic_rounding": False, "scale_axis": None,
        "qnoise_factor": 1.0, "keep_negative": True, "relu_shift": 3, "relu_upper_bound": 6,
        "post_training_scale": None,
    },
    # Functions that QKeras's own `get_quantizer` finds before Keras's functions of these names
    "hard_sigmoid": {}, "smooth_sigmoid": {}, "binary_sigmoid": {}, "hard_tanh": {}, "smooth_tanh": {},
    "binary_tanh": {},
}  # fmt: skip
_WITHOUT_EFFECT = {"var_name", "use_ste", "use_variables", "training"}
_LEARNT_ALPHA = ("quantized_bits", "bernoulli", "ternary", "stochastic_ternary", "binary", "stochastic_binary")
# Those that compute with the internal sigmoid, with the option that takes the real function instead.
_SIGMOIDS = {"quantized_tanh": "use_real_tanh", "quantized_sigmoid": "use_real_sigmoid", "quantized_ulaw": ""}


def _through(x: Number, quantized: Number, of: Quantizer | None = None) -> Number:
    """The quantized value, with the gradient of `x`; `qnoise_factor` mixes the two."""
    step = quantized - x
    noise = of["qnoise_factor"] if of is not None else 1.0
    if noise != 1.0:
        step = step * float(noise)
    return x + x.apply("stop_gradient", step)


def _sign(x: Number) -> Number:
    """1 or -1; 0 counts as positive."""
    sign = x.sign()
    return sign + (1.0 - abs(sign))


def _scaled(of: Quantizer) -> float:
    alpha = of["alpha"]
    if alpha is None:
        return 1.0
    if isinstance(alpha, bool) or not isinstance(alpha, int | float):
        raise NotEquivalent(f"alpha of {of.name} is {str(alpha)[:40]}, which is not a number")
    return float(alpha)


def _axes(rank: int, scale_axis: Any) -> tuple[int, ...]:
    """All axes but the one that has a scale for each place, which is the last."""
    own = [rank - 1] if scale_axis is None else scale_axis if isinstance(scale_axis, list | tuple) else [scale_axis]
    return tuple(i for i in range(rank) if i not in own)


def _least_squares(alpha: str, x: Number, q: Number, scale_axis: Any = None) -> Number:
    """The scale with which `q` is closest to `x` (`_get_scale` of qkeras 0.9.0), a power of 2 if `alpha` says so."""
    xq, qq = (x * q).value, (q * q).value
    if x.value.ndim > 1:
        axes = _axes(x.value.ndim, scale_axis)
        xq, qq = xq.mean(axis=axes, keepdims=True), qq.mean(axis=axes, keepdims=True)
    scale = Number(xq) / (Number(qq) + _EPSILON)
    return _nearest_power(scale) if alpha == "auto_po2" else scale


def _nearest_power(scale: Number) -> Number:
    return (scale + _EPSILON).log2().round().power_of_2()


def _largest(x: Number, axes: Sequence[int]) -> Number:
    return Number(np.max(np.abs(x.value), axis=tuple(axes), keepdims=True))


def _known_alpha(of: Quantizer) -> None:
    if of["alpha"] not in ("auto", "auto_po2"):
        raise NotEquivalent(f"{of.name} knows no alpha {of['alpha']!r}")


def _quantized_bits(x: Number, of: Quantizer) -> Number:
    keep, integer = int(bool(of["keep_negative"])), 2.0 ** of["integer"]
    whole = 2.0 ** (of["bits"] - keep)
    if of.automatic:
        return _through(x, _bits_with_scale(x, of, whole, integer), of)
    if of["bits"] - keep > 0:
        low = keep * (-whole + of["symmetric"])
        quantized = integer * (x * whole / integer).round().clip(low, whole - 1) / whole
    else:
        quantized = _sign(x) if keep else (_sign(x) + 1.0) / 2.0
    return _through(x, _scaled(of) * quantized, of)


def _bits_with_scale(x: Number, of: Quantizer, whole: float, integer: float) -> Number:
    """quantized_bits with a scale for each output channel, made of the weights themselves."""
    _known_alpha(of)
    levels = (2 ** (of["bits"] - 1) - 1) * 2
    if levels <= 0 or any(of.options.get(o) is not None for o in _PER_BLOCK):
        raise NotEquivalent(f"{of.name} with these options is not known: {dict(of.options)}")
    x = x / integer

    def steps(scale: Number) -> Number:
        steps = (abs(x) / scale + 0.5).floor()
        return x.sign() * (steps < levels / 2).where(steps, levels / 2)

    frozen = of.options.get("post_training_scale")
    if frozen is not None:
        scale = Number(np.asarray(frozen, "float32")) / whole
    else:
        rank = x.value.ndim
        scale = _largest(x, _axes(rank, of["scale_axis"]) if rank > 1 else [0]) * 2.0 / levels
    quantized = steps(scale)
    if of["alpha"] == "auto_po2" and frozen is None:
        scale = _nearest_power(scale)
        for _ in range(5):
            quantized = steps(scale)
            scale = _least_squares("auto_po2", x, quantized, of["scale_axis"])
        if of.options.get("realigned"):
            quantized = steps(scale)
    return scale * whole * (integer * quantized / whole)


_PER_BLOCK = ("elements_per_scale", "min_po2_exponent", "max_po2_exponent")


def _quantized_linear(x: Number, of: Quantizer) -> Number:
    keep, bits = int(bool(of["keep_negative"])), of["bits"]
    sign = bits == 1 and keep
    whole = 2.0 ** (bits - keep)
    low, high = (-0.5, 0.5) if sign else (keep * (-whole + of["symmetric"]), whole - 1.0)
    shift = 0.5 if sign else 0.0

    def steps(scale: Any) -> Number:
        return ((x / scale).clip(low, high) - shift).round() + shift

    scale: Any = 2.0 ** (of["integer"] - bits + keep)
    if of.automatic:
        _known_alpha(of)
        scale = Number(_data_scale(x.value, of, keep, high - low))
        if of["alpha"] == "auto_po2":
            scale = _nearest_power(scale)
            for _ in range(1 if sign else 5):
                last, scale = scale, _least_squares("auto_po2", x, steps(scale), of["scale_axis"])
                if np.array_equal(last.value, scale.value):
                    break
    else:
        scale = scale * _scaled(of)
    return x + of["qnoise_factor"] * x.apply("stop_gradient", steps(scale) * scale - x)


def _data_scale(array: np.ndarray, of: Quantizer, keep: int, span: float) -> np.ndarray:
    values = np.abs(array) * 2.0 if keep else array
    axes = _axes(array.ndim, of["scale_axis"])
    largest = np.max(values, axis=axes, keepdims=True) if axes else values
    return np.maximum(largest / np.float32(span), np.float32(_EPSILON))


def _ternary(x: Number, of: Quantizer) -> Number:
    if not of.automatic:
        threshold = 0.33 if of["threshold"] is None else float(of["threshold"])
        quantized = (abs(x) >= threshold).float() * x.sign()
        return _through(x.apply("tanh", x) if of["alpha"] is None else x, _scaled(of) * quantized)
    _known_alpha(of)
    rank = x.value.ndim
    scale = 2.0 * _largest(x, _axes(rank, None) if rank > 1 else [0]) / 3.0
    if of["alpha"] == "auto_po2":
        scale = _nearest_power(scale)
    quantized = x
    for _ in range(of["number_of_unrolls"]):
        rounded = scale * (x / scale).round()
        quantized = (abs(rounded) >= scale / 2.0).float() * x.sign()
        scale = _least_squares(of["alpha"], x, quantized)
    return _through(x, scale * quantized)


def _binary(x: Number, of: Quantizer) -> Number:
    quantized = _sign(x)
    if of.options.get("use_01"):
        quantized = (quantized + 1.0) / 2.0
    if of.automatic:
        _known_alpha(of)
        return _through(x, _least_squares(of["alpha"], x, quantized) * quantized)
    return _through(x.apply("tanh", x) if of["alpha"] is None else x, _scaled(of) * quantized)


def _bernoulli(x: Number, of: Quantizer) -> Number:
    raise NotEquivalent("bernoulli draws its values at random in every call, in inference too")


def _leaky(x: Number, slope: float) -> Number:
    return x.apply("maximum", x, 0.0) if slope == 0.0 else (x >= 0.0).where(x, x * slope)


def _quantized_relu(x: Number, of: Quantizer) -> Number:
    slope, bound, clipped = float(of["negative_slope"]), of["relu_upper_bound"], of["is_quantized_clip"]
    bits = of["bits"] - (slope != 0.0)
    whole, integer = 2.0**bits, 2.0 ** of["integer"]
    passed = _leaky(x, slope)
    top = integer - 2.0 ** (of["integer"] - bits) if clipped else bound
    if top is not None:
        passed = (x <= float(top)).where(passed, float(top))
    if of["use_sigmoid"]:
        inner = _hard_sigmoid(x / integer) * whole
        quantized = integer * (2.0 * (inner.round() / whole) - 1.0).clip(0.0, 1.0 - 1.0 / whole)
    else:
        inner = x * whole / integer
        quantized = integer * (inner.round() / whole).clip(0.0, 1.0 - 1.0 / whole)
    if slope > 0.0:
        below = (inner * slope).round() * (1.0 / (slope * whole))
        below = 2.0 * below - 1.0 if of["use_sigmoid"] else below
        quantized = quantized + integer * slope * below.clip(-1.0, 0.0)
    if bound and not clipped:
        quantized = (quantized <= float(bound)).where(quantized, float(bound))
    return _through(passed, quantized, of)


def _hard_sigmoid(x: Number) -> Number:
    """QKeras's own, not Keras's: 0.5·x + 0.5."""
    return (0.5 * x + 0.5).clip(0.0, 1.0)


def _smooth_sigmoid(x: Number) -> Number:
    return (0.1875 * x + 0.5).clip(0.0, 1.0)


def _rounded(x: Number) -> Number:
    return _through(x, x.round())


def _quantized_ulaw(x: Number, of: Quantizer) -> Number:
    whole, integer = 2.0 ** (of["bits"] - 1), 2.0 ** of["integer"]
    inner = 2.0 * (_rounded(_hard_sigmoid(x / integer) * whole) / whole) - 1.0
    curve = inner.sign() * x.apply("log", 1.0 + of["u"] * abs(inner)) / math.log(1.0 + of["u"])
    return integer * curve.clip(-1.0 + 1.0 * of["symmetric"] / whole, 1.0 - 1.0 / whole)


def _quantized_tanh(x: Number, of: Quantizer) -> Number:
    whole = 2.0 ** (of["bits"] - 1)
    inner = x.apply("tanh", x) if of["use_real_tanh"] else 2.0 * _hard_sigmoid(x) - 1.0
    return (_rounded(inner * whole) / whole).clip(-1.0 + 1.0 * of["symmetric"] / whole, 1.0 - 1.0 / whole)


def _quantized_sigmoid(x: Number, of: Quantizer) -> Number:
    whole = 2.0 ** of["bits"]
    inner = x.apply("sigmoid", x) if of["use_real_sigmoid"] else _hard_sigmoid(x)
    return (_rounded(inner * whole) / whole).clip(1.0 * of["symmetric"] / whole, 1.0 - 1.0 / whole)


def _exponents(of: Quantizer, bits: int) -> tuple[int, int]:
    """The smallest and the largest exponent; a largest value of at most 1 needs no sign in the exponent."""
    bits -= of["max_value"] is None or of["max_value"] > 1
    low, high = -(2**bits), 2**bits - 1
    return int(low), int(2 * (high // 2) if of["quadratic_approximation"] else high)


def _exponent(x: Number, of: Quantizer, low: int, high: int) -> Number:
    """The exponent of the power of 2 next to `x` >= 0 (`_clip_power_of_two` of qkeras 0.9.0)."""
    inner = (x < _EPSILON).where(_EPSILON, x)
    if of["max_value"] is not None:
        largest = float(of["max_value"])
        inner = (inner >= largest).where(largest, inner)
    factor = 1.0
    if of["quadratic_approximation"]:
        factor, inner = 2.0, x.apply("sqrt", inner)
    exponent = inner.log2()
    exponent = exponent.floor() if of["log2_rounding"] == "floor" else exponent.round()
    return (x < _EPSILON).where(float(low), factor * exponent.clip(float(low), float(high)))


def _quantized_po2(x: Number, of: Quantizer) -> Number:
    low, high = _exponents(of, of["bits"] - 1)
    return _through(x, _sign(x) * _exponent(abs(x), of, low, high).power_of_2(), of)


def _quantized_relu_po2(x: Number, of: Quantizer) -> Number:
    low, high = _exponents(of, of["bits"])
    slope = float(of["negative_slope"])
    passed = _leaky(x, slope)
    if of["max_value"] is not None:
        passed = (x <= float(of["max_value"])).where(passed, float(of["max_value"]))
    quantized = _exponent(x.apply("maximum", x, 0.0), of, low, high).power_of_2()
    if slope:
        below = _exponent(x.apply("maximum", -x, 0.0) * slope, of, low, high).power_of_2()
        quantized = (x >= 0.0).where(quantized, -below)
    return _through(passed, quantized, of)


def _quantized_hswish(x: Number, of: Quantizer) -> Number:
    shifted, bound = x + float(of["relu_shift"]), float(of["relu_upper_bound"])
    relu = (shifted <= bound).where(_leaky(shifted, 0.0), bound)
    return _quantized_bits(x * relu / bound, of)


_QUANTIZE: dict[str, Callable[[Number, Quantizer], Number]] = {
    "quantized_linear": _quantized_linear,
    "quantized_bits": _quantized_bits,
    "bernoulli": _bernoulli,
    "ternary": _ternary,
    "stochastic_ternary": _ternary,  # random in training only
    "binary": _binary,
    "stochastic_binary": _binary,
    "quantized_relu": _quantized_relu,
    "quantized_ulaw": _quantized_ulaw,
    "quantized_tanh": _quantized_tanh,
    "quantized_sigmoid": _quantized_sigmoid,
    "quantized_po2": _quantized_po2,
    "quantized_relu_po2": _quantized_relu_po2,
    "quantized_hswish": _quantized_hswish,
    "hard_sigmoid": lambda x, of: _hard_sigmoid(x),
    "smooth_sigmoid": lambda x, of: _smooth_sigmoid(x),
    "binary_sigmoid": lambda x, of: _rounded(_hard_sigmoid(x)),
    "hard_tanh": lambda x, of: 2.0 * _hard_sigmoid(x) - 1.0,
    "smooth_tanh": lambda x, of: 2.0 * _smooth_sigmoid(x) - 1.0,
    "binary_tanh": lambda x, of: 2.0 * _rounded(_hard_sigmoid(x)) - 1.0,
}
