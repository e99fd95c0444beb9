# ruff: noqa: E501  # a model is a line
"""Models whose code lies in `source_trees/`, written by genuine earlier Keras versions: `python -m … WRITER OUT NAME…`.

Each case has the version that writes it, the folder given to `--source`, the file that the author's model imports its
classes from, and how the model is made. The version runs the author's files statement by statement, as a notebook
would; what fails there (training data that are not at hand) is of no account.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import sys
import types
from pathlib import Path
from typing import Any

from tests.objects.source_case import K1, K20, K22, K23, TF, Case
from tests.objects.source_repositories import REPOSITORIES

TREES = Path(__file__).resolve().parent / "source_trees"


CASES = (
    Case(
        "attention_masked",
        K22,
        "toxic",
        "toxic/src/attention.py",
        "model = Sequential([L.Embedding(9, 4, mask_zero=True, input_length=6), L.LSTM(3, return_sequences=True),"
        " ns['Attention'](6), L.Dense(2)])",
    ),
    Case(
        "attention_context",
        K23,
        "toxic",
        "toxic/src/attention.py",
        "i = L.Input((5, 3)); model = Model(i, L.Dense(2)(ns['AttentionWithContext']()(L.GRU(4, return_sequences=True)(i))))",
    ),
    Case(
        "graph_convolution",
        K22,
        "gcn",
        "gcn/graph.py",
        "x, a = L.Input((4, 3)), L.Input((4, 4)); model = Model([x, a], ns['GraphConvolution'](2, activation='relu')([x, a]))",
    ),
    Case(
        "k_max_pooling",
        K23,
        "gcn",
        "gcn/pooling.py",
        "model = Sequential([L.Conv1D(3, 2, input_shape=(6, 2)), ns['KMaxPooling'](2), L.Dense(2)])",
    ),
    Case(
        "l2_scale",
        K22,
        "gcn",
        "gcn/pooling.py",
        "model = Sequential([L.Dense(3, input_shape=(4, 2)), ns['Normalize'](scale=5)])",
    ),
    Case(
        "dense_subclass",
        K23,
        "gcn",
        "gcn/pooling.py",
        "model = Sequential([ns['ScaledDense'](3, gain=2.5, activation='tanh', input_shape=(4,)), L.Dense(1)])",
    ),
    Case(
        "no_get_config",
        K22,
        "gcn",
        "gcn/pooling.py",
        "model = Sequential([L.Dense(4, input_shape=(3,)), ns['NoConfig'](), L.Activation('relu')])",
    ),
    Case(
        "transformer_encoder",
        K22,
        "transformer",
        "transformer/model/blocks.py",
        "i = L.Input((4,)); e = ns['PositionEncoding']()(L.Embedding(9, 6)(i)); h = ns['SelfAttention'](2, 3)(e); model = Model(i, ns['LayerNorm']()(L.Add()([h, e])))",
    ),
    Case(
        "capsnet",
        K22,
        "capsnet",
        "capsnet/capsulelayers.py",
        "i = L.Input((9, 9, 1)); p = ns['PrimaryCap'](i, 4, 2, 3, 2, 'valid'); c = ns['CapsuleLayer'](3, 4, 2)(p); model = Model(i, ns['Length']()(c))",
    ),
    Case(
        "keras1_attention",
        K1,
        "seq2seq_keras1",
        "seq2seq_keras1/layers.py",
        "model = Sequential([L.LSTM(4, return_sequences=True, input_shape=(5, 3)), ns['AttLayer'](), L.Dense(2)])",
    ),
    Case(
        "keras1_gate",
        K1,
        "seq2seq_keras1",
        "seq2seq_keras1/layers.py",
        "model = Sequential([ns['Gate'](3, input_shape=(4,)), L.Dense(2)])",
        expected="unverified",  # its class saves none of its arguments
    ),
    Case(
        "reflection_padding",
        K22,
        "vision",
        "vision/nets/custom.py",
        "model = Sequential([ns['ReflectionPadding2D']((2, 1), input_shape=(6, 6, 2)), L.Conv2D(2, 3), ns['InstanceNormalization']()])",
    ),
    Case(
        "subpixel",
        K22,
        "vision",
        "vision/nets/custom.py",
        "model = Sequential([L.Conv2D(8, 3, input_shape=(6, 6, 2)), ns['SubpixelUpscaling'](2)])",
    ),
    Case(
        "spatial_pyramid",
        K23,
        "vision",
        "vision/nets/custom.py",
        "model = Sequential([L.Conv2D(3, 2, input_shape=(8, 8, 2)), ns['SpatialPyramidPooling']([1, 2]), L.Dense(2)])",
    ),
    Case(
        "lambda_named",
        K22,
        "vision",
        "vision/nets/custom.py",
        "model = Sequential([L.Lambda(ns['preprocess'], input_shape=(4, 4, 3)), L.Conv2D(2, 3)])",
    ),
    Case(
        "kl_divergence",
        K22,
        "vae",
        "vae/vae.py",
        "i = L.Input((4,)); m, v = ns['KLDivergenceLayer']()([L.Dense(2)(i), L.Dense(2)(i)]); model = Model(i, L.Add()([m, v]))",
    ),
    Case(
        "required_argument_not_saved",
        K22,
        "vae",
        "vae/vae.py",
        "model = Sequential([ns['Scale01'](3, input_shape=(4,)), L.Dense(2)])",
        expected="unverified",  # nothing says that the argument was this size
    ),
    Case(
        "activation_registered",
        K22,
        "activations",
        "activations/train.py",
        "model = Sequential([L.Dense(3, activation=ns['mish'], input_shape=(4,)), L.Dense(3, activation='softmax')])",
    ),
    Case(
        "activation_renamed",
        K23,
        "activations",
        "activations/train.py",
        "model = Sequential([L.Dense(3, activation=named(ns['gelu'], 'gelu_new'), input_shape=(4,)), L.Activation(named(ns['_swish'], 'swish_b'))])",
    ),
    Case(
        "python_2",
        K22,
        "py2",
        "py2/highway.py",
        "model = Sequential([L.Dense(3, input_shape=(4,)), ns['Highway'](), L.Dense(1)])",
    ),
    Case(
        "rnn_cell",
        K23,
        "recurrent",
        "recurrent/cells.py",
        "model = Sequential([L.RNN(ns['MinimalRNNCell'](4), input_shape=(5, 3)), L.Dense(2)])",
    ),
    Case(
        "rnn_step",
        K22,
        "recurrent",
        "recurrent/cells.py",
        "model = Sequential([L.Masking(input_shape=(5, 3)), ns['QRNNPool'](3, True), ns['QRNNPool'](2)])",
    ),
    Case(
        "recurrent_subclass",
        K20,
        "recurrent",
        "recurrent/legacy_recurrent.py",
        "model = Sequential([ns['ReluRNN'](4, return_sequences=True, input_shape=(5, 3)), L.Dense(2)])",
    ),
    Case(
        "residual_block",
        TF,
        "tfkeras_lib",
        "tfkeras_lib/layers/blocks.py",
        "i = L.Input((6, 6, 3)); model = Model(i, L.Flatten()(ns['ResBlock'](4, 2)(ns['ResBlock'](4)(i))))",
    ),
    Case(
        "residual_block_zip",
        TF,
        "tfkeras_lib",
        "tfkeras_lib/layers/blocks.py",
        "i = L.Input((6, 6, 3)); model = Model(i, L.Flatten()(ns['ResBlock'](4, 2)(ns['ResBlock'](4)(i))))",
        ".keras",
    ),
    Case(
        "transformer_block",
        TF,
        "tfkeras_lib",
        "tfkeras_lib/layers/blocks.py",
        "i = L.Input((5, 4)); model = Model(i, ns['TransformerBlock'](4, 2, 6)(i))",
    ),
    Case(
        "transformer_block_zip",
        TF,
        "tfkeras_lib",
        "tfkeras_lib/layers/blocks.py",
        "i = L.Input((5, 4)); model = Model(i, ns['TransformerBlock'](4, 2, 6)(i))",
        ".keras",
    ),
    Case(
        "tf_variable",
        TF,
        "tfkeras_lib",
        "tfkeras_lib/layers/blocks.py",
        "i = L.Input((4,)); model = Model(i, ns['Linear'](3)(L.Dense(4)(i)))",
    ),
    Case(
        "subclassed_model",
        TF,
        "tfkeras_lib",
        "tfkeras_lib/layers/blocks.py",
        "i = L.Input((4,)); model = Model(i, ns['MLP'](3)(i))",
    ),
    Case(
        "subclassed_model_zip",
        TF,
        "tfkeras_lib",
        "tfkeras_lib/layers/blocks.py",
        "i = L.Input((4,)); model = Model(i, ns['MLP'](3)(i))",
        ".keras",
    ),
    Case(
        "cbam",
        TF,
        "tfkeras_lib",
        "tfkeras_lib/layers/blocks.py",
        "i = L.Input((8, 8, 4)); model = Model(i, ns['CBAM'](2)(i))",
    ),
    Case(
        "cbam_zip",
        TF,
        "tfkeras_lib",
        "tfkeras_lib/layers/blocks.py",
        "i = L.Input((8, 8, 4)); model = Model(i, ns['CBAM'](2)(i))",
        ".keras",
    ),
    Case(
        "class_in_function",
        TF,
        "tfkeras_lib",
        "tfkeras_lib/layers/blocks.py",
        "i = L.Input((4,)); model = Model(i, ns['make_scaler']()()(L.Dense(2)(i)))",
    ),
    Case(
        "registered_name",
        TF,
        "tfkeras_lib",
        "tfkeras_lib/layers/blocks.py",
        "i = L.Input((4,)); model = Model(i, ns['BiasLayer']()(L.Dense(2)(i)))",
        ".keras",
    ),
    Case(
        "lambda_global",
        TF,
        "tfkeras_lib",
        "tfkeras_lib/layers/blocks.py",
        "i = L.Input((4,)); model = Model(i, L.Lambda(ns['scaled'])(L.Dense(2)(i)))",
        expected="unverified",
    ),
    Case(
        "notebook_embedding",
        TF,
        "notebooks",
        "notebooks/Transformer.ipynb",
        "i = L.Input((6,)); model = Model(i, ns['TokenAndPositionEmbedding'](6, 20, 4)(i))",
    ),
    Case(
        "notebook_multi_head",
        TF,
        "notebooks",
        "notebooks/Transformer.ipynb",
        "i = L.Input((5, 4)); model = Model(i, ns['MultiHead'](4, 2)(i))",
        ".keras",
    ),
    Case(
        "class_twice",
        TF,
        "twice",
        "twice/new/layers.py",
        "i = L.Input((4,)); model = Model(i, ns['Mix'](0.25)(L.Dense(3)(i)))",
    ),
    Case(
        "class_twice_ambiguous",
        TF,
        "twice",
        "twice/new/layers.py",
        "i = L.Input((4,)); model = Model(i, ns['Same']()(L.Dense(3)(i)))",
        expected="unverified",
    ),
)
BY_NAME = {case.name: case for case in (*CASES, *REPOSITORIES)}


def _module(path: Path) -> dict[str, Any]:
    """What the author's file defines, statement by statement."""
    package = path.parent
    while (package / "__init__.py").exists():
        package = package.parent
    sys.path[:0] = [str(path.parent), str(package)]
    texts = [path.read_text("utf-8")]
    if path.suffix == ".ipynb":
        cells = [c for c in json.loads(texts[0])["cells"] if c["cell_type"] == "code"]
        texts = ["".join(c["source"]) for c in cells]
    if path.parent.name == "py2":
        lines = (
            texts[0].replace("except ValueError, e:", "except ValueError as e:").replace("xrange", "range").split("\n")
        )
        texts = ["\n".join(line for line in lines if not line.strip().startswith("print "))]
    relative = path.relative_to(package).with_suffix("").parts
    module = types.ModuleType(".".join(relative))
    module.__dict__["__package__"] = ".".join(relative[:-1])
    if len(relative) > 1:
        importlib.import_module(".".join(relative[:-1]))
    sys.modules[module.__name__] = module
    for text in texts:
        text = text.replace(" \\\n    keras", "").replace("files = !ls", "")
        kept = "\n".join(line for line in text.split("\n") if not line.lstrip().startswith(("%", "!", "?")))
        try:
            statements = ast.parse(kept).body
        except SyntaxError:
            continue
        for statement in statements:
            try:
                exec(compile(ast.Module([statement], []), str(path), "exec"), module.__dict__)  # noqa: S102
            except BaseException as error:
                print(f"{path.name}:{statement.lineno}: {type(error).__name__}: {error}", file=sys.stderr)
    return module.__dict__


