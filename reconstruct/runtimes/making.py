"""Making an instance of a class of the user's from what a file says of it, in Keras 3 and in the oracles alike."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_TWICE = re.compile(r"got multiple values for (?:keyword )?argument '(\w+)'")


def given_once(make: Callable[[dict[str, Any]], Any], config: dict[str, Any]) -> Any:
    """`make(config)`, without what the class hands to its base itself besides.

    `super().__init__(name="x", **kwargs)` writes a config with a name, which it then cannot be made from.
    """
    try:
        return make(config)
    except TypeError as error:
        twice = _TWICE.search(str(error))
        if twice is None or twice[1] not in config:
            raise
    return given_once(make, {k: v for k, v in config.items() if k != twice[1]})
