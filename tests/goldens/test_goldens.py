"""Goldens of genuine old files: recorded from their own runtimes, held after migration, and what they catch."""

from __future__ import annotations

import dataclasses
import json
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import reconstruct
from reconstruct.cli import app
from reconstruct.differences.compare import compare
from reconstruct.errors import BuildError, ReadError
from reconstruct.goldens import checking, computing, golden
from reconstruct.runtimes.worker import WorkerPool
from tests.conftest import FIXTURES

OLD = FIXTURES / "files/tf_keras-2.21/activations_h5.h5"


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool() as shared:
        yield shared


@pytest.fixture(scope="module")
def recorded(pool: WorkerPool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden of an old file with hard sigmoids, recorded from tf_keras."""
    (path,) = reconstruct.record([OLD], tmp_path_factory.mktemp("goldens"), pool=pool)
    return path


def model(activation: str = "tanh") -> keras.Model:
    keras.utils.set_random_seed(5)
    inputs = keras.Input((4,), name="inputs")
    x = keras.layers.Dense(6, activation=activation, name="one")(inputs)
    x = keras.layers.Dense(6, activation="tanh", name="two")(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="head")(x))


@pytest.fixture(scope="module")
def mine(pool: WorkerPool, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model of today's Keras, and its golden."""
    folder = tmp_path_factory.mktemp("mine")
    model().save(folder / "mine.keras")
    (path,) = reconstruct.record([folder / "mine.keras"], folder / "goldens", pool=pool)
    return folder / "mine.keras", path


def test_the_genuine_runtime_is_what_is_recorded(recorded: Path) -> None:
    found = golden.read(recorded)
    assert found.oracle.startswith("tf_keras")
    assert len(found.probes) == 3
    assert found.layers
    text = recorded.read_text("utf-8")
    assert json.loads(text)["golden"] == 1
    assert max(map(len, text.splitlines())) < 20_000
    assert golden.text(found) == text  # what is read is what was written


def test_a_migrated_file_computes_what_was_recorded(recorded: Path, pool: WorkerPool, tmp_path: Path) -> None:
    recovery = reconstruct.recover(OLD, pool=pool)
    recovery.save(tmp_path / "new.keras")
    (found,) = reconstruct.check([recorded], model=tmp_path / "new.keras", pool=pool)
    assert (found.status, found.changes) == ("same", ())
    assert [r.status for r in reconstruct.check([recorded.parent], pool=pool)] == ["same"]


def test_a_silent_difference_of_plain_keras_is_caught_with_layer_and_cause(recorded: Path, pool: WorkerPool) -> None:
    (found,) = reconstruct.check([recorded], plain=True, pool=pool)
    assert found.status == "differs"
    assert found.first_layer is not None
    assert "hard_sigmoid" in (found.cause or "")
    assert found.first_layer in found.message()


def test_a_setting_that_no_output_shows_is_another_model_and_one_for_training_is_not(
    pool: WorkerPool, tmp_path: Path
) -> None:
    def small(rate: float = 0.1, activation: str = "relu", dtype: str = "float32") -> keras.Model:
        layers = [keras.Input((3,), name="in", dtype=dtype), keras.layers.Dropout(rate, name="drop")]
        layers += [keras.layers.Dense(2, "sigmoid", name="one"), keras.layers.Activation(activation, name="two")]
        made = keras.Sequential(layers)
        made.set_weights([np.ones((3, 2)), np.zeros(2)])
        return made

    small().save(tmp_path / "m.keras")
    (path,) = reconstruct.record([tmp_path / "m.keras"], tmp_path, pool=pool)
    for changed, status, what in (
        (small(rate=0.5), "same", "drop rate"),
        (small(activation="linear"), "differs", "two activation"),  # of what is positive the same numbers
        (small(dtype="float64"), "differs", "in input_dtype"),
    ):
        changed.save(tmp_path / "changed.keras")
        (found,) = reconstruct.check([path], model=tmp_path / "changed.keras", pool=pool)
        assert found.status == status
        assert [c.split(":")[0] for c in found.changes] == [what]


def test_an_input_whose_dtype_the_file_does_not_say_has_one(pool: WorkerPool) -> None:
    found, model = computing.here(FIXTURES / "files/keras-2.2.4/mlp.h5", pool)
    assert found.view is not None
    (first,) = found.view.inputs
    assert found.view.layers[first].config["input_dtype"] == model.inputs[0].dtype == "float32"


def test_what_json_has_no_form_for_is_the_same_in_a_golden(pool: WorkerPool, tmp_path: Path) -> None:
    source = FIXTURES / "files/keras-3.15/operation_graph_zip.keras"  # it takes slices of tensors
    found, _ = computing.here(source, pool)
    assert found.view is not None
    written = golden.Golden(str(source), "", "", {}, (golden.Probe((), ()),), {}, found.view)
    golden.write(written, tmp_path / "g.json")
    assert compare(golden.read(tmp_path / "g.json").view, found.view).entries == ()


def test_text_is_recorded_and_checked(pool: WorkerPool, tmp_path: Path) -> None:
    words = keras.Input((400,), dtype="string")
    numbers = keras.layers.StringLookup(vocabulary=["cat", "dog"], name="lookup")(words)
    back = keras.layers.StringLookup(vocabulary=["cat", "dog"], invert=True, name="back")(numbers)
    keras.Model(words, [numbers, back]).save(tmp_path / "text.keras")
    (path,) = reconstruct.record([tmp_path / "text.keras"], tmp_path, pool=pool)
    assert golden.text(golden.read(path)) == path.read_text("utf-8")
    assert reconstruct.check([path], pool=pool)[0].status == "same"
    assert reconstruct.verify(path, tmp_path / "text.keras", pool=pool).same
    back = keras.layers.StringLookup(vocabulary=["dog", "cat"], invert=True, name="back")(numbers)
    keras.Model(words, [numbers, back]).save(tmp_path / "other.keras")
    (found,) = reconstruct.check([path], model=tmp_path / "other.keras", pool=pool)
    assert (found.status, found.first_layer) == ("differs", "back")


@pytest.mark.parametrize("change", ["weight", "activation", "swap", "dtype", "nan", "shape"])
def test_each_change_is_caught_and_named(
    change: str, mine: tuple[Path, Path], pool: WorkerPool, tmp_path: Path
) -> None:
    changed = model("relu" if change == "activation" else "tanh")
    one, two = changed.get_layer("one"), changed.get_layer("two")
    if change in ("weight", "nan"):
        kernel, bias = two.get_weights()
        kernel[2, 3] += 1e-2 if change == "weight" else np.nan
        two.set_weights([kernel, bias])
    if change == "swap":
        bias = np.arange(6, dtype="float32")
        one.set_weights([one.get_weights()[0], bias])
        two.set_weights([two.get_weights()[0], one.get_weights()[1]])
    if change == "dtype":
        changed = keras.models.clone_model(
            changed, clone_function=lambda n: type(n).from_config({**n.get_config(), "dtype": "mixed_float16"})
        )
    if change == "shape":
        changed = keras.Model(changed.inputs, keras.layers.Reshape((2, 1))(changed.outputs[0]))
    changed.save(tmp_path / "changed.keras")
    (found,) = reconstruct.check([mine[1]], model=tmp_path / "changed.keras", pool=pool)
    assert found.status == "differs"
    expected = {
        "weight": "two kernel",
        "activation": "one activation",
        "swap": "bias",
        "dtype": "mixed_float16",
        "nan": "two kernel",
        "shape": "reshape",
    }[change]
    assert expected in "\n".join([*found.changes, found.cause or ""])
    if change in ("weight", "activation", "nan"):
        assert found.first_layer == expected.split()[0]


def test_a_tolerance_can_be_given_and_is_kept(mine: tuple[Path, Path], pool: WorkerPool, tmp_path: Path) -> None:
    xs = np.random.default_rng(0).standard_normal((5, 4)).astype("float32")
    ys = keras.models.load_model(mine[0]).predict(xs, verbose=0)
    np.savez(tmp_path / "e.npz", x0=xs, y0=ys + 1e-2)
    (path,) = reconstruct.record([mine[0]], tmp_path / "g", examples=tmp_path / "e.npz", pool=pool)
    assert reconstruct.check([path], pool=pool)[0].status == "differs"
    assert reconstruct.check([path], tolerances={"float32": 0.1}, pool=pool)[0].status == "same"
    loose = {"examples": tmp_path / "e.npz", "tolerances": {"float32": 0.1}}
    (path,) = reconstruct.record([mine[0]], tmp_path / "g", pool=pool, **loose)
    assert reconstruct.check([path], pool=pool)[0].status == "same"


def test_what_computes_in_float16_is_allowed_what_float16_rounds(pool: WorkerPool, tmp_path: Path) -> None:
    keras.utils.set_random_seed(5)
    layers = [keras.layers.Dense(6, dtype="mixed_float16", name="one"), keras.layers.Dense(2, dtype="float32")]
    half = keras.Sequential([keras.Input((4,)), *layers])
    half.save(tmp_path / "half.keras")
    xs = np.random.default_rng(0).standard_normal((5, 4)).astype("float32")
    ys = half.predict(xs, verbose=0)
    for apart, same in ((1e-3, True), (1e-1, False)):
        np.savez(tmp_path / "e.npz", x0=xs, y0=ys + apart)
        (path,) = reconstruct.record([tmp_path / "half.keras"], tmp_path, examples=tmp_path / "e.npz", pool=pool)
        (found,) = reconstruct.check([path], pool=pool)
        assert (found.status == "same", found.outputs[0].tolerance) == (same, 1e-2)
        assert reconstruct.verify(path, tmp_path / "half.keras", pool=pool).same == same
    assert reconstruct.check([path], tolerances={"float16": 0.5}, pool=pool)[0].status == "same"


def test_a_weight_changed_by_a_thousandth_is_caught_whatever_the_outputs(
    mine: tuple[Path, Path], pool: WorkerPool, tmp_path: Path
) -> None:
    changed = model()
    kernel, bias = changed.get_layer("one").get_weights()
    kernel[0, 0] += 1e-3
    changed.get_layer("one").set_weights([kernel, bias])
    changed.save(tmp_path / "changed.keras")
    (found,) = reconstruct.check([mine[1]], model=tmp_path / "changed.keras", tolerances={"float32": 1.0}, pool=pool)
    assert found.status == "differs"
    assert "the model is not the one recorded" in found.message()
    assert [c.split(":")[0] for c in found.changes] == ["one kernel"]


def test_missing_and_unreadable_models_are_told_apart(
    mine: tuple[Path, Path], pool: WorkerPool, tmp_path: Path
) -> None:
    path = tmp_path / "g.golden.json"
    found = golden.read(mine[1])
    golden.write(dataclasses.replace(found, model="gone.keras"), path)
    assert reconstruct.check([path], pool=pool)[0].status == "missing"
    (tmp_path / "gone.keras").write_bytes(b"not a model")
    assert reconstruct.check([path], pool=pool)[0].status == "cannot_load"
    path.write_text('{"golden": 1}', "utf-8")
    assert reconstruct.check([path], pool=pool)[0].status == "cannot_load"
    with pytest.raises(ReadError):
        reconstruct.check([tmp_path / "none"], pool=pool)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"golden": 1', '"golden": 0'),
        ('"probes": [', '"probes": [], "others": ['),
        ('"dtype": "float32", "values": [', '"dtype": "float32", "values": [null, '),
        ('"architecture": {', '"architecture": [], "others": {'),
        ('["one", "Dense", {', '["one", "Dense", 5, {'),
        ('"tensors": {', '"tensors": {"nowhere/kernel": ["float32", [1], "", 0, 0], '),
        ('"tolerances": {', '"tolerances": {"float32x": 1, '),
        ('"tolerances": {"float64": 0.0001', '"tolerances": {"float64": Infinity'),
        ("{", "\u0000{"),
    ],
)
def test_a_golden_edited_by_hand_is_never_the_same(
    before: str, after: str, mine: tuple[Path, Path], pool: WorkerPool, tmp_path: Path
) -> None:
    text = mine[1].read_text("utf-8").replace('"../mine.keras"', json.dumps(str(mine[0])))
    assert before in text
    path = tmp_path / "edited.golden.json"
    path.write_text(text.replace(before, after, 1), "utf-8")
    (found,) = reconstruct.check([path], pool=pool)
    assert found.status == "cannot_load"
    assert str(path) in (found.error or "")
    path.write_bytes(text.replace("\n", "\r\n").encode())
    assert reconstruct.check([path], pool=pool)[0].status == "same"


