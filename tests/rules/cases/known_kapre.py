# ruff: noqa: E501  (a node of a model is one line)
"""kapre 0.3: spectrograms within a model."""

from __future__ import annotations

from reconstruct.artifact import Layer
from tests.rules.cases import Case, Refusal, layer, sequential

STFT = {"n_fft": 4, "win_length": 4, "hop_length": 2, "window_name": None, "pad_begin": False, "pad_end": False}
STFT |= {"input_data_format": "channels_last", "output_data_format": "channels_last"}
MEL = {"sample_rate": 8000, "n_freq": 5, "n_mels": 2}
LOG = {"sample_rate": 8000, "n_freq": 5, "n_bins": 2, "bins_per_octave": 1, "f_min": 1000.0, "spread": 0.5}


def spectrum(*layers: Layer) -> Layer:
    """A model of the layers: what an STFT is depends on what follows it."""
    return sequential(*(n.replace(path=f"model/x/{n.name}") for n in layers))


CASES = [
    Case(
        "short_time_fourier",
        spectrum(
            layer("STFT", "stft", **STFT),
            layer("Magnitude", "size"),
        ),
        """
stft = Functional
  input = InputLayer
  channels_first = transpose(input, [0, 2, 1])
  frames = extract_sequences(channels_first, 4, 2)
  windowed = multiply(frames, array([0. , 0.5, 1. , 0.5], dtype=float32))
  spectrum = rfft(windowed, fft_length=4)
  complex = stack([spectrum, spectrum:1], axis=-1)
  channels_last = transpose(complex, [0, 2, 3, 1, 4])
  -> channels_last
size = Functional
  input = InputLayer
  squares = square(input)
  sum = sum(squares, axis=-1)
  magnitude = sqrt(sum)
  -> magnitude
""",
    ),
    Case(
        "short_time_fourier",
        spectrum(
            layer(
                "STFT", "stft", **{**STFT, "pad_begin": True, "pad_end": True, "input_data_format": "channels_first"}
            ),
            layer("Phase", "angle", approx_atan_accuracy=None),
        ),
        """
stft = Functional
  input = InputLayer
  begin = pad(input, [[0, 0], [0, 0], [2, 0]])
  end = pad(begin, [[0, 0], [0, 0], [0, 3]], constant_values=0.0)
  frames = extract_sequences(end, 4, 2)
  windowed = multiply(frames, array([0. , 0.5, 1. , 0.5], dtype=float32))
  spectrum = rfft(windowed, fft_length=4)
  complex = stack([spectrum, spectrum:1], axis=-1)
  channels_last = transpose(complex, [0, 2, 3, 1, 4])
  -> channels_last
angle = Functional
  input = InputLayer
  real = getitem(input, [Ellipsis, 0])
  imaginary = getitem(input, [Ellipsis, 1])
  phase = arctan2(imaginary, real)
  -> phase
""",
    ),
    Case(
        "magnitude_to_decibel",
        layer("MagnitudeToDecibel", ref_value=2.0, amin=0.001, dynamic_range=80.0),
        """
input = InputLayer
floor = maximum(input, np.float32(0.001))
log = log(floor)
decibel = Rescaling(log) scale=4.3429448190325175 offset=-3.010299956639811
values = Flatten(decibel)
largest = max(values, axis=1)
lowest = subtract(largest, np.float32(80.0))
sample_last = transpose(decibel)
limited = maximum(sample_last, lowest)
sample_first = transpose(limited)
-> sample_first
""",
    ),
    Case(
        "apply_filterbank",
        layer("ApplyFilterbank", type="mel", filterbank_kwargs=MEL, data_format="channels_last"),
        """
input = InputLayer
frequencies_last = transpose(input, [0, 1, 3, 2])
filters = Dense(frequencies_last) units=2 use_bias=False trainable=False kernel=[[-0, 0.0], [0.0008999999845400453, 9.999999747378752e-05], [0, 0.0006000000284984708], [0, 0.0003000000142492354], [0, 0.0]]
channels_last = transpose(filters, [0, 1, 3, 2])
-> channels_last
""",
    ),
    Case(
        "apply_filterbank",
        layer("ApplyFilterbank", type="log", filterbank_kwargs=LOG, data_format="channels_first"),
        """
input = InputLayer
filters = Dense(input) units=2 use_bias=False trainable=False kernel=[[0, 0.0], [0.9513000249862671, 0.21660000085830688], [0.04740000143647194, 0.588699996471405], [0.0013000000035390258, 0.16539999842643738], [0, 0.02930000051856041]]
-> filters
""",
    ),
    Case(
        "delta",
        layer("Delta", win_length=3, mode="Symmetric", data_format="channels_first"),
        """
input = InputLayer
channels_last = transpose(input, [0, 2, 3, 1])
edges = pad(channels_last, [[0, 0], [1, 1], [0, 0], [0, 0]], mode='symmetric')
slope = Conv2D(edges) filters=1 kernel_size=[3, 1] use_bias=False data_format='channels_last' trainable=False kernel=[[[[-0.5]]], [[[0.0]]], [[[0.5]]]]
channels_first = transpose(slope, [0, 3, 1, 2])
-> channels_first
""",
    ),
    Case(
        "concatenate_frequency_map",
        layer("ConcatenateFrequencyMap", data_format="default"),
        """
input = InputLayer
channel = getitem(input, [Ellipsis, slice(None, 1, None)])
ones = ones_like(channel)
counted = cumsum(ones, axis=2)
from_0 = subtract(counted, np.float32(1.0))
last = max(from_0, axis=2, keepdims=True)
at_least_1 = maximum(last, np.float32(1.0))
map = divide(from_0, at_least_1)
both = concatenate([input, map], axis=3)
-> both
""",
    ),
    Case(
        "frames_of_sound",
        layer("Frame", frame_length=4, hop_length=2, pad_end=True, pad_value=1, data_format="default"),
        """
input = InputLayer
channels_first = transpose(input, [0, 2, 1])
end = pad(channels_first, [[0, 0], [0, 0], [0, 3]], constant_values=1.0)
frames = extract_sequences(end, 4, 2)
channels_last = transpose(frames, [0, 2, 3, 1])
-> channels_last
""",
    ),
    Case(
        "frames_of_sound",
        layer(
            "Energy",
            frame_length=4,
            hop_length=2,
            pad_end=False,
            pad_value=0,
            data_format="channels_first",
            sample_rate=40,
            ref_duration=0.2,
        ),
        """
input = InputLayer
frames = extract_sequences(input, 4, 2)
squares = square(frames)
sums = sum(squares, axis=-1)
energy = multiply(sums, np.float32(2.0))
-> energy
""",
    ),
]

REFUSALS = [
    Refusal("short_time_fourier", layer("STFT", **STFT), "complex numbers"),
    Refusal(
        "apply_filterbank",
        layer("ApplyFilterbank", type="mel", filterbank_kwargs={**MEL, "norm": 1}, data_format="channels_last"),
        "norm=1",
    ),
]
