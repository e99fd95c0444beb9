import numpy as np
import keras.backend as K

EPS = 1e-6


def shape_list(x):
    tmp = list(K.int_shape(x))
    return [-1 if t is None else t for t in tmp]


def position_table(n, d):
    table = np.array([[p / np.power(10000., 2. * (i // 2) / d) for i in range(d)] for p in range(n)])
    table[:, 0::2] = np.sin(table[:, 0::2])
    table[:, 1::2] = np.cos(table[:, 1::2])
    return table.astype('float32')
