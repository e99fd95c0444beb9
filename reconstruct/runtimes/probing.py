"""Probes that a built model runs on."""

from __future__ import annotations

from typing import Any

from reconstruct.artifact import Layer
from reconstruct.errors import BuildError, gist
from reconstruct.objects.source import places
from reconstruct.runtimes import keras_3
from reconstruct.stock import LOOKUPS
from reconstruct.verification import probes
from reconstruct.verification.verdict import Arrays


class Unwritten(BuildError):
    """The model needs code that its user has not written yet, as in a stub."""


def runnable(model: Any, form: Layer) -> tuple[list[Arrays], list[Arrays]]:
    """Probes of the first form and size that a built model takes, where its file leaves them open, and its outputs.

    `form` is the model as a `Layer` tree. Raises `Unwritten` where the user has still to write code, and `BuildError`
    where the model takes no probe.
    """
    inputs = probes.inputs_of(form, keras_3.inputs_of(model))
    problem: Exception | None = None
    for rows, each in probes.forms_to_try(inputs):
        for size in probes.sizes_to_try(inputs):
            made = list(probes.make(each, size, rows))
            try:
                return made, [keras_3.run(model, probe) for probe in made]
            except NotImplementedError as error:  # of a class that the user has still to write
                message = f"the model runs into code that is not written yet: {gist(error)}"
                raise Unwritten(message, hint="write it; what went before is in the file that was written") from error
            except Exception as error:
                problem = problem or error
    assert problem is not None
    empty = next((n for n in form.walk() if n.class_name in LOOKUPS and n.config.get("vocabulary") is None), None)
    if empty is not None:
        raise BuildError(
            f"the file has no vocabulary for {empty.class_name} {empty.name!r}",
            path=empty.path,
            hint="what `adapt` learnt is in .keras files, not in HDF5 files: save the model as .keras where it runs",
        ) from problem
    place = places.place_of(problem)
    shape = "give the shape of its input: --input-shape 28,28,1 (without the batch axis)"
    raise BuildError(
        f"the model was built, but does not run: {type(problem).__name__}: {gist(problem)}",
        path=place,
        hint="that line of your own code, or what the stub calls its weights" if place else shape,
    ) from problem
