"""The catalogue of oracles and their cache; live, that every genuine version writes a model and computes it again."""

import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reconstruct.errors import OracleUnavailable, ReconstructError
from reconstruct.runtimes import oracles
from reconstruct.runtimes.worker import Worker, WorkerPool

ROOT = Path(__file__).resolve().parents[2]
EARLIER = [runtime for runtime in oracles.CATALOGUE if runtime.earlier]


@pytest.mark.parametrize(
    ("version", "container", "expected"),
    [
        ("1.2.2", "h5-model", ["keras 1.2.2", "keras 2.0.9", "keras 2.2.4", "tf_keras"]),
        ("1.0.5", "config-json", ["keras 1.2.2", "keras 2.0.9", "keras 2.2.4", "tf_keras"]),
        (None, "h5-model", ["keras 1.2.2", "keras 2.0.9", "keras 2.2.4", "tf_keras"]),
        ("2.0.6", "h5-model", ["keras 2.0.9", "keras 2.2.4", "tf_keras"]),
        ("2.1.3", "h5-model", ["keras 2.2.4", "keras 2.3.1", "tf_keras"]),
        ("2.2.4", "h5-model", ["keras 2.2.4", "keras 2.3.1", "tf_keras"]),
        ("2.2.4.1", "h5-model", ["keras 2.2.4", "keras 2.3.1", "tf_keras"]),
        ("2.3.0", "h5-model", ["keras 2.3.1", "tf_keras"]),
        ("2.1.6-tf", "h5-model", ["tf_keras"]),
        ("2.3.0-tf", "h5-model", ["tf_keras"]),
        ("2.4.0", "h5-model", ["tf_keras"]),
        ("2.13.1", "keras-zip", ["tf_keras"]),
        ("2.10.0", "h5-model", ["tf_keras"]),
        ("3.9.2", "keras-zip", ["keras"]),
        ("3.10.0", "h5-model", ["keras"]),
        (None, "keras-zip", ["keras", "tf_keras"]),
        ("2.2.4", "h5-weights", []),
        (None, "saved-model", []),
    ],
)
def test_oracles_for_a_writer(version: str | None, container: str, expected: list[str]) -> None:
    assert [runtime.name for runtime in oracles.for_writer(version, "tensorflow", container)] == expected


def test_cache_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECONSTRUCT_CACHE", str(tmp_path))
    assert oracles.location(oracles.KERAS_2_2) == tmp_path / "oracles" / "keras-2.2.4"
    assert oracles.location(oracles.TF_KERAS) is None
    assert not [runtime for runtime in oracles.installed() if runtime.earlier]
    (tmp_path / "oracles" / "keras-2.2.4").mkdir(parents=True)
    assert [runtime.name for runtime in oracles.installed() if runtime.earlier] == ["keras 2.2.4"]


def test_names_are_found() -> None:
    assert oracles.by_name("keras 2.3.1") is oracles.KERAS_2_3
    with pytest.raises(KeyError):
        oracles.by_name("keras 2.9.0")


def _pip_stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path, body: str) -> None:
    """Make `python -m pip` run `body`, where `target` is the folder given to --target."""
    package = folder / "pip"
    package.mkdir()
    start = "import pathlib, sys, time\ntarget = pathlib.Path(sys.argv[sys.argv.index('--target') + 1])\n"
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(start + textwrap.dedent(body))
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_failed_install_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECONSTRUCT_CACHE", str(tmp_path / "cache"))
    _pip_stand_in(
        monkeypatch, tmp_path, "target.mkdir()\nprint('ERROR: No matching distribution', file=sys.stderr)\nsys.exit(1)"
    )
    with pytest.raises(OracleUnavailable, match="No matching distribution") as caught:
        oracles.install(oracles.KERAS_2_2)
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value, ReconstructError)
    assert "offline" in caught.value.hint
    assert list((tmp_path / "cache" / "oracles").iterdir()) == []


def test_install_has_a_time_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECONSTRUCT_CACHE", str(tmp_path / "cache"))
    _pip_stand_in(monkeypatch, tmp_path, "time.sleep(60)")
    with pytest.raises(OracleUnavailable, match=r"not installed within 0\.5 s"):
        oracles.install(oracles.KERAS_2_2, timeout=0.5)
    assert list((tmp_path / "cache" / "oracles").iterdir()) == []


