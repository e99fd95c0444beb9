"""Which (module, name) pairs of a config are objects of stock Keras that make up a model, and what others are.

Keras resolves nearly any function of its own from a config (773 of 789 that 3.15.1 exports), such as `plot_model`,
`load_data` and `config.set_*`; so what is allowed is listed here, and everything else is named. The names are those of
`vars(keras.X)` and `vars(tf_keras.X)` of Keras 3.15.1 and tf_keras 2.21, with those of Keras 1 and 2 that are gone.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconstruct.stock import ACTIVATIONS, KERAS_1_SLOTS, LAYERS, RECURRENT, RECURRENT_CELLS, WRAPPERS

MODELS = frozenset("Sequential Model Functional Graph".split())
# Layers that Keras 1, Keras 2 and tf.keras had and Keras 3 has not, and what tf.keras writes for operations
_EARLIER_LAYERS = frozenset(
    (
        "AbstractRNNCell AtrousConv1D AtrousConv2D AtrousConvolution1D AtrousConvolution2D BatchNormalizationV1 "
        "BatchNormalizationV2 ClassMethod Conv2DTransposeV1 ConvLSTM2DCell ConvLSTM1DCell ConvLSTM3DCell "
        "ConvRecurrent2D Convolution1D CuDNNGRU CuDNNLSTM Deconv2D Deconv3D Deconvolution2D Deconvolution3D "
        "DenseFeatures GRUCellV1 GRUCellV2 GRUV1 GRUV2 Highway InputSpec InstanceMethod InstanceProperty "
        "LSTMCellV1 LSTMCellV2 LSTMV1 LSTMV2 LayerScale LocallyConnected1D LocallyConnected2D MaxoutDense Merge "
        "ParametricSoftplus PreprocessingLayer RandomHeight RandomWidth SReLU SlicingOpLambda StochasticDepth "
        "SyncBatchNormalization TFClassMethod TFOpLambda TensorFlowOpLayer ThresholdedReLU TimeDistributedDense "
        "ZeroPadding UpSampling Bottleneck GroupedQueryAttention LayerNorm ModuleWrapper"
    ).split()
)
_NAMES: dict[str, frozenset[str]] = {
    section: frozenset(names.split())
    for section, names in {
        "initializers": "Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity IdentityInitializer "
        "Initializer LecunNormal LecunUniform Ones Orthogonal OrthogonalInitializer RandomNormal RandomUniform STFT "
        "STFTInitializer TruncatedNormal VarianceScaling Zeros constant glorot_normal glorot_uniform he_normal "
        "he_uniform identity lecun_normal lecun_uniform ones orthogonal random_normal random_uniform stft "
        "truncated_normal variance_scaling zeros one zero normal uniform RandomNormalV2 ConstantV2 ZerosV2 OnesV2 "
        "ConvolutionDeltaOrthogonal",
        "regularizers": "L1 L1L2 L2 OrthogonalRegularizer Regularizer l1 l1_l2 l2 orthogonal_regularizer "
        "WeightRegularizer ActivityRegularizer EigenvalueRegularizer l1l2 activity_l1 activity_l2 activity_l1l2",
        "constraints": "Constraint MaxNorm MinMaxNorm NonNeg RadialConstraint UnitNorm max_norm min_max_norm non_neg "
        "radial_constraint unit_norm maxnorm nonneg unitnorm",
        "losses": "BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy CategoricalFocalCrossentropy "
        "CategoricalGeneralizedCrossEntropy CategoricalHinge Circle CosineSimilarity Dice Hinge Huber KLD "
        "KLDivergence LogCosh Loss MAE MAPE MSE MSLE MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError "
        "MeanSquaredLogarithmicError Poisson Reduction SparseCategoricalCrossentropy SquaredHinge Tversky "
        "binary_crossentropy binary_focal_crossentropy categorical_crossentropy categorical_focal_crossentropy "
        "categorical_generalized_cross_entropy categorical_hinge circle cosine_similarity ctc dice hinge huber "
        "huber_loss kl_divergence kld kullback_leibler_divergence log_cosh logcosh mae mape mean_absolute_error "
        "mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error mse msle poisson "
        "sparse_categorical_crossentropy squared_hinge tversky cosine_proximity LossFunctionWrapper cosine",
        "metrics": "AUC Accuracy BinaryAccuracy BinaryCrossentropy BinaryIoU CategoricalAccuracy "
        "CategoricalCrossentropy CategoricalHinge ConcordanceCorrelation CosineSimilarity F1Score FBetaScore "
        "FalseNegatives FalsePositives Hinge IoU KLD KLDivergence LogCoshError MAE MAPE MSE MSLE Mean "
        "MeanAbsoluteError MeanAbsolutePercentageError MeanIoU MeanMetricWrapper MeanRelativeError MeanSquaredError "
        "MeanSquaredLogarithmicError MeanTensor Metric OneHotIoU OneHotMeanIoU PearsonCorrelation Poisson Precision "
        "PrecisionAtRecall R2Score Recall RecallAtPrecision RootMeanSquaredError SensitivityAtSpecificity "
        "SparseCategoricalAccuracy SparseCategoricalCrossentropy SparseTopKCategoricalAccuracy "
        "SpecificityAtSensitivity SquaredHinge Sum SumOverBatchSizeMetricWrapper TopKCategoricalAccuracy "
        "TrueNegatives TruePositives accuracy binary_accuracy categorical_accuracy concordance_correlation "
        "pearson_correlation sparse_categorical_accuracy sparse_top_k_categorical_accuracy top_k_categorical_accuracy",
        "optimizers": "Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion LossScaleOptimizer MultiOptimizer "
        "Muon Nadam Optimizer RMSprop SGD ScheduleFreeAdamW TFOptimizer AdamOptimizer adam sgd rmsprop adagrad "
        "adadelta adamax nadam ftrl CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay "
        "LearningRateSchedule PiecewiseConstantDecay PolynomialDecay LossScaleOptimizerV3 OptimizerV2",
        "dtype_policies": "AWQDTypePolicy DTypePolicy DTypePolicyMap FloatDTypePolicy GPTQDTypePolicy Int4DTypePolicy "
        "QuantizedDTypePolicy QuantizedFloat8DTypePolicy Policy PolicyV1 DynamicLossScale FixedLossScale "
        "InfinitePolicy QuantizationConfig Int8QuantizationConfig Int4QuantizationConfig AbsMaxQuantizer Quantizer",
        "random": "SeedGenerator",
        "preprocessing": "VectorizeLayer FeatureSpace Cross Feature",
    }.items()
}
_NAMES["activations"] = ACTIVATIONS | {"hard_sigmoid", "swish", "time_distributed_softmax", "Activation"}
_NAMES["layers"] = (
    LAYERS | _EARLIER_LAYERS | frozenset(KERAS_1_SLOTS) | frozenset((*RECURRENT, *RECURRENT_CELLS, *WRAPPERS))
)
_NAMES["models"] = MODELS
# Where each part of Keras keeps them: the second part of a module (`keras.src.layers.core.dense` is of `layers`)
_SECTIONS = {
    **{name: name for name in _NAMES},
    **dict.fromkeys(("engine", "legacy_tf_layers", "legacy"), "layers"),
    **dict.fromkeys(("mixed_precision", "quantizers", "dtype_policies"), "dtype_policies"),
    **dict.fromkeys(("optimizer_v2", "optimizer_v1", "optimizers"), "optimizers"),
    **dict.fromkeys(("compile_utils", "trainers"), "metrics"),
    "applications": "layers",
    "feature_column": "layers",
}
_ALL = frozenset(name for names in _NAMES.values() for name in names)
# What a function of keras.ops may not be: these take functions, which a config could name in turn
_OPERATIONS_ON_FUNCTIONS = frozenset(
    "associative_scan cond custom_gradient fori_loop map scan switch vectorize vectorized_map while_loop jvp".split()
)
_BACKEND_FILES = frozenset(
    "set_session clear_session set_floatx set_epsilon set_image_data_format manual_variable".split()
)
_OTHER_LIBRARIES = frozenset(
    (
        "tensorflow numpy scipy pandas sklearn torch torchvision jax jaxlib flax PIL cv2 requests urllib3 httpx "
        "aiohttp pip setuptools pkg_resources importlib_metadata h5py joblib dill cloudpickle yaml paramiko fabric nt "
        "posix IPython matplotlib tensorflow_hub tensorflow_datasets theano tensorboard psutil boto3 google fsspec"
    ).split()
)
_MARKERS = frozenset(
    "__keras_tensor__ __tensor__ __numpy__ __tuple__ __slice__ __ellipsis__ __typespec__ __bytes__ __lambda__ "
    "CompositeTensor TypeSpec TensorShape".split()
)


@dataclass(frozen=True)
class Verdict:
    """What an object named in a config is: `kind` is "stock", "custom", "foreign" or "not_modeling"."""

    kind: str
    name: str


def verdict(spec: Mapping[str, Any]) -> Verdict:
    """What a serialized object (`class_name`, perhaps with `module`, `registered_name` and `config`) is."""
    name, module = str(spec.get("class_name")), spec.get("module")
    if name in _MARKERS:
        return Verdict("stock", name)
    if name == "function":
        return _of_function(spec)
    registered = spec.get("registered_name")
    if name.removeprefix("Custom>") in _NAMES["optimizers"]:  # tf.keras 2.11 and later write its own so
        return Verdict("stock", name)
    if ">" in name or (isinstance(registered, str) and ">" in registered):
        return Verdict("custom", str(registered or name))
    if not isinstance(module, str):
        return Verdict("stock" if name in _ALL else "custom", name)
    return of_module(module, name)


def _of_function(spec: Mapping[str, Any]) -> Verdict:
    config, module = spec.get("config"), spec.get("module")
    name = str(config.get("name") if isinstance(config, Mapping) else config)
    if module not in (None, "builtins") and isinstance(module, str):
        return of_module(module, name)
    if name in _ALL:
        return Verdict("stock", name)
    if module == "builtins" and hasattr(builtins, name):
        return Verdict("foreign", f"builtins.{name}")
    return Verdict("custom", name)


def of_module(module: str, name: str) -> Verdict:
    """What the object `name` of a module is."""
    parts = module.split(".")
    full = f"{module}.{name}"
    if parts[:3] == ["tensorflow", "python", "keras"]:
        parts = ["keras", *parts[3:]]
    elif parts[:2] == ["tensorflow", "keras"]:
        parts = parts[1:]
    if parts[0] in ("keras", "tf_keras"):
        return Verdict("stock" if _is_stock(parts, name) else "not_modeling", full)
    if module == "builtins":
        return Verdict("stock" if name in _ALL else "foreign" if hasattr(builtins, name) else "custom", name)
    if parts[0] in sys.stdlib_module_names and parts[0] != "__main__":
        return Verdict("foreign", full)
    return Verdict("foreign" if parts[0] in _OTHER_LIBRARIES else "custom", full)


def _is_stock(parts: list[str], name: str) -> bool:
    below = [p for p in parts[1:] if p not in ("src", "_tf_keras", "api", "_v1", "v1", "v2", "experimental", "keras")]
    if not below:  # `keras.Model`, `keras.DTypePolicy`
        return name in _NAMES["models"] or name in _NAMES["dtype_policies"]
    if below[0] == "ops":
        return name not in _OPERATIONS_ON_FUNCTIONS and name.isidentifier() and not name.startswith("_")
    if below[0] == "backend":
        return name not in _BACKEND_FILES and "load" not in name and "save" not in name and not name.startswith("_")
    section = _SECTIONS.get(below[0])
    if section is None:
        return False
    return name in _NAMES[section] or (below[0] in ("engine", "models") and name in _NAMES["models"] | _NAMES["layers"])
