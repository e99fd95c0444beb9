"""The ladder from end to end; with the mark `oracle`, against the genuine versions, each in a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import reconstruct
from reconstruct import rules
from reconstruct.cli import app
from reconstruct.errors import BuildError, ReadError
from reconstruct.objects import custom as custom_code
from reconstruct.report import Result, Tensors
from reconstruct.runtimes import keras_3, oracles
from reconstruct.runtimes.worker import Worker, WorkerPool
from tests.conftest import FIXTURES, SavedModel, load_manifest

RESULT_KEYS = list(Result("a.h5").to_json())
MANIFEST = {entry.file.removeprefix("files/"): entry for entry in load_manifest()}
MLP = MANIFEST["keras-2.2.4/mlp.h5"]
WEIGHTS = {"kernel": np.array([[1.0, -2.0], [3.0, 0.5], [0.25, 1.0]]), "bias": np.array([0.5, -1.0])}
SWIRL = """
import keras


class Swirl(keras.layers.Layer):
    def __init__(self, turns=1, **options):
        super().__init__(**options)
        self.turns = turns

    def build(self, input_shape):
        self.axis = self.add_weight(name="axis", shape=(2,), initializer="zeros")
        super().build(input_shape)

    def call(self, x):
        return x * self.axis * self.turns

    def get_config(self):
        return {**super().get_config(), "turns": self.turns}
