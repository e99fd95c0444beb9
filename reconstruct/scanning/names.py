"""Names are data: which of them could act on whoever shows them or makes a path of them."""

from __future__ import annotations

import re
import unicodedata

from reconstruct.limits import DEFAULT, Limits
from reconstruct.naming import UNPRINTABLE

_HTML = re.compile(r"<\s*[A-Za-z/!?][^>]*[>]|<\s*(script|img|svg|iframe)", re.IGNORECASE)

TAG = re.compile(r"<(?=\s*[A-Za-z/!?])")  # where a browser would begin a tag


def problem(name: str, limits: Limits = DEFAULT) -> str | None:
    """What is wrong with a name, in words that follow "the name"; None for a harmless one."""
    if len(name) > limits.name_length:
        return f"has {len(name)} characters (limit name_length={limits.name_length})"
    kinds = {unicodedata.category(c) for c in name if not " " <= c <= "~"}
    if "Cs" in kinds:
        return "has half a surrogate pair, which no file or report can hold"
    if kinds.intersection(UNPRINTABLE):
        return "has control characters, which can move a cursor or turn text around"
    if ".." in re.split(r"[/\\]", name) or name.startswith("\\"):
        return "would lead out of a folder if it were taken for a path"
    if _HTML.search(name) and name != "<lambda>":
        return "holds HTML, which a page that shows it would run"
    return None
