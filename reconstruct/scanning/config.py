"""What a config, as decoded JSON, asks of whoever builds it: code, objects of others, files, memory, odd names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from reconstruct.allowed import of_module, verdict
from reconstruct.artifact import Finding
from reconstruct.limits import Limits
from reconstruct.objects import lambdas
from reconstruct.readers import json_guard
from reconstruct.scanning import names
from reconstruct.stock import foreign_activation

_NO_RUN = "it is never run here; recover translates it into operations of Keras where it can"
_GIVE = "to recover the model, give its code: --custom FILE.py"
_PATH_FIELDS = ("vocabulary", "idf_weights", "filepath", "handle", "url", "path", "filename", "file", "directory")
_ADDRESS = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]{1,9}://|/(?:[\w.-]+/)|~/|[A-Za-z]:\\\\?|\\\\\\\\|file:)")
_EXTERNAL_MODELS = ("TFSMLayer", "KerasLayer")
# Fields that hold a function, in configs of Lambda and of Merge of Keras 1
_FUNCTION_FIELDS = ("function", "output_shape", "mask", "mode", "output_mask")
# TensorFlow functions that a TFOpLambda may name and that reach outside the graph
_REACHING = re.compile(
    r"(^|\.)(io|data|train|summary|profiler|saved_model|debugging|lookup|distribute|config|autograph|py_function"
    r"|numpy_function|py_func|load_op_library|load_library|print|print_v2|raw_ops"
    r"|compat\.v1\.(gfile|train|py_func))(\.|$)"
)


def findings(config: Any, where: str, limits: Limits) -> Iterator[Finding]:
    """Everything in a config that its user should know before it is built."""
    if not isinstance(config, Mapping):
        message = f"the config is a {type(config).__name__}, not a JSON object"
        yield Finding("E_CONFIG_TYPE", "error", where, message, "the file is damaged, or was edited by hand")
        return
    said: set[tuple[str, str]] = set()
    for path, node in json_guard.walk(config, where):
        for finding in _of_node(node, path, limits):
            key = (finding.code, finding.message)
            if key not in said:  # a class that fifty layers have is one fact
                said.add(key)
                yield finding


def _of_node(node: Any, path: str, limits: Limits) -> Iterator[Finding]:
    if not isinstance(node, Mapping):
        return
    for key, value in node.items():
        name = value if key in ("name", "layer_name", "class_name") and isinstance(value, str) else None
        for text in (key, name):
            problem = names.problem(text, limits) if isinstance(text, str) else None
            if problem:
                yield Finding("F_UNSAFE_NAME", "error", path, f"the name {problem}", "it is shown and written escaped")
    if isinstance(node.get("class_name"), str):
        yield from _of_object(node, path)
    if node.get("class_name") in ("__numpy__", "__tensor__"):
        yield from _of_arrays(node, path)
    yield from _of_functions(node, path)
    for key, value in node.items():
        if isinstance(value, str) and _leads_outside(key, value):
            message = f"{key} = {value[:120]!r} names something outside the file, which Keras would open"
            yield Finding("F_EXTERNAL_PATH", "error", path, message, "it is not opened; put its content in the file")
        if str(key).endswith("activation") and "class_name" not in node:
            foreign = foreign_activation(value) if isinstance(value, str) else None
            if foreign is not None and not _lambda_text(node, str(key)):
                message = f"the activation {foreign[:80]!r} is not one of Keras"
                yield Finding("F_CUSTOM_OBJECT", "error", path, message, _GIVE)


def _leads_outside(key: str, value: str) -> bool:
    if not value or "\n" in value[:400] or key in ("module", "registered_name"):
        return False
    return key in _PATH_FIELDS or _ADDRESS.match(value) is not None


def _of_object(node: Mapping[str, Any], path: str) -> Iterator[Finding]:
    name, config = node["class_name"], node.get("config")
    if name == "__lambda__":
        yield _code(config.get("code") if isinstance(config, Mapping) else None, path)
        return
    if name == "TorchModuleWrapper":
        yield Finding("F_PICKLE", "error", path, "TorchModuleWrapper holds a pickle, which runs code when opened", "")
        return
    if name in _EXTERNAL_MODELS:
        place = config.get("filepath") or config.get("handle") if isinstance(config, Mapping) else None
        message = f"{name} loads a model from outside the file: {str(place)[:120]!r}"
        yield Finding("F_EXTERNAL_MODEL", "error", path, message, "it is not loaded; the file is no whole model")
        return
    if name in ("TFOpLambda", "TensorFlowOpLayer") and isinstance(config, Mapping):
        function = config.get("function") or (config.get("node_def") and str(config["node_def"]))
        if isinstance(function, str) and (_REACHING.search(function) or _op_in_text(function)):
            message = f"the layer calls TensorFlow's {function[:120]}, which reaches outside the model"
            yield Finding("F_TF_OP", "error", path, message, "it is never run here")
    found = verdict(node)
    yield from _named(found.kind, found.name, path)


def _named(kind: str, name: str, path: str) -> Iterator[Finding]:
    shown = repr(name[:120])
    if kind == "custom":
        message = f"{shown} is not a class or function of Keras, and its code is not in the file"
        yield Finding("F_CUSTOM_OBJECT", "error", path, message, _GIVE)
    elif kind == "foreign":
        message = f"{shown} belongs to a library that is not Keras; resolving it may run any code of it"
        yield Finding("F_FOREIGN_MODULE", "error", path, message, "it is never resolved here")
    elif kind == "not_modeling":
        message = f"{shown} is of Keras, but no part of a model: such functions load, write, plot or configure"
        yield Finding("F_NON_MODELING_FN", "error", path, message, "it is never resolved here")


def _of_functions(node: Mapping[str, Any], path: str) -> Iterator[Finding]:
    """Functions as Keras 1 and 2 write them: `function` with `function_type` and `module` beside it."""
    for field in _FUNCTION_FIELDS:
        value = node.get(field)
        if _lambda_text(node, field):
            yield _code(value[0] if isinstance(value, list | tuple) and value else value, f"{path}/{field}")
        elif isinstance(value, str) and node.get(f"{field}_type") == "function":
            module = node.get(f"{field}_module" if f"{field}_module" in node else "module")
            found = of_module(module, value) if isinstance(module, str) and module != "builtins" else None
            if found is None:
                yield from _named("custom", value, f"{path}/{field}")
            elif found.kind != "stock":
                yield from _named(found.kind, found.name, f"{path}/{field}")


def _lambda_text(node: Mapping[str, Any], field: str) -> bool:
    value = node.get(field)
    listed = isinstance(value, list | tuple) and len(value) == 3 and isinstance(value[0], str) and len(value[0]) > 16
    return (node.get(f"{field}_type") == "lambda" and value is not None) or (field == "function" and listed)


def _code(code: Any, path: str) -> Finding:
    size = len(code) if isinstance(code, str) else 0
    digest = lambdas.digest_of(code) if isinstance(code, str) else "unknown"
    message = f"there is compiled Python code here: {size} characters, SHA-256 {digest}"
    return Finding("F_LAMBDA_CODE", "error", path, message, _NO_RUN)


def _of_arrays(node: Mapping[str, Any], path: str) -> Iterator[Finding]:
    config = node.get("config")
    name = config.get("dtype") if isinstance(config, Mapping) else node.get("dtype")
    if not isinstance(name, str):
        return
    try:
        plain = len(name) <= 20 and np.dtype(name).kind in "fiubc"
    except TypeError:
        plain = name in ("bfloat16", "string", "float8_e4m3fn", "float8_e5m2", "int4", "uint4")
    if not plain:
        message = f"an array in the config has the type {name[:60]!r}, which is none of numbers and may have any size"
        yield Finding("F_RESOURCE", "error", path, message, "it is not made")


def _op_in_text(text: str) -> bool:
    from reconstruct.scanning.saved_model import REACHING_OPS

    return any(re.search(rf"\b{op}\b", text) for op in REACHING_OPS)
