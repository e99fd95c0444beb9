"""What tf.keras 1.x to 2.15 wrote."""

from __future__ import annotations

from reconstruct.artifact import Call, Layer, Ref, Writer
from tests.rules.cases import TF_KERAS, Case, Refusal, called, functional, layer


def _function(name: str, *args: object, **kwargs: object) -> Layer:
    """A TensorFlow function `x` as a layer, called on the names of layers and on other values."""
    return called(Layer("TFOpLambda", "x", {"function": name}), *args, **kwargs)


def _op(name: str, *args: object, **kwargs: object) -> Layer:
    return called(Layer("Op", "x", {"function": name}), *args, **kwargs)


_input = layer("InputLayer", "a", batch_shape=[None, 2, 3], dtype="float32")
_ints = layer("InputLayer", "a", batch_shape=[None, 3], dtype="int32")

CASES = [
    Case(
        "shear_range",
        layer("RandomShear", x_factor=[-0.1, 0.1], y_factor=[0.0, 0.5]),
        layer("RandomShear", x_factor=[0.0, 0.1], y_factor=[0.0, 0.5]),
        Writer("3.15.1", "tensorflow"),
        finding="augmentation_changed",
    ),
    Case(
        "equalization_in_pipeline",
        layer("Equalization", bins=4),
        layer(
            "Pipeline",
            layers=[
                {
                    "module": "keras.layers",
                    "class_name": "Equalization",
                    "config": {"name": "x", "bins": 4},
                    "registered_name": None,
                }
            ],
        ),
        Writer("3.15.1", "tensorflow"),
    ),
    Case(
        "layer_scale",
        layer("LayerScale", weights={"gamma": (3,)}, init_values=1e-6, projection_dim=3),
        layer(
            "DepthwiseConv2D",
            weights={"depthwise_kernel": (1, 1, 3, 1)},
            kernel_size=1,
            use_bias=False,
            data_format="channels_last",
        ),
        TF_KERAS,
    ),
    Case("layer_scale", layer("LayerScale", units=3), layer("LayerScale", units=3), TF_KERAS),
    Case(
        "stochastic_depth",
        layer("StochasticDepth", drop_path_rate=0.2),
        layer("Dropout", rate=0.2, noise_shape=[None, 1, 1, 1]),
        TF_KERAS,
    ),
    Case("stochastic_depth", layer("StochasticDepth", rate=0.2), layer("StochasticDepth", rate=0.2), TF_KERAS),
    Case(
        "dtype_policy_name",
        layer("Dense", dtype={"class_name": "Policy", "config": {"name": "mixed_float16"}}),
        layer("Dense", dtype="mixed_float16"),
        TF_KERAS,
    ),
    Case(
        "dtype_policy_name",
        layer("Dense", dtype={"class_name": "PolicyV1", "config": {"name": "_infer"}}),
        layer("Dense"),
        TF_KERAS,
    ),
    Case(
        "initializer_fields",
        layer("Dense", kernel_initializer={"class_name": "Zeros", "config": {"dtype": "float32", "mean": 0}}),
        layer("Dense", kernel_initializer={"class_name": "Zeros", "config": {"mean": 0}}),
        TF_KERAS,
    ),
    Case(
        "relu_none_values",
        layer("ReLU", max_value=None, negative_slope=None, threshold=0.5),
        layer("ReLU", max_value=None, negative_slope=0.0, threshold=0.5),
        TF_KERAS,
    ),
    Case("single_axis", layer("BatchNormalization", axis=[3]), layer("BatchNormalization", axis=3), TF_KERAS),
    Case(
        "graph_op_to_function",
        called(
            Layer("TensorFlowOpLayer", "x", {"node_def": {"op": "AddV2", "attr": {}}, "constants": {"1": 1.5}}), ["a"]
        ),
        _function("add", "a", y=1.5),
        TF_KERAS,
    ),
    Case(
        "ragged_and_sparse_methods",
        called(Layer("InstanceProperty", "x", {"cls_symbol": "keras.KerasTensor", "attr_name": "shape"}), "a"),
        _function("shape", "a"),
        TF_KERAS,
    ),
    Case(
        "computed_shapes_to_numbers",
        functional(
            _input,
            _function("shape", "a").replace(name="shape"),
            called(Layer("SlicingOpLambda", "size", {"function": "__operators__.getitem"}), "shape", slice_spec=0),
            called(Layer("TFOpLambda", "flat", {"function": "reshape"}), "a", shape=["size", 6]),
        ),
        """
a = InputLayer batch_shape=[None, 2, 3] dtype='float32'
flat = TFOpLambda(a, shape=[-1, 6]) function='reshape'
-> [flat]
""",
        TF_KERAS,
    ),
    Case(
        "types_of_function_inputs",
        functional(_ints, _function("math.reduce_mean", "a")),
        functional(_ints, _function("math.reduce_mean", "a").having(input_dtype="int32")),
        TF_KERAS,
    ),
    Case(
        "tensorflow_function_to_keras_op",
        _function("math.reduce_mean", "a", axis=1),
        _op("mean", "a", axis=1),
        TF_KERAS,
    ),
    Case(
        "tensorflow_function_to_keras_op",
        _function("nn.relu", "a").replace(calls=(Call((Ref("a"),)), Call((Ref("b"),)))),
        called(_op("relu", "a"), "b"),
        TF_KERAS,
    ),
    Case(
        "training_only_layers",
        layer("RandomHeight", factor=0.2),
        layer("Identity"),
        TF_KERAS,
    ),
    Case(
        "random_crop",
        layer("RandomCrop", height=2, width=3, seed=1),
        layer("Resizing", height=2, width=3, crop_to_aspect_ratio=True),
        TF_KERAS,
        finding="augmentation_dropped",
    ),
    Case(
        "interpolation_methods",
        layer("Resizing", interpolation="bicubic"),
        layer("Resizing", interpolation="bicubic"),
        TF_KERAS,
    ),
    Case(
        "renormalization_weights",
        layer("BatchNormalization", renorm=True, weights={"moving_variance": [1], "renorm_mean": [2]}),
        layer("BatchNormalization", renorm=True, weights={"moving_variance": [1]}),
        TF_KERAS,
        finding="renormalization_dropped",
    ),
    Case(
        "causal_separable_convolution",
        layer("SeparableConv1D", padding="causal", kernel_size=[3], dilation_rate=[2]),
        (
            layer("ZeroPadding1D", "x_causal", padding=[4, 0], data_format="channels_last"),
            layer("SeparableConv1D", padding="valid", kernel_size=[3], dilation_rate=[2]),
        ),
        TF_KERAS,
    ),
    Case(
        "lookup_counts",
        layer("TextVectorization", output_mode="count", vocabulary=["a", "b"]),
        (
            layer("TextVectorization", output_mode="count", vocabulary=["a", "b"]),
            layer("Reshape", "x_counts", target_shape=[3]),
            layer("Rescaling", "x_floats", scale=1.0, offset=0.0),
        ),
        TF_KERAS,
        once=True,
    ),
    Case(
        "lookup_counts",
        layer("StringLookup", output_mode="multi_hot", vocabulary=["a", "b"]),
        (
            layer("StringLookup", output_mode="multi_hot", vocabulary=["a", "b"]),
            layer("Rescaling", "x_floats", scale=1.0, offset=0.0),
        ),
        TF_KERAS,
        once=True,
    ),
]

REFUSALS = [
    Refusal(
        "graph_op_to_function",
        called(Layer("TensorFlowOpLayer", "x", {"node_def": {"op": "RFFT2D"}}), ["a"]),
        "RFFT2D",
        TF_KERAS,
    ),
    Refusal(
        "ragged_and_sparse_methods",
        called(Layer("ClassMethod", "x", {"cls_symbol": "RaggedTensor", "method_name": "from_tensor"}), "a"),
        "RaggedTensor.from_tensor",
        TF_KERAS,
    ),
    Refusal("interpolation_methods", layer("Resizing", interpolation="gaussian"), "'gaussian'", TF_KERAS),
    Refusal("tensorflow_function_to_keras_op", _function("signal.stft", "a"), "tf.signal.stft", TF_KERAS),
]
