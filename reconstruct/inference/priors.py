"""How likely each alternative is, as costs: minus the natural logarithm of a frequency, rounded.

Counted over about 90 different saved models of Keras 1 to 3 with their configs, and smoothed by what Keras's
documentation and tutorials do. A cost that a count decides is marked by the count.
"""

from __future__ import annotations

from collections.abc import Mapping

Costs = Mapping[str, float]

# Hidden Dense and Conv layers that no activation layer follows: relu 53 of 70, linear 9, sigmoid 3
HIDDEN: Costs = {
    "relu": 0.3,
    "linear": 2.2,
    "tanh": 2.6,
    "sigmoid": 3.2,
    "elu": 3.2,
    "selu": 3.6,
    "swish": 3.8,
    "gelu": 3.8,
    "leaky_relu": 4.0,
    "leaky_relu@0.3": 3.4,
    "leaky_relu@0.1": 4.2,
    "leaky_relu@0.01": 4.2,
    "softplus": 4.5,
    "softsign": 5.0,
    "softmax": 5.0,
    "relu6": 5.5,
    "mish": 5.5,
    "hard_sigmoid": 5.5,
    "exponential": 6.5,
}
# The same in models that have activation layers elsewhere: linear 29 of 29, all in convolutional networks but one
HIDDEN_APART: Costs = {**HIDDEN, "linear": 0.3, "relu": 1.5}
# Before an activation layer, or normalisation and then one: linear 116 of 118
BEFORE_ACTIVATION: Costs = {
    "linear": 0.05,
    "relu": 3.5,
    "tanh": 5.0,
    "sigmoid": 5.5,
    "elu": 5.5,
    "selu": 6.0,
    "swish": 6.0,
    "gelu": 6.0,
}
# The last layer with one number: sigmoid 10, linear 17 (7 without recurrent or convolutional layers), tanh 1
LAST_ONE: Costs = {
    "sigmoid": 0.7,
    "linear": 0.8,
    "tanh": 2.6,
    "relu": 3.2,
    "softplus": 4.5,
    "softmax": 6.0,
    "hard_sigmoid": 5.0,
    "elu": 5.0,
    "selu": 5.5,
    "exponential": 5.5,
    "leaky_relu": 5.5,
    "softsign": 6.0,
    "swish": 6.0,
    "gelu": 6.0,
    "relu6": 6.0,
    "mish": 7.0,
}
LAST_SEVERAL: Costs = {**LAST_ONE, "softmax": 0.7, "linear": 1.1, "sigmoid": 2.2, "relu": 3.0, "tanh": 3.0}
LAST_OF_AGENT: Costs = {"linear": 0.1, "softmax": 2.0, "tanh": 2.0, "sigmoid": 3.5}  # not counted
LAST_IMAGE: Costs = {**LAST_ONE, "sigmoid": 0.7, "linear": 1.2, "tanh": 2.0, "softmax": 3.5}
# Of generators, and of what filters an image without resizing it (super-resolution): not counted
LAST_GENERATED: Costs = {**LAST_IMAGE, "tanh": 0.4, "sigmoid": 1.2, "linear": 2.5}
LAST_FILTERED: Costs = {**LAST_IMAGE, "linear": 0.5, "sigmoid": 1.1}
# A convolution that is added to what leads around it, as in residual blocks
BEFORE_SUM: Costs = {**BEFORE_ACTIVATION, "linear": 0.3, "relu": 1.5}
# An Activation layer in the middle: relu 56, sigmoid 2, tanh 1
# (`Activation("leaky_relu")` has one slope in all releases, others are layers of their own)
ACTIVATION_LAYER: Costs = {
    **HIDDEN,
    **dict.fromkeys(("leaky_relu@0.3", "leaky_relu@0.1", "leaky_relu@0.01"), 7.0),
    "relu": 0.1,
    "linear": 4.0,
    "tanh": 2.2,
    "elu": 3.0,
}
# Of discriminators, which stride in place of pooling (Radford et al. 2015, arXiv 1511.06434, 3)
HIDDEN_OF_DISCRIMINATOR: Costs = {**HIDDEN, "leaky_relu@0.2": 0.3, "leaky_relu@0.3": 1.8, "relu": 1.6}
RECURRENT: Costs = {
    "tanh": 0.15,
    "relu": 2.2,
    "linear": 4.0,
    "sigmoid": 4.0,
    "selu": 5.0,
    "elu": 5.0,
    "softsign": 5.0,
    "swish": 5.0,
}
GATE_BEFORE_2_3: Costs = {"hard_sigmoid": 0.1, "sigmoid": 2.5, "tanh": 6.0, "relu": 6.0, "linear": 5.5}
GATE_BETWEEN: Costs = {
    "sigmoid": 0.6,
    "hard_sigmoid": 0.9,
    "tanh": 6.0,
    "relu": 6.0,
    "linear": 5.5,
}  # TensorFlow 1.13 to 2.0
GATE_SINCE: Costs = {"sigmoid": 0.05, "hard_sigmoid": 3.0, "tanh": 6.0, "relu": 6.0, "linear": 5.5}
LEAKY_SLOPE = {
    0.3: 0.4,
    0.2: 1.2,
    0.1: 1.8,
    0.01: 2.2,
    0.05: 3.5,
    0.02: 5.0,
    0.001: 5.0,
    0.15: 5.5,
    0.25: 5.5,
    0.5: 5.5,
}
# 0.2 in generators and discriminators (Radford et al. 2015, arXiv 1511.06434, 3)
LEAKY_SLOPE_OF_GAN = {**LEAKY_SLOPE, 0.2: 0.4, 0.3: 1.0}
ELU_ALPHA = {1.0: 0.1, 0.3: 4.0, 0.5: 4.0, 0.2: 5.0, 0.1: 5.0}
# Not counted: tutorials on text pad with zeros, and few of them mask these
MASK_ZERO: Mapping[bool, float] = {False: 0.2, True: 1.7}
# Of captions, whose words are added to what is seen, as tutorials have it: not counted
MASK_ZERO_OF_CAPTION: Mapping[bool, float] = {True: 0.4, False: 1.1}
MASK_VALUE = {0.0: 0.2, -1.0: 2.0, -10.0: 3.0, -99.0: 4.0, -999.0: 4.0, 99.0: 4.0, 999.0: 4.0, -2.0: 4.0, 1.0: 4.0}
# Of images of bytes to 0…1, or to -1…1 with the offset
# By a function, as in models that drive: x / 255 - 0.5 4, x / 127.5 - 1 1
OFFSET_OF_FUNCTION = {-0.5: 0.3, -1.0: 1.3, 0.0: 1.8}
SCALE = {1 / 255: 0.2, 1 / 127.5: 1.5, 1 / 256: 4.0, 1.0: 4.0}
OFFSET = {0.0: 0.2, -1.0: 1.5, -0.5: 4.0}
SCALE_OF_OUTPUT = {2.0: 0.5, 1.0: 1.5, **dict.fromkeys((0.5, 3.0, 4.0, 5.0, 10.0, 100.0, 255.0, -1.0, 0.1, 0.01), 3.0)}
BATCH_EPSILON = {1e-3: 0.05, 1e-5: 3.5, 1e-6: 4.5, 1.001e-5: 4.5, 1e-4: 5.0, 1e-2: 6.0}
ATTENTION_EPSILON = {1e-6: 0.4, 1e-3: 1.1, 1e-5: 3.0, 1e-12: 5.0}  # 1e-6 5, 1e-3 3
LAYER_EPSILON = {1e-3: 0.6, 1e-6: 0.9, 1e-5: 3.0, 1e-12: 5.0}
# Convolutions of more than one place: valid 190, same 160, causal 9 of 29 in one dimension; stride 1 340, 2 15
PADDING = {"valid": 0.65, "same": 0.75, "causal": 2.5}
# Where "same" would have to be said and keeps nothing: signals and texts, and kernels with an even side
PADDING_UNSAID = {"valid": 0.4, "same": 1.3, "causal": 2.5}
PADDING_KEPT = {"same": 0.3, "valid": 1.6, "causal": 2.5}
STRIDE = {1: 0.1, 2: 2.6, 3: 5.0, 4: 4.5}
STRIDE_ALONE = {**STRIDE, 1: 0.9, 2: 0.6}  # where nothing else makes images smaller
# Residual networks halve the image where they double the channels, in the block and on the way around it (He et al.
# 2015, arXiv 1512.03385, 3.3)
STRIDE_WHERE_DOUBLED = {**STRIDE, 1: 1.6, 2: 0.3}
STRIDE_OF_SHORTCUT = {**STRIDE, 2: 0.6}
SMALLER_IN_DECODER = 4.0  # 0 of 42 convolutions behind a layer that makes images larger
STRIDE_TRANSPOSED = {2: 0.4, 1: 1.3, 3: 3.5, 4: 3.0}
PADDING_TRANSPOSED = {"same": 0.2, "valid": 1.8}
POOL = {2: 0.15, 3: 2.3, 4: 3.0, 5: 4.5, 8: 4.5}
# Of one axis, as of sounds: not counted; 1 where a number of a loop is left at that
POOL_OF_SIGNAL = {
    2: 0.3,
    3: 1.9,
    4: 2.2,
    5: 2.5,
    8: 2.5,
    1: 4.3,
    10: 4.0,
    **dict.fromkeys((6, 7, 9, 11, 12, 16, 20), 5.0),
}
# Of signals of several channels that stand side by side, as in EEGNet (Lawhern et al. 2018, arXiv 1611.08024)
POOL_OF_STEPS = {2: 0.5, 4: 0.5, 8: 0.5, 3: 2.3, 5: 3.0, 16: 3.0}
POOL_PADDING = {"valid": 0.3, "same": 1.4}
UP = {2: 0.1, 3: 3.0, 4: 3.0}
# Heights, widths and lengths that a model is given, where Flatten decides a product only
SIZES = {
    **dict.fromkeys((224, 128, 64, 32, 28), 1.5),
    **dict.fromkeys((48, 96, 100, 150, 160, 256, 299, 200, 299, 84, 80, 50, 40, 75, 120, 180, 300, 227, 331, 512), 2.2),
    **dict.fromkeys((8, 16, 10, 20, 24, 30, 36, 56, 60, 66, 72, 90, 112, 140, 144, 192, 196, 240, 320, 400, 416), 2.8),
}
# Of made images by their channels: those of MNIST, CIFAR and faces (not counted)
SIZES_MADE = {1: {28: -1.0}, 3: {32: 0.5, 64: 0.5, 128: 0.8}}
SIZE_EIGHTH, SIZE_ANY = 4.2, 5.5
