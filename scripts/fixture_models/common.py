"""What the modules of all versions share: the catalogue of fixtures, realistic weights, probes and the recorder.

Nothing here imports a Keras: the version that runs is passed in as `keras`.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import numpy as np

Arrays = list[np.ndarray]


@dataclass(frozen=True)
class Fixture:
    """One artifact to make: how to build the model, how to save it, what to feed it."""

    name: str
    build: Callable[[], Any]
    covers: tuple[str, ...]
    container: str = "h5-model"
    suffix: str = ".h5"
    inputs: Callable[[np.random.Generator], Arrays] | None = None  # instead of standard normal values
    integers: int | None = None  # inputs are integers in [0, integers)
    steps: int = 7  # used for an axis of unknown length
    save: Callable[[Any, Path], None] | None = None  # instead of model.save(path)
    edit: Callable[[Path], None] | None = None  # changes the saved file
    reload: Callable[[Path], Any] | None = None  # instead of load_model(path): the model whose outputs count
    same: bool = True  # the reloaded model must compute what the saved one computed
    keep_weights: bool = False  # `build` has already set the weights
    tolerance: float = 1e-4
    writer: dict[str, str | None] | None = None
    weights: str | None = None  # suffix of the weights file beside a config
    note: str | None = None


@dataclass
class Catalogue:
    """The fixtures of one version, in the order of their definition."""

    version: str
    fixtures: dict[str, Fixture] = field(default_factory=dict)

    def add(self, *covers: str, **options: Any) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
        """Decorate the function that builds the model; its name becomes the name of the fixture."""

        def decorate(build: Callable[[], Any]) -> Callable[[], Any]:
            name = options.pop("name", build.__name__)
            assert name not in self.fixtures, name
            self.fixtures[name] = Fixture(name, build, covers, **options)
            return build

        return decorate


def seed_of(text: str) -> int:
    """A seed that depends on the text only (Python's `hash` differs from run to run)."""
    return zlib.crc32(text.encode())


def draw_weight(name: str, value: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random values of a realistic scale: nothing is 0 or 1, nothing is symmetric, gates leave the linear range."""
    base, shape = name.split("/")[-1].split(":")[0].lower(), value.shape
    if value.dtype.kind != "f" or base in ("mean", "variance", "count"):  # counters; what Normalization learnt
        return value
    if "variance" in base or base.endswith("running_std"):
        drawn = rng.uniform(0.4, 2.0, shape)
    elif "gamma" in base:
        drawn = rng.uniform(0.5, 1.5, shape)
    elif "alpha" in base or "betas" in base or base.endswith(("a_left", "a_right", "t_right")):
        drawn = rng.uniform(0.2, 1.5, shape)
    elif ("bias" in base and len(shape) > 1) or len(shape) < 2:
        drawn = rng.normal(0.0, 0.5, shape)
    elif "embedding" in base:
        drawn = rng.normal(0.0, 1.0, shape)
    else:
        fan_in = shape[-2] if "locally" in name.lower() else int(np.prod(shape[:-1]))
        drawn = rng.normal(0.0, 1.4 / np.sqrt(fan_in), shape)
    return drawn.astype(value.dtype)


def randomise(model: Any, seed: int = 0) -> Any:
    """Give every weight of the model a random value; returns the model."""
    rng = np.random.default_rng(seed)
    if not model.weights:
        return model
    if hasattr(model.weights[0], "path"):  # Keras 3
        for weight in model.weights:
            weight.assign(draw_weight(weight.path, np.array(weight), rng))
        return model
    backend = importlib.import_module(type(model).__module__.partition(".")[0] + ".backend")
    values = backend.batch_get_value(model.weights)  # get_weights() has another order than `weights`
    drawn = [draw_weight(weight.name, value, rng) for weight, value in zip(model.weights, values, strict=True)]
    backend.batch_set_value(list(zip(model.weights, drawn, strict=True)))
    return model


def dict_input_names(model: Any) -> list[str]:
    """The keys of a model that takes a dict, in the order of `model.inputs`, which are named so; else nothing."""
    takes_dict = isinstance(getattr(model, "_inputs_struct", getattr(model, "_nested_inputs", None)), dict)
    return [tensor.name.split(":")[0] for tensor in model.inputs] if takes_dict else []


def probes(fixture: Fixture, model: Any) -> Arrays:
    """Three samples for every input of the model."""
    rng = np.random.default_rng(seed_of("probe " + fixture.name))
    if fixture.inputs:
        return fixture.inputs(rng)
    names = dict_input_names(model)
    shapes = [tuple(tensor.shape) for tensor in model.inputs] if names else model.input_shape
    shapes = shapes if isinstance(shapes, list) else [shapes]
    arrays = []
    for shape in shapes:
        shape = (3, *[fixture.steps if size is None else size for size in shape[1:]])
        values = rng.integers(0, fixture.integers, shape) if fixture.integers else rng.normal(0.0, 1.0, shape)
        arrays.append(values.astype(np.float32))
    return arrays


def padded(steps: int, features: int) -> Callable[[np.random.Generator], Arrays]:
    """Probes for a masked sequence: the second and third sample end in zeros."""

    def inputs(rng: np.random.Generator) -> Arrays:
        values = rng.normal(0.0, 1.0, (3, steps, features)).astype(np.float32)
        values[1, -2:], values[2, -3:] = 0.0, 0.0
        return [values]

    return inputs


def padded_tokens(steps: int, vocabulary: int) -> Callable[[np.random.Generator], Arrays]:
    """Probes for a masked embedding: the second and third sample end in the token 0."""

    def inputs(rng: np.random.Generator) -> Arrays:
        values = rng.integers(1, vocabulary, (3, steps)).astype(np.float32)
        values[1, -2:], values[2, -3:] = 0, 0
        return [values]

    return inputs


def padded_words_and_characters(rng: np.random.Generator) -> Arrays:
    """Words (3, 6) of 20 and, for each, characters (3, 6, 4) of 10, padded at the end and within."""
    words, characters = rng.integers(1, 20, (3, 6)), rng.integers(1, 10, (3, 6, 4))
    words[0, 2], words[1, -2:], words[2, :3] = 0, 0, 0
    characters[:, :, -1], characters[1, -2:], characters[2, :3] = 0, 0, 0
    return [words.astype(np.float32), characters.astype(np.float32)]


def train(model: Any, **compile_options: Any) -> Any:
    """Compile the model and take two steps, so that the optimizer has state; returns the model."""
    model.compile(**compile_options)
    randomise(model)
    rng = np.random.default_rng(1)
    outputs = model.output_shape if isinstance(model.output_shape, list) else [model.output_shape]
    inputs = model.input_shape if isinstance(model.input_shape, list) else [model.input_shape]
    x = [rng.normal(size=(4, *shape[1:])).astype(np.float32) for shape in inputs]
    y = [rng.uniform(0.1, 0.9, size=(4, *shape[1:])).astype(np.float32) for shape in outputs]
    for _ in range(2):
        model.train_on_batch(x if len(x) > 1 else x[0], y if len(y) > 1 else y[0])
    return model


def edit_attributes(**values: str | None) -> Callable[[Path], None]:
    """Set attributes of the HDF5 file, or remove those given as None."""

    def edit(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            for name, value in values.items():
                for group in (file, file["model_weights"]):
                    if name in group.attrs:
                        del group.attrs[name]
                        if value is not None:
                            group.attrs[name] = np.bytes_(value)

    return edit


@contextlib.contextmanager
def frozen_clock() -> Iterator[None]:
    """Archives carry times; with the clock at rest the same model gives the same bytes."""
    moment = time.struct_time((2024, 1, 1, 0, 0, 0, 0, 1, 0))

    class Date(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Date:
            return cls(2024, 1, 1, tzinfo=tz)

    with mock.patch("time.localtime", return_value=moment), mock.patch("datetime.datetime", Date):
        yield


def predict(model: Any, inputs: Arrays) -> Arrays:
    """What the model computes, as a list of float32 arrays."""
    names = dict_input_names(model)
    feed: Any = dict(zip(names, inputs, strict=True)) if names else inputs if len(inputs) > 1 else inputs[0]
    outputs = model.predict(feed, batch_size=3)
    if isinstance(outputs, dict):
        outputs = [outputs[key] for key in sorted(outputs)]  # the order of `model.outputs`
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    return [np.asarray(output, np.float32) for output in outputs]


def largest_difference(left: Arrays, right: Arrays) -> float:
    """The largest difference of two lists of arrays, relative to their scale; infinite where their shapes differ."""
    if [array.shape for array in left] != [array.shape for array in right]:
        return float("inf")
    return max(
        float(np.max(np.abs(a - b)) / max(1.0, float(np.max(np.abs(a))))) for a, b in zip(left, right, strict=True)
    )


def check_outputs(fixture: Fixture, before: Arrays, after: Arrays) -> None:
    """Raise AssertionError where the outputs after reading differ from those before saving, or prove nothing."""
    difference = largest_difference(before, after)
    assert all(np.isfinite(output).all() for output in after), "outputs are not finite"
    assert all(np.std(output) > 1e-3 for output in after), "outputs are constant"
    if fixture.same:
        assert difference < fixture.tolerance / 10, f"reloaded model differs by {difference:.2g}"
    else:
        assert difference > fixture.tolerance, "expected other outputs than before saving"


def save_model(model: Any, path: Path) -> None:
    model.save(str(path))


def replace(source: Path, target: Path) -> None:
    """Move a file or folder to where an earlier one may be; whoever has the earlier file open keeps it."""
    if target.is_dir():
        shutil.rmtree(target)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        copy = target.with_name(f".{target.name}")
        shutil.copyfile(source, copy)
        copy.replace(target)


def manifest_entry(
    fixture: Fixture, version: str, keras: Any, name: str, target: Path, recorded: Path, folder: Path
) -> dict[str, Any]:
    """What the manifest says of one fixture; paths are relative to `folder`."""
    entry: dict[str, Any] = {
        "file": (target / name).relative_to(folder).as_posix(),
        "writer": fixture.writer or {"keras": keras.__version__, "backend": keras.backend.backend()},
        "container": fixture.container,
        "outputs": recorded.relative_to(folder).as_posix(),
        "covers": list(fixture.covers),
        "made_with": version.replace("-", " ", 1),
        "tolerance": fixture.tolerance,
    }
    if fixture.weights:
        entry["weights"] = (target / (fixture.name + fixture.weights)).relative_to(folder).as_posix()
    if fixture.note:
        entry["note"] = fixture.note
    return entry


def make(fixture: Fixture, version: str, keras: Any, folder: Path) -> dict[str, Any]:
    """Write the artifact and its recorded outputs under `folder`; returns its entry in the manifest.

    Raises AssertionError where the version cannot read back what it wrote, or where its outputs prove nothing.
    """
    keras.backend.clear_session()
    np.random.seed(seed_of(fixture.name) % 2**31)
    if hasattr(keras, "utils") and hasattr(keras.utils, "set_random_seed"):
        keras.utils.set_random_seed(seed_of(fixture.name) % 2**31)
    else:
        sys.modules["tensorflow"].set_random_seed(seed_of(fixture.name) % 2**31)
    model = fixture.build()
    if not fixture.keep_weights:
        randomise(model, seed_of("weights " + fixture.name))
    inputs = probes(fixture, model)
    before = predict(model, inputs)

    with tempfile.TemporaryDirectory() as staging:
        path = Path(staging) / (fixture.name + fixture.suffix)
        with frozen_clock():
            (fixture.save or save_model)(model, path)
        if fixture.edit:
            fixture.edit(path)
        keras.backend.clear_session()
        reloaded = fixture.reload(path) if fixture.reload else keras.models.load_model(str(path))
        outputs = predict(reloaded, inputs)
        check_outputs(fixture, before, outputs)
        target = folder / "files" / version
        target.mkdir(parents=True, exist_ok=True)
        for made in Path(staging).iterdir():
            replace(made, target / made.name)

    recorded = folder / "outputs" / version / (fixture.name + ".npz")
    recorded.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"x{i}": a for i, a in enumerate(inputs)} | {f"y{i}": a for i, a in enumerate(outputs)}
    with frozen_clock():
        np.savez_compressed(recorded, **arrays)
    return manifest_entry(fixture, version, keras, path.name, target, recorded, folder)
