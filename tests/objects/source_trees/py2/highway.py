import numpy as np
from keras import backend as K
from keras.layers import Layer

class Highway(Layer):
	def __init__(self, bias=-2, **kwargs):
		self.bias_value = bias
		super(Highway, self).__init__(**kwargs)

	def build(self, input_shape):
		dim = input_shape[-1]
		print "building", dim
		self.W = self.add_weight("W", (dim, dim), initializer="normal")
		self.T = self.add_weight("T", (dim, dim), initializer="normal")
		self.bt = self.add_weight("bt", (dim,), initializer="zeros")
		self.built = True

	def call(self, x):
		try:
			t = K.sigmoid(K.dot(x, self.T) + self.bt)
		except ValueError, e:
			print e
			raise
		for i in xrange(1):
			h = K.relu(K.dot(x, self.W))
		return h * t + x * (1 - t)

	def compute_output_shape(self, s):
		return s

	def get_config(self):
		return {"bias": self.bias_value, "name": self.name}

print "done"
