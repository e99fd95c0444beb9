"""What the things that Lambda layers use mean: modules, operators, attributes, methods and Python's own functions.

The functions of Keras and TensorFlow are in `lambda_functions`; this is Python and NumPy.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from reconstruct.artifact import Ref
from reconstruct.errors import NotEquivalent
from reconstruct.objects.given import Given
from reconstruct.objects.hidden_sizes import HiddenSizes
from reconstruct.objects.symbols import (
    DTYPES,
    Complex,
    Dtype,
    Function,
    MakesLayer,
    Method,
    Name,
    Number,
    Partial,
    Shape,
    Size,
    Unknown,
    Untranslatable,
    built,
    describe,
    dtype_of,
    holds_batch,
    holds_tensor,
    is_built,
    is_tensor,
    missing,
    size_number,
)
from reconstruct.rules.tf_expression import Expression, Item, ops
from reconstruct.rules.tf_functions import FUNCTIONS, Builder, build

Era = Literal["tensorflow_1", "tensorflow_2", "keras_3"]
# Under these names programs import these modules; an assumption that holds for practically all of them.
MODULES = {
    "K": "keras.backend", "KB": "keras.backend", "kb": "keras.backend", "backend": "keras.backend", "keras": "keras",
    "tf": "tensorflow", "ktf": "tensorflow", "tensorflow": "tensorflow", "np": "numpy", "numpy": "numpy",
    "math": "math", "ops": "keras.ops", "kops": "keras.ops", "tf_keras": "keras", "layers": "keras.layers",
    "activations": "keras.activations", "keras_backend": "keras.backend", "KTF": "keras.backend",
    "k": "keras.backend", "KL": "keras.layers", "kl": "keras.layers", "tfkl": "keras.layers", "tfk": "keras",
    "ks": "keras",
}  # fmt: skip
_BUILTINS = frozenset(
    "abs bool dict enumerate float int isinstance len list max min pow range reversed round slice sum tuple zip map "
    "True False None Exception ValueError".split()
)
_MANY = ("split", "unstack", "top_k", "moments", "meshgrid")
_MAX_ELEMENTS = 1_000_000
_MAX_LENGTH = 10_000
_PREFIXES = (
    ("tensorflow.keras.", "keras."), ("tensorflow.python.keras.", "keras."), ("tensorflow.contrib.keras.", "keras."),
    ("tensorflow.compat.v1.keras.", "keras."), ("tf_keras.", "keras."), ("keras.api.", "keras."),
    ("keras.src.", "keras."),
    ("keras.backend.tensorflow_backend.", "keras.backend."), ("keras.backend.tf.", "tensorflow."),
)  # fmt: skip
_CONSTANTS = {
    "numpy.pi": math.pi, "math.pi": math.pi, "numpy.e": math.e, "math.e": math.e, "numpy.inf": math.inf,
    "math.inf": math.inf, "numpy.newaxis": None, "tensorflow.newaxis": None, "builtins.True": True,
    "builtins.False": False, "builtins.None": None,
}  # fmt: skip
_RESIZE_METHODS = {"BILINEAR": "bilinear", "NEAREST_NEIGHBOR": "nearest", "BICUBIC": "bicubic", "AREA": "area"}


class Library:
    """The meanings, and what was noticed while they were used.

    `known` are values of global variables that the user gave; `dtypes` those of the inputs that are not floats.
    `era` says which functions there were: "tensorflow_1" if the file may come from it, "tensorflow_2" or "keras_3".
    """

    def __init__(
        self, known: Mapping[str, Any] | None = None, dtypes: Mapping[Ref, str] | None = None, era: Era = "tensorflow_2"
    ) -> None:
        self.known = Given(known or {})
        self.dtypes = dict(dtypes or {})
        self.era = era
        self.random = False
        self.assumptions: list[str] = []
        self.call_function: Callable[[Function, Sequence[Any], Mapping[str, Any]], Any] | None = None
        self.functions: Callable[[Library, str, list[Any], dict[str, Any]], Any] | None = None
        self.direct: Mapping[str, str] = {}
        self._found: dict[int, tuple[Any, str | None]] = {}  # the value too, so that its id stays taken

    def assume(self, text: str) -> None:
        if text not in self.assumptions:
            self.assumptions.append(text)

    # Names

    def global_(self, name: str, scope: Mapping[str, Any] | None = None) -> Any:
        """A global variable of the file, or of the function of the user that `scope` belongs to."""
        if scope is not None and name in scope:
            return self._canonical(scope[name])
        if scope is None and name in self.known:
            return self._canonical(self.known[name])
        if scope is not None:
            return self.named(f"builtins.{name}") if name in _BUILTINS else Unknown(name)
        if name in MODULES:
            return Name(MODULES[name])
        if name in _BUILTINS:
            return self.named(f"builtins.{name}")
        if name in self.direct:
            self.assume(f"{name} is {self.direct[name]}")
            return Name(self.direct[name])
        return Unknown(name)

    def lacks(self, name: str) -> bool:
        """Whether it is a global variable whose value is not known."""
        return name not in self.known and isinstance(self.global_(name), Unknown)

    def _canonical(self, value: Any) -> Any:
        return self.named(value.path) if isinstance(value, Name) else value

    def named(self, path: str) -> Any:
        """What stands at a path of modules and attributes, under the one name it has here."""
        for prefix, replacement in _PREFIXES:
            if f"{path}.".startswith(prefix):
                path = (replacement + path[len(prefix) :]).removesuffix(".")
        if path in _CONSTANTS:
            return _CONSTANTS[path]
        parent, _, last = path.rpartition(".")
        if parent.endswith("ResizeMethod") and last in _RESIZE_METHODS:
            return _RESIZE_METHODS[last]
        return Name(path)

    def attribute(self, value: Any, name: str) -> Any:
        if isinstance(value, Name):
            return self.named(f"{value.path}.{name}")
        if isinstance(value, Unknown):
            raise missing(value.name)
        if isinstance(value, Given):
            if name not in value:
                raise Untranslatable(f"the attribute {name!r} of an object is not a plain value")
            return self._canonical(value[name])
        if is_tensor(value):
            if name in ("shape", "_keras_shape"):
                return Shape(value)
            if name == "dtype":
                return Dtype(value)
            if isinstance(value, Expression) and value.function == "top_k" and name in ("values", "indices"):
                return Item(value, ("values", "indices").index(name))
            return Method(value, name)
        if isinstance(value, Dtype) and name in ("base_dtype", "name"):
            return value
        if isinstance(value, Shape) and name == "dims":
            return value
        if isinstance(value, Size | Number) and name == "value":
            return value
        if isinstance(value, Shape) and name in ("rank", "ndims"):
            return self.rank(value)
        if isinstance(value, int) and name == "value":  # Dimension of TensorFlow 1
            return value
        if isinstance(value, np.ndarray) and name in ("shape", "size", "T", "ndim"):
            return getattr(value, name)
        return Method(value, name)

    # Operators

    def dtype(self, value: Any) -> str | None:
        """The dtype of a tensor where it is known to be another than the float of the model, else None."""
        if isinstance(value, Ref):
            return self.dtypes.get(value)
        if id(value) not in self._found:
            self._found[id(value)] = value, dtype_of(value, self.dtype)
        return self._found[id(value)][1]

    def build(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None) -> Any:
        """An expression of the tables of TensorFlow functions. Raises `Untranslatable`."""
        return self.build_with(FUNCTIONS[name], name, args, kwargs or {})

    def build_with(self, builder: Builder, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The expression that one entry of these tables makes. Raises `Untranslatable`."""
        given = [v for a in [*args, *kwargs.values()] for v in (a if isinstance(a, list | tuple) else [a])]
        operands = [v for v in given if is_tensor(v) and not is_built(v)]
        sizes = HiddenSizes()
        arguments, named = sizes.hidden(list(args)), sizes.hidden(dict(kwargs))
        try:
            result = build(builder, name, arguments, named, self.dtype(operands[0]) if operands else None)
        except NotEquivalent as error:
            raise Untranslatable(error.message, error.hint) from error
        return sizes.put_back(result)

    def binary(self, symbol: str, left: Any, right: Any) -> Any:
        _known(left, right)
        if isinstance(left, Size | Number) or isinstance(right, Size | Number):
            return self._with_size(symbol, left, right)
        if symbol == "+" and (isinstance(left, Shape) or isinstance(right, Shape)):
            return [*_sizes(left), *_sizes(right)]
        if is_tensor(left) or is_tensor(right):
            if symbol not in _TENSOR_OPERATORS:
                raise Untranslatable(f"the operator {symbol} on a tensor")
            return self.build(_TENSOR_OPERATORS[symbol], [self.operand(left), self.operand(right)])
        return _calculated(symbol, left, right)

    def _with_size(self, symbol: str, left: Any, right: Any) -> Any:
        if is_tensor(left) or is_tensor(right):
            return self.binary(symbol, self.operand(left), self.operand(right))
        whole = symbol in ("//", "div", "/") and isinstance(right, int | float) and right == int(right) and right > 0
        if isinstance(left, Size) and whole and not left.batch:
            return Size(left.of, left.axis, left.divisor * int(right))
        if symbol in ("*", "//", "/", "div") and right == 1:
            return left
        if holds_batch([left, right]):
            if symbol == "*":
                return Number(None)
            raise Untranslatable("it calculates with the size of a batch, which is not known in advance")
        if symbol == "div" and not (isinstance(left, Size) and isinstance(right, Size | int)):
            raise Untranslatable("it calculates with a size of its input, which may be rounded or not")
        symbol = "//" if symbol == "div" else symbol
        if symbol not in _SIZE_OPERATORS or not all(isinstance(v, Size | Number | int | float) for v in (left, right)):
            raise Untranslatable(f"it calculates {describe(left)} {symbol} {describe(right)}")
        return Number(ops(f"build.{symbol}", built(left), built(right)))

    def rank(self, shape: Shape) -> Number:
        number = ops("build.rank", shape.of)
        by = shape.start - (shape.stop or 0)
        return Number(ops("build.-", number, by) if by else number)

    def operand(self, value: Any) -> Any:
        """A value as an operation takes it: sizes as numbers, tuples of numbers as tensors."""
        if isinstance(value, Size | Number):
            return size_number(value)
        if isinstance(value, tuple):
            return [self.operand(v) for v in value]
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            return single(value)
        _known(value)
        if (
            isinstance(value, Complex | Name | Method | Partial | Function | Shape | Dtype | MakesLayer | str)
            or value is None
        ):
            raise Untranslatable(f"{describe(value)} is where a number or a tensor should be")
        return value

    def unary(self, name: str, value: Any) -> Any:
        _known(value)
        if isinstance(value, Size | Number) and name == "negative":
            return self.binary("*", value, -1)
        if is_tensor(value) or isinstance(value, Size | Number):
            value = self.operand(value)
            return value if name == "positive" else self.build("negative" if name == "negative" else "invert", [value])
        if not isinstance(value, int | float | np.ndarray | np.generic):
            raise Untranslatable(f"it takes the negative of {describe(value)}")
        return _UNARY[name](value)

    def compare(self, symbol: str, left: Any, right: Any) -> Any:
        if symbol in ("is", "is not"):
            same = left is right if left is None or right is None else left == right
            if is_tensor(left) and is_tensor(right):
                same = left is right
            return same == (symbol == "is")
        _known(left, right)
        if symbol in ("in", "not in"):
            if holds_tensor(left) or holds_tensor(right):
                raise Untranslatable("it looks for a tensor in a collection")
            return (left in right) == (symbol == "in")
        if is_tensor(left) or is_tensor(right):
            if symbol in ("==", "!="):
                if left is None or right is None or isinstance(left, str) or isinstance(right, str):
                    return symbol == "!="
                if self.era == "tensorflow_1":
                    raise Untranslatable("== of tensors compares identities in TensorFlow 1 and values in 2")
            return self.build(_COMPARISONS[symbol], [self.operand(left), self.operand(right)])
        if isinstance(left, Name) and isinstance(right, Name | str):
            return _COMPARE[symbol](left.path.rpartition(".")[2], describe(right).rpartition(".")[2])
        if holds_tensor(left) or holds_tensor(right):
            if left is None or right is None:
                return symbol == "!="
            raise Untranslatable("it compares a size of its input, which is not known in advance")
        try:
            return _COMPARE[symbol](left, right)
        except TypeError as error:
            raise Untranslatable(f"it compares {describe(left)} with {describe(right)}") from error

    def truth(self, value: Any) -> bool:
        _known(value)
        if is_tensor(value) or isinstance(value, Shape | Size | Number):
            raise Untranslatable("a condition in it depends on the values or the size of its input")
        if isinstance(value, np.ndarray) and value.size != 1:
            raise Untranslatable("a condition in it depends on a whole array")
        return bool(value)

    def item(self, value: Any, key: Any) -> Any:
        _known(value, key)
        if isinstance(value, Shape):
            return self._shape_item(value, key)
        if isinstance(value, Expression) and value.function in _MANY:
            if isinstance(key, slice) and value.function == "split" and isinstance(value.args[1], int):
                return [Item(value, i) for i in range(value.args[1])][key]
            if not isinstance(key, int):
                raise Untranslatable("it takes several of the results of a function at once")
            return Item(value, key)
        if is_tensor(value):
            return self._tensor_item(value, key if isinstance(key, tuple) else (key,))
        if isinstance(value, Size | Number | Name | Method | Function):
            raise Untranslatable(f"it takes a part of {describe(value)}")
        if holds_tensor(key):
            raise Untranslatable("an index is computed by the model itself")
        _of_known_length(value)
        try:
            return value[key]
        except (TypeError, KeyError, IndexError) as error:
            raise Untranslatable(f"{describe(value)} has no part {describe(key)}") from error

    def _shape_item(self, shape: Shape, key: Any) -> Any:
        if isinstance(key, int):
            return Size(shape.of, shape.start + key if key >= 0 else (shape.stop or 0) + key)
        if isinstance(key, slice) and key.step in (None, 1):
            start, stop = key.start or 0, key.stop
            if isinstance(start, int) and start >= 0 and shape.stop is None and (stop is None or stop < 0):
                return Shape(shape.of, shape.start + start, stop)
            if isinstance(start, int) and start < 0 and stop is None:
                return [Size(shape.of, (shape.stop or 0) + i) for i in range(start, 0)]
            if isinstance(start, int) and isinstance(stop, int) and (start >= 0) == (stop > 0 or start < 0):
                base = shape.start if start >= 0 else shape.stop or 0
                return [Size(shape.of, base + i) for i in range(start, stop)]
        raise Untranslatable("it takes a part of a shape whose length is not known")

    def _tensor_item(self, value: Any, key: tuple[Any, ...]) -> Any:
        half = self._fraction(value, key)
        if half is not None:
            return half
        return ops("get_item", value, tuple(_subscript(part) for part in key))

    def _fraction(self, value: Any, key: tuple[Any, ...]) -> Any:
        """`x[..., :n // 2]` where n is the length of that axis: one of the equal parts that x is split into."""
        sized = [i for i, part in enumerate(key) if isinstance(part, slice) and holds_tensor(part)]
        if len(sized) != 1:
            return None
        at = sized[0]
        part = key[at]
        others = [p for i, p in enumerate(key) if i != at]
        axis = at - len(key) if Ellipsis in key[:at] else at
        bounds = [b for b in (part.start, part.stop) if b not in (None, 0)]
        if (
            any(p != slice(None) and p is not Ellipsis for p in others)
            or part.step not in (None, 1)
            or len(bounds) != 1
        ):
            return None
        size = bounds[0]
        if not isinstance(size, Size) or size.of is not value or size.divisor < 2:
            return None
        if part.start is size and size.divisor != 2:
            return None
        if axis != size.axis:
            if Ellipsis in key or axis != size.axis + len(key):
                return None
            self.assume(f"its input has {len(key)} axes")
        return Item(ops("split", value, size.divisor, axis=axis), 0 if part.stop is size else 1)

    def unpack(self, value: Any, count: int) -> list[Any]:
        if isinstance(value, Expression) and value.function in _MANY:
            return [Item(value, i) for i in range(count)]
        if isinstance(value, Shape):
            return [Size(value.of, value.start + i) for i in range(count)]
        if is_tensor(value):
            raise Untranslatable("it takes a tensor apart along the batch")
        values = self.iterate(value)
        if len(values) != count:
            raise Untranslatable(f"it takes {len(values)} values apart into {count}")
        return values

    def spread(self, value: Any) -> list[Any]:
        """`[*value]`, where a shape stands for its numbers."""
        return [value] if isinstance(value, Shape) else self.iterate(value)

    def iterate(self, value: Any) -> list[Any]:
        _known(value)
        _of_known_length(value)
        if isinstance(value, list | tuple | dict | range | frozenset):
            return list(value)
        if isinstance(value, np.ndarray) and value.size <= _MAX_LENGTH:
            return list(value)
        if hasattr(value, "__next__"):
            return list(value)
        raise Untranslatable(f"it goes through the parts of {describe(value)}")

    # Calls

    def call(self, callee: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if isinstance(callee, Unknown):
            raise missing(callee.name)
        if isinstance(callee, Function):
            assert self.call_function is not None
            return self.call_function(callee, args, kwargs)
        if isinstance(callee, Method):
            return self._method(callee, args, kwargs)
        if isinstance(callee, Partial):
            return self.call(self._canonical(callee.of), [*callee.args, *args], {**callee.kwargs, **kwargs})
        if isinstance(callee, MakesLayer):
            if len(args) != 1 or kwargs:
                raise Untranslatable(f"it calls a {callee.class_name} with more than one input")
            return Expression(callee.class_name, (args[0],), {}, callee.config)
        if not isinstance(callee, Name):
            raise Untranslatable(f"it calls {describe(callee)}, which is no function")
        root, _, last = callee.path.rpartition(".")
        if root == "builtins":
            return self._builtin(last, args, kwargs)
        if callee.path.split(".")[0] in ("numpy", "math"):
            return self._numpy(callee.path, args, kwargs)
        assert self.functions is not None
        return self.functions(self, callee.path, args, kwargs)

    def _method(self, method: Method, args: list[Any], kwargs: dict[str, Any]) -> Any:
        value, name = method.of, method.name
        if is_tensor(value):
            if name in ("get_shape", "shape"):
                return Shape(value)
            if name == "set_shape":
                return None
            raise Untranslatable(f"it calls the method {name!r} of a tensor")
        if isinstance(value, Shape) and name in ("as_list", "__len__"):
            return value
        if isinstance(value, list) and name in ("append", "extend", "insert", "reverse", "copy") and not kwargs:
            if name == "extend":
                args = [self.iterate(a) for a in args]
            return getattr(value, name)(*args)
        if isinstance(value, dict) and name in ("get", "items", "keys", "values") and not kwargs:
            result = getattr(value, name)(*args)
            return result if name == "get" else list(result)
        if isinstance(value, np.ndarray | np.generic) and name in ("astype", "reshape", "tolist", "item", "flatten"):
            return getattr(value, name)(*(self.plain(a) for a in args))
        raise Untranslatable(f"it calls {describe(method)}")

    def _builtin(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        _known(*args)
        if kwargs and name != "dict":
            raise Untranslatable(f"it calls {name} with named arguments")
        if name in ("list", "tuple") and args and isinstance(args[0], Shape):
            return args[0]
        if name in ("int", "float", "round") and args and isinstance(args[0], Size):
            return args[0]
        if name == "int" and args and isinstance(args[0], Number):
            return args[0] if args[0].batch else Number(ops("build.whole", args[0].value))
        if name == "isinstance" and len(args) == 2:
            wanted = [describe(kind) for kind in (args[1] if isinstance(args[1], tuple) else (args[1],))]
            return type(args[0]).__name__ in wanted
        if name == "abs" and is_tensor(args[0]):
            return self.build("abs", args)
        if name == "sum" and holds_tensor(args):
            total, *others = self.iterate(args[0])
            for value in others:
                total = self.binary("+", total, value)
            return total
        if name == "len" and args and isinstance(args[0], list | tuple | dict):
            _of_known_length(args[0])
            return len(args[0])
        if name == "len" and args and isinstance(args[0], Shape):
            return self.rank(args[0])
        if name in _COLLECTIONS:
            return _COLLECTIONS[name](self, args)
        if holds_tensor(args) or name not in _ON_CONSTANTS:
            raise Untranslatable(f"it calls {name} of {', '.join(map(describe, args))}")
        try:
            return _ON_CONSTANTS[name](*args)
        except (TypeError, ValueError, OverflowError) as error:
            raise Untranslatable(f"{name} of {', '.join(map(describe, args))} is an error") from error

    def _numpy(self, path: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Calculated where all is constant; elementwise functions also work on tensors."""
        _known(*args, *kwargs.values())
        module, _, name = path.rpartition(".")
        if name == "prod" and len(args) == 1 and not kwargs and isinstance(args[0], Shape | list | tuple):
            parts = _sizes(args[0])
            if holds_tensor(parts) and not any(is_tensor(v) for v in parts):
                return Number(None) if holds_batch(parts) else Number(ops("build.prod", *built(parts)))
        if holds_tensor([args, kwargs]):
            if name in _NUMPY_ON_TENSORS and not kwargs:
                return self.build({"absolute": "abs"}.get(name, name), [self.operand(a) for a in args])
            raise Untranslatable(f"it calls {path} on a tensor")
        arguments = [self.plain(a) for a in args]
        named = {k: self.plain(v) for k, v in kwargs.items()}
        allowed = _NUMPY_ON_CONSTANTS if module == "numpy" else _MATH
        function = getattr(np if module == "numpy" else math, name, None) if name in allowed else None
        if function is None:
            raise Untranslatable(f"it calls {path}")
        _bounded(name, arguments)
        try:
            result = function(*arguments, **named)
        except (TypeError, ValueError, OverflowError) as error:
            raise Untranslatable(f"{path} of {', '.join(map(describe, args))} is an error") from error
        if isinstance(result, np.ndarray) and result.size > _MAX_ELEMENTS:
            raise Untranslatable("it makes a very large array")
        return result.item() if isinstance(result, np.generic) else result

    def plain(self, value: Any) -> Any:
        """An argument as the tables take it: dtypes by name."""
        if isinstance(value, Name):
            last = value.path.rpartition(".")[2]
            if last in DTYPES:
                return last
            if value.path in ("builtins.float", "builtins.int", "builtins.bool"):
                return {"float": "float32", "int": "int32", "bool": "bool"}[last]
            raise Untranslatable(f"it hands on {describe(value)}")
        if isinstance(value, Dtype):
            return self.dtype(value.of) or "float32"
        if isinstance(value, Size):
            return size_number(value) if value.batch else built(value)
        if isinstance(value, Number):
            return built(value)
        if isinstance(value, list | tuple):
            return type(value)(self.plain(v) for v in value)
        if isinstance(value, range):
            return list(value)
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, Complex | Function | Method | Partial | MakesLayer | Shape):
            raise Untranslatable(f"it hands on {describe(value)}")
        _known(value)
        return value


_TENSOR_OPERATORS = {
    "+": "add", "-": "subtract", "*": "multiply", "/": "truediv", "//": "floordiv", "%": "floormod", "**": "pow",
    "@": "matmul", "div": "div", "&": "and", "|": "or", "^": "xor",
}  # fmt: skip
_SIZE_OPERATORS = ("+", "-", "*", "//", "/", "%", "**")
_COMPARISONS = {
    "<": "less",
    "<=": "less_equal",
    "==": "equal",
    "!=": "not_equal",
    ">": "greater",
    ">=": "greater_equal",
}
_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "@": operator.matmul, "&": operator.and_, "|": operator.or_, "^": operator.xor,
    "**": operator.pow, "div": lambda a, b: a // b if isinstance(a, int) and isinstance(b, int) else a / b,
}  # fmt: skip
_UNARY: Mapping[str, Callable[[Any], Any]] = {
    "negative": operator.neg, "positive": operator.pos, "invert": operator.invert,
}  # fmt: skip
_NUMPY_ON_TENSORS = frozenset(
    "abs absolute exp log sqrt square sin cos tan tanh sign floor ceil maximum minimum add subtract multiply".split()
)
_NUMPY_ON_CONSTANTS = frozenset(
    "abs array asarray prod sqrt square exp log log2 log10 power sum mean max min float32 float64 int32 int64 arange "
    "ones zeros full eye linspace meshgrid tril triu clip reshape transpose concatenate stack expand_dims squeeze "
    "floor ceil round sin cos tan tanh maximum minimum add subtract multiply divide".split()
)
_MATH = frozenset("sqrt exp log log2 log10 pow floor ceil sin cos tan tanh fabs radians degrees".split())
_ON_CONSTANTS: Mapping[str, Callable[..., Any]] = {
    "abs": abs, "bool": bool, "float": float, "int": int, "max": max, "min": min, "round": round, "sum": sum,
    "slice": slice,
}  # fmt: skip


def _range(library: Library, args: list[Any]) -> range:
    if not all(type(a) is int for a in args) or not 1 <= len(args) <= 3 or 0 in args[2:]:
        raise Untranslatable("the length of a loop depends on the input")
    if any(abs(a) > _MAX_LENGTH for a in args):
        raise Untranslatable("a loop in it is very long")
    return range(*args)


_COLLECTIONS: Mapping[str, Callable[[Library, list[Any]], Any]] = {
    "range": _range,
    "list": lambda lib, args: lib.iterate(args[0]) if args else [],
    "tuple": lambda lib, args: tuple(lib.iterate(args[0])) if args else (),
    "zip": lambda lib, args: list(zip(*(lib.iterate(a) for a in args), strict=False)),
    "enumerate": lambda lib, args: list(enumerate(lib.iterate(args[0]))),
    "reversed": lambda lib, args: list(reversed(lib.iterate(args[0]))),
    "map": lambda lib, args: [lib.call(args[0], [v], {}) for v in lib.iterate(args[1])],
}


def single(value: Any) -> Any:
    """An array of NumPy as TensorFlow takes it beside a tensor of floats: in single precision."""
    if not isinstance(value, np.ndarray):
        return value
    kind = {"float64": "float32", "int64": "int32"}.get(value.dtype.name)
    return value if kind is None else value.astype(kind)


def _known(*values: Any) -> None:
    for value in values:
        if isinstance(value, Unknown):
            raise missing(value.name)
        if isinstance(value, list | tuple):
            _known(*value)


def _sizes(value: Any) -> list[Any]:
    """A shape as a list, in which a part of the shape of a tensor stands for its numbers."""
    return list(value) if isinstance(value, list | tuple) else [value]


def _of_known_length(value: Any) -> None:
    """Refuse to take apart a list in which a part of a shape stands for its numbers."""
    if isinstance(value, list | tuple) and any(isinstance(v, Shape) for v in value):
        raise Untranslatable("it takes a part of a shape whose length is not known")


def _calculated(symbol: str, left: Any, right: Any) -> Any:
    """An operator on constants; bounded, so that a file cannot ask for more than a moment's work."""
    numbers = int | float | np.ndarray | np.generic
    sequences = isinstance(left, list | tuple) and (
        (symbol == "+" and type(left) is type(right) and len(left) + len(right) <= _MAX_LENGTH)
        or (symbol == "*" and type(right) is int and len(left) * right <= _MAX_LENGTH)
    )
    if not sequences and not (isinstance(left, numbers) and isinstance(right, numbers)):
        raise Untranslatable(f"it calculates {describe(left)} {symbol} {describe(right)}")
    if symbol == "**" and isinstance(left, int) and isinstance(right, int) and (abs(left) > 1 << 64 or right > 64):
        raise Untranslatable("it calculates a very large number")
    if symbol not in _ARITHMETIC:
        raise Untranslatable(f"it calculates {describe(left)} {symbol} {describe(right)}")
    try:
        result = _ARITHMETIC[symbol](left, right)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise Untranslatable(f"{describe(left)} {symbol} {describe(right)} is an error") from error
    if isinstance(result, int) and result.bit_length() > 4096:
        raise Untranslatable("it calculates a very large number")
    if isinstance(result, np.ndarray) and result.size > _MAX_ELEMENTS:
        raise Untranslatable("it makes a very large array")
    return result


def _bounded(name: str, args: Sequence[Any]) -> None:
    """Refuse to make an array that only its size makes dangerous."""
    if name == "meshgrid" and math.prod(np.size(a) for a in args) > _MAX_ELEMENTS:
        raise Untranslatable("it makes a very large array")
    if name in ("ones", "zeros", "full"):
        args = args[:1]  # what follows is a dtype, or what to fill it with
    if name in ("ones", "zeros", "full", "eye", "arange", "linspace"):
        sizes = [n for a in args for n in (a if isinstance(a, list | tuple) else [a])]
        numbers = [max(1.0, abs(n)) for n in sizes if isinstance(n, int | float)]
        total = max(numbers, default=1) ** 2 if name == "eye" else math.prod(numbers)
        if len(numbers) < len(sizes) or not total <= _MAX_ELEMENTS:
            raise Untranslatable("it makes an array whose size is not known, or a very large one")


def _subscript(part: Any) -> Any:
    if isinstance(part, np.generic):
        part = part.item()
    if isinstance(part, slice):
        bounds = [b.item() if isinstance(b, np.generic) else b for b in (part.start, part.stop, part.step)]
        if all(b is None or (isinstance(b, int) and not isinstance(b, bool)) for b in bounds):
            return slice(*bounds)
        if holds_tensor(part):
            return built(part)
        raise Untranslatable("the bounds of a slice are not known in advance")
    if isinstance(part, Size | Number):
        return built(part)
    if part is None or part is Ellipsis or (isinstance(part, int) and not isinstance(part, bool)):
        return part
    raise Untranslatable(f"{describe(part)} is an index that has no form in Keras 3")
