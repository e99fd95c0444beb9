"""Code for Keras 1 and 2, run on Keras 3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from reconstruct.artifact import Writer
from reconstruct.errors import ReadError, gist
from reconstruct.objects import custom
from reconstruct.objects.source import places
from reconstruct.objects.source.extract import WRITTEN_FOR
from reconstruct.runtimes import legacy_code
from reconstruct.runtimes.legacy_code.layer import weights_as_saved


def code(folder: Path, text: str) -> dict[str, Any]:
    path = folder / "layers.py"
    path.write_text(text, "utf-8")
    return custom.load([str(path)])


@pytest.mark.parametrize(
    "line",
    [
        "from keras.engine.topology import Layer, InputSpec",
        "from keras.engine.base_layer import Layer",
        "from keras.engine import Layer",
        "from keras.layers.core import Layer, Dense",
        "from tensorflow.keras.layers import Layer",
        "from tensorflow.python.keras.engine.base_layer import Layer",
        "from tensorflow.python.keras.layers import Layer",
        "from tf_keras.layers import Layer",
        "import keras\nLayer = keras.engine.topology.Layer",
        "import tensorflow as tf\nLayer = tf.keras.layers.Layer",
        "import keras.layers as KL\nLayer = KL.Layer",
        "from keras.layers import *",
        "from keras.layers.recurrent import LSTM\nfrom keras.layers import Layer",
        "from keras.utils.generic_utils import get_custom_objects\nfrom keras.legacy import interfaces\n"
        "from keras.engine.topology import Layer\nget_custom_objects().update({'a': 1})",
    ],
)
def test_every_path_that_keras_had(tmp_path: Path, line: str) -> None:
    found = code(tmp_path, f"{line}\nclass Twice(Layer):\n    def call(self, x):\n        return 2 * x\n")
    x = np.ones((2, 3), "float32")
    assert np.array_equal(found["Twice"]()(x), 2 * x)


WEIGHTS = {
    "keras 2 positional": "self.add_weight('w', shape=(n, 2), initializer='uniform')",
    "keras 2 named": "self.add_weight(name='w', shape=[n, 2], initializer='normal', regularizer=None, trainable=True)",
    "keras 1": "self.add_weight((n, 2), initializer='glorot_uniform', name='{}_w'.format(self.name))",
    "keras 1 positional": "self.add_weight((n, 2), 'zero', 'w')",
    "tf.keras": "self.add_weight('w', [n, 2], tf.float32, tf.keras.initializers.Ones(), use_resource=True)",
    "add_variable": "self.add_variable('w', shape=tf.TensorShape([n, 2]))",
    "variable": "tf.Variable(tf.ones([n, 2]), trainable=True)",
    "function": "self.add_weight(name='w', shape=(n, 2), initializer=lambda shape, dtype=None: K.ones(shape))",
    "backend": "K.variable(np.ones((n, 2)))",
}


@pytest.mark.parametrize("how", WEIGHTS)
@pytest.mark.parametrize("size", ["int(s[-1])", "s[-1]", "s[1].value", "s.as_list()[1]"])
def test_weights_as_every_keras_made_them(tmp_path: Path, how: str, size: str) -> None:
    found = code(
        tmp_path,
        "import numpy as np\nimport tensorflow as tf\nfrom keras import backend as K\nfrom keras.layers import Layer\n"
        "class Project(Layer):\n    def build(self, s):\n"
        f"        n = {size}\n        self.w = {WEIGHTS[how]}\n        super(Project, self).build(s)\n"
        "    def call(self, x, mask=None):\n        return K.dot(x, self.w)\n"
        "    def compute_output_shape(self, s):\n        return (s[0], 2)\n",
    )
    layer = found["Project"]()
    model = keras.Sequential([keras.Input((3,)), layer])
    kernel = np.arange(6, dtype="float32").reshape(3, 2)
    layer.set_weights([kernel])
    x = np.array([[1.0, 2.0, 3.0]], "float32")
    assert np.allclose(model(x), x @ kernel)


@pytest.mark.parametrize(
    "line",
    ["self.trainable_weights = [v]", "self._trainable_weights.append(v)", "self._trainable_weights += [v]"],
)
def test_weights_that_are_listed(tmp_path: Path, line: str) -> None:
    found = code(
        tmp_path,
        "from keras import backend as K\nfrom keras.layers import Layer\n\nclass Scale(Layer):\n"
        f"    def build(self, s):\n        v = K.ones((s[-1],))\n        {line}\n        self.hold = [v]\n"
        "    def call(self, x):\n        return x * self.hold[0]\n",
    )
    layer = found["Scale"]()
    layer.build((None, 3))
    assert [tuple(w.shape) for w in layer.weights] == [(3,)]


def test_weights_in_the_order_of_keras_2(tmp_path: Path) -> None:
    found = code(
        tmp_path,
        "from tensorflow.keras import layers\n\nclass Block(layers.Layer):\n    def __init__(self, **kw):\n"
        "        super().__init__(**kw)\n        self.bn = layers.BatchNormalization()\n"
        "        self.dense = layers.Dense(2)\n    def call(self, x):\n        return self.dense(self.bn(x))\n",
    )
    layer = found["Block"]()
    layer(np.ones((1, 3), "float32"))
    names = [v.name for v in weights_as_saved(layer)]
    assert names == ["gamma", "beta", "kernel", "bias", "moving_mean", "moving_variance"]


def test_a_config_without_a_name_and_without_arguments_for_it(tmp_path: Path) -> None:
    found = code(
        tmp_path,
        "from keras.layers import Layer\n\nclass Power(Layer):\n    def __init__(self, n):\n"
        "        super(Power, self).__init__()\n        self.n = n\n    def call(self, x):\n        return x ** self.n\n"  # noqa: E501
        "    def get_config(self):\n        return {'n': self.n}\n",
    )
    layer = found["Power"].from_config({"name": "p", "trainable": True, "n": 2})
    assert layer.name == "p"
    model = keras.Sequential([keras.Input((2,)), layer])
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras", custom_objects=found)
    x = np.array([[2.0, 3.0]], "float32")
    assert np.array_equal(again(x), x**2)


def test_hard_sigmoid_is_that_of_the_code(tmp_path: Path) -> None:
    found = code(
        tmp_path,
        "from keras.layers import Layer, Activation\nfrom keras import activations, backend as K\n\nclass All(Layer):\n"
        "    def call(self, x):\n        f = activations.get('hard_sigmoid')\n"
        "        return K.concatenate([f(x), K.hard_sigmoid(x), Activation('hard_sigmoid')(x)])\n",
    )
    assert np.allclose(found["All"]()(np.array([[1.0]], "float32")), [[0.7, 0.7, 0.7]])


def test_training_is_not_the_default(tmp_path: Path) -> None:
    found = code(
        tmp_path,
        "from keras import backend as K\nfrom keras.layers import Layer\n\nclass Phase(Layer):\n"
        "    def call(self, x, training=None):\n        assert K.learning_phase() == 0\n"
        "        return K.in_train_phase(lambda: x * 0, x, training=training)\n",
    )
    x = np.ones((1, 2), "float32")
    assert np.array_equal(found["Phase"]()(x), x)


def test_tensorflow_1(tmp_path: Path) -> None:
    found = code(
        tmp_path,
        "import tensorflow as tf\nfrom keras.layers import Layer\n\nclass Old(Layer):\n    def call(self, x):\n"
        "        d = x.get_shape()[-1].value\n        y = tf.reduce_sum(tf.log(x), axis=-1, keep_dims=True)\n"
        "        return tf.div(tf.to_float(y), d) + tf.nn.softmax(x, dim=-1)\n",
    )
    x = np.array([[1.0, 2.0]], "float32")
    e = np.exp(x) / np.exp(x).sum()
    assert np.allclose(found["Old"]()(x), np.log(x).sum(keepdims=True) / 2 + e)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import keras\nx = 1\ny = undefined\n", "layers.py:3: y = undefined"),
        ("import keras\ndef f(:\n", "layers.py:2: def f(:"),
        ("from keras.layers import NoSuchLayer\n", "layers.py:1: from keras.layers import NoSuchLayer"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ReadError) as caught:
        code(tmp_path, text)
    assert says in caught.value.message


def test_an_error_in_call_names_the_line(tmp_path: Path) -> None:
    found = code(
        tmp_path,
        "from keras import backend as K\nfrom keras.layers import Layer\n\nclass Bad(Layer):\n"
        "    def call(self, x):\n        return K.no_such_function(x)\n",
    )
    with pytest.raises(AttributeError) as caught:
        found["Bad"]()(keras.Input((2,)))
    assert places.place_of(caught.value) == "layers.py:6: return K.no_such_function(x)"
    assert "no_such_function" in gist(caught.value)


def test_code_for_keras_3_runs_as_it_is(tmp_path: Path) -> None:
    text = "import keras\nfrom keras import ops\n\nclass New(keras.layers.Layer):\n    def call(self, x):\n"
    text += "        return ops.exp(x)\n"
    assert not legacy_code.wanted_for(text)
    assert not legacy_code.wanted_for("import numpy as np\nSCALE = 3\n")
    found = code(tmp_path, text)
    assert found["New"].__mro__[1] is keras.layers.Layer


def test_a_file_beside_the_users_is_found(tmp_path: Path) -> None:
    (tmp_path / "helping.py").write_text("from keras import backend as K\n\ndef twice(x):\n    return 2 * K.abs(x)\n")
    found = code(
        tmp_path,
        "from helping import twice\nfrom keras.engine.topology import Layer\n\nclass T(Layer):\n"
        "    def call(self, x):\n        return twice(x)\n",
    )
    assert np.array_equal(found["T"]()(np.array([[-1.0]], "float32")), [[2.0]])


def test_a_name_that_the_class_gives_its_base_is_not_given_twice(tmp_path: Path) -> None:
    found = code(
        tmp_path,
        "from tensorflow.keras.layers import Layer\n\nclass Named(Layer):\n    def __init__(self, size, **kwargs):\n"
        "        super().__init__(name='mine', **kwargs)\n        self.size = size\n",
    )
    made = found["Named"].from_config({"name": "named_1", "size": 3, "dtype": "float32"})
    assert (made.name, made.size) == ("named_1", 3)


def test_a_variable_of_a_layer_that_is_built_as_another_is_called(tmp_path: Path) -> None:
    found = code(
        tmp_path,
        "import tensorflow as tf\n\nclass Norm(tf.keras.layers.Layer):\n    def build(self, shape):\n"
        "        self.beta = tf.Variable(2 * tf.ones([shape[-1]]))\n        self.table = tf.Variable([[1, 2]])\n\n"
        "    def call(self, x):\n        return x + self.beta + tf.cast(self.table, tf.float32)\n\n"
        "class Block(tf.keras.Model):\n    def __init__(self):\n        super().__init__()\n"
        "        self.norm = Norm()\n\n    def call(self, x):\n        return self.norm(x)\n",
    )
    inputs = keras.Input((2,))
    model = keras.Model(inputs, found["Block"]()(inputs))
    assert np.array_equal(model(np.zeros((1, 2), "float32")), [[3.0, 4.0]])


def test_several_inputs_of_which_none_is_masked_have_no_mask(tmp_path: Path) -> None:
    found = code(
        tmp_path,
        "from keras.layers import Layer\n\nclass Sum(Layer):\n    def __init__(self, **kwargs):\n"
        "        self.supports_masking = True\n        super(Sum, self).__init__(**kwargs)\n\n"
        "    def call(self, xs, mask=None):\n        assert mask is None\n        return xs[0] + xs[1]\n",
    )
    x = np.ones((1, 2), "float32")
    assert np.array_equal(found["Sum"]()([x, x]), 2 * x)


def test_cells_that_drop_by_the_mixin_of_tf_keras(tmp_path: Path) -> None:
    found = code(
        tmp_path,
        "import tensorflow as tf\nfrom tensorflow.python.keras.layers.recurrent import DropoutRNNCellMixin\n\n"
        "class Cell(DropoutRNNCellMixin, tf.keras.layers.Layer):\n    def __init__(self, dropout, **kwargs):\n"
        "        super().__init__(**kwargs)\n        self.dropout, self.state_size = dropout, 2\n\n"
        "    def call(self, x, states, training=None):\n"
        "        masks = self.get_dropout_mask_for_cell(x, training, count=2)\n"
        "        x = x if masks is None else x * masks[1]\n        return x, [x]\n",
    )
    x = np.ones((1, 3, 2), "float32")
    for rate in (0, 0.5):
        assert np.array_equal(keras.layers.RNN(found["Cell"](rate))(x), [[1.0, 1.0]])


COMPUTED = """from keras import backend as K
from keras.layers import Layer