"""


class NoPool(WorkerPool):
    """A pool for files that no oracle may see, or needs to see."""

    def worker(self, runtime: oracles.Runtime) -> Worker:
        raise AssertionError(f"{runtime.name} was asked")


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    """The oracles, started once for all tests of this file."""
    with WorkerPool() as shared:
        yield shared


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("written")


def recorded(entry: SavedModel) -> dict[str, np.ndarray]:
    assert entry.outputs_path is not None
    with np.load(entry.outputs_path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def write_h5(path: Path, layers: list[dict[str, Any]], weights: dict[str, dict[str, Any]], **attributes: str) -> Path:
    """A file as Keras 2.2.4 writes it: a Sequential of these layers."""
    with h5py.File(path, "w") as file:
        config = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
        file.attrs["model_config"] = json.dumps(config).encode()
        file.attrs.update({"keras_version": "2.2.4", "backend": "tensorflow", **attributes})
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [layer["config"]["name"].encode() for layer in layers]
        for layer in layers:
            name = layer["config"]["name"]
            inner = group.create_group(name)
            inner.attrs["weight_names"] = [f"{name}/{k}:0".encode() for k in weights.get(name, {})]
            for k, value in weights.get(name, {}).items():
                inner[f"{name}/{k}:0"] = np.asarray(value, "float32")
    return path


def dense(name: str = "d", **config: Any) -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"name": name, "units": 2, "activation": "linear", **config}}


def swirl(folder: Path) -> Path:
    """A file with a class that no Keras has."""
    layers = [dense(batch_input_shape=[None, 3]), {"class_name": "Swirl", "config": {"name": "s", "turns": 2}}]
    return write_h5(folder / "swirl.h5", layers, {"d": WEIGHTS, "s": {"axis": [1.0, -1.0]}})


def codes(recovery: reconstruct.Recovery) -> list[str]:
    return [f.code for f in recovery.result.findings]


LIVE = [
    ("keras-1.2.2/mlp.h5", "keras 1.2.2", "config"),
    ("keras-1.2.2/conv2d_th.h5", "keras 1.2.2", "config"),
    ("keras-1.2.2/merge_functional.h5", "keras 1.2.2", "config"),
    ("keras-1.2.2/json_beside_weights.json", "keras 1.2.2", "config"),
    ("keras-2.0.9/mlp.h5", "keras 2.0.9", "config"),
    ("keras-2.0.9/encoder_decoder.h5", "keras 2.0.9", "config"),
    ("keras-2.2.4/lstm.h5", "keras 2.2.4", "config"),
    ("keras-2.2.4/conv_channels_first.h5", "keras 2.2.4", "config"),
    ("keras-2.2.4/theano_conv2d.h5", "keras 2.2.4", "config"),
    ("keras-2.2.4/nested_frozen_whole.h5", "keras 2.2.4", "config"),
    ("keras-2.2.4/embedding_mask_zero.h5", "keras 2.2.4", "config"),
    ("keras-2.3.1/recurrent.h5", "keras 2.3.1", "config"),
    ("keras-2.3.1/json_beside_weights.json", "keras 2.3.1", "config"),
    ("tf_keras-2.21/activations_h5.h5", "tf_keras 2.21", "config"),
    ("tf_keras-2.21/operators_zip.keras", "tf_keras 2.21", "config"),
    ("tf_keras-2.21/mixed_precision_h5.h5", "tf_keras 2.21", "config"),
    ("tf_keras-2.21/unzipped", "tf_keras 2.21", "config"),
    ("keras-3.15/cnn_zip.keras", "keras 3.15", "native"),
    ("keras-3.15/attention.keras", "keras 3.15", "native"),
    ("keras-3.15/encoder_decoder_h5.h5", "keras 3.15", "native"),
]


@pytest.mark.oracle
@pytest.mark.parametrize(("file", "oracle", "rung"), LIVE, ids=[case[0] for case in LIVE])
def test_a_genuine_file_is_verified_by_what_wrote_it(
    file: str, oracle: str, rung: str, pool: WorkerPool, written: Path
) -> None:
    entry = MANIFEST[file]
    recovery = reconstruct.recover(entry.path, pool=pool)
    assert recovery.status == "verified", recovery.report
    target = written / file.replace("/", "-").replace(".", "_")
    recovery.save(target.with_suffix(".keras"))

    report = json.loads(json.dumps(recovery.report, allow_nan=False))
    assert list(report) == RESULT_KEYS
    verification = report["verification"]
    assert verification["oracle"].startswith(oracle)
    assert verification["tried"][-1] == {"oracle": verification["oracle"], "outcome": "agrees"}
    assert 1 <= verification["probes"] <= 3
    assert verification["max_rel_error"] <= verification["tolerance"] <= entry.tolerance
    assert (report["rung"], report["container"], report["portable"]) == (rung, entry.container, True)
    assert (report["source"], report["output"]) == (str(entry.path), str(target.with_suffix(".keras")))
    assert (report["error"], report["assumptions"], report["tensors"]["unused"]) == (None, [], [])
    assert report["tensors"]["used"] == report["tensors"]["in_file"] > 0
    assert report["seconds"] > 0
    assert "error" not in {f["severity"] for f in report["findings"]}
    stored = recorded(entry)
    np.savez(target.with_suffix(".npz"), **stored)  # type: ignore[arg-type]


PLAIN = """
import pathlib, sys
import keras, numpy as np
checked = 0
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.keras")):
    model = keras.models.load_model(path)
    stored = np.load(path.with_suffix(".npz"))
    xs = [stored[f"x{i}"] for i in range(len(model.inputs))]
    ys = keras.tree.flatten(model.predict(xs if len(xs) > 1 else xs[0], verbose=0))
    for i, y in enumerate(ys):
        assert np.allclose(y, stored[f"y{i}"], rtol=1e-2 if "mixed" in path.name else 1e-4, atol=1e-2), path
    checked += 1
