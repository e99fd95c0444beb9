"""A recovered model: what the user said, what came of it, and how it is written."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reconstruct import writing
from reconstruct.artifact import Artifact, Finding, Layer
from reconstruct.errors import BuildError, ReconstructError, gist
from reconstruct.limits import DEFAULT, Limits
from reconstruct.report import Result
from reconstruct.runtimes.worker import WorkerPool, pool_or_own
from reconstruct.verification.comparison import TOLERANCE, compare
from reconstruct.verification.verdict import Arrays, unverified


@dataclass(frozen=True)
class Options:
    """What the user says about a file.

    `input_shape` has one shape an input, without the batch axis, None where unknown. `examples` is an `.npz` with
    `x0…` and `y0…`. `custom` are Python files or modules whose classes the model needs; `custom_objects` are such
    classes by name. `backend` is the one that trained the model, where the file does not say. `trust_code` lets code
    inside the file run in oracles; without `verify` none is asked. `source` is a folder of the user's own code, in
    which missing classes are looked up. `settings` (`LAYER.FIELD` to value), `task` and `budget` (seconds) are for
    files of weights alone, whose architecture is inferred. `limits` say how much the file may ask for, and one to
    `trust` is not read by another process first. With `fresh_weights`, layers of a salvaged file that lost weights get
    initial values for them.
    """

    input_shape: Sequence[Sequence[int | None] | None] | None = None
    examples: str | None = None
    custom: Sequence[str] = ()
    custom_objects: Mapping[str, Any] = field(default_factory=dict)
    backend: str | None = None
    trust_code: bool = False
    verify: bool = True
    source: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    task: str | None = None
    budget: float | None = None
    limits: Limits = DEFAULT
    trust: bool = False
    fresh_weights: bool = False


@dataclass
class Recovery:
    """A recovered model, how it was recovered, and what proves it."""

    result: Result
    _model: Any = None
    error: ReconstructError | None = None  # what stopped it
    _expected: list[tuple[Arrays, Arrays]] = field(default_factory=list)
    _custom_objects: Mapping[str, Any] = field(default_factory=dict)
    _source: Any = None  # what of the user's source was used; its module lies in a folder that goes with it
    artifact: Artifact | None = None  # the file as it was read
    form: Layer | None = None  # the model as plain data, in the form of Keras 3
    doubts: list[Finding] = field(default_factory=list)  # an oracle would read the file as we do, right or wrong
    in_process: frozenset[str] = frozenset()  # names of objects that only this process has
    random: bool = False  # it draws numbers in every call: outputs are compared with fixed ones in their place

    @property
    def model(self) -> Any:
        """The Keras 3 model. Raises what stopped the recovery where there is none."""
        if self.error is not None:
            raise self.error
        return self._model

    @property
    def status(self) -> str:
        """verified, unverified, partial, differs or failed."""
        return self.result.status

    @property
    def report(self) -> dict[str, Any]:
        """The result as the report has it."""
        return self.result.to_json()

    def submodel(self, *, inputs: str | Sequence[str] | None = None, outputs: str | Sequence[str] | None = None) -> Any:
        """The part of the model between layers, given by name: a Keras model from what the layers `inputs` give (by
        default the inputs of the model) to what the layers `outputs` give (by default its outputs).

        With the name of a placeholder as `inputs` it is the part behind it, with that of a layer before it as
        `outputs` the part before it. Raises `BuildError` where the part holds a placeholder.

        >>> recovery.submodel(outputs="conv2d_3").predict(images)       # doctest: +SKIP
        """
        from reconstruct.runtimes import keras_3

        names = [[n] if isinstance(n, str) else n for n in (inputs, outputs)]
        return keras_3.submodel(self.model, *names)

    def stub(self) -> str:
        """A Python module, as text, with a skeleton of every class and function that the model lacks.

        The module works as `custom=`: the file opens with it, and runs once the skeletons are filled in.
        """
        from reconstruct.objects import stubs
        from reconstruct.runtimes import keras_3

        return stubs.text(Path(self.result.source).name, keras_3.placeholders(self.model))

    def code(self, written: str = "OUT.keras") -> str:
        """The inferred model as Keras code, as text, with its assumptions in comments; `written` is where its weights
        are. Raises `BuildError` where the architecture was not inferred, or is not of stock layers alone."""
        from reconstruct.inference import code

        if self.form is None or self.result.rung != "inferred":
            raise BuildError("the file says its architecture, so that none was inferred", path=self.result.source)
        return code.text(self.form, self.result.assumptions, Path(self.result.source).name, written)

    def add(self, *findings: Finding) -> None:
        """Put findings into the report, after those that are there."""
        self.result.findings = (*self.result.findings, *findings)

    def stop(self, reason: str) -> None:
        """Leave it partial: nothing can say more of a model that cannot run, or that has no oracle."""
        self.result.status = "partial"
        self.result.verification = unverified(reason).verification

    def fail(self, error: Exception) -> None:
        """Make this a failed recovery: from now on there is no model, and the report says why."""
        message, hint = str(error), getattr(error, "hint", "")
        where = getattr(error, "path", "") or getattr(error, "filename", None) or ""
        self.result.status = "failed"
        if getattr(error, "code", "") == "E_PARSER_CRASH":
            self.add(Finding("E_PARSER_CRASH", "error", str(where), message, hint))
        self.result.error = {"type": type(error).__name__, "message": message, "path": str(where), "hint": hint}
        self.error = error if isinstance(error, ReconstructError) else ReconstructError(message, path=str(where))

    def run(self, model: Any, inputs: Arrays) -> Arrays:
        """What a form of this model gives; with fixed numbers in place of those that it draws."""
        from reconstruct.runtimes import keras_3
        from reconstruct.runtimes.fixed_draws import fixed_draws

        with fixed_draws() if self.random else contextlib.nullcontext():
            return keras_3.run(model, inputs)

    def probes(self) -> list[tuple[Arrays, Arrays]]:
        """Inputs that the model runs on, seeded, and what it gives for them; each a list of arrays.

        Raises what stopped the recovery, and `BuildError` where the model does not run.
        """
        model = self.model
        if not self._expected:
            from reconstruct.runtimes import probing

            assert self.form is not None
            self._expected = list(zip(*probing.runnable(model, self.form), strict=True))
        return self._expected

    def save(self, path: str | os.PathLike[str], *, target: str | None = None, pool: WorkerPool | None = None) -> None:
        """Write the model to `path`, whole or not at all, after the written file was loaded and compared once more.

        For Keras 3 that is a `.keras` file; with `target="tf-keras"` an `.h5` or `.keras` file for tf_keras and
        TensorFlow up to 2.15, which tf_keras itself (in `pool`, where there is one) loads and compares.

        Raises `BuildError` where the file gives other outputs than the model, and `NotEquivalent` for what the target
        cannot say.
        """
        if target is not None:
            self._save_for(target, path, pool)
            return
        self._save(Path(path))

    def _save_for(self, target: str, path: str | os.PathLike[str], pool: WorkerPool | None) -> None:
        from reconstruct.targets import tf_keras

        if target != tf_keras.NAME:
            raise BuildError(f"there is no target {target!r}", hint=f"the only one is {tf_keras.NAME}")
        with pool_or_own(pool) as workers:
            tf_keras.save(self, path, workers)

    def _save(self, target: Path) -> None:
        model = self.model
        from reconstruct.runtimes import keras_3

        target.parent.mkdir(parents=True, exist_ok=True)
        folder = writing.scratch_folder(target)
        try:
            written = folder / "model.keras"
            try:
                keras_3.save(model, str(written))
                again = keras_3.load(str(written), self._custom_objects)
            except (ValueError, TypeError, AttributeError, RuntimeError, LookupError) as error:  # what Keras raises
                message = f"Keras cannot save and reload the model: {type(error).__name__}: {gist(error)}"
                hint = "a class of your own may lack get_config, or make variables in call"
                raise BuildError(message, path=str(target), hint=hint) from error
            for inputs, outputs in self._expected:
                found = compare(*_finite_where_alike(self.run(again, inputs), outputs))
                if not found.within(TOLERANCE):
                    raise BuildError(
                        f"the written file differs from the model: {found.problem or f'by {found.relative:.1e}'}",
                        path=str(target),
                        hint="this is a defect of reconstruct or Keras; please report it",
                    )
            written.replace(target)
            self._save_source(target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.result.output = str(target)

    def _save_source(self, target: Path) -> None:
        """Put the definitions that came from the user's source tree beside the model, which needs them to load."""
        if self._source is None or self._source.written is None:
            return
        compiled = self._model.compiled and self._source.written != self._source.path
        if self.result.portable and not compiled:
            return
        text = Path(self._source.written).read_text("utf-8")
        beside = target.with_name(f"{target.stem}_layers.py")
        while beside.exists() and beside.read_text("utf-8", "replace") != text:
            beside = beside.with_name(f"{beside.stem}_.py")
        beside.write_text(text, "utf-8")
        message = f"the definitions that the model needs to load are in {beside}"
        hint = f"keras.models.load_model(…, custom_objects=reconstruct.custom_objects([{beside.name!r}]))"
        self.add(Finding("source_written", "info", str(beside), message, hint))


def _finite_where_alike(ours: Arrays, theirs: Arrays) -> tuple[Arrays, Arrays]:
    """Both lists with zeros where both are not finite in the same way, as a logarithm of zero may be."""
    if [(a.shape, a.dtype) for a in ours] != [(b.shape, b.dtype) for b in theirs]:
        return ours, theirs
    made = []
    for a, b in zip(ours, theirs, strict=True):
        odd = ~np.isfinite(b) & ((a == b) | (np.isnan(a) & np.isnan(b))) if a.dtype.kind == "f" else np.False_
        made.append((np.where(odd, np.zeros_like(a), a), np.where(odd, np.zeros_like(b), b)))
    return [a for a, _ in made], [b for _, b in made]
