"""Files that must not hurt: one function a case, with the codes that `reconstruct scan` must give for it.

The numbers are those of the list of hostile files; nothing here does harm when it is opened by this package.
"""

from __future__ import annotations

import base64
import io
import json
import marshal
import os
import struct
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

CASES: dict[str, Case] = {}


@dataclass(frozen=True)
class Case:
    """`make` writes the case into a folder and gives the path to scan; `codes` must all be found."""

    make: Callable[[Path], Any]
    codes: tuple[str, ...]
    read_fails: bool = False


def case(*codes: str, name: str | None = None) -> Callable[[Callable[[Path], Any]], Callable[[Path], Any]]:
    def register(make: Callable[[Path], Any]) -> Callable[[Path], Any]:
        CASES[name or make.__name__] = Case(make, codes)
        return make

    return register


def dense(**config: Any) -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"name": "dense", "units": 2, "batch_input_shape": [None, 3], **config}}


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "m", "layers": list(layers)}}


MODEL = sequential(dense())
WEIGHTS = {"dense": {"dense/kernel:0": np.ones((3, 2), "f4"), "dense/bias:0": np.ones(2, "f4")}}


def config_of(config: Any) -> str:
    return config if isinstance(config, str) else json.dumps(config)


def keras(path: Path, config: Any = MODEL, extra: dict[str, Any] | None = None, weights: bytes | None = None) -> Path:
    """A `.keras` file; `config` as JSON or as its text."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.5.0"}')
        archive.writestr("config.json", config if isinstance(config, bytes) else config_of(config))
        archive.writestr("model.weights.h5", plain_weights() if weights is None else weights)
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return path


def in_memory(fill: Callable[[h5py.File], Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **options) as file:
        fill(file)
    return buffer.getvalue()


def plain_weights() -> bytes:
    def fill(file: h5py.File) -> None:
        file["layers/dense/vars/0"] = np.ones((3, 2), "f4")
        file["layers/dense/vars/1"] = np.ones(2, "f4")

    return in_memory(fill)


def h5(path: Path, config: Any = MODEL, weights: Any = WEIGHTS, **options: Any) -> h5py.File:
    """A legacy model file, open; `weights` are arrays by layer and name."""
    file = h5py.File(path, "w", **options)
    file.attrs.update({"keras_version": "2.4.0", "backend": "tensorflow"})
    if config is not None:
        file.attrs["model_config"] = config_of(config)
    group = file.create_group("model_weights")
    group.attrs["layer_names"] = [n.encode() for n in weights]
    for layer, arrays in weights.items():
        inner = group.create_group(layer)
        inner.attrs["weight_names"] = [n.encode() for n in arrays]
        for name, array in arrays.items():
            inner[name] = array
    return file


def both(name: str, *codes: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """A config that is hostile in `.keras` and in `.h5`."""

    def register(config: Callable[[], Any]) -> Callable[[], Any]:
        def make_h5(folder: Path) -> Path:
            h5(folder / "model.h5", config()).close()
            return folder / "model.h5"

        CASES[f"{name}_h5"] = Case(make_h5, codes)
        CASES[f"{name}_keras"] = Case(lambda folder: keras(folder / "model.keras", config()), codes)
        return config

    return register


# Zip


@case("E_EMPTY")
def empty(folder: Path) -> None:
    (folder / "model.keras").write_bytes(b"")


@case("E_ZIP_CORRUPT")
def zip_trunc(folder: Path) -> None:
    path = keras(folder / "model.keras")
    path.write_bytes(path.read_bytes()[:-200])


@case("W_TYPE_MISMATCH")
def notzip(folder: Path) -> None:
    h5(folder / "model.keras").close()


@case("E_ZIP_DUPLICATE")
def zip_dup(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras(folder / "model.keras", extra={"config.json": json.dumps(MODEL)})


@case("W_ZIP_CASE")
def zip_case(folder: Path) -> None:
    keras(folder / "model.keras", extra={"Config.json": json.dumps(MODEL)})


for _i, _name in enumerate(("../../x", "/x", "..\\x")):

    @case("E_ZIP_PATH", name=f"zip_traversal_{_i}")
    def zip_traversal(folder: Path, name: str = _name) -> None:
        keras(folder / "model.keras", extra={name: "x"})


@case("E_ZIP_SYMLINK")
def zip_symlink(folder: Path) -> None:
    path = keras(folder / "model.keras")
    link = zipfile.ZipInfo("assets/x")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")


def bomb(folder: Path, name: str, chunks: int, count: int = 1) -> None:
    with zipfile.ZipFile(folder / "model.keras", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        if name != "config.json":
            archive.writestr("config.json", json.dumps(MODEL))
        for i in range(count):
            with archive.open(name.format(i), "w") as member:
                for _ in range(chunks):
                    member.write(b" " * (1 << 20))


@case("E_ZIP_BOMB")
def zip_bomb_config(folder: Path) -> None:
    bomb(folder, "config.json", 300)


@case("E_ZIP_TOTAL")
def zip_bomb_asset(folder: Path) -> None:
    bomb(folder, "assets/{}", 16, 20)


@case("E_ZIP_COUNT")
def zip_count(folder: Path) -> None:
    entry = struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    count = 200_000
    end64 = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 20, 20, 0, 0, count, count, len(entry) * count, 0)
    locator = struct.pack("<IIQI", 0x07064B50, 0, len(entry) * count + 4, 1)
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    (folder / "model.keras").write_bytes(b"PK\3\4" + entry * count + end64 + locator + end)


def patched(path: Path, at: int, data: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[at : at + len(data)] = data
    path.write_bytes(content)


@case("E_ZIP_INCONSISTENT")
def zip_lie(folder: Path) -> None:
    path = keras(folder / "model.keras")
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("config.json").header_offset
    patched(path, at + 22, struct.pack("<I", 7))


@case("E_ZIP_INCONSISTENT")
def zip_overlap(folder: Path) -> None:
    path = keras(folder / "model.keras", extra={"b.json": "{}", "c.json": "{}"})
    content = path.read_bytes()
    first, second = content.rfind(b"b.json") - 46, content.rfind(b"c.json") - 46
    patched(path, second + 42, content[first + 42 : first + 46])


@case("E_ZIP_ENCRYPTED")
def zip_encrypted(folder: Path) -> None:
    path = keras(folder / "model.keras")
    at = path.read_bytes().rfind(b"config.json") - 46
    patched(path, at + 8, b"\1")


@case("E_ZIP_METHOD")
def zip_method(folder: Path) -> None:
    path = keras(folder / "model.keras")
    at = path.read_bytes().rfind(b"config.json") - 46
    patched(path, at + 10, struct.pack("<H", 99))


@case("E_NO_CONFIG")
def no_config(folder: Path) -> None:
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")


# JSON

both("json_deep", "E_JSON_DEPTH")(lambda: "[" * 60_000)
case("E_JSON_DEPTH", name="json_deep_200000")(lambda f: keras(f / "model.keras", "[" * 200_000 + "]" * 200_000))
BIG = '{"class_name": "Sequential", "config": {"name": "m", "x": %s, "layers": []}}'
case("E_JSON_NUMBER", name="json_bigint")(lambda f: keras(f / "model.keras", BIG % ("9" * 100_000)))
both("json_nan", "E_JSON_NONFINITE")(lambda: json.dumps(sequential(dense(x=float("nan")))))
both("json_dupkey", "F_JSON_DUPKEY")(lambda: json.dumps(MODEL).replace('"units": 2', '"units": 2, "units": 2'))
both("json_surrogate", "F_UNSAFE_NAME")(lambda: json.dumps(sequential(dense(name="a\ud800"))))
both("json_escape", "F_UNSAFE_NAME")(lambda: json.dumps(sequential(dense(name="a\x1b[31m"))))
both("json_html", "F_UNSAFE_NAME")(lambda: json.dumps(sequential(dense(name="<script>alert(1)</script>"))))
both("json_root_list", "E_CONFIG_TYPE")(lambda: "[]")
both("json_root_null", "E_CONFIG_TYPE")(lambda: "null")
case("E_JSON_ENCODING", name="json_utf8")(lambda f: keras(f / "model.keras", b'{"class_name": "\xff\xfe"}'))
case("E_JSON_NODES", name="json_padding")(
    lambda f: keras(f / "model.keras", '{"class_name": "Sequential", "config": {"x": [' + "[]," * 2_000_000 + "0]}}")
)

# Config


def compiled() -> str:
    return base64.b64encode(marshal.dumps((lambda x: x * 2).__code__)).decode()


def lambda_layer(**config: Any) -> dict[str, Any]:
    function = {"class_name": "__lambda__", "config": {"code": compiled(), "defaults": None, "closure": None}}
    own = {"name": "l", "function": function, "function_type": "raw", **config}
    return {"module": "keras.layers", "class_name": "Lambda", "config": own, "registered_name": None}


def function_of(module: str, name: str) -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": "function"}


K2_LAMBDA = {"name": "l", "function": [compiled(), None, None], "function_type": "lambda"}
NAMED = {"name": "l", "function": "system", "function_type": "function", "module": "os"}
both("lambda", "F_LAMBDA_CODE")(lambda: sequential(dense(), lambda_layer()))
both("lambda_nested", "F_LAMBDA_CODE")(lambda: sequential(dense(), sequential(sequential(lambda_layer()))))
both("lambda_k2", "F_LAMBDA_CODE")(lambda: sequential(dense(), {"class_name": "Lambda", "config": K2_LAMBDA}))
both("lambda_field", "F_LAMBDA_CODE")(
    lambda: sequential(dense(), lambda_layer(function="relu", output_shape=lambda_layer()["config"]["function"]))
)
both("lambda_loss", "F_LAMBDA_CODE")(
    lambda: {**MODEL, "compile_config": {"loss": lambda_layer()["config"]["function"]}}
)
both("fn_osmodule", "F_FOREIGN_MODULE")(lambda: sequential(dense(), lambda_layer(function=function_of("os", "system"))))
both("fn_os_k2", "F_FOREIGN_MODULE")(lambda: sequential(dense(), {"class_name": "Lambda", "config": NAMED}))
both("fn_builtin", "F_FOREIGN_MODULE")(lambda: sequential(dense(activation=function_of("builtins", "eval"))))
both("fn_getfile", "F_NON_MODELING_FN")(
    lambda: sequential(dense(), lambda_layer(function=function_of("keras.utils", "get_file")))
)
both("fn_load", "F_NON_MODELING_FN")(lambda: sequential(dense(activation=function_of("keras.saving", "load_model"))))
both("fn_config", "F_NON_MODELING_FN")(
    lambda: sequential(dense(activation=function_of("keras.config", "enable_unsafe_deserialization")))
)
both("fn_application", "F_NON_MODELING_FN")(
    lambda: sequential(dense(kernel_initializer=function_of("keras.applications", "VGG16")))
)
CUSTOM = {"module": "my.layers", "class_name": "Swirl", "config": {"name": "s"}, "registered_name": "Mine>Swirl"}
both("custom_class", "F_CUSTOM_OBJECT", "F_LAMBDA_CODE")(lambda: sequential(dense(), CUSTOM, lambda_layer()))
VOCABULARY = {"class_name": "StringLookup", "config": {"name": "v", "vocabulary": "/etc/passwd"}}
both("vocab_path", "F_EXTERNAL_PATH")(lambda: sequential(dense(), VOCABULARY))
TFSM = {"class_name": "TFSMLayer", "module": "keras.layers", "config": {"name": "t", "filepath": "/tmp/x"}}
both("tfsm", "F_EXTERNAL_MODEL")(lambda: sequential(TFSM))
TORCH = {"class_name": "TorchModuleWrapper", "module": "keras.layers", "config": {"name": "t", "module": "gASV"}}
both("torch", "F_PICKLE")(lambda: sequential(TORCH))
both("units_1e12", "F_RESOURCE")(lambda: sequential(dense(units=10**12)))
both("units_2e8", "F_RESOURCE")(lambda: sequential(dense(units=2 * 10**8)))
both("input_huge", "F_RESOURCE")(lambda: sequential(dense(batch_input_shape=[None, 10**9, 10**9])))
NUMPY = {"class_name": "__numpy__", "config": {"value": [1], "dtype": "<U25000000"}}
both("np_dtype", "F_RESOURCE")(lambda: sequential(dense(bias=NUMPY)))
EAGER = {"class_name": "TFOpLambda", "name": "w", "config": {"name": "w", "function": "io.write_file"}}
both("tfop_io", "F_TF_OP")(lambda: functional([start(), {**EAGER, "inbound_nodes": [["x", 0, 0, {}]]}], "w"))


def start() -> dict[str, Any]:
    return {"class_name": "InputLayer", "name": "x", "config": {"name": "x", "batch_input_shape": [None, 3]}}


def functional(layers: list[dict[str, Any]], output: str) -> dict[str, Any]:
    for layer in layers:
        layer.setdefault("inbound_nodes", [])
    ends = {"input_layers": [["x", 0, 0]], "output_layers": [[output, 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "m", "layers": layers, **ends}}


def relu(name: str, source: str) -> dict[str, Any]:
    nodes = [[[source, 0, 0, {}]]]
    return {"class_name": "ReLU", "name": name, "config": {"name": name}, "inbound_nodes": nodes}


@both("graph_reversed")
def graph_reversed() -> dict[str, Any]:
    layers = [relu(f"r{i}", f"r{i - 1}" if i else "x") for i in range(5000)]
    return functional([*reversed(layers), start()], "r4999")


both("graph_cycle", "E_GRAPH_CYCLE")(lambda: functional([start(), relu("a", "b"), relu("b", "a")], "b"))


@case("E_CONFIG_DEPTH")
def nest_2000(folder: Path) -> None:
    opened = '{"class_name": "Sequential", "config": {"name": "m", "layers": ['
    keras(folder / "model.keras", opened * 2000 + json.dumps(dense()) + "]}}" * 2000)


both("layer_name_path", "F_UNSAFE_NAME")(lambda: sequential(dense(name="../../x")))
both("layer_name_long", "F_UNSAFE_NAME")(lambda: sequential(dense(name="x" * (1 << 20))))

# HDF5


@case("E_HDF5_CORRUPT")
def trunc(folder: Path) -> None:
    h5(folder / "model.h5").close()
    content = (folder / "model.h5").read_bytes()
    (folder / "model.h5").write_bytes(content[: len(content) // 2])


@case("W_USERBLOCK", "F_LAMBDA_CODE")
def userblock(folder: Path) -> None:
    h5(folder / "model.h5", sequential(dense(), lambda_layer()), userblock_size=512).close()
    patched(folder / "model.h5", 0, b"#!/bin/sh\nexit\n")


def with_file(change: Callable[[h5py.File, Path], Any], *codes: str) -> None:
    """A legacy file that is changed after it was made, and the same as weights of a `.keras` file."""
    name = change.__name__

    def make(folder: Path) -> Path:
        with h5(folder / "model.h5") as file:
            change(file, folder)
        return folder / "model.h5"

    def make_keras(folder: Path) -> Path:
        with h5py.File(folder / "w.tmp", "w") as file:
            file.create_group("model_weights")
            change(file, folder)
        content = (folder / "w.tmp").read_bytes()
        (folder / "w.tmp").unlink()
        return keras(folder / "model.keras", weights=content)

    CASES[name] = Case(make, codes)
    CASES[f"{name}_keras"] = Case(make_keras, codes)


def extlink(file: h5py.File, folder: Path) -> None:
    file["model_weights/out"] = h5py.ExternalLink("/etc/passwd", "/x")


def extfifo(file: h5py.File, folder: Path) -> None:
    if not (folder / "fifo").exists():
        os.mkfifo(folder / "fifo")
    file["model_weights/out"] = h5py.ExternalLink(str(folder / "fifo"), "/x")


def softlink(file: h5py.File, folder: Path) -> None:
    file["model_weights/soft"] = h5py.SoftLink("/model_weights")


def softcycle(file: h5py.File, folder: Path) -> None:
    file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")


def hardcycle(file: h5py.File, folder: Path) -> None:
    file["model_weights/again"] = file["model_weights"]


def extstorage(file: h5py.File, folder: Path) -> None:
    file.create_dataset("model_weights/e", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def vds(file: h5py.File, folder: Path) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("model_weights/v", layout)


def shapebomb(file: h5py.File, folder: Path) -> None:
    file.create_dataset("model_weights/b", (1 << 20, 1 << 20), "f4", chunks=(1, 1 << 10))


def shapebomb_sub4g(file: h5py.File, folder: Path) -> None:
    file.create_dataset("model_weights/b", ((1 << 30) - 1,), "f4", chunks=(1 << 10,))


def vlenamp(file: h5py.File, folder: Path) -> None:
    file.create_dataset("model_weights/t", data=np.array(["x" * 1000] * 100, object), dtype=h5py.string_dtype())


def objref(file: h5py.File, folder: Path) -> None:
    file.create_dataset("model_weights/r", data=np.array([file.ref] * 3, h5py.ref_dtype), dtype=h5py.ref_dtype)


def unknownfilter(file: h5py.File, folder: Path) -> None:
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((4,))
    made.set_scaleoffset(h5py.h5z.SO_INT, 0)
    space = h5py.h5s.create_simple((4,))
    h5py.h5d.create(file["model_weights"].id, b"f", h5py.h5t.STD_I32LE, space, made)


def deep(file: h5py.File, folder: Path) -> None:
    group = file["model_weights"]
    for _ in range(300):
        group = group.create_group("g")


def manygroups(file: h5py.File, folder: Path) -> None:
    for i in range(20_000):
        h5py.h5g.create(file["model_weights"].id, b"%d" % i)


def hugechunk(file: h5py.File, folder: Path) -> None:
    size = 1 << 28
    file.create_dataset("model_weights/c", (size,), "f4", chunks=(size,), compression="gzip")


def bad_name(file: h5py.File, folder: Path) -> None:
    file["model_weights"].create_group("a\x1b[2J")


with_file(extlink, "E_H5_EXTERNAL_LINK")
with_file(extfifo, "E_H5_EXTERNAL_LINK")
with_file(softlink, "E_H5_SOFT_LINK")
with_file(softcycle, "E_H5_SOFT_LINK")
with_file(hardcycle, "W_H5_ALIAS")
with_file(extstorage, "E_H5_EXTERNAL_STORAGE")
with_file(vds, "E_H5_VIRTUAL")
with_file(shapebomb, "F_RESOURCE")
with_file(shapebomb_sub4g, "F_RESOURCE")
with_file(vlenamp, "E_H5_DTYPE")
with_file(objref, "E_H5_DTYPE")
with_file(unknownfilter, "E_H5_FILTER")
with_file(deep, "E_H5_DEPTH")
with_file(manygroups)
del CASES["manygroups_keras"]  # the same, at three times the cost of reading through the archive
with_file(hugechunk, "F_RESOURCE")
with_file(bad_name, "F_UNSAFE_NAME")


@case("F_RESOURCE", "F_DUP_WEIGHT")
def repeat_names(folder: Path) -> None:
    with h5(folder / "model.h5") as file:
        group = file["model_weights/dense"]
        group.create_dataset("s", (1 << 22,), "f4", chunks=(1 << 10,))
        group.attrs["weight_names"] = [b"s"] * 100


@case("E_CONFIG_TYPE")
def attr_type(folder: Path) -> None:
    with h5(folder / "model.h5", None) as file:
        file.attrs["model_config"] = 5


# Directories and others


def keras_dir(folder: Path) -> Path:
    path = folder / "model"
    (path / "assets").mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(MODEL))
    (path / "metadata.json").write_text('{"keras_version": "3.5.0"}')
    (path / "model.weights.h5").write_bytes(plain_weights())
    return path


@case("E_SYMLINK")
def dirm(folder: Path) -> Path:
    path = keras_dir(folder)
    (path / "assets" / "vocabulary.txt").symlink_to("/etc/passwd")
    return path


@case("E_SHARD_PATH")
def sh_path(folder: Path) -> Path:
    path = keras_dir(folder)
    (path / "model.weights.json").write_text(json.dumps({"weight_map": {"/layers/dense/vars": "../x.weights.h5"}}))
    return path


@case("E_SHARD_PATH")
def sh_symlink(folder: Path) -> Path:
    (folder / "model_00000.weights.h5").symlink_to("/etc/passwd")
    path = folder / "model.weights.json"
    path.write_text(json.dumps({"weight_map": {"/layers/dense/vars": ["model_00000.weights.h5"]}}))
    return path


@case("E_NOT_REGULAR")
def fifo_input(folder: Path) -> None:
    os.mkfifo(folder / "model.h5")


@case("F_PICKLE")
def npz_object(folder: Path) -> None:
    np.savez(folder / "model.npz", a=np.array([{}], object))


@case("F_RESOURCE")
def npzbomb(folder: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    with zipfile.ZipFile(folder / "model.npz", "w") as archive:
        archive.writestr("a.npy", array)


def number(value: int) -> bytes:
    made = b""
    while value > 127:
        made += bytes([value & 127 | 128])
        value >>= 7
    return made + bytes([value])


def message(field: int, data: bytes | str) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    return number(field << 3 | 2) + number(len(data)) + data


def node(op: str, name: str = "n", attributes: bytes = b"") -> bytes:
    return message(1, message(1, name) + message(2, op) + attributes)


def saved_model(folder: Path, graph: bytes, assets: bytes = b"") -> Path:
    path = folder / "saved"
    (path / "variables").mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(b"\x08\x01" + message(2, message(2, graph) + assets))
    return path


CLEAN = node("Placeholder", "x") + node("MatMul", "y") + node("SaveV2", "s") + node("RestoreV2", "r")
case("F_TF_OP", name="sm_read")(lambda f: saved_model(f, CLEAN + node("ReadFile")))
case("F_TF_OP", name="sm_write")(lambda f: saved_model(f, CLEAN + node("WriteFile")))
case("F_TF_OP", name="sm_py")(lambda f: saved_model(f, message(2, message(1, message(3, node("EagerPyFunc")[2:])))))
case(name="sm_clean")(lambda f: saved_model(f, CLEAN))


@case("F_TF_OP")
def sm_nested(folder: Path) -> Path:
    inner = node("Placeholder", "x") + node("WriteFile", "w")
    tensor = message(5, message(1, "value") + message(2, message(8, message(8, inner))))
    return saved_model(folder, CLEAN + node("Const", "graph", tensor))


@case("E_ASSET_PATH")
def sm_assetdotdot(folder: Path) -> Path:
    return saved_model(folder, CLEAN, message(5, message(2, "../../etc/passwd")))


@case("E_ASSET_PATH")
def sm_table(folder: Path) -> Path:
    path = saved_model(folder, CLEAN)
    (path / "assets").mkdir()
    (path / "assets" / "table.txt").symlink_to("/etc/passwd")
    return path


@case("E_PROTO")
def sm_varint(folder: Path) -> Path:
    path = saved_model(folder, CLEAN)
    (path / "saved_model.pb").write_bytes(b"\x08\x01\x12\xff\xff")
    return path


@case("E_PROTO")
def sm_deep(folder: Path) -> Path:
    data = b"\x08\x01"
    for _ in range(5000):
        data = message(2, data)
    path = saved_model(folder, CLEAN)
    (path / "saved_model.pb").write_bytes(data)
    return path


for _address in ("hf://keras/model", "gs://bucket/model.keras", "https://example.invalid/model.h5"):
    CASES[f"remote_{_address.partition(':')[0]}"] = Case(lambda folder, a=_address: a, ("E_REMOTE",))


# Clean files of every kind, which have no finding
CLEAN_CASES: dict[str, Callable[[Path], Any]] = {
    "keras": lambda folder: keras(folder / "model.keras"),
    "h5": lambda folder: h5(folder / "model.h5").close(),
    "directory": keras_dir,
    "saved_model": lambda folder: saved_model(folder, CLEAN),
    "npz": lambda folder: np.savez(folder / "model.npz", a=np.ones(3)),
}


def made(make: Callable[[Path], Any], folder: Path) -> str:
    """The path of what `make` writes into `folder`: what it gives, or the only file there."""
    folder.mkdir()
    given = make(folder)
    return str(given if given is not None else next(p for p in sorted(folder.iterdir()) if p.name.startswith("model")))
