"""What a config, as decoded JSON, asks of whoever builds it: code, objects of others, files, memory, odd names."""

from __future__ import annotations

import json
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
from reconstruct.scanning.saved_model import REACHING_OPS
from reconstruct.stock import foreign_activation

_NO_RUN = "it is never run here; recover translates it into operations of Keras where it can"
_GIVE = "to recover the model, give its code: --custom FILE.py"
PATH_FIELDS = ("vocabulary", "idf_weights", "filepath", "handle", "url", "path", "filename", "file", "directory")
_ADDRESS = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]{1,9}://|/(?:[\w.-]+/)|~/|[A-Za-z]:\\\\?|\\\\\\\\|file:)")
_EXTERNAL_MODELS = ("TFSMLayer", "KerasLayer")
# Fields that hold a function, in configs of Lambda and of Merge of Keras 1
_FUNCTION_FIELDS = ("function", "output_shape", "mask", "mode", "output_mask")
# What a TFOpLambda may name: tf_keras calls any function that TensorFlow or Keras exports, `keras.utils.get_file` too
# (tf_keras 2.21, layers/core/tf_op_layer.py, `TFOpLambda.from_config`). Those of these modules compute on arrays.
_COMPUTING = re.compile(
    r"(tf\.)?(compat\.v[12]\.)?((math|nn|linalg|image|signal|strings|dtypes|bitwise|random|sets|ragged|sparse"
    r"|quantization|audio|debugging|__operators__|keras\.(activations|backend|losses|metrics))\.)?\w+"
)
_REACHING = re.compile(
    r"(.*\.)?(py_function|numpy_function|py_func|load_\w*library|load_file_system_library|print|print_v2|Print|function"
    r"|read_file|write_file|matching_files|WholeFileReader|set_\w+|clear_session|get_session|__\w+__"
    r"|manual_variable_initialization|map_fn|while_loop|custom_gradient|recompute_grad|enable_\w+|disable_\w+|Variable)"
)
# Operations that read or write checkpoints and vocabularies: every SavedModel has some, no layer of a model has
_WITH_WEIGHTS = frozenset(
    "RestoreV2 SaveV2 MergeV2Checkpoints LoadAndRemapMatrix GenerateVocabRemapping InitializeTableFromTextFile "
    "InitializeTableFromTextFileV2 DecodeProtoV2 EncodeProto FileSystemSetConfiguration".split()
)
# Classes of TensorFlow whose methods a ClassMethod may name
_TENSORS = ("Tensor", "RaggedTensor", "SparseTensor", "sparse.SparseTensor", "Variable")


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
    return key in PATH_FIELDS or _ADDRESS.match(value) is not None


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
    called = reaching(name, config) if isinstance(config, Mapping) else None
    if called is not None:
        message = f"the layer calls {called[:120]!r}, which is no computation on arrays and may reach outside the model"
        yield Finding("F_TF_OP", "error", path, message, "it is never run here")
    found = verdict(node)
    yield from _named(found.kind, found.name, path)


# Layers of tf.keras that call what a field of their config names
_CALLING = {"TFOpLambda": "function", "TensorFlowOpLayer": "node_def", "ClassMethod": "class_symbol"}


def reaching(class_name: str, config: Mapping[str, Any]) -> str | None:
    """What a layer of tf.keras calls that may read, write, configure or run something; None where it only computes."""
    if class_name not in _CALLING:
        return None
    called = config.get(_CALLING[class_name])
    text = called if isinstance(called, str) else json.dumps(called)
    if class_name == "TFOpLambda":
        outside = _COMPUTING.fullmatch(text) is None or _REACHING.fullmatch(text) is not None
    elif class_name == "TensorFlowOpLayer":
        outside = any(re.search(rf"\b{op}\b", text) for op in REACHING_OPS | _WITH_WEIGHTS)
    else:
        outside = text not in _TENSORS
    return text if outside else None


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
