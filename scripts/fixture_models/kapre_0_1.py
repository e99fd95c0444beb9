"""kapre 0.1.7 on tf_keras: spectrograms by convolution, with kernels and filterbanks of librosa."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kapre.augmentation import AdditiveNoise
from kapre.time_frequency import Melspectrogram, Spectrogram
from kapre.utils import AmplitudeToDB, Normalization2D
from tf_keras import Input, Model, models

from fixture_models import librosa_parts  # noqa: F401  (before kapre)
from fixture_models.common import Catalogue

catalogue = Catalogue("kapre-0.1.7")
CLASSES = {c.__name__: c for c in (AdditiveNoise, AmplitudeToDB, Melspectrogram, Normalization2D, Spectrogram)}


def reload(path: Path) -> Any:
    return models.load_model(str(path), custom_objects=CLASSES)


@catalogue.add(*CLASSES, keep_weights=True, reload=reload)
def spectrograms() -> Any:
    x = Input((2, 150))
    noisy = AdditiveNoise(0.1)(x)
    mel = Melspectrogram(n_dft=32, n_hop=10, sr=8000, n_mels=6, return_decibel_melgram=True, trainable_fb=True)(noisy)
    options = {"n_dft": 32, "padding": "valid", "image_data_format": "channels_first"}
    plain = Spectrogram(power_spectrogram=1.0, trainable_kernel=True, **options)(noisy)
    return Model(x, [Normalization2D(str_axis="freq")(mel), AmplitudeToDB()(plain)])
