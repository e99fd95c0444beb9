from keras import backend as K
import tensorflow as tf
import numpy as np

from .losses import dice_coef


def mean_iou(y_true, y_pred):
    prec = []
    for t in np.arange(0.5, 1.0, 0.05):
        y_pred_ = tf.to_int32(y_pred > t)
        score, up_opt = tf.metrics.mean_iou(y_true, y_pred_, 2)
        K.get_session().run(tf.local_variables_initializer())
        with tf.control_dependencies([up_opt]):
            score = tf.identity(score)
        prec.append(score)
    return K.mean(K.stack(prec), axis=0)


def hard_dice(threshold=0.5):
    def hard_dice(y_true, y_pred):
        return dice_coef(y_true, K.cast(K.greater(y_pred, threshold), 'float32'))
    return hard_dice
