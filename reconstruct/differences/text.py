"""A difference, and the tensors of a model, as lines of text with the style of each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from reconstruct.differences.compare import Difference, Entry
from reconstruct.differences.view import View

Line = tuple[str, str | None]
_SIGNS = {
    **dict.fromkeys(("layer_added", "tensor_added"), ("+", "green")),
    **dict.fromkeys(("layer_removed", "tensor_removed"), ("-", "red")),
}


def lines(difference: Difference) -> Iterator[Line]:
    """What is different, a line for each thing, and first the rules that stand between two forms of the same.

    A line has text of the files as it is: whoever shows it must clean it.
    """
    for sign, side in (("a", difference.a), ("b", difference.b)):
        yield f"{sign}: {side['source']} ({side['writer']}, {side['container']})", None
    if difference.rules:
        names = sorted({change.rule for change in difference.rules})
        changed = "1 change" if len(difference.rules) == 1 else f"{len(difference.rules)} changes"
        yield f"{changed} by {len(names)} {'rule' if len(names) == 1 else 'rules'}, with the same meaning:", None
        for name in names:
            changes = [change for change in difference.rules if change.rule == name]
            where = changes[0].path if len(changes) == 1 else f"x{len(changes)}"
            yield f"  {name}, {changes[0].effect} ({where}): {changes[0].message}", None
    for path, entries in groupby(difference.entries, key=lambda e: "training" if e.kind == "training" else e.path):
        yield path or "model", "bold"
        for entry in entries:
            sign, style = _SIGNS.get(entry.kind, ("~", "yellow"))
            yield f"  {sign} {_what(entry)}{entry.message}", style
    count = len(difference.entries)
    found = f"{count} {'difference' if count == 1 else 'differences'}" if count else "the same"
    yield f"{found}; {difference.tensors_compared} tensors compared", None


def _what(entry: Entry) -> str:
    kind = entry.kind.replace("_", " ")
    if entry.kind in ("field", "training", "inputs", "outputs", "rewired"):
        return f"{entry.what or 'inputs'}: "
    return f"{kind}{f' {entry.what}' if entry.what else ''}: "


def tensor_lines(view: View) -> Iterator[str]:
    """A line for each tensor, which changes when the tensor does: for `git diff`."""
    for path, layer in view.layers.items():
        for name, tensor in layer.tensors.items():
            moments = f"mean {tensor.mean:.6g}, standard deviation {tensor.std:.6g}"
            yield f"{path}/{name}  {tensor.dtype} {tensor.shape}  {moments}  sha256 {tensor.hash[:16]}"
