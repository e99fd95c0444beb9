"""JSON of strangers: its size, depth and numbers are looked at before it is parsed, its names and values after that."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from reconstruct.artifact import Finding
from reconstruct.errors import ConfigError
from reconstruct.limits import DEFAULT, Limits

_DAMAGED = "the file is damaged, or was edited by hand"
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_STEP = np.zeros(256, np.int8)
_STEP[list(b"[{")], _STEP[list(b"]}")] = 1, -1


def decode(text: str | bytes, where: str, limits: Limits = DEFAULT) -> tuple[Any, list[Finding]]:
    """The decoded text, and what is odd about it without making it unreadable.

    Raises `ConfigError`, with the code of the finding, for what is no JSON or more than the limits allow.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    _measure(raw, where, limits)
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError(
                f"{where} is not UTF-8 text", path=where, hint=_DAMAGED, code="E_JSON_ENCODING"
            ) from error
    doubles: dict[str, None] = {}
    odd: dict[str, None] = {}

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(items)
        if len(made) != len(items):
            seen: set[str] = set()
            for key, _ in items:
                if key in seen:
                    doubles[key[:100]] = None
                seen.add(key)
        return made

    def number(digits: str) -> int:
        if len(digits) > limits.json_digits:
            raise _too_long(where, len(digits), limits)
        return int(digits)

    def constant(name: str) -> float:
        odd[name] = None
        return float(name)

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_int=number, parse_constant=constant)
    except ConfigError:
        raise
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where} is not JSON: {error}", path=where, hint=_DAMAGED, code="E_JSON") from error
    findings = []
    if doubles:
        names = ", ".join(map(repr, list(doubles)[:5]))
        what = f"a JSON object has the same key twice: {names}; readers disagree on which of them counts"
        findings.append(Finding("F_JSON_DUPKEY", "error", where, what, "Keras takes the last and writes each once"))
    if odd:
        what = f"{', '.join(odd)} is no JSON; Python alone reads it as a number"
        findings.append(Finding("E_JSON_NONFINITE", "error", where, what, "a config needs no such value"))
    return value, findings


def _too_long(where: str, digits: int, limits: Limits) -> ConfigError:
    message = f"{where} has a number of {digits} digits, more than the limit json_digits={limits.json_digits}"
    return ConfigError(message, path=where, hint="raise it: --limit json_digits=…", code="E_JSON_NUMBER")


def _measure(raw: bytes, where: str, limits: Limits) -> None:
    if len(raw) > limits.json_bytes:
        message = f"{where} has {len(raw)} bytes of JSON, more than any config (limit json_bytes={limits.json_bytes})"
        raise ConfigError(message, path=where, hint="raise it: --limit json_bytes=…", code="E_JSON_SIZE")
    if raw.count(b"[") + raw.count(b"{") <= limits.json_depth and raw.count(b",") <= limits.json_nodes:
        return
    bare = _STRING.sub(b"", raw)
    steps = _STEP[np.frombuffer(bare, np.uint8)]
    depth = int(np.cumsum(steps, dtype=np.int32).max(initial=0))
    if depth > limits.json_depth:
        layers = raw.count(b'"class_name"') > depth // 10
        what = "models and layers nested in one another" if layers else "lists and objects"
        raise ConfigError(
            f"{where} nests {what} {depth} levels deep, more than the limit json_depth={limits.json_depth}",
            path=where,
            hint=f"{_DAMAGED}; raise it: --limit json_depth=…",
            code="E_CONFIG_DEPTH" if layers else "E_JSON_DEPTH",
        )
    values = bare.count(b",") + int((steps == 1).sum()) + 1
    if values > limits.json_nodes:
        message = f"{where} has about {values} values, more than the limit json_nodes={limits.json_nodes}"
        raise ConfigError(message, path=where, hint="raise it: --limit json_nodes=…", code="E_JSON_NODES")


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in a decoded JSON value with its path, outermost first; nothing recurses."""
    todo = [(path, value)]
    while todo:
        where, node = todo.pop()
        yield where, node
        if isinstance(node, Mapping):
            todo += [(f"{where}/{str(key)[:60]}", inner) for key, inner in reversed(list(node.items()))]
        elif isinstance(node, list | tuple):
            todo += [(f"{where}/{i}", inner) for i, inner in reversed(list(enumerate(node)))]