assert not [name for name in sys.modules if name.startswith("reconstruct")]
print(checked)
"""


@pytest.mark.oracle
def test_plain_keras_loads_what_was_written(written: Path) -> None:
    """In a process that never imports reconstruct, and cannot."""
    if not list(written.glob("*.keras")):
        pytest.skip("the tests that write them were not selected")
    child = subprocess.run(
        [sys.executable, "-P", "-c", PLAIN, str(written)], capture_output=True, text=True, cwd=written, timeout=300
    )
    assert child.returncode == 0, child.stderr
    assert int(child.stdout.split()[-1]) == len(list(written.glob("*.keras")))


@pytest.mark.oracle
def test_a_file_whose_weights_were_changed_is_verified_as_it_is_now(tmp_path: Path, pool: WorkerPool) -> None:
    copy = tmp_path / "changed.h5"
    shutil.copy(MLP.path, copy)
    with h5py.File(copy, "r+") as file:
        names = [n for n in file["model_weights"].attrs["layer_names"] if len(file["model_weights"][n])]
        kernel = file["model_weights"][names[0]][file["model_weights"][names[0]].attrs["weight_names"][0]]
        kernel[0, 0] += 1.0
    recovery = reconstruct.recover(copy, pool=pool)
    assert recovery.status == "verified"
    stored = recorded(MLP)
    assert not np.allclose(keras_3.run(recovery.model, [stored["x0"]])[0], stored["y0"], atol=1e-4)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("file", "rule", "layer"),
    [
        ("keras-2.2.4/lstm.h5", "hard_sigmoid_gates", "lstm_1"),
        ("keras-2.2.4/theano_conv2d.h5", "theano_kernels", "conv2d_1"),
        ("keras-1.2.2/mlp.h5", "hard_sigmoid_of_linear", None),
    ],
)
def test_a_wrong_rule_is_found_by_the_oracle(
    file: str, rule: str, layer: str | None, pool: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "RULES", tuple(r for r in rules.RULES if r.name != rule))
    recovery = reconstruct.recover(MANIFEST[file].path, pool=pool)
    assert recovery.status == "differs"
    assert recovery.report["verification"]["tried"][-1]["outcome"] == "differs"
    assert recovery.report["verification"]["max_rel_error"] > 1e-4
    places = {f.code: f.path for f in recovery.result.findings}
    assert places["outputs_differ"] == "model"
    first = places["first_difference"]
    assert layer in (None, first)
    assert first in {n.name for n in recovery.model.layers}


def test_examples_that_agree_verify_without_an_oracle() -> None:
    recovery = reconstruct.recover(MLP.path, examples=MLP.outputs_path, pool=NoPool())
    assert recovery.status == "verified"
    assert recovery.report["verification"]["oracle"] == "examples"
    assert recovery.report["verification"]["probes"] == len(recorded(MLP)["x0"])


def test_examples_that_disagree(tmp_path: Path) -> None:
    stored = recorded(MLP)
    np.savez(tmp_path / "e.npz", x0=stored["x0"], y0=stored["y0"] + 0.01)
    recovery = reconstruct.recover(MLP.path, examples=tmp_path / "e.npz", pool=NoPool())
    assert recovery.status == "differs"
    assert "outputs_differ" in codes(recovery)


@pytest.mark.parametrize(
    ("name", "says"), [("shape", "does not run on the examples"), ("absent", "there is no file"), ("few", "shape")]
)
def test_examples_that_do_not_fit(tmp_path: Path, name: str, says: str) -> None:
    stored, path = recorded(MLP), tmp_path / "e.npz"
    if name == "shape":
        np.savez(path, x0=stored["x0"][:, :1], y0=stored["y0"])
    if name == "few":
        np.savez(path, x0=stored["x0"], y0=stored["y0"][:-1])
    recovery = reconstruct.recover(MLP.path, examples=path, pool=NoPool())
    assert recovery.status == ("differs" if name == "few" else "failed")
    messages = [f.message for f in recovery.result.findings] + [str((recovery.result.error or {}).get("message"))]
    assert any(says in message for message in messages)


def test_inputs_with_unlike_numbers_of_examples_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", x0=np.zeros((8, 3)), x1=np.zeros((5, 3)), y0=np.zeros((8, 2)))
    recovery = reconstruct.recover(MLP.path, examples=tmp_path / "e.npz", pool=NoPool())
    assert recovery.status == "failed"
    assert "x0 8, x1 5" in str((recovery.result.error or {})["message"])


@pytest.mark.parametrize("shape", [[3], [[3]], (3,)])
def test_an_input_shape_where_the_file_has_none(tmp_path: Path, shape: Any) -> None:
    path = write_h5(tmp_path / "open.h5", [dense()], {"d": WEIGHTS})
    x = np.array([[1.0, 2.0, 3.0]], "float32")
    np.savez(tmp_path / "e.npz", x0=x, y0=x @ WEIGHTS["kernel"] + WEIGHTS["bias"])
    without = reconstruct.recover(path, examples=tmp_path / "e.npz", pool=NoPool())
    assert without.status == "failed"
    assert "--input-shape" in (without.result.error or {})["hint"]
    with pytest.raises(BuildError):
        _ = without.model
    recovery = reconstruct.recover(path, input_shape=shape, examples=tmp_path / "e.npz", pool=NoPool())
    assert recovery.status == "verified"
    assert keras_3.inputs_of(recovery.model)[0][1] == (None, 3)


def test_more_input_shapes_than_inputs() -> None:
    recovery = reconstruct.recover(MLP.path, input_shape=[[3], [4]], pool=NoPool())
    assert recovery.status == "failed"
    assert "1 inputs, and 2 input shapes" in (recovery.result.error or {})["message"]


@pytest.mark.oracle
def test_a_custom_layer_from_a_file_is_verified(tmp_path: Path, pool: WorkerPool) -> None:
    """The oracle imports the same file, where `keras` is the version that wrote the model."""
    (tmp_path / "swirl.py").write_text(SWIRL, "utf-8")
    recovery = reconstruct.recover(swirl(tmp_path), custom=[str(tmp_path / "swirl.py")], pool=pool)
    assert recovery.status == "verified", recovery.report
    assert recovery.report["verification"]["oracle"] == "keras 2.2.4"
    assert recovery.report["portable"] is False
    x = np.array([[1.0, 2.0, 3.0]], "float32")
    expected = (x @ WEIGHTS["kernel"] + WEIGHTS["bias"]) * [2.0, -2.0]
    np.testing.assert_allclose(keras_3.run(recovery.model, [x])[0], expected, rtol=1e-5)
    recovery.save(tmp_path / "out.keras")
    assert (tmp_path / "out.keras").exists()


@pytest.mark.parametrize("how", ["custom_objects", "decorator"])
def test_a_custom_layer_that_is_given_in_python(tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "swirl.py").write_text(SWIRL, "utf-8")
    cls = custom_code.load([str(tmp_path / "swirl.py")])["Swirl"]
    x = np.array([[1.0, 2.0, 3.0]], "float32")
    np.savez(tmp_path / "e.npz", x0=x, y0=(x @ WEIGHTS["kernel"] + WEIGHTS["bias"]) * [2.0, -2.0])
    given: dict[str, Any] = {}
    if how == "decorator":
        monkeypatch.setattr(custom_code, "REGISTRY", {})
        reconstruct.register("Swirl")(cls)
    else:
        given = {"custom_objects": {"Swirl": cls}}
    path = swirl(tmp_path)
    recovery = reconstruct.recover(path, examples=tmp_path / "e.npz", pool=NoPool(), **given)
    assert recovery.status == "verified", recovery.report
    assert recovery.report["portable"] is False
    unproven = reconstruct.recover(path, verify=False, pool=NoPool(), **given)
    assert "custom_objects_not_in_oracles" in {f.code for f in unproven.result.findings}


def test_a_class_that_stands_in_under_another_name_can_be_saved(tmp_path: Path) -> None:
    (tmp_path / "swirl.py").write_text(SWIRL.replace("class Swirl", "class Another"), "utf-8")
    cls = custom_code.load([str(tmp_path / "swirl.py")])["Another"]
    x = np.array([[1.0, 2.0, 3.0]], "float32")
    np.savez(tmp_path / "e.npz", x0=x, y0=(x @ WEIGHTS["kernel"] + WEIGHTS["bias"]) * [2.0, -2.0])
    recovery = reconstruct.recover(
        swirl(tmp_path), custom_objects={"Swirl": cls}, examples=tmp_path / "e.npz", pool=NoPool()
    )
    assert recovery.status == "verified"
    recovery.save(tmp_path / "new.keras")
    assert (tmp_path / "new.keras").stat().st_size > 0


def test_weights_whose_checksum_is_wrong_are_not_used(tmp_path: Path) -> None:
    source = FIXTURES / "files/keras-3.15/cnn_zip.keras"
    data = bytearray(source.read_bytes())
    weights = next(iter(reconstruct.inspect(source).tensors)).read().tobytes()
    data[data.index(weights[:16])] ^= 0x40
    (tmp_path / "flipped.keras").write_bytes(data)
    recovery = reconstruct.recover(tmp_path / "flipped.keras", pool=NoPool())
    assert recovery.status == "failed"
    assert "checksum" in (recovery.result.error or {})["message"]


def test_a_missing_layer_becomes_a_placeholder_that_says_what_is_missing(tmp_path: Path) -> None:
    recovery = reconstruct.recover(swirl(tmp_path), pool=NoPool())
    assert (recovery.status, recovery.result.exit_code, recovery.result.portable) == ("partial", 4, False)
    assert recovery.result.tensors == Tensors(3, 3, ())
    (assumed,) = recovery.result.assumptions
    assert (assumed["path"], "(None, 2)" in assumed["message"]) == ("s", True)
    (found,) = [f for f in recovery.result.findings if f.code == "missing_layer"]
    assert (found.path, "--custom" in found.hint) == ("model/s", True)
    assert '"turns": 2' in found.message
    assert "axis (2,)" in found.message
    with pytest.raises(NotImplementedError, match=r"Swirl is not a class of Keras 3.*--custom FILE\.py"):
        keras_3.run(recovery.model, [np.ones((1, 3), "float32")])


def test_the_file_written_keeps_what_is_missing_and_the_rest_runs(tmp_path: Path) -> None:
    recovery = reconstruct.recover(swirl(tmp_path), pool=NoPool())
    recovery.save(tmp_path / "out.keras")
    reconstruct.register_keras_objects()
    loaded: Any = keras.models.load_model(tmp_path / "out.keras")
    stand_in = loaded.get_layer("s")
    assert stand_in.original["config"]["turns"] == 2
    np.testing.assert_array_equal(np.asarray(stand_in.weights[0]), [1.0, -1.0])
    assert stand_in.output.shape == (None, 2)
    x = np.array([[1.0, 2.0, -1.0]], "float32")
    np.testing.assert_allclose(
        keras_3.run(recovery.submodel(outputs="d"), [x])[0], x @ WEIGHTS["kernel"] + WEIGHTS["bias"]
    )


def test_the_part_behind_a_placeholder_runs(tmp_path: Path) -> None:
    layers = [
        dense(batch_input_shape=[None, 3]),
        {"class_name": "Swirl", "config": {"name": "s", "turns": 2}},
        dense("last"),
    ]
    last = {"kernel": np.array([[1.0, 0.5], [2.0, -1.0]]), "bias": np.zeros(2)}
    source = write_h5(tmp_path / "m.h5", layers, {"d": WEIGHTS, "s": {"axis": [1.0, -1.0]}, "last": last})
    behind = reconstruct.recover(source, pool=NoPool()).submodel(inputs="s")
    x = np.array([[3.0, -2.0]], "float32")
    np.testing.assert_allclose(keras_3.run(behind, [x])[0], x @ last["kernel"])


def test_a_part_that_holds_a_placeholder_is_refused(tmp_path: Path) -> None:
    recovery = reconstruct.recover(swirl(tmp_path), pool=NoPool())
    for names in ({"outputs": "s"}, {}):
        with pytest.raises(BuildError, match="holds the placeholder 's'"):
            recovery.submodel(**names)
    with pytest.raises(BuildError, match="has no layer 'nowhere'"):
        recovery.submodel(inputs="nowhere")


def test_a_stub_opens_the_file_and_gives_the_model_once_it_is_filled_in(tmp_path: Path) -> None:
    source = swirl(tmp_path)
    stub = tmp_path / "layers.py"
    stub.write_text(reconstruct.recover(source, pool=NoPool()).stub(), "utf-8")
    unwritten = reconstruct.recover(source, custom=[str(stub)], pool=NoPool())
    assert unwritten.status == "partial"
    assert [type(layer).__name__ for layer in unwritten.model.layers] == ["Dense", "Swirl"]
    assert unwritten.result.tensors == Tensors(3, 3, ())
    (found,) = [f for f in unwritten.result.findings if f.code == "not_implemented"]
    assert "write what Swirl computes" in found.message

    todo = 'raise NotImplementedError("TODO: write what Swirl computes")'
    text = stub.read_text("utf-8")
    assert text.count(todo) == 1
    stub.write_text(text.replace(todo, "return inputs * self.axis * self.turns"), "utf-8")
    x = np.array([[1.0, 2.0, -1.0]], "float32")
    y = (x @ WEIGHTS["kernel"] + WEIGHTS["bias"]) * [1.0, -1.0] * 2
    np.savez(tmp_path / "e.npz", x0=x, y0=y.astype("float32"))
    written = reconstruct.recover(source, custom=[str(stub)], examples=tmp_path / "e.npz", pool=NoPool())
    assert written.status == "verified"
    written.save(tmp_path / "out.keras")


def test_the_command_stub_writes_a_module_and_overwrites_none(tmp_path: Path) -> None:
    source, module = swirl(tmp_path), tmp_path / "layers.py"
    done = CliRunner().invoke(app, ["stub", str(source), "-o", str(module)])
    assert (done.exit_code, "--custom" in done.output) == (0, True)
    assert "class Swirl(keras.layers.Layer):" in module.read_text("utf-8")
    module.write_text("mine", "utf-8")
    assert CliRunner().invoke(app, ["stub", str(source), "-o", str(module)]).exit_code == 2
    assert module.read_text("utf-8") == "mine"


TOWER = """
import keras


