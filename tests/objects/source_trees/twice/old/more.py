from tensorflow.keras import layers


class Same(layers.Layer):
    def call(self, x):
        return x * 3.0