def test_the_golden_of_another_model_is_not_overwritten(
    mine: tuple[Path, Path], pool: WorkerPool, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(mine[0], tmp_path / "other" / "mine.keras")
    with pytest.raises(BuildError, match="is the golden of"):
        reconstruct.record([tmp_path / "other" / "mine.keras"], mine[1].parent, pool=pool)
    several = [mine[0], tmp_path / "other" / "mine.keras"]
    paths = reconstruct.record(several, tmp_path / "both", pool=pool)
    assert len(set(paths)) == 2


def test_examples_are_probes_and_truth(mine: tuple[Path, Path], pool: WorkerPool, tmp_path: Path) -> None:
    xs = np.random.default_rng(0).standard_normal((5, 4)).astype("float32")
    ys = keras.models.load_model(mine[0]).predict(xs, verbose=0)
    np.savez(tmp_path / "e.npz", x0=xs, y0=ys + 1)
    (path,) = reconstruct.record([mine[0]], tmp_path / "g", examples=tmp_path / "e.npz", pool=pool)
    assert golden.read(path).oracle == "examples"
    assert reconstruct.check([path], pool=pool)[0].status == "differs"
    np.savez(tmp_path / "e.npz", x0=xs, y0=ys)
    (path,) = reconstruct.record([mine[0]], tmp_path / "g", examples=tmp_path / "e.npz", pool=pool)
    assert reconstruct.check([path], pool=pool)[0].status == "same"


def test_a_model_that_draws_numbers_cannot_be_recorded(pool: WorkerPool, tmp_path: Path) -> None:
    class Sampling(keras.layers.Layer):
        def call(self, inputs: list) -> object:
            mean, log_variance = inputs
            return mean + keras.ops.exp(0.5 * log_variance) * keras.random.normal(keras.ops.shape(mean))

    inputs = keras.Input((3,))
    parts = [keras.layers.Dense(2, name=name)(inputs) for name in ("z_mean", "z_log_var")]
    keras.Model(inputs, Sampling(name="z")(parts)).save(tmp_path / "encoder.keras")
    with pytest.raises(BuildError, match="draws random numbers"):
        reconstruct.record([tmp_path / "encoder.keras"], tmp_path / "g", pool=pool)


def test_two_models_are_compared_in_their_own_runtimes(
    recorded: Path, mine: tuple[Path, Path], pool: WorkerPool, tmp_path: Path
) -> None:
    reconstruct.recover(OLD, pool=pool, verify=False).save(tmp_path / "new.keras")
    found = reconstruct.verify(OLD, tmp_path / "new.keras", pool=pool)
    assert found.same
    assert found.by[0].startswith("tf_keras")
    assert found.by[1].startswith("keras 3")
    assert reconstruct.verify(recorded, tmp_path / "new.keras", pool=pool).same
    model("relu").save(tmp_path / "relu.keras")
    other = reconstruct.verify(mine[0], tmp_path / "relu.keras", pool=pool)
    assert (other.same, other.first_layer) == (False, "one")
    with pytest.raises(BuildError, match=r"does not run on inputs of shape \(3, 4\)"):
        reconstruct.verify(mine[0], OLD, pool=pool)


def test_the_commands(mine: tuple[Path, Path], tmp_path: Path) -> None:
    run = CliRunner().invoke
    made = run(app, ["record", str(mine[0]), "-o", str(tmp_path / "g")])
    assert made.exit_code == 0, made.output
    assert "3 probes, outputs by keras 3" in made.stdout
    model("relu").save(tmp_path / "relu.keras")
    arguments = ["check", str(tmp_path / "g"), "--junit", str(tmp_path / "r.xml"), "--report", str(tmp_path / "r.json")]
    assert run(app, arguments).exit_code == 0
    other = run(app, [*arguments, "--model", str(tmp_path / "relu.keras")])
    assert other.exit_code == 1
    assert "the first layer that differs: one" in other.stdout
    suite = ElementTree.parse(tmp_path / "r.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "1", "0")
    (result,) = json.loads((tmp_path / "r.json").read_text("utf-8"))["results"]
    assert (result["status"], result["first_layer"]) == ("differs", "one")
    assert run(app, ["verify", str(mine[0]), str(mine[0])]).exit_code == 0
    assert run(app, ["verify", str(mine[0]), str(tmp_path / "relu.keras")]).exit_code == 1
    for wrong in ("float32=x", "flaot32=1e-3", "float32=-1", "float32=nan"):
        assert run(app, [*arguments, "--tolerance", wrong]).exit_code == 2
    assert run(app, ["verify", str(mine[0]), str(mine[0]), "--tolerance", "-1"]).exit_code == 2
    several = run(app, ["check", str(mine[1]), str(tmp_path / "g"), "--model", str(mine[0])])
    assert several.exit_code == 2
    assert "it is for one golden, and there are 2" in several.output
    assert run(app, ["record", str(mine[0]), str(mine[0]), "-o", str(tmp_path / "x.golden.json")]).exit_code == 2


def test_reading_a_golden_runs_nothing(mine: tuple[Path, Path]) -> None:
    found = checking.golden.read(mine[1])
    assert all(tensor.values is None for layer in found.view.layers.values() for tensor in layer.tensors.values())