class Block(keras.layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        # Made in another order than that of their names, all of one shape
        self.second, self.first = keras.layers.Dense(3, activation="relu"), keras.layers.Dense(3)
        self.many = [keras.layers.Dense(3), keras.layers.BatchNormalization()]

    def call(self, x):
        y = self.first(self.second(x))
        for layer in self.many:
            y = y - layer(y)
        return y


class Tower(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.block, self.head = Block(), keras.layers.Dense(2)

    def call(self, x):
        return self.head(self.block(x))

    def get_config(self):
        return {}
"""


def tower(folder: Path, functional: bool) -> tuple[Path, Path]:
    """Code, and a file that Keras wrote of it: a subclassed model, or a functional one with a layer of that code."""
    code = folder / "tower.py"
    code.write_text(TOWER, "utf-8")
    classes = custom_code.load([str(code)])
    if functional:
        entry = keras.Input((3,))
        model = keras.Model(entry, keras.layers.Dense(2)(classes["Block"]()(entry)))
    else:
        model = classes["Tower"]()
        model(np.ones((1, 3), "float32"))
    rng = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(rng.uniform(0.2, 1.0, variable.shape))
    source = folder / f"{model.name}.keras"
    model.save(source)
    return code, source


@pytest.mark.oracle
@pytest.mark.parametrize("functional", [True, False], ids=["layer", "model"])
def test_weights_kept_by_attribute_find_their_variables(functional: bool, tmp_path: Path, pool: WorkerPool) -> None:
    code, source = tower(tmp_path, functional)
    recovery = reconstruct.recover(source, custom=[str(code)], pool=pool)
    assert (recovery.status, recovery.result.rung) == ("verified", "native" if functional else "config")
    assert recovery.result.tensors.unused == ()
    recovery.save(tmp_path / "out.keras")


@pytest.mark.parametrize("functional", [True, False], ids=["layer", "model"])
def test_without_its_code_everything_of_it_is_kept(functional: bool, tmp_path: Path) -> None:
    _, source = tower(tmp_path, functional)
    recovery = reconstruct.recover(source, pool=NoPool())
    assert recovery.status == "partial"
    assert recovery.result.tensors == Tensors(12, 12, ())
    stub = tmp_path / "stub.py"
    stub.write_text(recovery.stub(), "utf-8")
    again = reconstruct.recover(source, custom=[str(stub)], pool=NoPool())
    assert [f.code for f in again.result.findings if f.severity == "error"] == ["not_implemented"]


def test_code_given_for_one_file_is_not_taken_for_the_next(tmp_path: Path) -> None:
    code = tmp_path / "mine.py"
    code.write_text(
        SWIRL.replace("class Swirl", '@keras.saving.register_keras_serializable("Mine")\nclass Swirl'), "utf-8"
    )
    source = swirl(tmp_path)
    assert reconstruct.recover(source, custom=[str(code)], pool=NoPool()).status != "partial"
    assert reconstruct.recover(source, pool=NoPool()).status == "partial"


def test_an_input_shape_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    recovery = reconstruct.recover(swirl(tmp_path), input_shape=[5, 5, 3], pool=NoPool())
    assert recovery.status == "failed"
    assert "has the shape (3,), and (5, 5, 3) is given" in (recovery.result.error or {})["message"]


def test_register_without_a_name_is_refused() -> None:
    with pytest.raises(TypeError, match="takes the name that files use"):
        reconstruct.register(Result)  # type: ignore[arg-type]


def test_custom_code_that_cannot_be_imported_fails_cleanly(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import no_such_module_anywhere", "utf-8")
    recovery = reconstruct.recover(MLP.path, custom=[str(tmp_path / "broken.py")], pool=NoPool())
    assert recovery.status == "failed"
    assert "no_such_module_anywhere" in (recovery.result.error or {})["message"]


def theano_like(folder: Path) -> Path:
    """A Keras 1 file as Theano writes it: its names have no output numbers."""
    path = folder / "theano.h5"
    shutil.copy(MANIFEST["keras-1.2.2/conv2d_th.h5"].path, path)
    with h5py.File(path, "r+") as file:
        for group in file["model_weights"].values():
            names = [n.decode() if isinstance(n, bytes) else n for n in group.attrs["weight_names"]]
            for name in names:
                group.move(name, name.removesuffix(":0"))
            group.attrs["weight_names"] = np.array([n.removesuffix(":0").encode() for n in names], "S")
    return path


@pytest.mark.oracle
def test_a_file_that_looks_like_theano_is_not_called_verified(tmp_path: Path, pool: WorkerPool) -> None:
    path = theano_like(tmp_path)
    as_it_is = reconstruct.recover(path, pool=pool)
    assert as_it_is.status == "unverified"
    assert "backend_unknown" in codes(as_it_is)
    assert "theano_kernels" not in {c.rule for c in as_it_is.result.changes}
    theano = reconstruct.recover(path, backend="theano", pool=NoPool())
    assert theano.status == "unverified"
    assert "backend_unknown" not in codes(theano)
    assert "theano_kernels" in {c.rule for c in theano.result.changes}
    assert "Theano" in theano.report["verification"]["tried"][0]["outcome"]


def test_the_backend_decides_whether_kernels_are_flipped(tmp_path: Path) -> None:
    path, stored = theano_like(tmp_path), recorded(MANIFEST["keras-1.2.2/conv2d_th.h5"])
    np.savez(tmp_path / "e.npz", **stored)  # type: ignore[arg-type]
    kernels = {}
    for backend, status in ((None, "verified"), ("tensorflow", "verified"), ("theano", "differs")):
        recovery = reconstruct.recover(path, backend=backend, examples=tmp_path / "e.npz", pool=NoPool())
        assert recovery.status == status
        kernels[backend] = next(la for la in recovery.model.layers if "Conv2D" in type(la).__name__).get_weights()[0]
    np.testing.assert_array_equal(kernels["theano"], kernels["tensorflow"][::-1, ::-1])


def test_a_file_with_code_is_shown_to_no_oracle(tmp_path: Path) -> None:
    code = {"name": "l", "function": ["4wEAAAA=", None, None], "function_type": "lambda", "arguments": {}}
    layers = [dense(batch_input_shape=[None, 3]), {"class_name": "Lambda", "config": code}]
    recovery = reconstruct.recover(write_h5(tmp_path / "l.h5", layers, {"d": WEIGHTS}), pool=NoPool())
    assert recovery.status == "partial"
    assert [(f.code, f.path) for f in recovery.result.findings] == [("missing_lambda", "model/l")]


def test_what_cannot_be_read_is_a_failed_result(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_text("nothing", "utf-8")
    recovery = reconstruct.recover(tmp_path / "a.h5", pool=NoPool())
    assert (recovery.status, recovery.result.exit_code) == ("failed", 1)
    assert list(recovery.report) == RESULT_KEYS
    with pytest.raises(ReadError):
        _ = recovery.model


def without_config(source: Path, target: Path) -> Path:
    """The weights of a model as `save_weights` lays them out."""
    with h5py.File(source, "r") as whole, h5py.File(target, "w") as alone:
        for name in whole["model_weights"]:
            whole.copy(whole["model_weights"][name], alone, name)
        for key, value in whole["model_weights"].attrs.items():
            alone.attrs[key] = value
    return target


def test_weights_without_a_config_are_inferred_and_examples_decide(tmp_path: Path) -> None:
    alone = without_config(FIXTURES / "files" / "keras-2.2.4" / "mlp.h5", tmp_path / "alone.h5")
    examples = MANIFEST["keras-2.2.4/mlp.h5"].outputs_path
    recovery = reconstruct.recover(alone, pool=NoPool(), examples=examples, budget=30)
    assert recovery.result.rung == "inferred"
    assert recovery.result.verification.oracle == "examples"
    assert recovery.result.verification.max_rel_error is not None
    assert recovery.result.verification.max_rel_error <= 1e-4
    assert recovery.status in ("verified", "partial")  # few examples may leave a choice open
    assert recovery.result.tensors.unused == ()
    recovery.save(tmp_path / "out.keras")


def test_weights_alone_are_never_verified_without_examples(tmp_path: Path) -> None:
    weights = FIXTURES / "files" / "keras-1.2.2" / "json_beside_weights_weights.h5"
    shutil.copy(weights, tmp_path / "alone.h5")
    recovery = reconstruct.recover(tmp_path / "alone.h5", pool=NoPool())
    assert recovery.status == "partial"
    assert all({"path", "message", "alternatives", "set"} <= set(a) for a in recovery.result.assumptions)
    assert "def build():" in recovery.code()


def test_a_full_disk_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recovery = reconstruct.recover(MLP.path, examples=MLP.outputs_path, pool=NoPool())
    target = tmp_path / "new" / "out.keras"
    recovery.save(target)
    before = target.read_bytes()

    def half(model: Any, path: str) -> None:
        Path(path).write_bytes(before[:100])
        raise OSError(28, "No space left on device")

    def no_rename(self: Path, other: Path) -> None:
        raise OSError(28, "No space left on device")

    for place, name, broken in ((keras_3, "save", half), (Path, "replace", no_rename)):
        monkeypatch.setattr(place, name, broken)
        with pytest.raises(OSError, match="No space left"):
            recovery.save(target)
        monkeypatch.undo()
        assert target.read_bytes() == before
        assert [p.name for p in target.parent.iterdir()] == ["out.keras"]


def test_a_written_file_that_computes_something_else_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recovery = reconstruct.recover(MLP.path, examples=MLP.outputs_path, pool=NoPool())
    other = keras.models.clone_model(recovery.model)
    monkeypatch.setattr(keras_3, "load", lambda *args: other)
    with pytest.raises(BuildError, match="written file differs"):
        recovery.save(tmp_path / "out.keras")
    assert list(tmp_path.iterdir()) == []
