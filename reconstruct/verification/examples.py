"""The user's own examples: an `.npz` with inputs `x0…` and outputs `y0…`, in the order of the model's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from reconstruct.errors import ReadError


def read_examples(path: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Inputs and outputs. Raises `ReadError` where the file is no such thing; pickled arrays are refused."""
    if not Path(path).is_file():
        raise ReadError(f"there is no file {path}", path=path, hint="--examples takes an .npz with x0… and y0…")
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            xs, ys = ([stored[f"{k}{i}"] for i in range(len(stored.files)) if f"{k}{i}" in stored.files] for k in "xy")
    except Exception as error:
        hint = "np.savez('examples.npz', x0=inputs, y0=model.predict(inputs)) writes one, of numbers alone"
        raise ReadError(f"{path} is no .npz of examples", path=path, hint=hint) from error
    if not xs or not ys:
        raise ReadError(
            f"{path} has no examples: arrays x0… (inputs) and y0… (outputs) are needed",
            path=path,
            hint="np.savez('examples.npz', x0=inputs, y0=model.predict(inputs))",
        )
    if any(array.ndim and len(array) == 0 for array in (*xs, *ys)):
        hint = "each array has a row for each example"
        raise ReadError(f"an array of {path} has no rows", path=path, hint=hint)
    for kind, arrays in (("x", xs), ("y", ys)):
        rows = {f"{kind}{i}": len(array) for i, array in enumerate(arrays) if array.ndim}
        if len(set(rows.values())) > 1:
            listed = ", ".join(f"{name} {count}" for name, count in rows.items())
            hint = "each array has a row for each example"
            raise ReadError(f"the arrays of {path} have different numbers of rows: {listed}", path=path, hint=hint)
    return xs, ys