def _named(function: Any, name: str) -> Any:
    function.__name__ = name
    return function


def _randomised(model: Any, np: Any) -> None:
    rng = np.random.default_rng(7)
    values = []
    for weight in model.get_weights():
        value = rng.normal(0, 0.5, weight.shape)
        values.append(np.abs(value) + 0.5 if weight.ndim == 1 else value)
    model.set_weights(values)


def write(names: list[str], writer: str, folder: Path) -> None:
    """In a process of its own: write the models of these names, each with an `.npz` of its outputs."""
    import numpy as np

    if writer == "tf_keras":
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
        keras: Any = importlib.import_module("tf_keras")
        importlib.import_module("tensorflow")
        for name, module in list(sys.modules.items()):
            if name == "tf_keras" or name.startswith(("tf_keras.", "tf_keras.src")):
                rest = name.removeprefix("tf_keras")
                sys.modules["tensorflow.keras" + rest] = module
                sys.modules["tensorflow.python.keras" + rest.replace(".src", "")] = module
                sys.modules["tensorflow.python.keras" + rest] = module
    else:
        from reconstruct.runtimes import earlier_keras, oracles

        location = oracles.location(oracles.by_name(writer))
        assert location is not None
        keras = earlier_keras.activate(location)
        if not writer.startswith("keras 2.3"):
            keras.backend.set_learning_phase(0)
    for name in names:
        case = BY_NAME[name]
        scope = {
            "keras": keras,
            "L": importlib.import_module(f"{keras.__name__}.layers"),
            "Sequential": importlib.import_module(f"{keras.__name__}.models").Sequential,
            "Model": importlib.import_module(f"{keras.__name__}.models").Model,
            "named": _named,
            "ns": _module(TREES / case.file),
        }
        exec(case.make, scope)  # noqa: S102
        model: Any = scope["model"]
        _randomised(model, np)
        rng = np.random.default_rng(3)
        inputs = []
        for tensor in model.inputs:
            shape = [3 if n is None else int(n) for n in tensor.shape.as_list()]
            inputs.append(
                rng.integers(1, 9, shape) if "mbedding" in case.make else rng.normal(size=shape).astype("float32")
            )
        outputs = model.predict(inputs if len(inputs) > 1 else inputs[0])
        outputs = outputs if isinstance(outputs, list) else [outputs]
        model.save(str(folder / f"{name}{case.suffix}"))
        stored = {f"x{i}": x for i, x in enumerate(inputs)} | {f"y{i}": y for i, y in enumerate(outputs)}
        np.savez(folder / f"{name}.npz", **stored)
        print("wrote", name, file=sys.stderr)


if __name__ == "__main__":
    write(sys.argv[3:], sys.argv[1], Path(sys.argv[2]))
