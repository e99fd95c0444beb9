"""kapre 0.3.7: spectrograms within a model, with librosa's filterbanks."""

from __future__ import annotations

from typing import Any

from kapre.signal import Energy, Frame
from kapre.time_frequency import (
    STFT,
    ApplyFilterbank,
    ConcatenateFrequencyMap,
    Delta,
    Magnitude,
    MagnitudeToDecibel,
    Phase,
)
from tf_keras import Input, Model, Sequential
from tf_keras import layers as L

from fixture_models import librosa_parts  # noqa: F401  (before kapre)
from fixture_models.common import Catalogue

catalogue = Catalogue("kapre-0.3.7")
MEL = {"sample_rate": 8000, "n_freq": 17, "n_mels": 6}


def both(build: Any) -> Any:
    """Add the model as HDF5 and as a Keras zip; a sound of no given length has 80 values."""
    catalogue.add("kapre", name=f"{build.__name__}_h5", steps=80)(build)
    catalogue.add("kapre", name=f"{build.__name__}_zip", container="keras-zip", suffix=".keras", steps=80)(build)
    return build


@both
def mel_spectrogram() -> Any:
    return Sequential(
        [
            Input((120, 1)),
            STFT(n_fft=32, win_length=25, hop_length=10, pad_end=True),
            Magnitude(),
            ApplyFilterbank("mel", MEL),
            MagnitudeToDecibel(),
            L.Conv2D(2, 3),
        ]
    )


@both
def log_spectrogram() -> Any:
    x = Input((2, 120))
    first = {"input_data_format": "channels_first", "output_data_format": "channels_first"}
    y = STFT(n_fft=32, hop_length=8, pad_begin=True, window_name="hamming_window", **first)(x)
    bank = {"sample_rate": 8000, "n_freq": 17, "n_bins": 5, "bins_per_octave": 2, "f_min": 500.0, "spread": 0.5}
    y = ApplyFilterbank("log", bank, data_format="channels_first")(Magnitude()(y))
    y = ConcatenateFrequencyMap(data_format="channels_first")(y)
    return Model(x, MagnitudeToDecibel(ref_value=2.0, amin=1e-3, dynamic_range=20.0)(y))


@both
def magnitude_and_phase() -> Any:
    x, y, spectrum = Input((None, 1)), Input((None, 1)), STFT(n_fft=16, hop_length=16)
    z = Delta(3)(Magnitude()(spectrum(x)))
    return Model([x, y], L.Concatenate()([z, ConcatenateFrequencyMap()(Phase()(spectrum(y)))]))


@both
def frames_and_energy() -> Any:
    x = Input((60, 2))
    y = Frame(10, 4, pad_end=True, pad_value=0.5, data_format="channels_last")(x)
    z = Energy(1000, 0.1, 12, 5, data_format="channels_last")(x)
    return Model(x, [y, z])


@both
def nested_spectrogram() -> Any:
    inner = Sequential([Input((80, 1)), STFT(n_fft=16, hop_length=8), Magnitude(), L.Conv2D(2, 3), L.Conv2D(2, 3)])
    x = Input((80, 1))
    return Model(x, L.Dense(2)(inner(x)))
