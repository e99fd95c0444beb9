"""More files that must not hurt, beyond the list of hostile files: what an adversary would try next."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.hostile.cases import (
    CASES,
    MODEL,
    both,
    case,
    dense,
    function_of,
    functional,
    h5,
    keras,
    lambda_layer,
    patched,
    sequential,
    start,
    with_file,
)

_BEFORE = set(CASES)
RTL = "\u202egnp.exe"

# HDF5


def deflate_bomb(file: h5py.File, folder: Path) -> None:
    """1.6 GiB of zeros in 1.6 MB of chunks, none larger than a chunk may be."""
    size, count = 1 << 22, 100
    made = file.create_dataset("model_weights/z", (size * count,), "f4", chunks=(size,), compression="gzip")
    packed = zlib.compress(bytes(4 * size), 9)
    for i in range(count):
        made.id.write_direct_chunk((i * size,), packed)


def long_attribute(file: h5py.File, folder: Path) -> None:
    file["model_weights"].attrs["layer_names"] = np.array([b"w" * 60_000])


def committed_type(file: h5py.File, folder: Path) -> None:
    file["type"] = np.dtype("f4")
    file.create_dataset("model_weights/c", (3,), dtype=file["type"])


def reference_attribute(file: h5py.File, folder: Path) -> None:
    file["model_weights"].attrs["layer_names"] = np.array([file.ref] * 3, h5py.ref_dtype)


def region_reference(file: h5py.File, folder: Path) -> None:
    target = file.create_dataset("model_weights/t", data=np.ones(3))
    file["model_weights/r"] = np.array([target.regionref[:]], h5py.regionref_dtype)


def odd_types(file: h5py.File, folder: Path) -> None:
    file["model_weights/compound"] = np.zeros(3, [("a", "f4"), ("b", "S3")])
    file["model_weights/opaque"] = np.zeros(3, "V7")
    file["model_weights/array"] = np.zeros(3, [("a", "f4", (2, 2))])
    file.create_dataset("model_weights/null", data=h5py.Empty("f4"))


def huge_rank(file: h5py.File, folder: Path) -> None:
    file.create_dataset("model_weights/r", (1,) * 32, "f4")
    file.create_dataset("model_weights/n", (0, 1 << 62), "f4")


def unlimited_shape(file: h5py.File, folder: Path) -> None:
    file.create_dataset("model_weights/b", (1 << 31, 1 << 31), "f4", chunks=(1, 1), maxshape=(None, None))


def names_that_act(file: h5py.File, folder: Path) -> None:
    group = file["model_weights"]
    for name in (b"a\nb", b"\x1b]0;x\x07", RTL.encode(), b"<img src=x>", b"\xff\xfe"):
        h5py.h5g.create(group.id, name)
    group.attrs["layer_names"] = np.array([b"a\nb", b"\x1b]0;x\x07", RTL.encode(), b"<img src=x>", b"\xff\xfe"])


def paths_in_lists(file: h5py.File, folder: Path) -> None:
    group = file["model_weights"]
    group.attrs["layer_names"] = np.array([b"../..", b"/", b"", b".", b"dense/../../x", b"/model_weights/dense"])


def numbers_in_lists(file: h5py.File, folder: Path) -> None:
    file["model_weights"].attrs["layer_names"] = np.arange(12.0).reshape(3, 4)
    if "model_weights/dense" in file:
        file["model_weights/dense"].attrs["weight_names"] = 7


def many_names(file: h5py.File, folder: Path) -> None:
    file["model_weights"].attrs["layer_names"] = np.array([b"dense"] * 12_000)


def soft_weights(file: h5py.File, folder: Path) -> None:
    del file["model_weights"]
    file["model_weights"] = h5py.SoftLink("/model_weights")


def external_layer(file: h5py.File, folder: Path) -> None:
    file["model_weights/out"] = h5py.ExternalLink("/dev/zero", "/")
    file["model_weights"].attrs["layer_names"] = np.array([b"out"])


def external_optimizer(file: h5py.File, folder: Path) -> None:
    file["optimizer_weights"] = h5py.ExternalLink(str(folder / "other.h5"), "/x")


def group_in_itself(file: h5py.File, folder: Path) -> None:
    group = file.create_group("model_weights/me")
    group["me"] = group
    group.attrs["weight_names"] = np.array([b"me/" * 200 + b"k"])


def writer_that_acts(file: h5py.File, folder: Path) -> None:
    file.attrs["keras_version"] = "2.4.0\x1b[2J"
    file.attrs["backend"] = RTL


def training_bomb(file: h5py.File, folder: Path) -> None:
    file.attrs["training_config"] = "[" * 60_000


def counted_layers(file: h5py.File, folder: Path) -> None:
    """Keras 0.3 counts its layers."""
    file.attrs["nb_layers"] = file["model_weights"].attrs["nb_layers"] = np.int64(1 << 62)


def config_of_numbers(file: h5py.File, folder: Path) -> None:
    file.attrs["model_config"] = np.arange(5)


def config_in_parts(file: h5py.File, folder: Path) -> None:
    file.attrs["model_config"] = np.array([json.dumps(MODEL)] * 50, object)


def newest_format(folder: Path) -> Path:
    with h5(folder / "model.h5", libver="latest") as file:
        for i in range(300):
            file["model_weights"].attrs[f"layer_names{i}"] = np.array([b"x" * 200])
            h5py.h5g.create(file["model_weights"].id, b"g%d" % i)
    return folder / "model.h5"


def shared_text(folder: Path) -> Path:
    """A thousand names that are one text of a megabyte."""
    path = folder / "model.h5"
    with h5(path) as file:
        long = "x" * (1 << 20)
        file["model_weights"].attrs.create("layer_names", np.array([long, *["y"] * 1000], object))
    content = path.read_bytes()
    at = content.index(struct.pack("<I", 1 << 20), content.index(b"layer_names"))
    patched(path, at, content[at : at + 16] * 1001)
    return path


for _change, *_codes in (
    (deflate_bomb, "F_RESOURCE"),
    (long_attribute,),
    (committed_type,),
    (reference_attribute,),
    (region_reference, "E_H5_DTYPE"),
    (odd_types, "E_H5_DTYPE"),
    (huge_rank,),
    (unlimited_shape, "F_RESOURCE"),
    (names_that_act, "F_UNSAFE_NAME"),
    (paths_in_lists,),
    (numbers_in_lists,),
    (many_names,),
    (soft_weights, "E_H5_SOFT_LINK"),
    (external_layer, "E_H5_EXTERNAL_LINK"),
    (external_optimizer, "E_H5_EXTERNAL_LINK"),
    (group_in_itself, "W_H5_ALIAS"),
    (writer_that_acts,),
    (training_bomb,),
    (counted_layers,),
    (config_of_numbers,),
    (config_in_parts,),
):
    with_file(_change, *_codes)
case(name="newest_format")(newest_format)
case(name="shared_text")(shared_text)


# JSON

for _name, _units in {"inf": "1e999", "float": "1e308", "negative": "-5", "text": '"2"', "list": "[2]"}.items():
    both(f"units_{_name}")(lambda text=_units: json.dumps(MODEL).replace('"units": 2', f'"units": {text}'))
both("units_1e30", "F_RESOURCE")(lambda: sequential(dense(units=10**30)))
both("json_infinity", "E_JSON_NONFINITE")(lambda: json.dumps(MODEL).replace('"units": 2', '"units": -Infinity'))
both("json_class_twice", "F_JSON_DUPKEY")(
    lambda: json.dumps(MODEL).replace('"class_name": "Dense"', '"class_name": "Dense", "class_name": "Lambda"')
)
both("json_rest", "E_JSON")(lambda: json.dumps(MODEL) + json.dumps(MODEL))
both("json_surrogate_key", "F_UNSAFE_NAME")(lambda: json.dumps(MODEL).replace('"units"', '"\\ud83d": 1, "units"'))
both("json_nul", "F_UNSAFE_NAME")(lambda: json.dumps(sequential(dense(name="a\0b"))))
both("json_rtl", "F_UNSAFE_NAME")(lambda: sequential(dense(name=RTL)))
both("json_lines", "F_UNSAFE_NAME")(lambda: sequential(dense(name="a\nerror: fake\r\x9b2J")))
both("json_depth_objects", "E_JSON_DEPTH")(lambda: '{"a":' * 9000 + "1" + "}" * 9000)
case("E_JSON_ENCODING", name="json_utf16")(lambda f: keras(f / "model.keras", json.dumps(MODEL).encode("utf-16")))


# Configs


def op_layer(function: Any, class_name: str = "TFOpLambda", **config: Any) -> dict[str, Any]:
    config = {"name": "w", "function": function, **config}
    layer = {"class_name": class_name, "name": "w", "config": config, "inbound_nodes": [["x", 0, 0, {}]]}
    return functional([start(), layer], "w")


def graph_op(op: str) -> dict[str, Any]:
    node = {"name": "w", "op": op, "input": ["x"], "attr": {}}
    return op_layer(None, "TensorFlowOpLayer", node_def=json.dumps(node), constants={})


def wide(**config: Any) -> dict[str, Any]:
    return sequential(dense(), {"class_name": "Reshape", "config": {"name": "r", "target_shape": [1, 2]}}, config)


def laughs(depth: int = 30) -> dict[str, Any]:
    """Models in models, each of which calls the next one twice: a thousand million calls in a few kilobytes."""
    inner = functional([start(), {"class_name": "ReLU", "name": "r", "config": {"name": "r"}}], "r")
    inner["config"]["layers"][1]["inbound_nodes"] = [[["x", 0, 0, {}]]]
    for i in range(depth):
        layer = {**inner, "name": f"m{i}", "inbound_nodes": [[["x", 0, 0, {}]], [[f"m{i}", 0, 0, {}]]]}
        layer["config"] = {**inner["config"], "name": f"m{i}"}
        inner = functional([start(), layer], f"m{i}")
        inner["config"]["output_layers"] = [[f"m{i}", 1, 0]]
    return inner


for _function in (
    "io.read_file",
    "py_function",
    "numpy_function",
    "raw_ops.WriteFile",
    "compat.v1.py_func",
    "compat.v1.gfile.Remove",
    "load_op_library",
    "saved_model.load",
):
    both(f"tf_function_{_function.replace('.', '_')}", "F_TF_OP")(lambda name=_function: op_layer(name))
for _function in ("math.add.__globals__", "__operators__.__class__", "keras.utils.get_file", "", "a" * 5000, {}, 7):
    _label = _function if isinstance(_function, str) else type(_function).__name__
    both(f"tf_function_{_label[:20] or 'empty'}")(lambda name=_function: op_layer(name))
for _op in ("ReadFile", "WriteFile", "PyFunc", "EagerPyFunc", "LoadAndRemapMatrix"):
    both(f"tf_op_{_op}", "F_TF_OP")(lambda op=_op: graph_op(op))
for _module, _name in (("os", "system"), ("subprocess", "Popen"), ("builtins", "exec"), ("shutil", "rmtree")):
    both(f"class_{_name}", "F_FOREIGN_MODULE")(
        lambda m=_module, n=_name: sequential(
            dense(), {"module": m, "class_name": n, "config": {"name": "s"}, "registered_name": None}
        )
    )
for _module, _name in (
    ("keras.src.utils.file_utils", "get_file"),
    ("keras.src.saving.saving_lib", "load_model"),
    ("keras.src.utils.model_visualization", "plot_model"),
    ("keras.src.models.cloning", "clone_model"),
):
    both(f"source_{_name}", "F_NON_MODELING_FN")(
        lambda m=_module, n=_name: sequential(dense(activation=function_of(m, n)))
    )
for _registered in ("builtins>eval", "os>system", "Custom>../../x", "keras>Dense"):
    both(f"registered_{_registered.replace('/', '_')}", "F_CUSTOM_OBJECT")(
        lambda r=_registered: sequential(
            dense(), {"module": "os", "class_name": "system", "config": {"name": "s"}, "registered_name": r}
        )
    )
for _name in ("__proto__", "__class__", "__builtins__", "os.system", "../../x", ""):
    both(f"class_name_{_name.replace('/', '_') or 'empty'}")(
        lambda name=_name: sequential(dense(), {"class_name": name, "config": {"name": "s", "__proto__": {"a": 1}}})
    )
for _label, _odd in {"class_name": 7, "config": [], "module": {}, "registered_name": [], "name": {"a": 1}}.items():
    both(f"odd_{_label}")(lambda key=_label, value=_odd: sequential(dense(), {**lambda_layer(), key: value}))
both("odd_layers")(lambda: {"class_name": "Sequential", "config": {"name": "m", "layers": {"a": 1}}})
both("odd_nodes")(lambda: functional([start(), {**dense(), "name": "d", "inbound_nodes": [[[{}, "x", [], 1]]]}], "d"))
both("shared_with_itself")(lambda: sequential(dense(), {**dense(), "shared_object_id": 1, "config": {"layer": 1}}))
both("laughs", "F_RESOURCE")(laughs)
for _class, _field in (
    ("IntegerLookup", "vocabulary"),
    ("TextVectorization", "vocabulary"),
    ("TextVectorization", "idf_weights"),
    ("Normalization", "filename"),
):
    both(f"{_class}_{_field}", "F_EXTERNAL_PATH")(
        lambda c=_class, f=_field: sequential(dense(), {"class_name": c, "config": {"name": "v", f: "/etc/passwd"}})
    )
both("regularizer_url", "F_EXTERNAL_PATH")(
    lambda: sequential(dense(kernel_regularizer={"class_name": "L2", "config": {"l2": "https://example.invalid/x"}}))
)
both("activation_code")(lambda: sequential(dense(activation="keras.utils.get_file")))
both("dtype_path")(lambda: sequential(dense(dtype="../../etc/passwd")))
both("lambda_exec", "F_CUSTOM_OBJECT")(
    lambda: sequential(
        dense(), {"class_name": "Lambda", "config": {"name": "l", "function": "exec", "function_type": "function"}}
    )
)
for _class, _config in {
    "RepeatVector": {"n": 10**12},
    "Reshape": {"target_shape": [10**6, 10**6]},
    "UpSampling1D": {"size": 10**12},
    "ZeroPadding1D": {"padding": 10**12},
    "Embedding": {"input_dim": 10**12, "output_dim": 8},
    "Conv1D": {"filters": 10**9, "kernel_size": [10**6]},
    "LSTM": {"units": 10**7},
    "MultiHeadAttention": {"num_heads": 10**7, "key_dim": 10**4},
}.items():
    both(f"huge_{_class}")(lambda c=_class, o=_config: wide(class_name=c, config={"name": "big", **o}))
both("huge_batch")(lambda: sequential(dense(batch_input_shape=[10**12, 3])))


# Zip


def archive_case(name: str, *codes: str) -> Callable[[Callable[[Path], None]], None]:
    """A `.keras` file that is changed after it was made."""

    def register(change: Callable[[Path], None]) -> None:
        def make(folder: Path) -> None:
            change(keras(folder / "model.keras"))

        case(*codes, name=name)(make)

    return register


def member(path: Path, name: str, data: str = "x", mode: int = 0) -> None:
    info = zipfile.ZipInfo("placeholder")
    info.filename = name
    info.create_system, info.external_attr = 3, mode << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, data)


def twice(path: Path) -> None:
    other = keras(path.with_name("other"), sequential(dense(units=5)))
    path.write_bytes(path.read_bytes() + other.read_bytes())
    other.unlink()


def end_in_comment(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"PK\5\6" + bytes(18)


def other_local_name(path: Path) -> None:
    content = path.read_bytes()
    patched(path, content.index(b"config.json"), b"c0nfig.json")


def zip64_lie(path: Path) -> None:
    content = path.read_bytes()
    at = content.rfind(b"config.json") - 46
    patched(path, at + 20, b"\xff" * 8)


def deflated_lie(path: Path) -> None:
    """A member whose stream holds more than both directories say."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(MODEL) + " " * (8 << 20))
    content = path.read_bytes()
    small = struct.pack("<I", 300)
    patched(path, 22, small)
    patched(path, content.rfind(b"config.json") - 46 + 24, small)


