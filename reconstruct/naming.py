"""Names as Keras forms them."""

from __future__ import annotations

import re
from collections.abc import Collection

# Categories of characters that can act on whoever shows them: controls, directions, surrogates, private use, line ends
UNPRINTABLE = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def snake_case(name: str) -> str:
    """A class name as Keras turns it into a layer's name or a group's (Keras 3, utils/naming.py).

    >>> snake_case("Conv2DTranspose")
    'conv2d_transpose'
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def numbered(name: str) -> tuple[str, int]:
    """A name without the number that Keras puts behind it where there are several, and the number, 0 for the first.

    >>> numbered("dense_2"), numbered("dense")
    (('dense', 2), ('dense', 0))
    """
    base, number = re.fullmatch(r"(.*?)(?:_(\d+))?", name, re.DOTALL).groups()  # type: ignore[union-attr]  # any name
    return base, int(number or 0)


def output_name(relative: str, taken: Collection[str], ending: str = ".keras") -> str:
    """The path of the migrated file for a source's relative path, different from all in `taken` (lower case).

    >>> output_name("a/old.h5", ())
    'a/old.keras'
    >>> output_name("a/old.hdf5", {"a/old.keras"})
    'a/old.hdf5.keras'
    """
    stem, dot, suffix = relative.rpartition(".")
    base = stem if dot and "/" not in suffix else relative
    base = base.removesuffix(".weights")
    name = f"{base}{ending}"
    if name.lower() in taken:
        name = f"{relative}{ending}"
    count = 2
    while name.lower() in taken:
        name = f"{relative}-{count}{ending}"
        count += 1
    return name
