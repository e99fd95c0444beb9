"""The child process that runs one Keras version: `python -m reconstruct.runtimes.serve RUNTIME [FOLDER]`.

RUNTIME is the name of a runtime (`oracles.CATALOGUE`), FOLDER where an earlier Keras is installed. The first line on
stdout says that the runtime is ready, or why not; after that, each line of JSON on stdin is answered by one line:

    {"op": "describe", "path": …}
        → {"ok": true, "inputs": [{"name", "shape" (null where open), "dtype"}, …], "outputs": 1}
    {"op": "run", "path": …, "probes": "p.npz", "outputs": "o.npz", "layers": false}
        → {"ok": true, "probes": 3, "outputs": 1}; `p.npz` has 'p0_x0', 'p0_x1', 'p1_x0' … (probe, input), `o.npz` gets
          'p0_y0' … (probe, output). With `layers`, also every layer's outputs for probe 0, as
          'layer/<layer name>/<call>/<k>'; if those cannot be had, the answer says why in "layers_error".
    {"op": "quit"}

`describe` and `run` also take "weights" (the weights of a JSON config), "custom" (Python files or modules that the user
named, which are executed), "names" (the classes of the file that Keras does not have, which an installed library of
`objects.libraries` may) and "trust_code" (marshaled code in the file may run). The model stays loaded until another
file is asked for, or the file changes. A failure is answered by {"ok": false, "kind": …, "error": "Type: message"},
where kind is 'unknown_object', 'load', 'run' or 'request'.

Probes run in inference mode; stateful layers start every probe from zero states. The process ends when stdin ends.
"""

import contextlib
import gc
import json
import os
import queue
import re
import shutil
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconstruct.objects import libraries
from reconstruct.runtimes.answering import Say, taken_stdout

_UNKNOWN = re.compile(
    r"Unknown (?!error)[\w ]+:|Could not locate|Could not interpret|cannot be imported|No such layer"
    r"|is not a KerasSaveable|Unable to (?:revive|restore)|Only instances of keras.Layer|Invalid (?:layer|activation)",
    re.IGNORECASE,
)


class LoadError(Exception):
    """Loading failed; the cause says how."""


def _objects(names: list[str], custom: dict[str, Any]) -> dict[str, Any]:
    """What the file may call for by name: the user's own objects, and those of installed libraries for the rest.

    A file names a class with or without its package (`Mine>Swirl`); the user's may be known without.
    """
    found = {**libraries.load(name.rpartition(">")[2] for name in names), **custom}
    return {**{name: found[bare] for name in names if (bare := name.rpartition(">")[2]) in found}, **found}


