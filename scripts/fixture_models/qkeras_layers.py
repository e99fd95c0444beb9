"""QKeras: layers with quantized weights and activations, by qkeras 0.9.0 on tf.keras and by qkeras-v3 on Keras 3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import qkeras
from keras import Input, Model
from keras import layers as L
from qkeras import quantizers as Q
from qkeras.utils import _add_supported_quantized_objects

from fixture_models.common import Catalogue

BITS = "quantized_bits(4,0,1)"
ON_KERAS_3 = keras.__version__.startswith("3")
catalogue = Catalogue("qkeras-v3" if ON_KERAS_3 else "qkeras-0.9.0")


def reload(path: Path) -> Any:
    objects: dict[str, Any] = {}
    _add_supported_quantized_objects(objects)
    if ON_KERAS_3:
        from qkeras.qdense_batchnorm import QDenseBatchnorm

        class Loadable(QDenseBatchnorm):  # that of qkeras-v3 1.2.1 writes fields that it does not take
            def __init__(
                self, *, synchronized: Any, renorm: Any, renorm_clipping: Any, renorm_momentum: Any, **own: Any
            ):
                super().__init__(**own)

        objects["QDenseBatchnorm"] = Loadable
    return keras.models.load_model(str(path), custom_objects=objects)


def models(*covers: str, zipped: bool = True) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Add the model as HDF5 and as a Keras zip, where QKeras can read its own zip."""

    def decorate(build: Callable[[], Any]) -> Callable[[], Any]:
        name = build.__name__
        catalogue.add(*covers, name=f"{name}_h5", reload=reload)(build)
        if not zipped:
            return build
        options = {"name": f"{name}_zip", "container": "keras-zip", "suffix": ".keras"}
        catalogue.add(*covers, reload=reload, **options)(build)
        return build

    return decorate


@models("QDense", "QActivation", "quantized_bits", "quantized_relu", "quantized_po2", "ternary", "binary")
def dense() -> Any:
    x = Input((7,))
    a = qkeras.QDense(6, kernel_quantizer="quantized_bits(4,0,1)", bias_quantizer=Q.quantized_bits(5, 1))(x)
    a = qkeras.QActivation("quantized_relu(4,2)")(a)
    b = qkeras.QDense(5, kernel_quantizer=Q.quantized_bits(3, 0, alpha="auto"), bias_quantizer="quantized_po2(4)")(a)
    c = qkeras.QDense(5, kernel_quantizer=Q.ternary(alpha="auto_po2"), use_bias=False, activation="tanh")(a)
    d = qkeras.QDense(5, kernel_quantizer=Q.binary(alpha=0.5), bias_quantizer=Q.stochastic_ternary(alpha="auto"))(x)
    e = qkeras.QDense(5, kernel_quantizer="quantized_po2(4,1)", activation=Q.quantized_bits(6, 2, 1))(x)
    f = qkeras.QActivation("quantized_relu(5,1,0,0.25)")(d)
    return Model(x, [b, c, d, e, f])


@models("QConv1D", "QConv2D", "QConv2DTranspose", "QDepthwiseConv2D", "QSeparableConv2D", "auto_po2")
def convolutions() -> Any:
    x, y = Input((9, 8, 3)), Input((11, 4))
    bits = Q.quantized_bits(4, 0, alpha="auto_po2")
    a = qkeras.QConv2D(6, (3, 2), strides=2, kernel_quantizer=bits, bias_quantizer="quantized_bits(6,2)")(x)
    a = qkeras.QActivation("quantized_bits(6,2)")(a)
    b = qkeras.QDepthwiseConv2D((2, 3), padding="same", depth_multiplier=2, depthwise_quantizer=BITS)(x)
    c = qkeras.QSeparableConv2D(
        4,
        (3, 3),
        depthwise_quantizer=Q.quantized_bits(5, 0, 1, alpha=1.0),
        pointwise_quantizer=Q.stochastic_binary(alpha="auto"),
        bias_quantizer="quantized_po2(5)",
        activation="quantized_relu(6,3)",
    )(x)
    padding = "same" if ON_KERAS_3 else "causal"  # each cannot do the other
    d = qkeras.QConv1D(5, 3, padding=padding, dilation_rate=2, kernel_quantizer=BITS, activation="relu")(y)
    if not ON_KERAS_3:  # QConv2DTranspose of 0.9.0 no longer runs
        return Model([x, y], [a, b, c, d])
    return Model(
        [x, y], [qkeras.QConv2DTranspose(3, 2, strides=2, kernel_quantizer="quantized_bits(4,0,1)")(a), b, c, d]
    )


