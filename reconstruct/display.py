"""What people see: results on stdout, progress and errors on stderr; colours and motion on terminals only.

Names in a file are a stranger's: whatever is shown passes `clean`, and no markup is interpreted.
"""

from __future__ import annotations

import contextlib
import json
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from reconstruct.naming import UNPRINTABLE

if TYPE_CHECKING:
    from rich.console import Console

    from reconstruct.goldens.verifying import Agreement
    from reconstruct.runtimes.oracles import Runtime

_STYLES = {
    "verified": "bold green",
    "unverified": "bold yellow",
    "partial": "bold yellow",
    "differs": "bold red",
    "failed": "bold red",
    "error": "bold red",
    "same": "bold green",
    "missing": "bold red",
    "cannot_load": "bold red",
    "warning": "yellow",
}
# Codes of findings that keep a result from being verified though an oracle agrees
_DOUBTS = ("backend_unknown", "weights_doubtful", "source_ambiguous", "argument_from_weights")
# Codes of findings for which `reconstruct stub` writes a skeleton
MISSING = ("missing_layer", "missing_lambda", "missing_activation")
_LONGEST, _WIDEST = 400, 44
_MOST_ASSUMPTIONS = 20
_MOST_LOST = 20
_ALIKE = 3  # findings of one kind that are shown in full


