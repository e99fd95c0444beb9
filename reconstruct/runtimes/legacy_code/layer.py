"""Layers as code for Keras 1 and 2 writes them, as layers of Keras 3.

A class of the user's that derives from any layer of Keras gets `Legacy` before that layer among its bases, so that
what it calls of its base class takes the arguments of then, and its own methods are handed what they were handed then.
"""

from __future__ import annotations

import builtins
import collections
import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src import backend as keras_backend
from keras.src.backend.common import global_state
from keras.src.ops.operation import Operation
from keras.src.utils.python_utils import default

from reconstruct.runtimes.legacy_code import initializing, rebuilding
from reconstruct.runtimes.making import given_once

_BASE_FIELDS = ("name", "trainable", "dtype")
# Arguments of Layer.__init__ up to Keras 2.15 (engine/base_layer.py) that say nothing about what a layer computes
_FORGOTTEN = frozenset(
    "input_shape batch_input_shape batch_size input_dtype input_dim input_length weights dynamic create_input_layer "
    "implementation consume_less time_major autocast experimental_autocast".split()
)
_VARIABLE_OPTIONS = frozenset(
    "partitioner use_resource synchronization aggregation collections caching_device getter sparse_weight "
    "experimental_autocast experimental_enable_variable_lifting custom_getter".split()
)


class Shape(tuple):
    """A shape as a tuple, with what TensorFlow's `TensorShape` has besides."""

    __slots__ = ()

    def as_list(self) -> list[Any]:
        return list(self)

    @property
    def rank(self) -> int:
        return len(self)

    ndims = rank

    @property
    def dims(self) -> list[Any]:
        return list(self)

    def num_elements(self) -> int | None:
        return None if None in self else int(np.prod(self))

    def is_fully_defined(self) -> bool:
        return None not in self

    def with_rank(self, rank: int) -> Shape:
        return self

    with_rank_at_least = with_rank

    def concatenate(self, other: Any) -> Shape:
        return Shape((*self, *other))

    def __getitem__(self, key: Any) -> Any:
        found = tuple.__getitem__(self, key)
        return Shape(found) if isinstance(key, slice) else found


def as_shape(value: Any) -> Any:
    """Nested shapes of Keras 3 as the user's code knows them."""
    if isinstance(value, tf.TensorShape):
        return Shape(value.as_list())
    if isinstance(value, tuple | list) and all(n is None or isinstance(n, int) for n in value):
        return Shape(value)
    if isinstance(value, dict):
        return {k: as_shape(v) for k, v in value.items()}
    return [as_shape(v) for v in value] if isinstance(value, tuple | list) else value