def test_two_installs_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RECONSTRUCT_CACHE", str(tmp_path / "cache"))
    _pip_stand_in(monkeypatch, tmp_path, "time.sleep(0.5)\n(target / 'keras').mkdir(parents=True)")
    said: list[str] = []
    folders: list[Path | None] = []
    threads = [
        threading.Thread(target=lambda: folders.append(oracles.install(oracles.KERAS_2_0, said.append)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = tmp_path / "cache" / "oracles" / "keras-2.0.9"
    assert folders == [expected, expected]
    assert [path.name for path in expected.parent.iterdir()] == ["keras-2.0.9"]
    assert said[0] == "installing keras==2.0.9"
    said.clear()
    assert oracles.install(oracles.KERAS_2_0, said.append) == expected
    assert said == []


def test_no_framework_is_imported() -> None:
    script = (
        "import sys, reconstruct.runtimes.oracles as o, reconstruct.runtimes.worker as w; o.installed(); "
        "w.WorkerPool().worker(o.KERAS_2_2); "
        "print([m for m in ('keras', 'tensorflow', 'tf_keras') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


WRITE = """
import os, sys
os.environ["CUDA_VISIBLE_DEVICES"], os.environ["TF_CPP_MIN_LOG_LEVEL"] = "-1", "3"
from pathlib import Path
folder, out = Path(sys.argv[1]), Path(sys.argv[2])
os.environ["HOME"] = str(out)
from reconstruct.runtimes import earlier_keras
keras = earlier_keras.activate(folder)
import numpy as np
from keras.layers import LSTM, Activation, Convolution1D, Dense, Dropout, Input, Lambda
from keras.models import Model, Sequential
random = np.random.RandomState(0)

def write(name, model, *inputs):
    model.set_weights([random.uniform(-0.5, 0.5, w.shape) for w in model.get_weights()])
    y = model.predict(list(inputs) if len(inputs) > 1 else inputs[0])
    ys = y if isinstance(y, list) else [y]
    model.save(str(out / (name + ".h5")))
    arrays = {"p0_x%d" % i: x for i, x in enumerate(inputs)}
    arrays.update({"y%d" % i: y for i, y in enumerate(ys)})
    np.savez(str(out / (name + ".npz")), **arrays)

layers = [Convolution1D(4, 3, input_shape=(7, 2)), LSTM(3), Dropout(0.5), Dense(2), Activation("hard_sigmoid")]
model = Sequential(layers)
model.compile("adam", lambda a, b: keras.backend.mean(a - b))  # a loss that no loader knows
write("sequential", model, random.randn(3, 7, 2))
a, b = Input((4,), name="a"), Input((4,), name="b")
shared = Sequential([Dense(3, input_dim=4, name="inside")], name="shared")
write("shared", Model([a, b], [shared(a), shared(b)]), random.randn(3, 4), random.randn(3, 4))
write("lambda", Sequential([Lambda(lambda x: x * 2 + 1, input_shape=(3,))]), random.randn(3, 3))
if not keras.__version__.startswith("1."):
    from keras.layers import GRU
    write("stateful", Sequential([GRU(3, stateful=True, batch_input_shape=(2, 5, 4))]), random.randn(2, 5, 4))
"""


@pytest.fixture(scope="module", params=EARLIER, ids=lambda runtime: runtime.version)
def genuine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Worker, Path]]:
    """A worker for one earlier version, and a folder of models with outputs that this version wrote."""
    runtime: oracles.Runtime = request.param
    folder = oracles.location(runtime)
    if oracles.why_unavailable(runtime):
        pytest.skip(f"{runtime.name} is not installed")
    out = tmp_path_factory.mktemp("written")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-c", WRITE, str(folder), str(out)], env=environment, check=True, capture_output=True
    )
    with WorkerPool() as pool:
        yield pool.worker(runtime), out


def _run(worker: Worker, folder: Path, name: str, **more: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The answer to a run of a written model on its own inputs, and the arrays it stored."""
    files = {
        "path": str(folder / f"{name}.h5"),
        "probes": str(folder / f"{name}.npz"),
        "outputs": str(folder / "o.npz"),
    }
    (folder / "o.npz").unlink(missing_ok=True)
    answer = worker.ask({"op": "run", **files, **more}, 100)
    if not answer["ok"]:
        return answer, {}
    with np.load(folder / "o.npz") as stored:
        return answer, dict(stored)


def _written(folder: Path, name: str) -> list[np.ndarray]:
    with np.load(folder / f"{name}.npz") as stored:
        return [stored[key] for key in sorted(stored.files) if key.startswith("y")]


@pytest.mark.oracle
def test_sequential_with_unknown_loss(genuine: tuple[Worker, Path]) -> None:
    worker, folder = genuine
    described = worker.ask({"op": "describe", "path": str(folder / "sequential.h5")}, 100)
    assert described["outputs"] == 1
    assert [(item["shape"], item["dtype"]) for item in described["inputs"]] == [([None, 7, 2], "float32")]
    answer, got = _run(worker, folder, "sequential", layers=True)
    assert answer == {"ok": True, "probes": 1, "outputs": 1}
    (expected,) = _written(folder, "sequential")
    assert got["p0_y0"].shape == expected.shape
    assert got["p0_y0"].dtype == expected.dtype
    np.testing.assert_allclose(got["p0_y0"], expected, atol=1e-6)
    last = [key for key in got if key.startswith("layer/activation")]
    np.testing.assert_array_equal(got[last[0]], got["p0_y0"])
    assert not (folder / ".keras" / "models").exists()


@pytest.mark.oracle
def test_shared_layer_in_two_calls(genuine: tuple[Worker, Path]) -> None:
    worker, folder = genuine
    answer, got = _run(worker, folder, "shared", layers=True)
    assert answer == {"ok": True, "probes": 1, "outputs": 2}
    for k, expected in enumerate(_written(folder, "shared")):
        np.testing.assert_allclose(got[f"p0_y{k}"], expected, atol=1e-6)
        np.testing.assert_array_equal(got[f"layer/shared/{k}/0"], got[f"p0_y{k}"])


@pytest.mark.oracle
def test_marshaled_code_runs_only_if_trusted(genuine: tuple[Worker, Path]) -> None:
    worker, folder = genuine
    answer, _ = _run(worker, folder, "lambda")
    assert (answer["ok"], answer["kind"]) == (False, "load")
    assert answer["error"].startswith("UntrustedCode: ")
    answer, got = _run(worker, folder, "lambda", trust_code=True)
    assert answer["ok"]
    np.testing.assert_allclose(got["p0_y0"], _written(folder, "lambda")[0], atol=1e-6)
    answer, _ = _run(worker, folder, "lambda")
    assert answer["ok"] is False


@pytest.mark.oracle
def test_stateful_starts_from_zero(genuine: tuple[Worker, Path], tmp_path: Path) -> None:
    worker, folder = genuine
    if not (folder / "stateful.h5").exists():
        pytest.skip("not written by Keras 1")
    with np.load(folder / "stateful.npz") as stored:
        np.savez(tmp_path / "p.npz", p0_x0=stored["p0_x0"], p1_x0=stored["p0_x0"])
    files = {"probes": str(tmp_path / "p.npz"), "outputs": str(tmp_path / "o.npz")}
    answer = worker.ask({"op": "run", "path": str(folder / "stateful.h5"), **files}, 100)
    assert answer == {"ok": True, "probes": 2, "outputs": 1}
    with np.load(tmp_path / "o.npz") as got:
        np.testing.assert_array_equal(got["p0_y0"], got["p1_y0"])
        np.testing.assert_allclose(got["p0_y0"], _written(folder, "stateful")[0], atol=1e-6)


@pytest.mark.oracle
def test_failures_are_answers(genuine: tuple[Worker, Path], tmp_path: Path) -> None:
    import h5py

    worker, folder = genuine
    strange = tmp_path / "strange.h5"
    strange.write_bytes((folder / "sequential.h5").read_bytes())
    with h5py.File(strange, "r+") as file:
        config = file.attrs["model_config"]
        text = config.decode() if isinstance(config, bytes) else config
        file.attrs["model_config"] = text.replace('"LSTM"', '"Mystery"').encode()
    answer = worker.ask({"op": "describe", "path": str(strange)}, 100)
    assert (answer["ok"], answer["kind"]) == (False, "unknown_object")
    assert "Mystery" in answer["error"]
    assert worker.ask({"op": "describe", "path": str(tmp_path / "none.h5")}, 100)["kind"] == "load"
    assert worker.ask({"op": "sing"}, 100)["kind"] == "request"
    np.savez(tmp_path / "p.npz", p0_x0=np.zeros((3, 9)))
    files = {"probes": str(tmp_path / "p.npz"), "outputs": str(tmp_path / "o.npz")}
    assert worker.ask({"op": "run", "path": str(folder / "sequential.h5"), **files}, 100)["kind"] == "run"
    custom = tmp_path / "mystery.py"
    custom.write_text("from keras.layers import LSTM\nclass Mystery(LSTM):\n    pass\n")
    answer = worker.ask({"op": "describe", "path": str(strange), "custom": [str(custom)]}, 100)
    assert answer["ok"], answer


WRITE_TODAY = """
import os, sys
os.environ["CUDA_VISIBLE_DEVICES"], os.environ["TF_CPP_MIN_LOG_LEVEL"] = "-1", "3"
name, out = sys.argv[1], sys.argv[2]
if name == "tf_keras":
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tf_keras as keras
else:
    import keras
import numpy as np
x = keras.Input((5, 2), name="sequence")
h = keras.layers.LSTM(3, return_sequences=True)(x)
shared = keras.layers.Dense(4, activation="tanh", name="shared")
model = keras.Model({"sequence": x}, [shared(h), keras.layers.Dropout(0.5)(shared(keras.layers.Cropping1D((1, 0))(h)))])
values = np.random.default_rng(0).standard_normal((3, 5, 2)).astype("float32")
ys = model(values, training=False)
np.savez(out + "/model.npz", p0_x0=values, y0=np.asarray(ys[0]), y1=np.asarray(ys[1]))
model.save(out + "/model.h5")
model.save(out + "/zip.keras")
model.save_weights(out + "/only.weights.h5")
open(out + "/model.json", "w").write(model.to_json())
"""


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["tf_keras", "keras"])
def test_every_container_of_the_environments_own(name: str, tmp_path: Path) -> None:
    if oracles.why_unavailable(oracles.by_name(name)):
        pytest.skip(f"{name} is not installed")
    subprocess.run([sys.executable, "-c", WRITE_TODAY, name, str(tmp_path)], check=True, capture_output=True)
    import zipfile

    (tmp_path / "misnamed.keras").write_bytes((tmp_path / "model.h5").read_bytes())
    (tmp_path / "misnamed.h5").write_bytes((tmp_path / "zip.keras").read_bytes())
    with zipfile.ZipFile(tmp_path / "zip.keras") as archive:
        archive.extractall(tmp_path / "folder")
    expected = _written(tmp_path, "model")
    files = {"probes": str(tmp_path / "model.npz"), "outputs": str(tmp_path / "o.npz")}
    with WorkerPool() as pool:
        worker = pool.worker(oracles.by_name(name))
        for case in ("model.h5", "zip.keras", "misnamed.keras", "misnamed.h5", "folder", "model.json"):
            more = {"weights": str(tmp_path / "only.weights.h5")} if case == "model.json" else {}
            (tmp_path / "o.npz").unlink(missing_ok=True)
            request = {"op": "run", "path": str(tmp_path / case), "layers": True, **files, **more}
            answer = worker.ask(request, 100)
            assert answer == {"ok": True, "probes": 1, "outputs": 2}, (case, json.dumps(answer))
            with np.load(tmp_path / "o.npz") as got:
                for k, array in enumerate(expected):
                    np.testing.assert_allclose(got[f"p0_y{k}"], array, atol=1e-6, err_msg=case)
                    np.testing.assert_allclose(got[f"layer/shared/{k}/0"], array, atol=1e-6, err_msg=case)
