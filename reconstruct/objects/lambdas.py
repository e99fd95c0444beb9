"""Lambda layers as stock layers and operations of Keras 3, without running the code that the file holds for them.

`stored` finds the function in the config, `translate` follows its bytecode and says what it computes. What Keras writes
is in `Lambda.get_config` of layers/core.py (Keras 1.2.2 and 2.2.4; core/lambda_layer.py of tf.keras and Keras 3) and
`func_dump` of utils/generic_utils.py.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reconstruct.artifact import Call, Layer, Ref, map_refs, refs_in
from reconstruct.errors import NotEquivalent
from reconstruct.objects import lambda_functions
from reconstruct.objects.bytecode import Program, Readings, readings
from reconstruct.objects.custom import unwritten
from reconstruct.objects.interpreter import Interpreter
from reconstruct.objects.library import Era, Library
from reconstruct.objects.marshal_reader import MarshalError
from reconstruct.objects.symbols import (
    Function,
    Name,
    Untranslatable,
    describe,
    is_built,
    is_tensor,
    missing_hint,
    printable,
)
from reconstruct.rules.expansion import subgraph
from reconstruct.rules.tf_expression import Expression, Item, layer_of, ops, rewrite

# What hands on no mask in Keras 3, as a Lambda layer never does.
_WITHOUT_MASK = ("Op", "Functional", "Permute", "Reshape", "Flatten", "RepeatVector", "UpSampling2D", "Lambda")
# What following damaged code may raise: its parts do not fit together.
_MISFITS = (TypeError, ValueError, LookupError, AttributeError, RecursionError)
MAX_SIZE = 50_000
_VALUE_LIMIT = 200  # letters of a value in a message
MAX_DEPTH = 200


@dataclass(frozen=True)
class Stored:
    """The function of a Lambda layer: marshaled `code` with its defaults and closure, or a `name` with its module."""

    code: bytes | None = None
    defaults: tuple[Any, ...] = ()
    closure: tuple[Any, ...] = ()
    name: str | None = None
    module: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the code, by which the same function is recognised elsewhere."""
        return hashlib.sha256(self.code or b"").hexdigest()


@dataclass(frozen=True)
class Translation:
    """`layer` computes what the code says; `random` if it draws random numbers; `assumptions` are for the report.

    `calls` says why operations cannot say what a function of the user computes, where the layer calls it.
    """

    layer: Layer
    random: bool
    assumptions: tuple[str, ...]
    python: str
    calls: str | None = None


def stored(config: Mapping[str, Any]) -> Stored:
    """The function that the config of a Lambda layer holds. Raises `NotEquivalent` where Keras writes no such."""
    function, kind = config.get("function"), config.get("function_type")
    if isinstance(function, Mapping):
        inner = function.get("config")
        if function.get("class_name") == "__lambda__" and isinstance(inner, Mapping):
            return _code(inner.get("code"), inner.get("defaults"), inner.get("closure"))
        if function.get("class_name") == "function" and isinstance(inner, str):
            return Stored(name=inner, module=function.get("module"))
        name = function.get("registered_name") or function.get("class_name") or inner
        return Stored(name=str(name), module=function.get("module"))
    if isinstance(function, list | tuple) and len(function) == 3:
        return _code(*function)
    if isinstance(function, str):
        return _code(function, None, None) if kind == "lambda" else Stored(name=function, module=config.get("module"))
    raise NotEquivalent("the config of the Lambda layer does not hold a function")


def _code(text: Any, defaults: Any, closure: Any) -> Stored:
    if not isinstance(text, str):
        raise NotEquivalent("the config of the Lambda layer does not hold the code of its function")
    given, enclosed = (tuple(_value(v) for v in (values or ())) for values in (defaults, closure))
    return Stored(_bytes(text), given, enclosed)


def _bytes(text: str) -> bytes:
    """Base64 since Keras 2.0.7, before it the bytes themselves as text (`func_load` of utils/generic_utils.py)."""
    raw = text.encode("raw_unicode_escape")
    if raw[:1] in (b"c", b"\xe3") and b"\x00" in raw[:8]:
        return raw
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return raw


