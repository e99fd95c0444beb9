"""Objects for training: what a saved model names beside its layers."""
import tensorflow as tf
from tensorflow import keras
import tensorflow.keras.backend as K

NUM_CLASSES = 3


class OrthogonalRegularizer(keras.regularizers.Regularizer):
    def __init__(self, num_features, l2reg=0.001):
        self.num_features = num_features
        self.l2reg = l2reg
        self.eye = tf.eye(num_features)

    def __call__(self, x):
        x = tf.reshape(x, (-1, self.num_features, self.num_features))
        xxt = tf.tensordot(x, x, axes=(2, 2))
        xxt = tf.reshape(xxt, (-1, self.num_features, self.num_features))
        return tf.reduce_sum(self.l2reg * tf.square(xxt - self.eye))

    def get_config(self):
        return {'num_features': self.num_features, 'l2reg': self.l2reg}


class ICNR(keras.initializers.Initializer):
    def __init__(self, scale=2):
        self.scale = scale

    def __call__(self, shape, dtype=None, **kwargs):
        return keras.initializers.GlorotNormal()(shape, dtype)

    def get_config(self):
        return {'scale': self.scale}


class UnitSum(keras.constraints.Constraint):
    def __call__(self, w):
        return w / (K.epsilon() + K.sum(w, axis=0, keepdims=True))


class F1Score(keras.metrics.Metric):
    def __init__(self, name='f1_score', threshold=0.5, **kwargs):
        super().__init__(name=name, **kwargs)
        self.threshold = threshold
        self.tp = self.add_weight(name='tp', initializer='zeros')
        self.fp = self.add_weight('fp', initializer='zeros')

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_pred = tf.cast(y_pred > self.threshold, tf.float32)
        self.tp.assign_add(tf.reduce_sum(y_true * y_pred))
        self.fp.assign_add(tf.reduce_sum((1 - y_true) * y_pred))

    def result(self):
        return self.tp / (self.tp + self.fp + K.epsilon())

    def reset_states(self):
        self.tp.assign(0.)

    def get_config(self):
        return {**super().get_config(), 'threshold': self.threshold}


class DiceLoss(keras.losses.Loss):
    def __init__(self, smooth=1., name='dice_loss', **kwargs):
        super().__init__(name=name, **kwargs)
        self.smooth = smooth

    def call(self, y_true, y_pred):
        return 1. - (2. * K.sum(y_true * y_pred) + self.smooth) / (K.sum(y_true) + K.sum(y_pred) + self.smooth)

    def get_config(self):
        return {**super().get_config(), 'smooth': self.smooth}


def weighted_categorical_crossentropy(weights):
    weights = K.variable(weights)

    def loss(y_true, y_pred):
        y_pred /= K.sum(y_pred, axis=-1, keepdims=True)
        y_pred = K.clip(y_pred, K.epsilon(), 1 - K.epsilon())
        return -K.sum(y_true * K.log(y_pred) * weights, -1)

    return loss


def root_mean_squared_error(y_true, y_pred):
    return K.sqrt(K.mean(K.square(y_pred - y_true)))


def get_lr_metric(optimizer):
    def lr(y_true, y_pred):
        return optimizer.lr
    return lr


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, initial, warmup_steps):
        self.initial, self.warmup_steps = initial, warmup_steps

    def __call__(self, step):
        return self.initial * tf.minimum(1., tf.cast(step, tf.float32) / self.warmup_steps)

    def get_config(self):
        return {'initial': self.initial, 'warmup_steps': self.warmup_steps}


class SGDW(keras.optimizers.SGD):
    """Decay apart from the gradient."""

    def __init__(self, weight_decay=1e-4, **kwargs):
        super().__init__(**kwargs)
        self.decay_apart = weight_decay

    def get_config(self):
        return {**super().get_config(), 'weight_decay': self.decay_apart}
