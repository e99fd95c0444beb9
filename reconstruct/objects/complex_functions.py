"""Complex numbers in Lambda layers, as pairs of real tensors: Fourier transforms and what is made of their results.

`keras.ops` has no complex tensors; its transforms take and give pairs, too (Keras 3, ops/math.py). The parameters are
those of `tensorflow/python/ops/signal/{fft_ops,spectral_ops}.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconstruct.objects.library import Library
from reconstruct.objects.symbols import Complex, Name, Untranslatable, is_tensor
from reconstruct.rules.tf_expression import Expression, Item, ops


def is_complex(dtype: Any) -> bool:
    return (dtype.path if isinstance(dtype, Name) else str(dtype)).rpartition(".")[2] in ("complex64", "complex128")


def pair(library: Library, x: Any) -> Complex:
    """The value as a complex one."""
    return x if isinstance(x, Complex) else Complex(library.operand(x), ops("zeros_like", library.operand(x)))


def _results(expression: Expression) -> Complex:
    return Complex(Item(expression, 0), Item(expression, 1))


def transform(function: str) -> Callable[..., Any]:
    def build(library: Library, input: Any, name: Any = None) -> Complex:
        x = pair(library, input)
        return _results(ops(function, (x.real, x.imag)))

    return build


def rfft(library: Library, input_tensor: Any, fft_length: Any = None, name: Any = None) -> Complex:
    length = library.iterate(fft_length) if isinstance(fft_length, list | tuple) else [fft_length]
    if len(length) != 1 or not (length[0] is None or isinstance(length[0], int)):
        raise Untranslatable("the length of a Fourier transform is not known in advance")
    return _results(ops("rfft", library.operand(input_tensor), fft_length=length[0]))


def stft(
    library: Library, signals: Any, frame_length: Any, frame_step: Any, fft_length: Any = None, window_fn: Any = None,
    pad_end: Any = False, name: Any = None,
) -> Complex:  # fmt: skip
    lengths = (frame_length, frame_step, frame_length if fft_length is None else fft_length)
    known = window_fn is None or (isinstance(window_fn, Name) and window_fn.path == "tensorflow.signal.hann_window")
    if pad_end or not known or not all(isinstance(n, int) and n > 0 for n in lengths):
        raise Untranslatable("a short-time Fourier transform with these arguments has no known form")
    # The power of two that holds a frame, as `_enclosing_power_of_two` does.
    size = fft_length or 1 << (frame_length - 1).bit_length()
    if size != frame_length:
        raise Untranslatable("it fills up the frames of a short-time Fourier transform, which Keras 3 does elsewhere")
    options = {"sequence_length": frame_length, "sequence_stride": frame_step, "fft_length": size}
    return _results(ops("stft", library.operand(signals), **options, window="hann", center=False))


def absolute(library: Library, x: Any, name: Any = None) -> Any:
    if not isinstance(x, Complex):
        return library.build("abs", [library.operand(x)])
    return ops("sqrt", ops("add", ops("square", x.real), ops("square", x.imag)))


def angle(library: Library, input: Any, name: Any = None) -> Any:
    x = pair(library, input)
    return ops("arctan2", x.imag, x.real)


def made(library: Library, real: Any, imag: Any, name: Any = None) -> Complex:
    if not is_tensor(real) or not is_tensor(imag):
        raise Untranslatable("it makes complex numbers of constants")
    return Complex(real, imag)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "tensorflow.signal.fft": transform("fft"),
    "tensorflow.signal.fft2d": transform("fft2"),
    "tensorflow.signal.rfft": rfft,
    "tensorflow.signal.stft": stft,
    "tensorflow.spectral.fft": transform("fft"),
    "tensorflow.spectral.rfft": rfft,
    "tensorflow.fft": transform("fft"),
    "tensorflow.fft2d": transform("fft2"),
    "tensorflow.abs": absolute,
    "keras.abs": absolute,
    "tensorflow.real": lambda library, input, name=None: pair(library, input).real,
    "tensorflow.imag": lambda library, input, name=None: pair(library, input).imag,
    "tensorflow.angle": angle,
    "tensorflow.complex": made,
}