def digest_of(text: str) -> str:
    """SHA-256 of the code that a config holds as text, as `Stored.digest` has it."""
    return Stored(_bytes(text)).digest


def _value(value: Any) -> Any:
    """A default, an argument or a variable of a closure as configs write it."""
    if isinstance(value, Mapping):
        kind, config = value.get("class_name", value.get("type")), value.get("config")
        if kind == "ndarray" and "value" in value:
            return np.asarray(value["value"])
        if kind in ("__tensor__", "__numpy__") and isinstance(config, Mapping):
            return np.asarray(config["value"], dtype=config["dtype"])
        if kind == "__tuple__":
            return tuple(_value(v) for v in value["items"])
        if kind == "function" and isinstance(config, str):
            return Name(f"{value.get('module')}.{config}")
        return {k: _value(v) for k, v in value.items()}
    return [_value(v) for v in value] if isinstance(value, list) else value


def programs(function: Stored) -> Readings:
    """The bytecode. Raises `NotEquivalent` where it is none of Python 2.7 to 3.13."""
    try:
        return readings(function.code or b"")
    except MarshalError as error:
        raise NotEquivalent(f"the code of the Lambda layer cannot be read: {error}") from error


@dataclass(frozen=True)
class Context:
    """What is known beside the config of the layer.

    `known` are global variables of the program that wrote the file, `dtypes` those of the inputs that are no floats,
    `era` the functions there were (`Library`). `unmasked` says that no layer of the model makes a mask: a Lambda layer
    hands on none, while Rescaling and Identity do.
    """

    known: Mapping[str, Any] = field(default_factory=dict)
    dtypes: Sequence[str | None] = ()
    era: Era = "tensorflow_2"
    unmasked: bool = False

    def library(self) -> Library:
        dtypes = {_input(i): dtype for i, dtype in enumerate(self.dtypes) if dtype is not None}
        library = Library(self.known, dtypes, self.era)
        library.functions = lambda_functions.call
        library.direct = lambda_functions.DIRECT
        return library


def translate(layer: Layer, context: Context | None = None) -> Translation:
    """The Lambda layer as a stock layer, an operation or a small model.

    Raises `NotEquivalent`, with a listing of the bytecode, where the function has no known form in Keras 3.
    """
    context = context or Context()
    function = stored(layer.config)
    if layer.config.get("mask") is not None:
        raise NotEquivalent(f"the Lambda layer {layer.name!r} computes a mask, which is not translated")
    if function.code is None:
        return _named(layer, function, context)
    try:
        return _coded(layer, function, context)
    except NotEquivalent:
        given = context.known.get(layer.name)
        if not callable(given) or unwritten(given):
            raise
        return _given(layer, layer.name, context)  # a function called as the layer is, as stubs call it


def _coded(layer: Layer, function: Stored, context: Context) -> Translation:
    code = programs(function)
    done = [_followed(layer, function, program, code, context) for program in code.programs]
    if any(_text(other.layer) != _text(done[0].layer) for other in done[1:]):
        reason = "the code means different things in the versions of Python that fit"
        raise _refused(layer, reason, code, code.programs[0], function)
    return done[0]


def _text(layer: Layer) -> str:
    return repr([(n.class_name, n.name, n.config, n.calls) for n in layer.walk()])


def _followed(layer: Layer, function: Stored, program: Program, code: Readings, context: Context) -> Translation:
    structure, count = _inputs(layer)
    library = context.library()
    machine = Interpreter(program.version, library)
    free = program.code.free
    try:
        if len(function.closure) != len(free):
            raise Untranslatable(f"{len(free)} variables of a closure are needed, the file has {len(function.closure)}")
        cells = {name: {name: value} for name, value in zip(free, function.closure, strict=True)}
        called = Function(program.code, function.defaults, {}, cells)
        given = _with_keras_arguments(called, _arguments(layer), context, library)
        result = machine.call(called, [structure], given)
        return _translation(layer, result, count, library, str(code), context.unmasked)
    except Untranslatable as error:
        hint = missing_hint(program.globals(library.lacks)) if error.lacking else error.hint
        raise _refused(layer, str(error), code, program, function, hint) from error
    except _MISFITS as error:
        reason = f"it does not fit together ({type(error).__name__}: {error})"
        raise _refused(layer, reason, code, program, function) from error


