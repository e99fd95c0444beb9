from keras import backend as K
from keras.engine.topology import InputSpec
from keras.layers import Dense, Layer, Lambda, Add, Input
from keras import activations, initializers, constraints, regularizers
from keras.models import Model
import gym
import numpy as np


class NoisyDense(Layer):
    def __init__(self, units, sigma_init=0.02, activation=None, use_bias=True, kernel_initializer='glorot_uniform',
                 bias_initializer='zeros', kernel_regularizer=None, bias_regularizer=None, activity_regularizer=None,
                 kernel_constraint=None, bias_constraint=None, **kwargs):
        if 'input_shape' not in kwargs and 'input_dim' in kwargs:
            kwargs['input_shape'] = (kwargs.pop('input_dim'),)
        super(NoisyDense, self).__init__(**kwargs)
        self.units = units
        self.sigma_init = sigma_init
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape):
        assert len(input_shape) >= 2
        self.input_dim = input_shape[-1]

        self.kernel = self.add_weight(shape=(self.input_dim, self.units), initializer=self.kernel_initializer,
                                      name='kernel', regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        self.sigma_kernel = self.add_weight(shape=(self.input_dim, self.units),
                                            initializer=initializers.Constant(value=self.sigma_init), name='sigma_kernel')
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.units,), initializer=self.bias_initializer, name='bias',
                                        regularizer=self.bias_regularizer, constraint=self.bias_constraint)
            self.sigma_bias = self.add_weight(shape=(self.units,), initializer=initializers.Constant(value=self.sigma_init), name='sigma_bias')
        else:
            self.bias = None
            self.epsilon_bias = None
        self.epsilon_kernel = K.zeros(shape=(self.input_dim, self.units))
        self.epsilon_bias = K.zeros(shape=(self.units,))
        self.sample_noise()
        super(NoisyDense, self).build(input_shape)

    def call(self, X):
        perturbation = self.sigma_kernel * self.epsilon_kernel
        perturbed_kernel = self.kernel + perturbation
        output = K.dot(X, perturbed_kernel)
        if self.use_bias:
            bias_perturbation = self.sigma_bias * self.epsilon_bias
            perturbed_bias = self.bias + bias_perturbation
            output = K.bias_add(output, perturbed_bias)
        if self.activation is not None:
            output = self.activation(output)
        return output

    def compute_output_shape(self, input_shape):
        assert input_shape and len(input_shape) >= 2
        assert input_shape[-1]
        output_shape = list(input_shape)
        output_shape[-1] = self.units
        return tuple(output_shape)

    def sample_noise(self):
        K.set_value(self.epsilon_kernel, np.zeros((self.input_dim, self.units)))
        K.set_value(self.epsilon_bias, np.zeros((self.units,)))

    def get_config(self):
        config = {'units': self.units, 'sigma_init': self.sigma_init, 'use_bias': self.use_bias,
                  'activation': activations.serialize(self.activation),
                  'kernel_initializer': initializers.serialize(self.kernel_initializer),
                  'kernel_regularizer': regularizers.serialize(self.kernel_regularizer)}
        base_config = super(NoisyDense, self).get_config()
        return dict(list(base_config.items()) + list(config.items()))


class GaussianPolicyNoise(Layer):
    """Draws an action around the mean, at all times."""

    def __init__(self, sigma=0.3, **kwargs):
        super(GaussianPolicyNoise, self).__init__(**kwargs)
        self.sigma = sigma

    def call(self, inputs):
        return inputs + K.random_normal(shape=K.shape(inputs), mean=0., stddev=self.sigma)

    def get_config(self):
        return {**super(GaussianPolicyNoise, self).get_config(), 'sigma': self.sigma}


class NAFLayer(Layer):
    """Normalized advantage, with a lower triangular matrix."""

    def __init__(self, nb_actions, mode='full', **kwargs):
        if mode not in ('full', 'diag'):
            raise RuntimeError('Unknown mode "{}" in NAFLayer.'.format(mode))
        self.nb_actions = nb_actions
        self.mode = mode
        super(NAFLayer, self).__init__(**kwargs)

    def call(self, x, mask=None):
        L_flat, mu, a = x
        import tensorflow as tf
        nb_rows = tf.shape(L_flat)[0]
        zeros = tf.expand_dims(tf.tile(K.zeros((1,)), [nb_rows]), 1)
        diag_indices = [0]
        for row in range(1, self.nb_actions):
            diag_indices.append(diag_indices[-1] + (row + 1))
        diag_mask = np.zeros(1 + 3)
        tril_mask = np.zeros((self.nb_actions, self.nb_actions), dtype='int32')
        tril_mask[np.tril_indices(self.nb_actions)] = range(1, 4)
        L_flat = tf.concat([zeros, L_flat], 1)
        tril_mask_const = tf.transpose(tf.gather(tf.transpose(L_flat), tril_mask), perm=[2, 0, 1])
        LT = K.permute_dimensions(tril_mask_const, (0, 2, 1))
        P = K.batch_dot(tril_mask_const, LT)
        prod = K.batch_dot(K.expand_dims(a - mu, 1), P)
        A = -.5 * K.batch_flatten(K.batch_dot(prod, K.expand_dims(a - mu, -1)))
        return A

    def get_output_shape_for(self, input_shape):
        return self.compute_output_shape(input_shape)

    def compute_output_shape(self, input_shape):
        return input_shape[0][0], 1

    def get_config(self):
        return {**super(NAFLayer, self).get_config(), 'nb_actions': self.nb_actions, 'mode': self.mode}


env = gym.make('Pendulum-v0')