class Complex(Layer):
    def build(self, shape):
        self.real = self.add_weight(name='real', shape=(1, 1), initializer='zeros')
        self.imag = self.add_weight(name='imag', shape=(1, 1), initializer='zeros')
        top = K.concatenate([self.real, -self.imag], axis=-1)
        self.kernel = K.concatenate([top, K.concatenate([self.imag, self.real], axis=-1)], axis=0)
        super(Complex, self).build(shape)

    def call(self, x):
        return K.dot(x, self.kernel)
"""


def test_what_build_makes_of_weights_follows_them_as_in_a_graph(tmp_path: Path) -> None:
    legacy_code.written_by(Writer("2.2.4", "tensorflow"))
    inputs = keras.Input((2,))
    model = keras.Model(inputs, code(tmp_path, COMPUTED)["Complex"]()(inputs))
    legacy_code.written_by(Writer("2.15.0", "tensorflow"))
    model.set_weights([np.array([[2.0]]), np.array([[3.0]])])
    assert np.array_equal(model(np.array([[1.0, 10.0]], "float32")), [[32.0, 17.0]])
    assert np.array_equal(model.predict(np.array([[1.0, 0.0]], "float32"), verbose=0), [[2.0, -3.0]])


def test_a_module_written_beside_a_model_has_the_meaning_of_its_keras(tmp_path: Path) -> None:
    text = (
        "from keras.layers import GRU\n\nclass Own(GRU):\n    pass\n\nclass Holds(GRU):\n    def build(self, s):\n"
        "        self.inner = GRU(2)\n        super(Holds, self).build(s)\n"
    )
    for version, after in (((2, 2, 4), False), ((2, 15, 0), True)):
        found = code(tmp_path, f"{text}\n{WRITTEN_FOR} = {version}\n")
        layer = found["Holds"](3)
        layer(keras.Input((4, 2)))
        assert (found["Own"](3).reset_after, layer.inner.reset_after) == (after, after)


def test_the_gates_of_a_layer_that_runs_both_ways_are_those_of_then(tmp_path: Path) -> None:
    legacy_code.written_by(Writer("2.2.4", "tensorflow"))
    text = "from keras.layers import LSTM, Bidirectional\n\ndef both():\n    return Bidirectional(LSTM(2))\n"
    both = code(tmp_path, text)["both"]()
    legacy_code.written_by(Writer("2.15.0", "tensorflow"))
    gate = both.backward_layer.cell.recurrent_activation
    assert np.allclose(gate(np.array([1.0], "float32")), 0.7)


def test_a_file_that_needs_others_of_its_package_is_one_for_source(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="cannot be imported") as caught:
        code(tmp_path, "import keras\nfrom .helping import twice\n")
    assert "--source FOLDER" in caught.value.hint


def test_printing_leaves_standard_output_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code(tmp_path, "import keras\nprint('hello')\n")
    assert capsys.readouterr().out == ""