def _named(layer: Layer, function: Stored, context: Context) -> Translation:
    """A function that is stored by name: one that the user gives, one of Keras or TensorFlow, or a missing one."""
    name, module = str(function.name).rpartition(">")[2], function.module or ""
    for known in (str(function.name), f"{module}.{name}", name):
        if known in context.known:
            return _given(layer, known, context)
    structure, count = _inputs(layer)
    library = context.library()
    path = None
    if "backend" in module and "keras" in module:
        path = f"keras.backend.{name}"
    elif module.startswith("tensorflow") and "keras" not in module:
        path = f"tensorflow.{name}"
    elif module.split(".")[0] in ("tensorflow", "keras", "tf_keras"):
        inner = next((part for part in ("ops", "activations", "layers") if part in module.split(".")), "backend")
        path = f"keras.{inner}.{name}"
    elif not module and name in lambda_functions.DIRECT:
        path = lambda_functions.DIRECT[name]
        library.assume(f"{name} is {path}")
    where = f"{module}.{name}" if module and module not in ("__main__", "builtins") else name
    missing = NotEquivalent(
        f"the Lambda layer {layer.name!r} calls the function {where!r}, which is not in the file",
        hint=printable(f"give its code: --custom FILE.py, where FILE.py defines the function {name}"),
    )
    if path is None:
        raise missing
    try:
        result = library.call(library.named(path), [structure], _arguments(layer))
        return _translation(layer, result, count, library, f"the function {where}", context.unmasked)
    except (Untranslatable, TypeError, ValueError, LookupError, AttributeError) as error:
        raise missing from error


def _given(layer: Layer, name: str, context: Context) -> Translation:
    """A function of the user as operations; where these cannot say it, a Lambda layer that calls the function."""
    structure, count = _inputs(layer)
    library = context.library()
    Interpreter(f"{sys.version_info[0]}.{sys.version_info[1]}", library)
    try:
        function = library.global_(name)
        given = _with_keras_arguments(function, _arguments(layer), context, library)
        result = library.call(function, [structure], given)
        return _translation(layer, result, count, library, f"the function {name} that was given", context.unmasked)
    except (Untranslatable, NotEquivalent, *_MISFITS) as error:
        if not callable(context.known[name]):
            raise NotEquivalent(
                f"the Lambda layer {layer.name!r} calls {name!r}, and what was given by that name is no function",
                hint=f"define the function {name} in the file of --custom",
            ) from error
        reason = f"{type(error).__name__}: {error}" if isinstance(error, _MISFITS) else str(error)
    config = {k: v for k, v in layer.config.items() if k in ("name", "trainable", "dtype")}
    config["function"] = {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}
    config["arguments"] = dict(layer.config.get("arguments") or {})
    if isinstance(layer.config.get("output_shape"), list | tuple):
        config["output_shape"] = list(layer.config["output_shape"])
    return Translation(layer.replace(config=config), False, (), f"the function {name} that was given", reason)


def _with_keras_arguments(function: Any, given: dict[str, Any], context: Context, library: Library) -> dict[str, Any]:
    """The arguments with those that Keras itself gives to a function that takes them."""
    parameters = function.code.parameters[1:] if isinstance(function, Function) else ()
    if "mask" in parameters and "mask" not in given:
        if not context.unmasked:
            raise Untranslatable("it takes the mask")
        given["mask"] = None
    if "training" in parameters and "training" not in given:
        given["training"] = False
        library.assume("it is not being trained")
    return given


def _arguments(layer: Layer) -> dict[str, Any]:
    arguments = layer.config.get("arguments") or {}
    if not isinstance(arguments, Mapping):
        raise Untranslatable("its arguments are no names with values")
    return {str(k): _value(v) for k, v in arguments.items()}


def _refused(
    layer: Layer, reason: str, code: Readings, program: Program, function: Stored, hint: str = ""
) -> NotEquivalent:
    listing = "\n".join([program.listing(), *_values_beside(program, function, layer)])
    return NotEquivalent(
        f"the Lambda layer {layer.name!r} cannot be translated: {printable(reason)}. Its bytecode ({code}):\n{listing}",
        hint=printable(hint)
        or printable(
            f"write it as a function named like the layer: --custom FILE.py, where FILE.py defines {layer.name}"
        ),
    )


