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
    Library("tf2crf", {"tf2crf": "CRF"}),
    Library(
        "keras-self-attention",
        {
            "keras_self_attention": "SeqSelfAttention SeqWeightedAttention ScaledDotProductAttention",
        },
    ),
    Library("keras-multi-head", {"keras_multi_head": "MultiHead MultiHeadAttention"}),
    Library("keras-layer-normalization", {"keras_layer_normalization": "LayerNormalization"}),
    Library("keras-position-wise-feed-forward", {"keras_position_wise_feed_forward": "FeedForward"}),
    Library("keras-pos-embd", {"keras_pos_embd": "PositionEmbedding TrigPosEmbedding"}),
    Library("keras-bert", {"keras_bert.layers": "TokenEmbedding EmbeddingSimilarity Masked Extract TaskEmbedding"}),
    Library("keras-embed-sim", {"keras_embed_sim": "EmbeddingRet EmbeddingSim"}),
    Library("attention", {"attention": "Attention"}),
    Library(
        "tensorflow-model-optimization",
        {
            "tensorflow_model_optimization.python.core.sparsity.keras.pruning_wrapper": "PruneLowMagnitude",
            "tensorflow_model_optimization.python.core.quantization.keras.quantize_layer": "QuantizeLayer",
            "tensorflow_model_optimization.python.core.quantization.keras.quantize_wrapper": "QuantizeWrapper "
            "QuantizeWrapperV2",
            "tensorflow_model_optimization.python.core.clustering.keras.cluster_wrapper": "ClusterWeights",
        },
    ),
    Library(
        "megnet",
        {
            "megnet.layers": "MEGNetLayer CrystalGraphLayer InteractionLayer Set2Set LinearWithIndex GaussianExpansion",
            "megnet.activations": "softplus2",
        },
    ),
    Library(
        "spektral",
        {
            "spektral.layers": "AGNNConv APPNPConv ARMAConv CensNetConv ChebConv CrystalConv DiffusionConv ECCConv "
            "EdgeConv GATConv GatedGraphConv GCNConv GCSConv GeneralConv GINConv GraphSageConv GTVConv TAGConv "
            "XENetConv GlobalAvgPool GlobalMaxPool GlobalSumPool GlobalAttentionPool GlobalAttnSumPool SortPool "
            "DiffPool MinCutPool SAGPool TopKPool LaPool DMoNPool InnerProduct MinkowskiProduct Disjoint2Batch "
            "GraphMasking"
        },
    ),
    Library("tensorflow-hub", {"tensorflow_hub": "KerasLayer"}),
    Library(
        "qkeras",
        {
            "qkeras": "QDense QConv1D QConv2D QConv2DTranspose QDepthwiseConv2D QSeparableConv1D QSeparableConv2D "
            "QConv2DBatchnorm QDepthwiseConv2DBatchnorm QActivation QAdaptiveActivation QBatchNormalization "
            "QAveragePooling2D QGlobalAveragePooling2D QSimpleRNN QLSTM QGRU QSimpleRNNCell QLSTMCell QGRUCell "
            "QBidirectional QInitializer Clip"
        },
    ),
    Library(
        "qkeras-v3",
        {
            "qkeras.qdense_batchnorm": "QDenseBatchnorm",
            "qkeras.qdepthwise_conv2d_transpose": "QDepthwiseConv2DTranspose",
            "qkeras.qseparable_conv2d_transpose": "QSeparableConv2DTranspose",
            "qkeras.qmac": "QScaleShift",
        },
    ),
    Library(
        "HGQ",
        {
            "HGQ.layers": "HQuantize HDense HDenseBatchNorm HConv1D HConv1DBatchNorm HConv2D HConv2DBatchNorm "
            "HActivation HAdd Signature PMaxPooling1D PMaxPooling2D PAveragePooling1D PAveragePooling2D PConcatenate "
            "PReshape PFlatten PDropout PPermute"
        },
    ),
    Library(
        "HGQ2",
        {
            "hgq.layers": "QDense QBatchNormDense QEinsumDense QEinsumDenseBatchnorm QConv1D QConv2D QConv3D "
            "QBatchNormalization QSum QMeanPow2 QEinsum QAdd QAveragePow2 QSubtract QMultiply QDot QMaximum QMinimum "
            "QSoftmax QUnaryFunctionLUT QMultiHeadAttention QLinformerAttention QAveragePooling1D QAveragePooling2D "
            "QMaxPooling1D QMaxPooling2D QGlobalAveragePooling1D QGlobalAveragePooling2D QGRU QSimpleRNN QDenseT "
            "QEinsumDenseT QConvT1D QConvT2D"
        },
    ),
    Library(
        "kapre",
        {
            "kapre.time_frequency": "STFT InverseSTFT Magnitude Phase MagnitudeToDecibel ApplyFilterbank Delta "
            "ConcatenateFrequencyMap Spectrogram Melspectrogram",
            "kapre.time_frequency_tflite": "STFTTflite MagnitudeTflite PhaseTflite",
            "kapre.signal": "Frame Energy MuLawEncoding MuLawDecoding LogmelToMFCC",
            "kapre.augmentation": "ChannelSwap SpecAugment AdditiveNoise",
            "kapre.filterbank": "Filterbank",
            "kapre.utils": "AmplitudeToDB Normalization2D",
        },
    ),
    Library(
        "keras-retinanet",
        {
            "keras_retinanet.layers": "UpsampleLike Anchors RegressBoxes ClipBoxes FilterDetections",
            "keras_retinanet.initializers": "PriorProbability",
        },
    ),
    Library("vit-keras", {"vit_keras.layers": "ClassToken AddPositionEmbs MultiHeadSelfAttention TransformerBlock"}),
    Library("keras-tcn", {"tcn": "TCN ResidualBlock"}),
    Library(
        "tensorflow-addons",
        {
            "tensorflow_addons.layers": "CRF InstanceNormalization GroupNormalization FilterResponseNormalization "
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
