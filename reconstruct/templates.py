"""Text from the Jinja templates that lie beside the modules of the package."""

from __future__ import annotations

from typing import Any

import jinja2

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("reconstruct", ""),
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    undefined=jinja2.StrictUndefined,
    autoescape=False,  # Python code; its makers let nothing of a file through but identifiers and literals
)


def render(template: str, **values: Any) -> str:
    """The text of a template of the package, as `objects/stub.py.jinja`, with these values."""
    return _ENVIRONMENT.get_template(template).render(**values)