def _values_beside(program: Program, function: Stored, layer: Layer) -> list[str]:
    """What the function is given beside its input, for one who writes it anew."""
    parameters = program.code.variables[: program.code.positional]
    defaults = dict(
        zip(parameters[max(0, len(parameters) - len(function.defaults)) :], function.defaults, strict=False)
    )
    arguments = layer.config.get("arguments")
    groups = {
        "defaults": defaults,
        "closure": dict(zip(program.code.free, function.closure, strict=False)),
        "arguments": arguments if isinstance(arguments, Mapping) else {},
    }
    return [
        f"{group}: " + ", ".join(f"{_short(k).strip(chr(39))} = {_short(v)}" for k, v in list(values.items())[:20])
        for group, values in groups.items()
        if values
    ]


def _short(value: Any) -> str:
    text = ascii(value if not isinstance(value, np.ndarray) else value.tolist())
    return text if len(text) <= _VALUE_LIMIT else text[: _VALUE_LIMIT - 1] + "…"


# Inputs


def _input(i: int) -> Ref:
    return Ref("@", 0, i)


def _inputs(layer: Layer) -> tuple[Any, int]:
    """What the function is given, with a placeholder for each tensor, and how many these are."""
    structures = []
    for call in layer.calls:
        if len(call.args) != 1 or any(v is not None for v in call.kwargs.values()):
            raise NotEquivalent(f"the Lambda layer {layer.name!r} is called with further arguments")
        numbers = iter(range(len(call.refs())))
        structures.append(map_refs(call.args[0], lambda _, n=numbers: _input(next(n))))  # type: ignore[misc]
    if any(s != structures[0] for s in structures):
        raise NotEquivalent(f"the Lambda layer {layer.name!r} is called on different numbers of tensors")
    structure = structures[0] if structures else _input(0)
    return structure, len(refs_in(structure))


# Results


def _translation(layer: Layer, result: Any, count: int, library: Library, python: str, unmasked: bool) -> Translation:
    if isinstance(result, Expression) and result.function == "split" and isinstance(result.args[1], int):
        result = [Item(result, i) for i in range(result.args[1])]
    if isinstance(result, list | tuple):
        outputs: Any = [_output(v) for v in result]
        if not outputs:
            raise Untranslatable("it returns nothing")
    else:
        outputs = _stock(_output(result), unmasked) if is_tensor(result) else _output(result)
    _bounded(outputs)
    plain = Layer(layer.class_name, layer.name, path=layer.path)
    made = rewrite(plain, outputs)
    used = refs_in([call.args for call in made.calls] + [dict(call.kwargs) for call in made.calls])
    if not used:
        raise Untranslatable("what it returns does not depend on its input")
    if any(ref.layer != "@" or ref.output >= count for ref in used):
        raise Untranslatable("it uses a tensor that is not its input")
    if made.class_name not in ("Op", "Functional", "Lambda") and layer.config.get("dtype") not in (None, "float32"):
        made = made.having(dtype=layer.config["dtype"])  # in which a layer of its own computes
    masks = not unmasked and made.class_name not in _WITHOUT_MASK
    if (made.class_name == "Op" and len(layer.calls) != 1) or masks:
        made = _model_of(made)
    return Translation(_called(layer, made), library.random, tuple(library.assumptions), python)


def _bounded(value: Any) -> None:
    """Refuse what is nested too deeply, or written out (a result may be used many times) is too long."""
    known: dict[int, tuple[int, int]] = {}

    def measure(value: Any) -> tuple[int, int]:
        if isinstance(value, Item):
            return measure(value.of)
        if isinstance(value, Expression):
            if id(value) not in known:
                size, depth = measure([*value.args, *value.kwargs.values()])
                known[id(value)] = size + 1, depth + 1
            return known[id(value)]
        if not isinstance(value, list | tuple) or not value:
            return 1, 0
        parts = [measure(v) for v in value]
        return sum(size for size, _ in parts), max(depth for _, depth in parts)

    size, depth = measure(value)
    if size > MAX_SIZE or depth > MAX_DEPTH:
        raise Untranslatable("what it computes is too long an expression")