@dataclass
class Session:
    """One runtime, and the model it has loaded last."""

    runtime: Any
    scratch: Path
    trust: dict[str, bool] = field(default_factory=dict)
    key: tuple[Any, ...] | None = None
    model: Any = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request; never raises for what a file or a probe does."""
        try:
            if request.get("op") == "describe":
                return {"ok": True, **self.runtime.describe(self._load(request))}
            if request.get("op") == "run":
                from reconstruct.runtimes.fixed_draws import fixed_draws

                with fixed_draws() if request.get("fixed_draws") else contextlib.nullcontext():
                    return {"ok": True, **self._run(request)}
            return {"ok": False, "kind": "request", "error": f"unknown op {request.get('op')!r}"}
        except LoadError as error:
            text = _text(error.__cause__)
            return {"ok": False, "kind": "unknown_object" if _UNKNOWN.search(text) else "load", "error": text}
        except Exception as error:  # whatever a framework raises is an answer, not the end of the process
            return {"ok": False, "kind": "run", "error": _text(error)}

    def _load(self, request: dict[str, Any]) -> Any:
        path = Path(request["path"])
        weights = Path(request["weights"]) if request.get("weights") else None
        custom, trust = list(request.get("custom") or ()), bool(request.get("trust_code"))
        names = list(request.get("names") or ())
        try:
            sources = [path, *([weights] if weights else []), *map(Path, custom)]
            key = (*map(_state, sources), *names, trust, request.get("fixed_draws"))
            if key != self.key:
                self._drop()
                from reconstruct.runtimes import originals

                self.trust["code"] = trust
                absent = originals.without_effect(self.runtime.keras, request.get("training_parts") or ())
                objects = {**absent, **_objects(names, originals.custom_objects(custom))}
                self.model = self.runtime.load(path, weights, objects, trust, self.scratch)
                self.key = key
        except Exception as error:
            raise LoadError from error
        return self.model

    def _drop(self) -> None:
        self.key = self.model = None
        self.runtime.clear()
        for left in self.scratch.iterdir():
            left.unlink()

    def _run(self, request: dict[str, Any]) -> dict[str, Any]:
        import numpy as np

        model = self._load(request)
        results: dict[str, Any] = {}
        answer: dict[str, Any] = {"probes": 0, "outputs": 0}
        with np.load(request["probes"], allow_pickle=False) as stored:
            probes = _probes({name: stored[name] for name in stored.files})
        for number, arrays in enumerate(probes):
            outputs = self.runtime.run(model, arrays)
            results.update({f"p{number}_y{k}": array for k, array in enumerate(outputs)})
            answer = {"probes": number + 1, "outputs": len(outputs)}
        if request.get("layers") and probes:
            try:
                results.update(self.runtime.run_layers(model, probes[0]))
            except Exception as error:  # the outputs stand without them
                answer["layers_error"] = _text(error)
        with Path(request["outputs"]).open("wb") as file:
            np.savez(file, **{name: _storable(array) for name, array in results.items()})
        return answer


def _probes(stored: dict[str, Any]) -> list[list[Any]]:
    """The inputs of each probe, from the keys 'p<probe>_x<input>'."""
    probes: list[list[Any]] = []
    while f"p{len(probes)}_x0" in stored:
        arrays: list[Any] = []
        while f"p{len(probes)}_x{len(arrays)}" in stored:
            arrays.append(stored[f"p{len(probes)}_x{len(arrays)}"])
        probes.append(arrays)
    return probes


def _storable(array: Any) -> Any:
    """Strings, which TensorFlow gives as objects, as bytes; an `.npz` is to need no pickle."""
    return array.astype("S") if array.dtype == object else array


def _state(path: Path) -> tuple[str, int, int]:
    if not path.exists():  # a module named by the user
        return str(path), 0, 0
    status = path.stat()
    return str(path.resolve()), status.st_mtime_ns, status.st_size


def _text(error: BaseException | None) -> str:
    """The kind of an error and what it says: its cause, where Keras puts the config of a layer before that."""
    words = " ".join(str(error).split())
    words = words.rpartition("Exception encountered: ")[2].partition(". Please ensure ")[0]
    return f"{type(error).__name__}: {words[:500]}"


def start(name: str, folder: Path | None, scratch: Path) -> Session:
    """Make the runtime called `name` ready. Raises `ImportError` or whatever the framework does on import."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    trust = {"code": False}
    if folder is not None:
        # Earlier versions read ~/.keras/keras.json, or write it: neither should decide what a file computes.
        home = scratch / "home"
        home.mkdir()
        os.environ["HOME"] = os.environ["USERPROFILE"] = os.environ["KERAS_HOME"] = str(home)
        from reconstruct.runtimes import earlier_keras

        keras = earlier_keras.activate(folder)
        from reconstruct.runtimes.originals import Earlier

        return Session(Earlier(keras, lambda: trust["code"]), _made(scratch / "staged"), trust)
    from reconstruct.runtimes.originals import Eager

    return Session(Eager(name, lambda: trust["code"]), _made(scratch / "staged"), trust)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _read_requests(requests: "queue.Queue[str]", scratch: Path) -> None:
    """Pass on lines of stdin. When it ends, the parent is gone: so is this process then, even mid-way."""
    for line in sys.stdin:
        requests.put(line)
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(0)


def serve(session: Session, requests: "queue.Queue[str]", say: Say) -> None:
    """Answer requests until one says quit."""
    while True:
        try:
            request = json.loads(requests.get())
        except ValueError as error:
            request = {"op": f"not JSON: {error}"}
        if request.get("op") == "quit":
            return
        say(session.answer(request))


def main(arguments: list[str]) -> int:
    """Serve the runtime named by the arguments; returns the exit code, 3 if the runtime cannot be started."""
    say = taken_stdout()
    scratch = Path(tempfile.mkdtemp(prefix="reconstruct-"))
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read_requests, args=(requests, scratch), daemon=True).start()
    try:
        try:
            session = start(arguments[0], Path(arguments[1]) if len(arguments) > 1 else None, scratch)
        except Exception as error:  # the parent has to hear why, whatever it is
            say({"ok": False, "kind": "runtime", "error": _text(error)})
            return 3
        gc.freeze()  # forgetting a model collects garbage: not in all of the framework each time
        say({"ok": True, "ready": arguments[0], "version": str(session.runtime.keras.__version__)})
        serve(session, requests, say)
        return 0
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)  # the reader of stdin is still waiting, and TensorFlow's own shutdown takes seconds
