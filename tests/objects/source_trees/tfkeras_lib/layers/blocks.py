import tensorflow as tf
from tensorflow.keras import layers, Model
from tensorflow.python.keras.utils.tf_utils import shape_type_conversion
from tensorflow.keras.layers import *
from tfkeras_lib.config import *
import tfkeras_lib.ops as ops
from .. import ops as local_ops


class ResBlock(layers.Layer):
    def __init__(self, filters, stride=1, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.stride = stride
        self.conv1 = layers.Conv2D(filters, 3, strides=stride, padding='same')
        self.bn1 = layers.BatchNormalization()
        self.conv2 = layers.Conv2D(filters, 3, padding='same')
        self.bn2 = layers.BatchNormalization()
        self.shortcut = layers.Conv2D(filters, 1, strides=stride)

    def call(self, x, training=None):
        y = tf.nn.relu(self.bn1(self.conv1(x), training=training))
        y = self.bn2(self.conv2(y), training=training)
        return layers.Add()([y, self.shortcut(x)])

    def get_config(self):
        config = super().get_config()
        config.update({'filters': self.filters, 'stride': self.stride})
        return config


class TransformerBlock(tf.keras.layers.Layer):
    def __init__(self, embed_dim, num_heads, ff_dim, rate=0.1, **kwargs):
        super(TransformerBlock, self).__init__(**kwargs)
        self.embed_dim, self.num_heads, self.ff_dim, self.rate = embed_dim, num_heads, ff_dim, rate
        self.att = layers.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.ffn = tf.keras.Sequential([layers.Dense(ff_dim, activation="relu"), layers.Dense(embed_dim)])
        self.layernorm1 = layers.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = layers.LayerNormalization(epsilon=1e-6)
        self.dropout1 = layers.Dropout(rate)
        self.dropout2 = layers.Dropout(rate)

    def call(self, inputs, training=False):
        attn_output = self.att(inputs, inputs)
        attn_output = self.dropout1(attn_output, training=training)
        out1 = self.layernorm1(inputs + attn_output)
        ffn_output = self.ffn(out1)
        ffn_output = self.dropout2(ffn_output, training=training)
        return self.layernorm2(out1 + ffn_output)

    def get_config(self):
        config = super().get_config()
        config.update(dict(embed_dim=self.embed_dim, num_heads=self.num_heads, ff_dim=self.ff_dim, rate=self.rate))
        return config


class Linear(layers.Layer):
    def __init__(self, units=WIDTH, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    @shape_type_conversion
    def build(self, input_shape):
        w_init = tf.random_normal_initializer()
        self.w = tf.Variable(initial_value=w_init(shape=(input_shape[-1], self.units), dtype="float32"),
                             trainable=True, name='w')
        self.b = self.add_weight('b', shape=[self.units], initializer=tf.zeros_initializer())
        self.built = True

    def call(self, inputs):
        return ops.gelu(tf.matmul(inputs, self.w) + self.b) + local_ops.norm(inputs)[:, :1]

    def get_config(self):
        return {**super().get_config(), 'units': self.units}


class MLP(Model):
    def __init__(self, width=WIDTH, **kwargs):
        super(MLP, self).__init__(**kwargs)
        self.width = width
        self.blocks = [Dense(width, activation=ACT) for _ in range(DEPTH)]
        self.out = Dense(2)

    def call(self, x):
        for block in self.blocks:
            x = block(x)
        return self.out(x)

    def get_config(self):
        return {'width': self.width}


class CBAM(layers.Layer):
    def __init__(self, ratio=2, **kwargs):
        super(CBAM, self).__init__(**kwargs)
        self.ratio = ratio

    def build(self, input_shape):
        channel = input_shape[-1]
        self.shared_one = Dense(channel // self.ratio, activation='hard_sigmoid', use_bias=True)
        self.shared_two = Dense(channel)
        self.conv = Conv2D(1, 7, padding='same', activation='sigmoid', use_bias=False)
        super(CBAM, self).build(input_shape)

    def call(self, x):
        avg = GlobalAveragePooling2D()(x)
        mx = GlobalMaxPooling2D()(x)
        a = tf.nn.sigmoid(self.shared_two(self.shared_one(avg)) + self.shared_two(self.shared_one(mx)))
        x = x * Reshape((1, 1, x.shape[-1]))(a)
        s = tf.concat([tf.reduce_mean(x, -1, keepdims=True), tf.reduce_max(x, -1, keepdims=True)], axis=-1)
        return x * self.conv(s)

    def get_config(self):
        config = super(CBAM, self).get_config()
        config['ratio'] = self.ratio
        return config


def make_scaler():
    factor = 3.0
    shift = factor / 2

    class Scaler(layers.Layer):
        def call(self, x):
            return x * factor + shift

    return Scaler


SCALE = 0.25
scaled = lambda x: tf.tanh(x) * SCALE


@tf.keras.utils.register_keras_serializable(package='Mine', name='BiasOnly')
class BiasLayer(layers.Layer):
    def build(self, input_shape):
        self.bias = self.add_weight(name='bias', shape=input_shape[1:], initializer='zeros')

    def call(self, x):
        return x + self.bias
