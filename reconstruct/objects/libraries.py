"""Which library on PyPI has a class that a file names, and that class where the library is installed.

Only what stands here is ever imported because a file names it: a file cannot choose a module.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Library:
    """A library: its name on PyPI, and the modules that have its classes, with their names."""

    name: str
    modules: Mapping[str, str]  # module: names, separated by blanks

    def module_of(self, class_name: str) -> str | None:
        """The module that has the class, or None."""
        return next((module for module, names in self.modules.items() if class_name in names.split()), None)


LIBRARIES = (
    Library("efficientnet", {"efficientnet.tfkeras": "FixedDropout"}),
    Library(
        "kapre",
        {
            "kapre.time_frequency": "STFT InverseSTFT Magnitude Phase MagnitudeToDecibel ApplyFilterbank Delta "
            "ConcatenateFrequencyMap",
            "kapre.time_frequency_tflite": "STFTTflite MagnitudeTflite PhaseTflite",
            "kapre.signal": "Frame Energy MuLawEncoding MuLawDecoding LogmelToMFCC",
            "kapre.augmentation": "ChannelSwap SpecAugment",
        },
    ),
    Library("keras-tcn", {"tcn": "TCN ResidualBlock"}),
    Library(
        "tensorflow-addons",
        {
            "tensorflow_addons.layers": "InstanceNormalization GroupNormalization FilterResponseNormalization "
            "WeightNormalization SpectralNormalization TLU GELU Maxout StochasticDepth PolynomialCrossing NoisyDense "
            "Snake Sparsemax NetVLAD PoincareNormalize CorrelationCost EmbeddingBag SpatialPyramidPooling2D "
            "MaxUnpooling2D MaxUnpooling2DV2 AdaptiveAveragePooling1D AdaptiveAveragePooling2D "
            "AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D",
            "tensorflow_addons.rnn": "ESNCell LayerNormLSTMCell LayerNormSimpleRNNCell NASCell PeepholeLSTMCell",
        },
    ),
)


def providers(class_name: str) -> list[str]:
    """The libraries, by their names on PyPI, that have a class of that name."""
    return [library.name for library in LIBRARIES if library.module_of(class_name)]


def load(class_names: Iterable[str]) -> dict[str, Any]:
    """The classes of those names that installed libraries have; a library that cannot be imported has none."""
    found: dict[str, Any] = {}
    for name in dict.fromkeys(class_names):
        for module in filter(None, (library.module_of(name) for library in LIBRARIES)):
            try:
                if importlib.util.find_spec(module.partition(".")[0]) is not None:
                    found.setdefault(name, getattr(importlib.import_module(module), name))
            except Exception:  # made for another Keras, as most of them are
                continue
    return found
