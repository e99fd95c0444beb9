from keras import backend as K


def dot_product(x, kernel):
    if K.backend() == 'tensorflow':
        if K.ndim(kernel) == 1:
            return K.squeeze(K.dot(x, K.expand_dims(kernel)), axis=-1)
        return K.dot(x, kernel)
    else:
        return K.dot(x, kernel)