def packed_weights(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(MODEL))
        archive.writestr("model.weights.h5", bytes(128 << 20))


archive_case("zip_after")(lambda path: path.write_bytes(path.read_bytes() + b"<script>" * 1000) and None)
archive_case("zip_before")(lambda path: path.write_bytes(b"#!/bin/sh\n" + path.read_bytes()) and None)
archive_case("zip_two_directories")(twice)
archive_case("zip_end_in_comment")(end_in_comment)
archive_case("zip_other_local_name", "E_ZIP_INCONSISTENT")(other_local_name)
archive_case("zip64_lie")(zip64_lie)
archive_case("zip_deflated_lie")(deflated_lie)
archive_case("zip_packed_weights", "E_ZIP_BOMB")(packed_weights)
archive_case("zip_drive", "E_ZIP_PATH")(lambda path: member(path, "C:\\x"))
archive_case("zip_inner_dots", "E_ZIP_PATH")(lambda path: member(path, "assets/a/../../../b"))
archive_case("zip_name_that_acts", "F_UNSAFE_NAME")(lambda path: member(path, "assets/\x1b[2J\n"))
archive_case("zip_rtl", "F_UNSAFE_NAME")(lambda path: member(path, RTL))
archive_case("zip_folder")(lambda path: member(path, "config.json/", "", 0o40755))
archive_case("zip_device")(lambda path: member(path, "assets/d", "", 0o020666))

FURTHER = {name: CASES.pop(name) for name in list(CASES) if name not in _BEFORE}