def _output(value: Any) -> Any:
    if isinstance(value, Item):
        return ops("copy", value)
    if isinstance(value, Ref):
        return ops("copy", value)
    if not isinstance(value, Expression):
        raise Untranslatable(f"it returns {describe(value)}, which is no tensor")
    if not _depends(value, set()):
        raise Untranslatable("what it returns does not depend on the values of its input")
    return value


def _depends(value: Any, seen: set[int]) -> bool:
    """Whether a tensor of the model is in the value, and not only its shape."""
    if isinstance(value, Ref):
        return True
    if isinstance(value, Item):
        return _depends(value.of, seen)
    if isinstance(value, Expression):
        if id(value) in seen or is_built(value) or value.function in ("build.number", "build.arange"):
            return False
        seen.add(id(value))
        return _depends([*value.args, *value.kwargs.values()], seen)
    return isinstance(value, list | tuple) and any(_depends(v, seen) for v in value)


def _model_of(node: Layer) -> Layer:
    """One operation as a model, for where only layers can be, or a layer as one, which hands on no mask."""
    refs = list(dict.fromkeys(node.calls[0].refs()))
    names = {ref: Ref("input" if len(refs) == 1 else f"input_{i}") for i, ref in enumerate(refs)}
    name = str(node.config.get("function", node.class_name)).replace(".", "_").lower()
    config = {**node.config, "name": name} if node.class_name != "Op" else node.config
    inner = node.replace(name=name, config=config, calls=(node.calls[0].map(names.__getitem__),))
    called = node.replace(calls=(Call((refs[0] if len(refs) == 1 else refs,)),))
    return subgraph(called, inner, inputs=len(refs))


def _called(layer: Layer, made: Layer) -> Layer:
    """The replacement called where the Lambda layer was."""
    pattern = made.calls[0]
    calls = []
    for call in layer.calls:
        refs = call.refs()
        calls.append(pattern.map(lambda ref, r=refs: r[ref.output]))  # type: ignore[misc]
    return made.replace(calls=tuple(calls))


def _stock(result: Any, unmasked: bool) -> Any:
    """A stock layer that computes the same as the expression, where there is one."""
    if isinstance(result, Expression) and result.config is None and isinstance(result.args[0], Ref):
        perm = result.kwargs.get("axes")
        if result.function == "transpose" and perm is not None and len(perm) > 1 and perm[0] == 0:
            return layer_of("Permute", result.args[0], dims=tuple(perm[1:]))
        if result.function == "copy" and unmasked:
            return layer_of("Identity", result.args[0])
    line = _line(result)
    if line is None or not unmasked or not line.float:
        return result
    # Rescaling adds last; a large offset that was subtracted first would cost precision.
    if line.added_last or abs(line.offset) <= 16:
        return layer_of("Rescaling", line.of, scale=line.scale, offset=line.offset)
    return result


@dataclass(frozen=True)
class _Line:
    """`scale * of + offset`."""

    of: Ref
    scale: float = 1.0
    offset: float = 0.0
    float: bool = False
    added_last: bool = True


def _line(value: Any) -> _Line | None:
    """The expression as a line, if it is one with constants that are plain numbers."""
    if isinstance(value, Ref):
        return _Line(value)
    if not isinstance(value, Expression) or value.config is not None or value.kwargs or len(value.args) > 2:
        return None
    left, right = (*value.args, None)[:2]
    number = right if _is_number(right) else left if _is_number(left) else None
    line = _line(left if number is right else right) if number is not None else None
    if line is None or number is None:
        return None
    real = line.float or isinstance(number, float) or value.function == "divide"
    first = number is left  # as in 1 - x
    if value.function in ("add", "subtract"):
        sign = -1.0 if value.function == "subtract" and first else 1.0
        shift = float(number) if value.function == "add" or first else -float(number)
        return _Line(line.of, sign * line.scale, sign * line.offset + shift, real, line.offset == 0)
    if value.function == "multiply" or (value.function == "divide" and not first and number != 0):
        factor = float(number) if value.function == "multiply" else 1.0 / float(number)
        return _Line(line.of, line.scale * factor, line.offset * factor, real, line.offset == 0)
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