def clean(value: Any) -> str:
    r"""Text without what can move a cursor, colour a terminal or turn writing around: that is shown escaped.

    >>> clean("a\x1b[31m\nb")
    'a\\x1b[31m\\x0ab'
    """
    return "".join(_escaped(c) if unicodedata.category(c) in UNPRINTABLE else c for c in str(value))


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _short(value: Any, limit: int = _LONGEST) -> str:
    text = clean(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def say(text: str, style: str | None = None, *, error: bool = False) -> None:
    """One line on stdout or stderr, coloured on a terminal that wants it. Control characters must be cleaned before."""
    stream = sys.stderr if error else sys.stdout
    if style and stream.isatty():
        _console(stream).print(text, style=style, soft_wrap=True)
    else:
        print(_printable(text, stream), file=stream, flush=True)


def _printable(text: str, stream: TextIO) -> str:
    """The text with what the encoding of `stream` lacks written as escapes."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(file=stream, highlight=False, markup=False, emoji=False)


# Progress


@contextlib.contextmanager
def status(text: str) -> Iterator[Callable[[str], None]]:
    """A spinner on stderr while something runs; the function given says at what it is. Silent without a terminal."""
    if not sys.stderr.isatty():
        yield lambda message: None
        return
    from rich.text import Text

    with _console(sys.stderr).status(Text(clean(text))) as spinner:
        yield lambda message: spinner.update(Text(f"{clean(text)}: {clean(message)}"))


class Bar(Protocol):
    """What `progress` gives."""

    def total(self, count: int) -> None:
        """Say how many files there are."""

    def advance(self, result: Mapping[str, Any]) -> None:
        """Say that a file is finished, with its result as the report has it."""


@contextlib.contextmanager
def progress(text: str) -> Iterator[Bar]:
    """A progress bar on stderr with counts by status, or without a terminal a line a file."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=_console(sys.stderr)) as bar:
        yield _RichBar(bar, bar.add_task(clean(text), total=None, note=""))


class _Lines:
    def __init__(self) -> None:
        self._total = 0
        self._done = 0

    def total(self, count: int) -> None:
        self._total = count

    def advance(self, result: Mapping[str, Any]) -> None:
        self._done += 1
        say(f"[{self._done}/{self._total}] {result['status']:<10} {clean(result['source'])}", error=True)


class _RichBar:
    def __init__(self, bar: Any, task: Any) -> None:
        self._bar = bar
        self._task = task
        self._counts: Counter[str] = Counter()

    def total(self, count: int) -> None:
        self._bar.update(self._task, total=count)

    def advance(self, result: Mapping[str, Any]) -> None:
        self._counts[result["status"]] += 1
        counts = ", ".join(f"{count} {status}" for status, count in self._counts.items())
        self._bar.update(self._task, advance=1, note=f"{counts}: {clean(Path(result['source']).name)}")


# Errors


def error_fields(error: BaseException) -> dict[str, str]:
    """What an error says, as the report has it."""
    path = getattr(error, "path", "") or getattr(error, "filename", None) or ""
    return {
        "type": type(error).__name__,
        "message": str(error),
        "path": str(path),
        "hint": str(getattr(error, "hint", "")),
    }


def show_error(error: BaseException | Mapping[str, str]) -> None:
    """An error on stderr: what happened, where, and what to do."""
    fields = error if isinstance(error, Mapping) else error_fields(error)
    first, *others = fields["message"].split("\n")[:60]
    say(f"error: {_short(first, 2000)}", "error", error=True)
    for line in others:
        say(f"    {_short(line)}", error=True)
    path = fields.get("path")
    if path and path not in fields["message"]:
        say(f"  where: {_short(path)}", error=True)
    if fields.get("hint"):
        say(f"  hint:  {_short(fields['hint'])}", error=True)


def show_warning(message: str) -> None:
    """A warning on stderr."""
    say(f"warning: {clean(message)}", "warning", error=True)


def show_result(result: Mapping[str, Any]) -> None:
    """What became of one file: on stdout, or on stderr if there is no model."""
    status = str(result["status"])
    if status == "failed":
        show_error(result["error"] or {"message": "no model came of it"})
        return
    where = f"-> {clean(result['output'])}" if result["output"] else "(not written)"
    say(f"{status}  {clean(result['source'])} {where}", _STYLES[status])
    for line in _result_lines(result):
        say(f"  {line}")


def _result_lines(result: Mapping[str, Any]) -> Iterator[str]:
    verification = result["verification"]
    asked = [t for t in verification["tried"] if t["oracle"] != "any"]
    if verification["oracle"] is None:
        of_all = [t["outcome"] for t in verification["tried"] if t["oracle"] == "any"]
        if result["assumptions"] and of_all:  # assumptions are listed below
            reason = _short(of_all[0])
        elif asked and not result["assumptions"]:  # so is what each of them said
            reason = "no oracle could run the original"
        else:
            reason = _reason(result)
        yield f"not compared: {reason}"
    else:
        yield f"compared with {clean(verification['oracle'])}: {_errors(verification)}"
        doubts = [f["message"] for f in result["findings"] if f["code"] in _DOUBTS]
        if doubts and result["status"] != "verified":
            yield f"not verified all the same: {_short(doubts[0])}"
    for tried in verification["tried"]:
        if tried["oracle"] not in (verification["oracle"], "any"):
            yield f"  asked {clean(tried['oracle'])}: {_short(tried['outcome'])}"
    container = result["container"]
    yield f"written by {_writer(result['writer'], container)} ({container}); recovered by rung {result['rung']!r}"
    tensors = result["tensors"]
    unused = tensors["unused"]
    names = f": {_list(unused, 5)}" if unused else ""
    yield f"tensors: {tensors['in_file']} in the file, {tensors['used']} used, {len(unused)} unused{names}"
    if not result["portable"]:
        yield "not portable: to load it, call reconstruct.register_keras_objects(), and give Keras your own code"
    yield from _change_lines(_by_rule(result["changes"]))
    found = {finding["message"] for finding in result["findings"]}
    assumptions = [a for a in result["assumptions"] if a["message"] not in found]  # those are shown with their hints
    for assumption in assumptions[:_MOST_ASSUMPTIONS]:
        others = ", ".join(map(str, assumption.get("alternatives", ())))
        way = "; ".join(part for part in (others and f"or {others}", assumption.get("set")) if part)
        tail = f" ({_short(way)})" if way else ""
        yield f"assumed of {clean(assumption['path'])}: {_short(assumption['message'])}{tail}"
    if len(assumptions) > _MOST_ASSUMPTIONS:
        yield f"  and {len(assumptions) - _MOST_ASSUMPTIONS} more assumptions: --report has all"
    yield from _finding_lines(result["findings"])
    if asked and result["status"] == "unverified" and verification["oracle"] is None:
        yield "examples of inputs and their true outputs can prove it: --examples E.npz; or code that oracles can run"
    if any(finding["code"] in MISSING for finding in result["findings"]):
        yield f"skeletons of what is missing, to be filled in: reconstruct stub {clean(result['source'])} -o layers.py"
    if result["status"] == "differs" and not result["output"]:
        yield "nothing was written; --write-differing writes the model all the same"


def _errors(verification: Mapping[str, Any]) -> str:
    probes = verification["probes"]
    text = f"{probes} {'probe' if probes == 1 else 'probes'}"
    if verification["max_abs_error"] is not None:
        text += f", largest error {verification['max_abs_error']:.2g}"
    if verification["max_rel_error"] is not None:
        text += f" (relative {verification['max_rel_error']:.2g}, tolerance {verification['tolerance']:g})"
    return text


def _writer(writer: Mapping[str, Any] | None, container: str) -> str:
    if not writer or not writer["keras"]:
        return "Keras 3" if container == "weights-h5" else "Keras 1 or older"
    return clean(f"Keras {writer['keras']}") + (clean(f" on {writer['backend']}") if writer["backend"] else "")


def _by_rule(changes: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    groups: dict[tuple[str, str, str], list[str]] = {}
    for change in changes:
        groups.setdefault((change["rule"], change["effect"], change["message"]), []).append(change["path"])
    return [
        {"rule": r, "effect": e, "message": m, "count": len(paths), "paths": paths}
        for (r, e, m), paths in groups.items()
    ]


def _change_lines(groups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not groups:
        return
    count = sum(group["count"] for group in groups)
    yield f"changes: {count} by {len(groups)} {'rule' if len(groups) == 1 else 'rules'}"
    for group in groups:
        times = f" (x{group['count']})" if group["count"] > 1 else f" at {clean(group['paths'][0])}"
        yield f"  {group['rule']}, {group['effect']}{times}: {_short(group['message'])}"


def _finding_lines(findings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line a finding with its hint; of many of one kind the first, and where the others are."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for finding in findings:
        groups.setdefault((finding["severity"], finding["code"], finding["hint"]), []).append(finding)
    for (severity, code, hint), alike in groups.items():
        shown = alike if len(alike) <= _ALIKE else alike[:1]
        for finding in shown:
            first, *more = finding["message"].splitlines() or [""]
            place = f" at {clean(finding['path'])}" if finding["path"] else ""
            yield f"{severity}: {_short(first)}{' …' if more else ''} [{clean(code)}{place}]"
        if len(shown) < len(alike):
            yield f"  likewise at {_list([finding['path'] for finding in alike[1:]], 5)}"
        if hint:
            yield f"  hint: {_short(hint)}"


def _reason(result: Mapping[str, Any]) -> str:
    """Why a file is not verified."""
    if result["error"]:
        return _short(result["error"]["message"])
    errors = [f["message"] for f in result["findings"] if f["code"] == "outputs_differ"]
    if errors:
        return _short(errors[0])
    lost = [f["path"] for f in result["findings"] if f["code"] in MISSING]
    if lost:
        return f"code is missing for {len(lost)} {'layer' if len(lost) == 1 else 'layers'}: {_list(lost, 5)}"
    if result["assumptions"]:
        return _short("; ".join(a["message"] for a in result["assumptions"]))
    tried = [
        t["outcome"] if t["oracle"] == "any" else f"{t['oracle']}: {t['outcome']}"
        for t in result["verification"]["tried"]
    ]
    return _short("; ".join(tried)) if tried else "no oracle knows files of this kind"


def show_results(results: Sequence[Mapping[str, Any]]) -> None:
    """The end of a migration: how many files have which status, and why those are not verified that are not."""
    if not results:
        say("no model files were found")
        return
    counts = Counter(str(result["status"]) for result in results)
    for status, style in _STYLES.items():
        if status not in counts:
            continue
        say(f"{status:<10} {counts[status]:>5}", style)
        if status == "verified":
            continue
        for result in results:
            if result["status"] == status:
                source = clean(result["source"])
                say(f"    {source}: {_reason(result).removeprefix(source).lstrip(': ')}")
    say(f"{'in all':<10} {len(results):>5}")


def agreement_lines(found: Agreement) -> Iterator[str]:
    """What came of comparing two models."""
    yield f"{'the same' if found.same else 'different'}: {found.a} (by {found.by[0]}), {found.b} (by {found.by[1]})"
    if found.problem:
        yield f"  {found.problem}"
    for k, output in enumerate(found.outputs):
        agrees = "agrees" if output.within(found.tolerance) else "differs"
        amount = output.problem or f"largest error {output.absolute:.2g} (relative {output.relative:.2g})"
        yield f"  output {k} {agrees} on {found.probes} probes: {amount}, tolerance {found.tolerance:g}"
        if agrees == "differs":
            yield from (f"    at {place}: {after:.7g} and {before:.7g}" for place, before, after in output.worst)
    if found.first_layer:
        yield f"  the first layer that differs: {found.first_layer}"


def show_oracles(oracles: Sequence[tuple[Runtime, str | None]]) -> None:
    """A line for each oracle: its name, its version, and why it cannot run."""
    for runtime, reason in oracles:
        name = runtime.name if runtime.earlier else f"{runtime.name} {runtime.version}".strip()
        say(f"{name:<20} {clean(reason) if reason else 'ready'}", "warning" if reason else None)


# Scanning


def scan_text(report: Mapping[str, Any]) -> str:
    """What `scan` found, for people."""
    lines: list[str] = []
    for file in report["files"]:
        count = len(file["findings"])
        verdict = f"{count} {'finding' if count == 1 else 'findings'}" if count else "no findings"
        kind = (
            f" ({clean(file['kind'])}{', ' + clean(file['writer']) if file['writer'] else ''})" if file["kind"] else ""
        )
        lines.append(f"{clean(file['source'])}{kind}: {verdict}")
        lines += [f"  {line}" for line in _finding_lines(file["findings"])]
        for entry in file["lambdas"]:
            digest = f", SHA-256 {entry['sha256'][:16]}…" if entry["sha256"] else ""
            lines.append(f"  Lambda {clean(entry['path'])}: {_short(entry['does'])}{digest}")
            if entry["uses"]:
                lines.append(f"    names in its code: {_list(entry['uses'], 12)}")
        if file["inspected"]:
            lines.append(f"  inspected: {_short('; '.join(file['inspected']))}")
        if file["not_inspected"]:
            lines.append(f"  could not inspect: {_short('; '.join(file['not_inspected']))}")
    return "\n".join(lines)


# Salvaging


def salvage_text(result: Mapping[str, Any]) -> str:
    """What `salvage` took out of a file, for people."""
    tensors = result["tensors"]
    lost, unnamed = tensors["lost"], tensors["unnamed"]
    lines = [
        f"{result['status']}  {_list(result['source'], 5)} -> {_list(result['output'], 5)}",
        f"  {tensors['intact']} tensors intact, {len(lost)} lost; "
        f"the architecture is {'there' if result['config'] else 'not there'}",
    ]
    for tensor in lost[:_MOST_LOST]:
        known = " ".join(
            p for p in (_shape(tensor["shape"]) if tensor["shape"] is not None else "", tensor["dtype"]) if p
        )
        lines.append(f"  lost: {_short(tensor['path'])} {known}: {clean(tensor['reason'])}")
    if len(lost) > _MOST_LOST:
        lines.append(f"  and {len(lost) - _MOST_LOST} more, which --report names")
    if unnamed:
        lines.append(f"  intact, but their names are lost: {_list(unnamed, 5)}")
    return "\n".join([*lines, *(f"  {line}" for line in _finding_lines(result["findings"]))])


# Inspection


def inspection_text(facts: Mapping[str, Any]) -> str:
    """What `inspection.inspect` found, for people."""
    lines = [
        f"{clean(facts['source'])}: {facts['container']}, written by {clean(facts['writer']['text'])}",
        *([f"weights from {clean(facts['weights_source'])}"] if facts["weights_source"] else []),
        *([clean(facts["note"])] if "note" in facts else []),
        "",
        *(_model_lines(facts["model"]) if facts["model"] else _tensor_lines(facts["tensors"])),
    ]
    if facts["training"]:
        training = facts["training"]
        parts = [f"{k} {_short(_value(training[k]))}" for k in ("optimizer", "loss", "metrics") if training[k]]
        count = training["optimizer_tensors"]
        lines.append(f"training: {', '.join(parts) or 'not compiled'}; {count} optimizer tensors")
    if facts["model"]:
        lines += ["", *(_change_lines(facts["changes"]) if facts["changes"] else ["changes: none"])]
    for stop in facts["stops"]:
        lines.append(f"no form in Keras 3: {_short(stop['message'])} [{clean(stop['rule'])} at {clean(stop['path'])}]")
        lines += [f"  hint: {_short(stop['hint'])}"] if stop["hint"] else []
    lines += _missing_lines(facts["missing"])
    lines += _finding_lines(facts["findings"])
    return "\n".join(lines)


def _model_lines(model: Mapping[str, Any]) -> Iterator[str]:
    yield f"{clean(model['class'])} '{clean(model['name'])}'"
    rows = [("layer", "class", "parameters", "from", "shapes and settings"), *_rows(model["layers"], 0)]
    widths = [min(_WIDEST, max(len(row[i]) for row in rows)) for i in range(4)]
    for i, (name, kind, count, fed_by, settings) in enumerate(rows):
        cells = (
            name.ljust(widths[0]),
            kind.ljust(widths[1]),
            count.rjust(widths[2]),
            fed_by.ljust(widths[3]),
            settings,
        )
        yield "  ".join(cells).rstrip()
        if i == 0:
            yield "-" * (sum(widths) + 8 + len(settings))
    counts = model["parameters"]
    yield ""
    yield (
        f"parameters: {counts['total']:,} in all, {counts['trainable']:,} trainable, "
        f"{counts['non_trainable']:,} not trainable"
    )
    for entry in model["inputs"]:
        shape = "shape not in the file" if entry["shape"] is None else _shape(entry["shape"])
        yield f"input: {clean(entry['name'])} {shape} {clean(entry['dtype'] or '')}".rstrip()
    yield f"output: {_list(model['outputs'], 20)}"


def _rows(layers: Sequence[Mapping[str, Any]], depth: int) -> Iterator[tuple[str, str, str, str, str]]:
    for layer in layers:
        settings = ", ".join(f"{k} {_value(v)}" for k, v in layer["settings"].items())
        shapes = " ".join(_shape(t["shape"]) for t in layer["tensors"])
        both = "; ".join(part for part in (shapes, _short(settings, 160)) if part)
        frozen = " frozen" if layer["parameters"] and not layer["trainable"] else ""
        role = f"{layer['role']}: " if layer["role"] else ""
        name = f"{'  ' * depth}{clean(role + layer['name'])}"
        yield name, clean(layer["class"]), f"{layer['parameters']:,}{frozen}", _list(layer["from"], 4), both
        yield from _rows(layer["layers"], depth + 1)


def _tensor_lines(tensors: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for tensor in tensors:
        where = tensor["sources"][0] if tensor["sources"] else tensor["name"]
        yield f"  {clean(where)}  {_shape(tensor['shape'])}  {clean(tensor['dtype'])}"
    yield f"tensors: {len(tensors)}"


def _missing_lines(entries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for entry in entries:
        yield f"missing {entry['kind']}: {_short(entry['message'])}"
        for use in entry["uses"][:10]:
            yield f"  used at {clean(use['path'])}"
            if use.get("config"):
                yield f"    config: {_short(json.dumps(use['config']))}"
            if use.get("weights"):
                weights = ", ".join(f"{t['name']} {_shape(t['shape'])} {t['dtype']}" for t in use["weights"])
                yield f"    weights: {_short(weights)}"
        if len(entry["uses"]) > 10:
            yield f"  and in {len(entry['uses']) - 10} more places"
        if entry["hint"]:
            yield f"  hint: {_short(entry['hint'])}"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return _shape(value) if all(isinstance(v, int | None) for v in value) else ", ".join(_value(v) for v in value)
    return clean(json.dumps(value)) if isinstance(value, dict) else clean(value)


def _shape(shape: Any) -> str:
    if not isinstance(shape, list | tuple):
        return clean(shape)
    return f"({', '.join('?' if n is None else clean(n) for n in shape)})"


def _list(names: Sequence[Any], limit: int) -> str:
    more = f", and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(clean(n) for n in names[:limit]) + more
