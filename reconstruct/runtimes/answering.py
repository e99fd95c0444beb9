"""The other end of `worker.Worker`: a child process that answers each line of JSON on stdin with one on stdout."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

Say = Callable[[Mapping[str, Any]], None]


def taken_stdout() -> Say:
    """What says something on stdout, which nothing else writes to any more: what is printed goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(message: Mapping[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    return say


def answer_requests(answer: Callable[[dict[str, Any], Say], Mapping[str, Any]]) -> None:
    """Answer requests with what `answer` returns, until stdin ends. By its second argument it may say more before."""
    say = taken_stdout()
    say({"ok": True})
    for line in sys.stdin:
        say(answer(json.loads(line), say))
