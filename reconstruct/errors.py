"""The tree of errors.

    ReconstructError
    ├── ReadError (OSError)            the file cannot be read as a Keras artifact
    ├── ConfigError (ValueError)       its config cannot be understood
    │   └── NotEquivalent              no Keras 3 form with the same meaning exists
    ├── BuildError (ValueError)        Keras 3 cannot build the model
    │   └── UnknownLayer               a class is missing
    └── OracleUnavailable (ImportError) a runtime to compare with cannot be had

An exception stops work. What is wrong with a user's file but does not stop it is a `Finding`.
"""

from __future__ import annotations

import re

DEBUG = "RECONSTRUCT_DEBUG"  # the variable that shows tracebacks and what child processes say


class ReconstructError(Exception):
    """Root of all errors: what happened, where (`path`), and what to do about it (`hint`).

    `code` is that of the finding that `reconstruct scan` makes of it, where it is about the file.
    """

    def __init__(self, message: str, *, path: str = "", hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.hint = hint
        self.code = code

    @property
    def advice(self) -> str:
        """What happened, and what to do about it."""
        return f"{self.message}; {self.hint}" if self.hint else self.message


class ReadError(ReconstructError, OSError):
    """The file is no Keras artifact, is damaged, or cannot be opened."""

    def __str__(self) -> str:  # OSError would print an errno tuple
        return self.message


class ConfigError(ReconstructError, ValueError):
    """The architecture in the file cannot be understood."""


class NotEquivalent(ConfigError):
    """What the file says has no form with the same meaning in Keras 3."""


class BuildError(ReconstructError, ValueError):
    """Keras 3 refuses to build the model."""


class UnknownLayer(BuildError):
    """A class that is neither stock Keras nor among the custom objects."""


FRAMEWORKS = "pip install tensorflow tf-keras keras"  # what to do where one of them is missing


def of_surroundings(error: BaseException) -> ReconstructError | None:
    """What to say where memory does not suffice or a framework is not installed; None for any other error."""
    # C code that got no memory and did not say so (CPython 3.11, Objects/call.c, `_Py_CheckFunctionResult`)
    unsaid = isinstance(error, SystemError) and "without exception set" in str(error)
    if isinstance(error, MemoryError) or unsaid:
        hint = "a machine with more memory may do, or a higher limit where there is one: --limit recover_bytes=…"
        return ReconstructError("there is not enough memory for it", hint=hint)
    if not isinstance(error, ModuleNotFoundError) or error.name not in ("tensorflow", "keras", "tf_keras"):
        return None
    hint = f"{FRAMEWORKS}; inspect works without"
    return BuildError(f"{error.name} is not installed in this Python, and building a model needs it", hint=hint)


def gist(error: BaseException) -> str:
    """The line of a message that says what is wrong: Keras puts it in bold, or behind lines of its own."""
    text = str(error)
    bold = re.search("\x1b\\[1m(.*?)\x1b\\[0m", text, re.DOTALL)
    lines = [line.strip() for line in (bold[1] if bold else text).strip().splitlines() if line.strip()]
    while len(lines) > 1 and lines[0].startswith(("Exception encountered when calling", "Could not automatically")):
        inner = next((i for i, line in enumerate(lines) if "Error encountered:" in line), 0)
        lines = lines[inner + 1 :]
    return lines[0] if lines else type(error).__name__


class OracleUnavailable(ReconstructError, ImportError):  # type: ignore[misc]  # both have a `path`
    """A runtime that could say what the original computed cannot be installed or started."""


def defect(error: Exception) -> ReconstructError:
    """An error nobody foresaw, as one that can be shown."""
    known = of_surroundings(error)
    if known is not None:
        return known
    hint = f"this is a defect of reconstruct: please report it; {DEBUG}=1 shows where it happened"
    return ReconstructError(f"{type(error).__name__}: {error}", hint=hint)
