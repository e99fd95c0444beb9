"""Files that are no model, or a broken one: each gives one clear error and exit code 1, and nothing is written."""

import gzip
import io
import json
import os
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import reconstruct.runtimes
from reconstruct.cli import app
from reconstruct.runtimes.recovering import Recoverer, recovered
from reconstruct.runtimes.worker import WorkerPool

DENSE = {"class_name": "Dense", "config": {"name": "dense", "units": 2, "batch_input_shape": [None, 3]}}
MODEL = {"class_name": "Sequential", "config": {"name": "m", "layers": [DENSE]}}


def functional(*layers: dict[str, Any], output: str) -> dict[str, Any]:
    """A functional config with an input `x`, the given layers, and the output of one of them."""
    start = {"class_name": "InputLayer", "name": "x", "config": {"name": "x", "batch_input_shape": [None, 3]}}
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [[output, 0, 0]]}
    layers = ({**start, "inbound_nodes": []}, *layers)
    return {"class_name": "Model", "config": {"name": "m", "layers": list(layers), **ends}}


def relu(name: str, source: str) -> dict[str, Any]:
    nodes = [[[source, 0, 0, {}]]]
    return {"class_name": "ReLU", "name": name, "config": {"name": name}, "inbound_nodes": nodes}


def h5(path: Path, config: Any, weights: dict[str, dict[str, Any]] | None = None, **attributes: Any) -> None:
    """A legacy model file; `weights` has arrays by layer and name, and None for no group at all."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"keras_version": "2.2.4", "backend": "tensorflow"})
        if config is not None:
            file.attrs["model_config"] = config if isinstance(config, str | bytes) else json.dumps(config)
        file.attrs.update(attributes)
        if weights is not None:
            _write_weights(file.create_group("model_weights"), weights)


def _write_weights(group: h5py.Group, weights: dict[str, dict[str, Any]]) -> None:
    group.attrs["layer_names"] = [name.encode() for name in weights]
    for layer, arrays in weights.items():
        inner = group.create_group(layer)
        inner.attrs["weight_names"] = [name.encode() for name in arrays]
        for name, array in arrays.items():
            if array is not None:
                inner[name] = array


KERNEL = {"dense/kernel:0": np.ones((3, 2), "f4")}
WHOLE = {"dense": {**KERNEL, "dense/bias:0": np.ones(2, "f4")}}


def keras_zip(path: Path, members: dict[str, str | bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def truncated(write: Callable[[Path], None]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        write(path)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) * 2 // 3])

    return make


def saved_model(path: Path) -> None:
    path.mkdir()
    (path / "saved_model.pb").write_bytes(b"\x08\x01")


def other_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["table"] = np.arange(3)


def npz(path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones(2))
    path.write_bytes(buffer.getvalue())


def data(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


def config_in_zip(config: str | bytes) -> Callable[[Path], None]:
    return lambda path: keras_zip(path, {"config.json": config, "metadata.json": '{"keras_version": "3.5.0"}'})


def config_in_h5(config: Any, **attributes: Any) -> Callable[[Path], None]:
    """A model file without weights: from weights `recover` would infer a model, whatever the config is."""
    return lambda path: h5(path, config, **attributes)


LOOP = functional(relu("a", "b"), relu("b", "a"), output="b")
ABSENT = functional(relu("a", "nowhere"), output="a")
NO_OUTPUT = functional(relu("a", "x"), output="gone")
NO_CLASS = {"class_name": "Sequential", "config": [{"config": {"name": "d"}}]}
SUBCLASSED = {"class_name": "MyModel", "config": {"width": 3}}
DEEP = "[" * 100_000

# What makes the file, what the error says, and what its hint says.
CASES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "missing": (lambda path: None, "there is no file", "check the path"),
    "directory": (lambda path: path.mkdir(), "is a directory without config.json", "migrate"),
    "empty": (data(b""), "is empty", "get the file again"),
    "text": (data(b"hello, this is no model\n" * 40), "of no kind that Keras writes", "HDF5"),
    "html": (data(b"<!DOCTYPE html>\n<html><body>404"), "an HTML page", "download the raw file"),
    "lfs": (data(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "a Git LFS pointer", "git lfs pull"),
    "png": (data(b"\x89PNG\r\n\x1a\n" + bytes(64)), "of no kind that Keras writes", "HDF5"),
    "pickle": (data(pickle.dumps({"a": 1})), "a Python pickle", "execute code"),
    "gzip": (data(gzip.compress(b"x" * 99)), "a gzip archive", "unpack it"),
    "tflite": (data(b"\x1c\x00\x00\x00TFL3" + bytes(64)), "a TensorFlow Lite model", "converted from"),
    "zeros": (data(bytes(5000)), "filled with zeros", "get the file again"),
    "npy": (data(b"\x93NUMPY\x01\x00" + bytes(90)), "a NumPy array", "Keras saved"),
    "npz": (npz, "a zip archive without config.json", "unpack it"),
    "saved_model": (saved_model, "is a TensorFlow SavedModel", "TFSMLayer"),
    "zip_without_config": (lambda p: keras_zip(p, {"a.txt": "a"}), "a zip archive without config.json", "unpack it"),
    "zip_truncated": (truncated(config_in_zip(json.dumps(MODEL))), "a damaged zip archive", "get the file again"),
    "hdf5_truncated": (truncated(config_in_h5(MODEL)), "is truncated", "get the file again"),
    "hdf5_header_only": (data(b"\x89HDF\r\n\x1a\n" + bytes(20)), "is damaged", "get the file again"),
    "hdf5_not_keras": (other_hdf5, "not one that Keras wrote", "model.save()"),
    "h5_config_not_json": (config_in_h5("{'class_name': "), "is not JSON", "damaged"),
    "h5_config_empty": (config_in_h5(" "), "is not JSON", "damaged"),
    "h5_config_a_list": (config_in_h5([MODEL]), "the config is a list", ""),
    "h5_config_a_number": (config_in_h5(None, model_config=5), "model_config should be JSON text", "damaged"),
    "h5_config_an_array": (config_in_h5(None, model_config=np.ones(3)), "model_config should be JSON text", "damaged"),
    "h5_config_null": (config_in_h5("null"), "the config is a NoneType", ""),
    "h5_config_too_deep": (config_in_h5(None, model_config=b"[" * 60_000), "60000 levels deep", "damaged"),
    "zip_config_not_json": (config_in_zip("{,}"), "is not JSON", "damaged"),
    "zip_config_not_utf8": (config_in_zip(b"\xff\xfe{}"), "is not UTF-8", ""),
    "zip_config_a_list": (config_in_zip("[1, 2]"), "the config is a list", ""),
    "zip_config_too_deep": (config_in_zip(DEEP), "100000 levels deep", "damaged"),
    "json_not_a_model": (data(b'{"a": 1}'), "no Keras model config", "model file"),
    "json_list": (data(b"[1, 2]"), "a JSON list", "JSON object"),
    "json_without_weights": (data(json.dumps(MODEL).encode()), "no weights lie beside it", "weights"),
    "loop": (config_in_h5(LOOP), "connected in a loop: a, b", "edited by hand"),
    "absent_layer": (config_in_h5(ABSENT), "a layer 'nowhere', which it does not have", "edited by hand"),
    "absent_output": (config_in_h5(NO_OUTPUT), "a layer 'gone', which it does not have", "edited by hand"),
    "layer_without_class": (config_in_h5(NO_CLASS), "class_name", ""),
    "layers_no_list": (config_in_h5({**MODEL, "config": {"layers": 5}}), "does not list layers", "Python code"),
    "config_a_number": (config_in_h5({**MODEL, "config": 5}), "not a JSON object", ""),
    "subclassed": (config_in_h5(SUBCLASSED), "a subclassed model", "Python code"),
    "tensor_missing": (
        lambda p: h5(p, MODEL, {"dense": {"kernel": None}}),
        "model_weights/dense/kernel is missing",
        "",
    ),
}


@pytest.fixture
def no_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing a framework fails, also where another test did it before; `recover` works in this process."""

    def recover(self: Recoverer, source: str, output: str, hint: Any, say: Any) -> dict[str, Any]:
        with WorkerPool() as pool:
            return recovered({"source": source, "output": output, "hint": hint}, self.limits, pool, say)

    monkeypatch.setattr(Recoverer, "recover", recover)
    for name in ("keras", "tensorflow", "tf_keras", "reconstruct.runtimes.keras_3"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delattr(reconstruct.runtimes, "keras_3", raising=False)


def fails(source: Path, folder: Path) -> str:
    """The error that `recover` gives for `source`; it has to be the only thing that comes of it."""
    report = folder / "report.json"
    before = sorted(folder.rglob("*"))
    arguments = ["recover", str(source), "-o", str(folder / "new" / "out.keras"), "--report", str(report)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.count("error: ") == 1
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr
    assert "defect" not in result.stderr
    assert sorted(p for p in folder.rglob("*") if p != report) == before
    written = json.loads(report.read_text("utf-8"))["results"][0]
    assert written["status"] == "failed"
    assert written["output"] is None
    assert written["error"]["message"] in result.stderr
    return result.stderr


@pytest.mark.usefixtures("no_framework")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_recover_gives_one_error_and_writes_nothing(tmp_path: Path, name: str, suffix: str) -> None:
    make, message, hint = CASES[name]
    source = tmp_path / f"model.{suffix}"
    make(source)
    error = fails(source, tmp_path)
    assert message in error
    assert hint in error
    assert len(error.splitlines()) <= 3


@pytest.mark.usefixtures("no_framework")
@pytest.mark.parametrize("name", sorted(CASES))
@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
def test_inspect_gives_the_same_error(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    make, message, _ = CASES[name]
    make(tmp_path / "model.h5")
    result = CliRunner().invoke(app, ["inspect", str(tmp_path / "model.h5"), *options])
    assert result.exit_code == 1
    if options:
        assert result.stderr == ""
        assert message in json.loads(result.stdout)["error"]["message"]
    else:
        assert result.stdout == ""
        assert message in result.stderr


@pytest.mark.usefixtures("no_framework")
def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "model.h5"
    h5(source, MODEL, WHOLE)
    opened = Path.open

    def refuse(self: Path, *args: Any, **options: Any) -> Any:  # permissions mean nothing to root
        if self == source:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    assert "permission denied" in fails(source, tmp_path)


@pytest.mark.usefixtures("no_framework")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.h5")
    assert "is not a regular file" in fails(tmp_path / "model.h5", tmp_path)


@pytest.mark.usefixtures("no_framework")
def test_a_compressed_weights_file_that_is_damaged(tmp_path: Path) -> None:
    source = tmp_path / "model.keras"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(MODEL))
        archive.writestr("model.weights.h5", os.urandom(4000))
    content = bytearray(source.read_bytes())
    content[len(content) // 2] ^= 0xFF
    source.write_bytes(content)
    assert "cannot be unpacked" in fails(source, tmp_path)


@pytest.mark.usefixtures("no_framework")
def test_a_config_of_absurd_size_is_not_unpacked(tmp_path: Path) -> None:
    source = tmp_path / "model.keras"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("config.json", "w") as member:
        for _ in range(300):
            member.write(bytes(1 << 20))
    assert "unpacks to 314572800 bytes" in fails(source, tmp_path)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (None, "no weights for"),
        ({}, "no weights for"),
        ({"dense": {}}, "no weights for"),
        ({"dense": KERNEL}, "2 variables"),
    ],
    ids=["no_group", "empty_group", "empty_layer", "one_tensor_of_two"],
)
def test_weights_that_are_missing(tmp_path: Path, weights: dict[str, dict[str, Any]] | None, message: str) -> None:
    source = tmp_path / "model.h5"
    h5(source, MODEL, weights)
    assert message in fails(source, tmp_path)
    facts = json.loads(CliRunner().invoke(app, ["inspect", str(source), "--json"]).stdout)
    assert [f["severity"] for f in facts["findings"]] == ["error"]


def test_an_unknown_layer_is_described(tmp_path: Path) -> None:
    source = tmp_path / "model.h5"
    custom = {"class_name": "Swirl", "config": {"name": "swirl_1", "turns": 7}}
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": [DENSE, custom]}}
    h5(source, config, {**WHOLE, "swirl_1": {"swirl_1/axis:0": np.ones((2, 5), "f4")}})
    result = CliRunner().invoke(app, ["recover", str(source), "-o", str(tmp_path / "out.keras")])
    assert result.exit_code == 4
    for part in ("Swirl", "swirl_1", '"turns": 7', "axis", "(2, 5)", "--custom FILE.py", "reconstruct stub"):
        assert part in result.output
