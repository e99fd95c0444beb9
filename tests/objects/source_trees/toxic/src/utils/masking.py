import keras.backend as K


def apply_mask(a, mask):
    if mask is None:
        return a
    return a * K.cast(mask, K.floatx())