@models(
    "QConv2DBatchnorm", "QDepthwiseConv2DBatchnorm", "QDenseBatchnorm", "QBatchNormalization", zipped=not ON_KERAS_3
)
def folded() -> Any:
    x, y = Input((7, 6, 3)), Input((7,))
    a = qkeras.QConv2DBatchnorm(
        4, (3, 3), kernel_quantizer="quantized_bits(5,1,1)", bias_quantizer="quantized_bits(8,3)", padding="same"
    )(x)
    a = qkeras.QActivation("quantized_relu(5,2)")(a)
    a = qkeras.QDepthwiseConv2DBatchnorm((2, 2), depthwise_quantizer="quantized_bits(5,1,1)", use_bias=False)(a)
    b = qkeras.QDense(4, kernel_quantizer="quantized_bits(4,0,1)", bias_quantizer="quantized_bits(4)")(y)
    if not ON_KERAS_3:  # QBatchNormalization of qkeras-v3 1.2.1 cannot be called: a shape has no `dims` in Keras 3
        b = qkeras.QBatchNormalization(mean_quantizer=None)(b)
        return Model([x, y], [a, b])
    from qkeras.qdense_batchnorm import QDenseBatchnorm

    c = QDenseBatchnorm(5, kernel_quantizer="quantized_bits(5,1,1)", bias_quantizer="quantized_bits(6,2)", scale=True)(
        b
    )
    return Model([x, y], [a, c])


@models(
    "QActivation",
    "quantized_tanh",
    "quantized_sigmoid",
    "quantized_relu_po2",
    "hard_tanh",
    "quantized_ulaw",
    zipped=not ON_KERAS_3,
)
def activations() -> Any:
    x = Input((9,))
    names = [
        "quantized_tanh(4)",
        "quantized_tanh(5,0,1,1)",
        "quantized_sigmoid(4,1)",
        "quantized_sigmoid(5,False,True)",
        "quantized_relu(4,1,1)",
        "quantized_relu_po2(4,4)",
        "quantized_po2(4,2)",
        "quantized_ulaw(6,1)",
        "binary(alpha=1)",
        "ternary(threshold=0.4)",
        "hard_tanh",
        "smooth_sigmoid",
        "relu",
    ]
    return Model(x, [qkeras.QActivation(name)(x) for name in names])


@models("QActivation", "objects", zipped=ON_KERAS_3)
def activation_objects() -> Any:
    x = Input((9,))
    a = qkeras.QActivation(Q.quantized_relu(5, 1, negative_slope=0.25))(x)
    b = qkeras.QDense(4, activation=Q.quantized_tanh(4, use_real_tanh=True), kernel_quantizer=Q.quantized_bits(4))(x)
    return Model(x, [a, b, qkeras.QActivation(Q.quantized_bits(4, 1, alpha=1.5))(x)])


@models("QAveragePooling2D", "QGlobalAveragePooling2D")
def pooling() -> Any:
    x = Input((6, 9, 3))
    a = qkeras.QAveragePooling2D((2, 3), average_quantizer=Q.quantized_bits(6, 0, 1), activation="quantized_relu(6,1)")(
        x
    )
    b = qkeras.QGlobalAveragePooling2D(average_quantizer=Q.quantized_bits(6, 0, 1), activation=Q.quantized_bits(6, 0))(
        x
    )
    c = qkeras.QAveragePooling2D(3, padding="same")(x)
    return Model(x, [a, b, c, qkeras.QGlobalAveragePooling2D()(L.ReLU()(x))])