def plain_shape(value: Any) -> Any:
    """Shapes that the user's code returns, as Keras 3 has them."""
    if isinstance(value, tf.TensorShape):
        return tuple(value.as_list())
    if isinstance(value, Mapping):
        return {k: plain_shape(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        if value and all(n is None or hasattr(n, "__index__") or isinstance(n, float) for n in value):
            return tuple(None if n is None else int(n) for n in value)
        return [plain_shape(v) for v in value]
    return value


@contextlib.contextmanager
def _own_names(names: dict[str, int]) -> Iterator[None]:
    """Number the layers that are made in here by `names` alone: some code calls its attributes by the names of layers
    that Keras numbers, and a file that was saved so is found again only where they are the same in every process."""
    before = global_state.get_global_attribute(_NUMBERS)
    global_state.set_global_attribute(_NUMBERS, names)
    try:
        yield
    finally:
        global_state.set_global_attribute(_NUMBERS, before)


_NUMBERS = "object_name_uids"  # Keras 3, utils/naming.py


def _names_in(layer: Any) -> dict[str, int]:
    return layer.__dict__.setdefault("_legacy_names", collections.defaultdict(int))


def _meaning_of(cls: Any) -> contextlib.AbstractContextManager[None]:
    from reconstruct.runtimes import legacy_code

    return legacy_code.meant_for(cls._legacy_version)


class _Calls:
    """How deep in calls of the user's layers we are, and whether they train."""

    depth = 0
    training: list[Any] = []  # noqa: RUF012  # one for the process, as the depth is


def in_call() -> bool:
    return _Calls.depth > 0


def training() -> bool:
    """Whether the innermost layer that is being called trains: what `K.learning_phase()` said."""
    context = global_state.get_global_attribute("current_call_ctx")
    value = context.get_value("training") if context is not None else None
    return bool(value) if isinstance(value, bool | int) else False


class Legacy:
    """What code for Keras 1 and 2 expects of its base class."""

    _legacy_version: tuple[int, int, int] | None = None  # of the Keras that the class is code for

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kept = {k: v for k, v in kwargs.items() if k not in _FORGOTTEN or _takes(self, k)}
        base = next(b for b in type(self).__mro__[type(self).__mro__.index(Legacy) + 1 :] if "__init__" in vars(b))
        if base is keras.layers.Layer:
            args = ()  # Keras 1 layers handed on whatever they were given
        elif _is_layer(base) and base.__module__.startswith("keras.src.layers"):
            from reconstruct.runtimes.legacy_code import arguments

            with _meaning_of(type(self)):
                args, kept = arguments.adapted(base, args, kept)  # type: ignore[assignment]
        if kept.get("dtype", "") is None:
            del kept["dtype"]
        if isinstance(kept.get("trainable"), int | np.bool_):
            kept["trainable"] = bool(kept["trainable"])
        super().__init__(*args, **kept)

    def add_weight(self, *args: Any, **kwargs: Any) -> Any:
        """`add_weight(name, shape, …)` of Keras 2, `add_weight(shape, initializer, name)` of Keras 1, or Keras 3's."""
        if "_legacy_replayed" in self.__dict__:
            return next(self.__dict__["_legacy_replayed"])
        options = dict(kwargs)
        if args and (args[0] is None or isinstance(args[0], str)):
            order: Sequence[str] = "name shape dtype initializer regularizer trainable constraint".split()
        elif len(args) > 2 and isinstance(args[2], str) and not _is_dtype(args[2]):
            order = "shape initializer name regularizer trainable constraint".split()
        else:
            order = "shape initializer dtype".split()
        options.update(zip(order, args, strict=False))
        kept = {k: v for k, v in options.items() if k not in _VARIABLE_OPTIONS}
        kept["shape"] = initializing.shape(kept.get("shape"))
        kept["initializer"] = initializing.initializer(kept.get("initializer"))
        kept["trainable"] = True if kept.get("trainable") is None else bool(kept["trainable"])
        for name in ("regularizer", "constraint"):
            kept[name] = None  # they act in training only, and any of them may be of another Keras
        if kept.get("dtype") is not None:
            kept["dtype"] = keras_backend.standardize_dtype(kept["dtype"])
        if kept.get("name"):
            kept["name"] = initializing.variable_name(kept["name"])
        known = inspect.signature(keras.layers.Layer.add_weight).parameters
        variable = super().add_weight(**{k: v for k, v in kept.items() if k in known})  # type: ignore[misc]
        self.__dict__.setdefault("_legacy_listed", []).append(variable)
        return variable

    def add_variable(self, *args: Any, **kwargs: Any) -> Any:
        return self.add_weight(*args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        """Before Keras 2.3 a variable was a weight only where `add_weight` made it or a list of weights had it
        (2.3.1, engine/base_layer.py, `Layer.__setattr__`)."""
        listed = self.__dict__.get("_legacy_listed", ())
        untracked = isinstance(value, keras.Variable) and self._before((2, 3, 0))
        if untracked and not any(value is variable for variable in listed):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def _before(self, version: tuple[int, int, int]) -> bool:
        return self._legacy_version is not None and self._legacy_version < version

    def add_update(self, *args: Any, **kwargs: Any) -> None:
        """Updates are for training; Keras 3 makes them where variables are assigned."""

    def add_metric(self, *args: Any, **kwargs: Any) -> None:
        """Metrics are for training."""

    def add_loss(self, losses: Any, *args: Any, **kwargs: Any) -> None:
        """Losses are for training; a loss of the inputs cannot be followed in every form that it had."""

    def _listed(self, trainable: bool) -> _Listed:
        return _Listed(self, trainable)

    def _list(self, variables: Any, trainable: bool) -> None:
        listed = self.__dict__.setdefault("_legacy_listed", [])
        for variable in keras.tree.flatten(list(variables)) if not callable(variables) else ():
            if not isinstance(variable, keras.Variable):
                continue
            if not any(variable is other for other in listed):
                listed.append(variable)
            if not any(variable is other for other in self.variables):  # type: ignore[attr-defined]
                variable.trainable = trainable
                locked = self._tracker.locked  # type: ignore[attr-defined]
                self._tracker.unlock()  # type: ignore[attr-defined]
                self._track_variable(variable)  # type: ignore[attr-defined]
                if locked:
                    self._lock_state()  # type: ignore[attr-defined]

    @property
    def _trainable_weights(self) -> _Listed:
        return self._listed(True)

    @_trainable_weights.setter
    def _trainable_weights(self, variables: Any) -> None:
        self._list(variables, True)

    @property
    def _non_trainable_weights(self) -> _Listed:
        return self._listed(False)

    @_non_trainable_weights.setter
    def _non_trainable_weights(self, variables: Any) -> None:
        self._list(variables, False)

    @property
    def trainable_weights(self) -> Any:
        return super().trainable_weights  # type: ignore[misc]

    @trainable_weights.setter
    def trainable_weights(self, variables: Any) -> None:
        self._list(variables, True)

    @property
    def non_trainable_weights(self) -> Any:
        return super().non_trainable_weights  # type: ignore[misc]

    @non_trainable_weights.setter
    def non_trainable_weights(self, variables: Any) -> None:
        self._list(variables, False)

    def get_config(self) -> dict[str, Any]:
        """The fields of every layer; those of a stock layer where one is the base; or what `from_config` was given."""
        following = _after(type(self), "get_config")
        if following not in (keras.layers.Layer.get_config, Operation.get_config, keras.Model.get_config):
            return dict(super().get_config())  # type: ignore[misc]
        if _own(type(self), "get_config") is None and "_legacy_config" in self.__dict__:
            return {**_base_config(self), **self.__dict__["_legacy_config"]}
        config = _base_config(self)
        if _own(type(self), "get_config") is None and getattr(self, "_auto_config", None) is not None:
            config = {**config, **self._auto_config.config}  # type: ignore[attr-defined]
        return config

    @classmethod
    def from_config(cls, config: Any, custom_objects: Any = None) -> Any:
        # The layer in a wrapper, and the cell of a recurrent layer, which their own `from_config` would make
        inner = {k: config[k] for k in ("layer", "cell") if isinstance(config.get(k), Mapping)}
        parts = {k: keras.layers.deserialize(dict(v), custom_objects) for k, v in inner.items()}
        return made(cls, {**config, **parts}, lambda kept: cls(**kept))

    @default
    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """What `call` gives, as tf.keras had it; TimeDistributed of Keras 3 has to know (layers/rnn)."""
        following = _after(type(self), "compute_output_shape")
        if following is not keras.layers.Layer.compute_output_shape:
            return super().compute_output_shape(*args, **kwargs)  # type: ignore[misc]
        spec = Operation.compute_output_spec(
            self, *_specs(self, args), **{k.removesuffix("_shape"): _specs(self, v) for k, v in kwargs.items()}
        )
        return keras.tree.map_structure(lambda t: tuple(t.shape), spec)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.__dict__["_legacy_called"] = True
        return super().__call__(*args, **kwargs)  # type: ignore[misc]

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """What `call` gives, with the axes that only `compute_output_shape` knows."""
        following = _after(type(self), "compute_output_spec")
        of_layers = (keras.layers.Layer.compute_output_spec, Operation.compute_output_spec)
        if following not in of_layers and _own(type(self), "call") is None:
            return super().compute_output_spec(*args, **kwargs)  # type: ignore[misc]
        spec = Operation.compute_output_spec(self, *args, **kwargs)
        stated = _stated_shape(self, args, kwargs)
        flat = keras.tree.flatten(spec)
        if stated is None or not all(isinstance(t, keras.KerasTensor) for t in flat):
            return spec
        shapes = list(_shapes_in(stated))
        if len(shapes) != len(flat) or any(len(s) != len(t.shape) for s, t in zip(shapes, flat, strict=True)):
            return spec
        return keras.tree.pack_sequence_as(
            spec,
            [
                keras.KerasTensor([n if n is not None else m for n, m in zip(t.shape, s, strict=True)], t.dtype)
                for s, t in zip(shapes, flat, strict=True)
            ],
        )


class LegacyUnbuilt(Legacy):
    """What code expects of a base class that has nothing to build."""

    @default
    def build(self, input_shape: Any) -> None:
        """Mark it as built; and where it was not called, but is built by a wrapper, build its parts."""
        super().build(input_shape)  # type: ignore[misc]
        if _own(type(self), "build") is None:
            build_parts(self, input_shape)


class LegacyRecurrent(Legacy):
    """What code for Keras 2 expects of a recurrent layer that it derives from: Keras 3 has the arguments of `call` in
    another order, and other names for those of `build` (Keras 2.2.4, layers/recurrent.py; Keras 3, layers/rnn/rnn.py).
    """

    def build(self, input_shape: Any) -> None:
        shape = as_shape(input_shape)
        super(Legacy, self).build(tuple(shape[0] if isinstance(shape, list) else shape))  # type: ignore[misc]

    def call(
        self, inputs: Any, mask: Any = None, training: Any = None, initial_state: Any = None, constants: Any = None
    ) -> Any:
        if constants is not None:
            raise NotImplementedError("recurrent layers of Keras 3 take no constants")
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        return super().call(inputs, initial_state=initial_state, mask=mask, training=bool(training))  # type: ignore[misc]


def _specs(self: Any, shapes: Any) -> Any:
    """Symbolic tensors of these shapes, in their structure; a tuple or list of numbers is a shape."""
    if isinstance(shapes, Mapping):
        return {k: _specs(self, v) for k, v in shapes.items()}
    if isinstance(shapes, tuple | list) and not all(n is None or isinstance(n, int) for n in shapes):
        return type(shapes)(_specs(self, v) for v in shapes) if type(shapes) in (tuple, list) else list(shapes)
    return keras.KerasTensor(tuple(shapes), self.compute_dtype)


def build_parts(self: Any, *given: Any) -> None:
    """Build the layers in a layer that is built for itself, and not as it is called, by following its `call`.

    In Keras 2 they were built when the wrapper called it; Keras 3 has all variables made before that
    (layers/rnn/rnn.py, `RNN.build`). What cannot be followed is left to the call.
    """
    if self.__dict__.get("_legacy_called") or all(part.built for part in self._layers):
        return
    shapes = [plain_shape(as_shape(shape)) for shape in given]
    try:
        inputs = [_specs(self, shape) for shape in shapes]
        if hasattr(self, "state_size") and len(shapes) == 1:
            sizes = self.state_size if isinstance(self.state_size, tuple | list) else [self.state_size]
            inputs.append([keras.KerasTensor((shapes[0][0], *np.atleast_1d(n)), self.compute_dtype) for n in sizes])
        locked = self._tracker.locked
        self._tracker.unlock()
        try:
            keras_backend.compute_output_spec(self.call, *inputs)
        finally:
            if locked:
                self._lock_state()
    except Exception:  # whatever the user's code does with what it was not made for
        return


class _Listed(list):
    """`layer._trainable_weights`: what is added here becomes a weight of the layer."""

    def __init__(self, layer: Any, trainable: bool) -> None:
        held = layer._trainable_variables if trainable else layer._non_trainable_variables
        super().__init__(held)
        self._layer, self._trainable = layer, trainable

    def append(self, variable: Any) -> None:
        super().append(variable)
        self._layer._list([variable], self._trainable)

    def extend(self, variables: Any) -> None:
        variables = list(variables)
        super().extend(variables)
        self._layer._list(variables, self._trainable)

    def insert(self, index: Any, variable: Any) -> None:
        super().insert(index, variable)
        self._layer._list([variable], self._trainable)

    def __iadd__(self, variables: Any) -> _Listed:  # type: ignore[misc]
        self.extend(variables)
        return self


def build_class(function: Any, name: str, *bases: Any, **options: Any) -> Any:
    """`class` statements of the user's code: `Legacy` goes before the first base that is a layer of Keras."""
    given = [_unwrapped_base(b) for b in bases]
    at = next((i for i, b in enumerate(given) if _is_layer(b)), None)
    if at is not None and not any(isinstance(b, type) and issubclass(b, Legacy) for b in given):
        given.insert(at, _before(given[at]))
    made_class = builtins.__build_class__(function, name, *given, **options)
    if isinstance(made_class, type) and issubclass(made_class, Legacy):
        _adapt(made_class)
    return made_class


def _before(base: Any) -> type[Legacy]:
    """What goes before a layer of Keras among the bases of a class."""
    if issubclass(base, keras.layers.RNN):
        return LegacyRecurrent
    return LegacyUnbuilt if base.build is keras.layers.Layer.build else Legacy


def _unwrapped_base(base: Any) -> Any:
    return vars(base).get("_legacy_stock", base) if isinstance(base, type) else base


def _is_layer(base: Any) -> bool:
    return isinstance(base, type) and issubclass(base, keras.layers.Layer)


def _adapt(cls: Any) -> None:
    """Hand the methods that a class defines what they were handed then, and take from them what they returned then."""
    from reconstruct.runtimes import legacy_code

    own = dict(vars(cls))
    cls._legacy_version = legacy_code.WRITER[0]
    if "get_output_shape_for" in own and "compute_output_shape" not in own:
        own["compute_output_shape"] = own["get_output_shape_for"]
    for name, wrap in (
        ("build", _build),
        ("call", _call),
        ("get_initial_state", _initial_state),
        ("compute_output_shape", _output_shape),
        ("compute_mask", _mask),
        ("get_config", _config),
    ):
        function = getattr(own.get(name), "python_function", own.get(name))  # of a tf.function
        if inspect.isfunction(function):
            setattr(cls, name, wrap(function))
    for name in _READ_ONLY:
        held = getattr(cls, name, None)
        if isinstance(held, property) and held.fset is None and held.fget is not None:
            setattr(cls, name, _settable(name, held.fget))
    given = own.get("from_config")
    if isinstance(given, classmethod):
        function = given.__func__

        def from_config(kind: Any, config: Any, *args: Any, **kwargs: Any) -> Any:
            return function(kind, dict(config))

        cls.from_config = classmethod(functools.wraps(function)(from_config))


# Attributes of stock layers that Keras 2 assigned in `build`, and that Keras 3 computes (layers/core/dense.py, …)
_READ_ONLY = ("kernel", "embeddings")


def _settable(name: str, computed: Callable[[Any], Any]) -> property:
    """A property that is what was assigned to it, which Keras 3 has with an underscore, and before that what it was."""

    def get(self: Any) -> Any:
        return getattr(self, f"_{name}") if name in self.__dict__.get("_legacy_assigned", ()) else computed(self)

    def assign(self: Any, value: Any) -> None:
        self.__dict__.setdefault("_legacy_assigned", set()).add(name)
        setattr(self, f"_{name}", value)

    return property(get, assign)


def _build(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def build(self: Any, *args: Any, **kwargs: Any) -> None:
        shapes = [as_shape(a) for a in args]
        # Keras has entered the scope of a name already; a build that is run again, as by a wrapper, starts anew. Where
        # a call is traced, tf.keras built outside of it (keras/engine/base_layer.py, `maybe_init_scope`)
        parts = {k: as_shape(v) for k, v in kwargs.items()}
        before = rebuilding.State(self)
        with _own_names(_names_in(self)), tf.init_scope(), _meaning_of(type(self)):
            function(self, *shapes, **parts)
        if self._before((2, 4, 0)) and before.only_weights_and_tensors():
            self.__dict__["_legacy_rebuild"] = before.made(), lambda: function(self, *shapes, **parts)
        if _own(type(self), "build") is build:
            build_parts(self, *args, *kwargs.values())
        self.built = True

    return build


def _initial_state(function: Callable[..., Any]) -> Callable[..., Any]:
    takes = inspect.signature(function).parameters

    @functools.wraps(function)
    def get_initial_state(self: Any, *args: Any, **kwargs: Any) -> Any:
        """Keras 3 asks a cell for the size of the batch alone, Keras 2 also said the dtype (layers/rnn/rnn.py)."""
        if "dtype" in takes and kwargs.get("dtype") is None and "batch_size" in kwargs:
            kwargs["dtype"] = self.compute_dtype
        return function(self, *args, **kwargs)

    return get_initial_state


# What tf.keras handed a `call` that has a place for it, also one without a default (keras/engine/base_layer.py)
_ALWAYS_GIVEN = {"training": False, "mask": None}


def _call(function: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(function)
    takes = signature.parameters
    anything = any(p.kind is p.VAR_KEYWORD for p in takes.values())
    required = {n: v for n, v in _ALWAYS_GIVEN.items() if n in takes and takes[n].default is inspect.Parameter.empty}

    @functools.wraps(function)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        locked = self._tracker.locked
        self._tracker.unlock()
        _Calls.depth += 1
        try:
            kept = kwargs if anything else {k: v for k, v in kwargs.items() if k in takes or v is not None}
            if "mask" in kept and all(part is None for part in keras.tree.flatten(kept["mask"])):
                kept = {**kept, "mask": None}  # as Keras 2 has it where no input has a mask (2.2.4, base_layer.py)
            given = list(takes)[1 : 1 + len(args)]
            with _own_names(_names_in(self)), _meaning_of(type(self)):
                rebuilding.rebuild(self)
                result = function(self, *args, **{**{n: v for n, v in required.items() if n not in given}, **kept})
            return keras.tree.map_structure(_as_tensor, result)
        finally:
            _Calls.depth -= 1
            if locked:
                self._lock_state()

    if required:
        optional = [p.replace(default=required[n]) if n in required else p for n, p in takes.items()]
        call.__signature__ = signature.replace(parameters=optional)  # type: ignore[attr-defined]
    return call


def _as_tensor(value: Any) -> Any:
    if isinstance(value, keras.Variable | tf.Variable):
        return tf.convert_to_tensor(value)
    if isinstance(value, np.ndarray | float) and not isinstance(value, np.str_):
        return tf.convert_to_tensor(value, keras.config.floatx() if np.asarray(value).dtype.kind == "f" else None)
    return value


def _output_shape(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def compute_output_shape(self: Any, *args: Any, **kwargs: Any) -> Any:
        return plain_shape(function(self, *map(as_shape, args), **{k: as_shape(v) for k, v in kwargs.items()}))

    return compute_output_shape


def _mask(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def compute_mask(self: Any, inputs: Any, mask: Any = None, *args: Any, **kwargs: Any) -> Any:
        def computed(inputs: Any, mask: Any) -> Any:
            return function(self, inputs, mask, *args, **kwargs)

        if not any(isinstance(t, keras.KerasTensor) for t in keras.tree.flatten([inputs, mask])):
            return computed(inputs, mask)
        try:
            return computed(inputs, mask)
        except Exception:  # TensorFlow's functions take no KerasTensor; the mask is made when the model runs
            return None

    return compute_mask


def _config(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def get_config(self: Any) -> Any:
        return {**_base_config(self), **_plain(function(self))}

    return get_config


def _plain(value: Any) -> Any:
    """A config as JSON can have it: some put arrays, or functions, into theirs."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Shape | tf.TensorShape):
        return list(value)
    return value


def _base_config(self: Any) -> dict[str, Any]:
    return {"name": self.name, "trainable": self.trainable, "dtype": self.dtype_policy.name}


def made(cls: Any, config: Mapping[str, Any], make: Callable[[dict[str, Any]], Any]) -> Any:
    """An instance of a config: what every layer has and this class does not take is set afterwards."""
    taken, anything = _parameters(cls)
    config = {k: v for k, v in config.items() if k not in _FORGOTTEN or k in taken}
    kept = {
        k: v for k, v in config.items() if anything or k in taken or k not in (*_BASE_FIELDS, "activity_regularizer")
    }
    if isinstance(kept.get("dtype"), Mapping):
        kept["dtype"] = keras.dtype_policies.get(kept["dtype"])
    names: dict[str, int] = collections.defaultdict(int)
    with _own_names(names), _meaning_of(cls):
        instance = given_once(make, kept)
    if isinstance(instance, keras.layers.Layer):
        instance.__dict__["_legacy_names"] = names
        name = config.get("name")
        if name and instance.name != name:
            instance.name = name
        if config.get("trainable") is False:
            instance.trainable = False
        instance.__dict__["_legacy_config"] = {k: v for k, v in config.items() if k not in _BASE_FIELDS}
    return instance


def _parameters(cls: Any) -> tuple[set[str], bool]:
    names: set[str] = set()
    for base in cls.__mro__:
        if base is Legacy or "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        names |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names, False
        if base.__module__.startswith("keras."):
            break
    return names, True


def _takes(self: Any, name: str) -> bool:
    following = _after(type(self), "__init__")
    return following is not None and name in inspect.signature(following).parameters


def _after(cls: Any, name: str) -> Any:
    """What `super().<name>` is, in `Legacy`."""
    mro = cls.__mro__
    for base in mro[mro.index(Legacy) + 1 :]:
        if name in vars(base):
            return vars(base)[name]
    return None


def _own(cls: Any, name: str) -> Any:
    """What the user's classes define of that name."""
    theirs = [base for base in cls.__mro__[: cls.__mro__.index(Legacy)] if base.__module__ != __name__]
    return next((vars(base)[name] for base in theirs if name in vars(base)), None)


def _stated_shape(self: Any, args: Any, kwargs: Any) -> Any:
    function = _own(type(self), "compute_output_shape")
    if function is None or not args:
        return None
    try:
        return function(self, keras.tree.map_structure(lambda t: tuple(t.shape), args[0]))
    except Exception:  # then only `call` knows
        return None


def _shapes_in(value: Any) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, tuple) and all(n is None or isinstance(n, int) for n in value):
        yield value
    elif isinstance(value, Mapping):
        for key in sorted(value):
            yield from _shapes_in(value[key])
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _shapes_in(part)


def _is_dtype(text: str) -> bool:
    return text.startswith(("float", "int", "uint", "bool", "bfloat", "complex", "string"))


def weights_as_saved(instance: Any) -> list[Any]:
    """The variables of a layer in the order in which Keras 2 saves them: all trained ones, then all others.

    Keras 3 has those of a layer before those of the layers in it, trained or not (`Layer.weights`); Keras 2 has
    `trainable_weights + non_trainable_weights`, each through all layers (keras/engine/base_layer.py).
    """

    def gather(layer: Any, trained: bool) -> Iterator[Any]:
        seen = [*layer._trainable_variables, *layer._non_trainable_variables]
        if isinstance(layer, keras.layers.RNN):
            yield from gather(layer.cell, trained)
            return
        yield from (v for v in seen if v.trainable == trained)
        for part in layer._layers:
            yield from gather(part, trained)

    found: list[Any] = []
    for variable in (*gather(instance, True), *gather(instance, False)):
        if not any(variable is other for other in found):
            found.append(variable)
    return found if {id(v) for v in found} == {id(v) for v in instance.weights} else list(instance.weights)
