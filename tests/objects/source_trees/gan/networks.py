"""Progressive GAN, Keras."""
from numpy import ones, zeros, asarray
from numpy.random import randn, randint
from math import sqrt
from functools import partial
from skimage.transform import resize
from keras.datasets.cifar10 import load_data
from keras.optimizers import Adam, RMSprop
from keras.models import Sequential, Model
from keras.layers import Input, Dense, Flatten, Reshape, Conv2D, UpSampling2D, AveragePooling2D, LeakyReLU, Layer, Add
from keras.layers.merge import _Merge
from keras.constraints import Constraint, max_norm
from keras.initializers import RandomNormal
from matplotlib import pyplot
from keras import backend

BATCH_SIZE = 8


# pixel-wise feature vector normalization layer
class PixelNormalization(Layer):
	# initialize the layer
	def __init__(self, **kwargs):
		super(PixelNormalization, self).__init__(**kwargs)

	# perform the operation
	def call(self, inputs):
		# calculate square pixel values
		values = inputs**2.0
		# calculate the mean pixel values
		mean_values = backend.mean(values, axis=-1, keepdims=True)
		# ensure the mean is not zero
		mean_values += 1.0e-8
		# calculate the sqrt of the mean squared value (L2 norm)
		l2 = backend.sqrt(mean_values)
		# normalize values by the l2 norm
		normalized = inputs / l2
		return normalized

	# define the output shape of the layer
	def compute_output_shape(self, input_shape):
		return input_shape


# mini-batch standard deviation layer
class MinibatchStdev(Layer):
	def __init__(self, **kwargs):
		super(MinibatchStdev, self).__init__(**kwargs)

	def call(self, inputs):
		mean = backend.mean(inputs, axis=0, keepdims=True)
		squ_diffs = backend.square(inputs - mean)
		mean_sq_diff = backend.mean(squ_diffs, axis=0, keepdims=True)
		mean_sq_diff += 1e-8
		stdev = backend.sqrt(mean_sq_diff)
		mean_pix = backend.mean(stdev, keepdims=True)
		shape = backend.shape(inputs)
		output = backend.tile(mean_pix, (shape[0], shape[1], shape[2], 1))
		combined = backend.concatenate([inputs, output], axis=-1)
		return combined

	def compute_output_shape(self, input_shape):
		input_shape = list(input_shape)
		input_shape[-1] += 1
		return tuple(input_shape)


# weighted sum output
class WeightedSum(Add):
	# init with default value
	def __init__(self, alpha=0.0, **kwargs):
		super(WeightedSum, self).__init__(**kwargs)
		self.alpha = backend.variable(alpha, name='ws_alpha')

	# output a weighted sum of inputs
	def _merge_function(self, inputs):
		# only supports a weighted sum of two inputs
		assert (len(inputs) == 2)
		# ((1-a) * input1) + (a * input2)
		output = ((1.0 - self.alpha) * inputs[0]) + (self.alpha * inputs[1])
		return output


class RandomWeightedAverage(_Merge):
	"""Takes a randomly-weighted average of two tensors."""

	def _merge_function(self, inputs):
		weights = backend.random_uniform((BATCH_SIZE, 1, 1, 1))
		return (weights * inputs[0]) + ((1 - weights) * inputs[1])


# clip model weights to a given hypercube
class ClipConstraint(Constraint):
	def __init__(self, clip_value):
		self.clip_value = clip_value

	def __call__(self, weights):
		return backend.clip(weights, -self.clip_value, self.clip_value)

	def get_config(self):
		return {'clip_value': self.clip_value}


# calculate wasserstein loss
def wasserstein_loss(y_true, y_pred):
	return backend.mean(y_true * y_pred)


def critic():
	init = RandomNormal(stddev=0.02)
	const = ClipConstraint(0.01)
	model = Sequential()
	model.add(Conv2D(4, (3, 3), strides=(2, 2), padding='same', kernel_initializer=init, kernel_constraint=const, input_shape=(8, 8, 1)))
	model.add(LeakyReLU(alpha=0.2))
	model.add(MinibatchStdev())
	model.add(PixelNormalization())
	model.add(Flatten())
	model.add(Dense(1))
	opt = RMSprop(lr=0.00005)
	model.compile(loss=wasserstein_loss, optimizer=opt)
	return model


model = critic()
model.summary()
X = load_data()
