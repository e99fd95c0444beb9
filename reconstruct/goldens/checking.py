"""Whether saved models still compute what was recorded, and where not."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from reconstruct.differences.compare import Difference, compare
from reconstruct.errors import ReconstructError
from reconstruct.goldens import arrays, causes, computing, golden
from reconstruct.goldens.computing import Computed
from reconstruct.goldens.golden import Golden
from reconstruct.goldens.recording import file_hash
from reconstruct.report import environment
from reconstruct.runtimes.worker import WorkerPool, pool_or_own
from reconstruct.verification.comparison import HALF_TOLERANCE

SAME, DIFFERS, MISSING, CANNOT_LOAD = "same", "differs", "missing", "cannot_load"
_MOST_ENTRIES = 20
# A tolerance is for what another environment makes of the same model; these make another, whatever the outputs
_OTHER_NUMBERS = ("tensor_values", "tensor_moved", "tensor_shape", "tensor_dtype")
_OTHER_MEANING = ("class", "field", "rewired", "inputs", "outputs", "layer_added", "layer_removed")
_FOR_TRAINING = re.compile(r"trainable|seed|stddev|(.*_)?(rate|dropout|initializer|regularizer|constraint)(\..*)?")


@dataclass(frozen=True)
class Output:
    """One output of the model over all probes."""

    output: str
    largest_absolute: float
    largest_relative: float
    tolerance: float
    worst: tuple[tuple[str, float, float], ...] = ()
    problem: str | None = None

    @property
    def agrees(self) -> bool:
        return self.problem is None and self.largest_relative <= self.tolerance


@dataclass(frozen=True)
class Check:
    """What came of one golden: `status` is same, differs (outputs, or the model), missing or cannot_load.

    `first_layer` is the first, in the order of the model, that gives other outputs than recorded; `cause` the likeliest
    reason in words; `changes` what of the model itself is not as recorded, a text for each.
    """

    golden: str
    model: str
    status: str
    oracle: str = ""
    outputs: tuple[Output, ...] = ()
    first_layer: str | None = None
    cause: str | None = None
    changes: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    loaded: Any = None

    def to_json(self) -> dict[str, Any]:
        """As `--report` has it."""
        found = asdict(replace(self, loaded=None))  # which would be copied, weights and all
        del found["loaded"]
        return found

    def message(self) -> str:
        """What a person needs to act: what differs, by how much, where first, and why."""
        if self.status == SAME:
            return f"{self.model}: the same as {self.oracle} gave"
        if self.error is not None:
            return f"{self.model}: {self.error}"
        lines = [f"{self.model} differs from what {self.oracle} gave ({self.golden})"]
        for output in self.outputs:
            if output.agrees:
                continue
            found = output.problem or f"by {output.largest_relative:.2g}, more than {output.tolerance:g}"
            lines.append(f"  output {output.output}: {found}")
            lines += [f"    at {place}: recorded {before:.7g}, now {now:.7g}" for place, before, now in output.worst]
        if all(output.agrees for output in self.outputs):
            lines.append("  the outputs agree within the tolerance, and yet the model is not the one recorded")
        if self.first_layer:
            lines.append(f"  the first layer that differs: {self.first_layer}")
        if self.cause:
            lines.append(f"  likely cause: {self.cause}")
        lines += [f"  changed: {change}" for change in self.changes]
        return "\n".join(lines)


def check(
    goldens: Sequence[str | os.PathLike[str]],
    *,
    model: str | os.PathLike[str] | None = None,
    tolerances: Mapping[str, float] | None = None,
    plain: bool = False,
    pool: WorkerPool | None = None,
    on_total: Callable[[int], None] = lambda count: None,
    on_result: Callable[[Check], None] = lambda result: None,
    **options: Any,
) -> list[Check]:
    """Run the models of goldens (files, or all below directories) in this environment and compare.

    `model` is checked in place of the file that the one golden names. `plain` loads with `keras.models.load_model`, as
    a program without `reconstruct` would. `tolerances` by dtype come before those of the golden. Never raises for what
    is wrong with a model.

    >>> [result.status for result in check(["goldens"])]         # doctest: +SKIP
    ['same']
    """
    paths = golden.find([Path(g) for g in goldens])
    if model is not None and len(paths) != 1:
        raise ReconstructError(f"--model is for one golden, and there are {len(paths)}", hint="name the golden")
    on_total(len(paths))
    results = []
    with pool_or_own(pool) as workers:
        for path in paths:
            results.append(one(path, workers, model, tolerances or {}, plain, options))
            on_result(results[-1])
    return results


def one(
    path: Path,
    pool: WorkerPool,
    model: str | os.PathLike[str] | None = None,
    tolerances: Mapping[str, float] | None = None,
    plain: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Check:
    """Check one golden."""
    try:
        recorded = golden.read(path)
    except ReconstructError as error:
        return Check(str(path), str(model or ""), CANNOT_LOAD, error=error.advice)
    file = Path(model) if model is not None else Path(os.path.normpath(path.parent / recorded.model))
    if not file.exists():
        return Check(str(path), str(file), MISSING, recorded.oracle, error=f"it is missing, and {path} is its golden")
    probes = [list(probe.inputs) for probe in recorded.probes]
    loaded = None
    try:
        if plain:
            with tempfile.TemporaryDirectory(prefix="reconstruct-") as folder:
                found = computing.plain(file, probes, Path(folder))
                difference = _difference(recorded, found)
        else:
            found, loaded = computing.here(file, pool, probes, **(options or {}))
            difference = _difference(recorded, found)
    except ReconstructError as error:
        return Check(str(path), str(file), CANNOT_LOAD, recorded.oracle, error=error.advice)
    allowed = _allowed(recorded, tolerances or {})
    outputs = _outputs(recorded, found, allowed)
    agrees = all(output.agrees for output in outputs)
    place = None if agrees else _first_layer(recorded, found, allowed)
    changes = [f"{e.path or 'model'} {e.what}: {e.message}" for e in difference.entries if e.kind != "training"]
    if len(changes) > _MOST_ENTRIES:
        changes[_MOST_ENTRIES:] = [f"and {len(changes) - _MOST_ENTRIES} more: reconstruct diff shows all"]
    same_file = file_hash(file) == recorded.sha256
    around = environment()
    cause = None if agrees else causes.likely(recorded, difference, place, same_file and not plain, around)
    status = SAME if agrees and not _altered(difference, same_file) else DIFFERS
    return Check(
        *(str(path), str(file), status, recorded.oracle, outputs, place, cause),
        changes=tuple(changes),
        environment=around,
        loaded=loaded,
    )


def _altered(difference: Difference, same_file: bool) -> bool:
    """Whether it is another model, if its outputs are the same or not. In the same file, settings are what they were,
    though another Keras may write more of them."""
    for entry in difference.entries:
        means = not same_file and entry.kind in _OTHER_MEANING
        if entry.kind in _OTHER_NUMBERS or (means and not _FOR_TRAINING.fullmatch(entry.what)):
            return True
    return False


def _allowed(recorded: Golden, given: Mapping[str, float]) -> dict[str, float]:
    """Tolerances by the dtype of an output. A float32 that layers in float16 led to is no more exact than those."""
    chosen = {**recorded.tolerances, **given}
    least = max((chosen.get(dtype, 0.0) for dtype in recorded.view.computes_in & HALF_TOLERANCE.keys()), default=0.0)
    return {dtype: max(number, least) if "float" in dtype else number for dtype, number in chosen.items()}


def _difference(recorded: Golden, found: Computed) -> Difference:
    assert found.view is not None
    return compare(recorded.view, found.view)


def _outputs(recorded: Golden, found: Computed, allowed: Mapping[str, float]) -> tuple[Output, ...]:
    counts = {len(outputs) for outputs in found.outputs} | {len(probe.outputs) for probe in recorded.probes}
    if len(counts) != 1:
        numbers = f"{len(found.outputs[0])} outputs, recorded {len(recorded.probes[0].outputs)}"
        return (Output("all", float("inf"), float("inf"), 0.0, problem=numbers),)
    made = []
    for k in range(counts.pop()):
        before = [probe.outputs[k] for probe in recorded.probes]
        apart = [arrays.disagreement(ys[k], b) for ys, b in zip(found.outputs, before, strict=True)]
        worst = arrays.worst(apart)
        names = recorded.view.outputs
        name = names[k] if k < len(names) else str(k)
        tolerance = allowed.get(before[0].dtype, 0.0)
        made.append(Output(name, worst.absolute, worst.relative, tolerance, worst.worst, worst.problem))
    return tuple(made)


def _first_layer(recorded: Golden, found: Computed, allowed: Mapping[str, float]) -> str | None:
    for name in found.order:
        before = recorded.layers.get(name)
        if before and not _alike(before, found.layers[name], allowed):
            return name
    return None


def _alike(before: Sequence[arrays.Recorded], now: Iterable[Any], allowed: Mapping[str, float]) -> bool:
    return all(arrays.alike(a, b, allowed.get(b.dtype, 0.0)) for a, b in zip(now, before, strict=False))
