"""The Keras versions that can say what an old file computed, and the cache they are installed into.

An earlier Keras is installed once, without its dependencies, into a folder of the user's cache; the environment
stays as it is. Nothing here imports a framework: a version runs only in a child process (`reconstruct.runtimes.serve`).
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from reconstruct.errors import FRAMEWORKS, OracleUnavailable
from reconstruct.runtimes.confinement import confined

INSTALL_SECONDS = 300.0
_COMPANIONS = ("keras_applications==1.0.8", "keras_preprocessing==1.1.2")


@dataclass(frozen=True)
class Runtime:
    """One Keras that can load and run original files.

    `requirements` are the pinned packages of an earlier Keras; they are empty for `tf_keras` and `keras`, which are
    used as they are in the environment. `version` is '' where such a package is not installed.
    """

    name: str
    version: str
    requirements: tuple[str, ...] = ()

    @property
    def earlier(self) -> bool:
        """Whether it is installed into the cache, not into the environment."""
        return bool(self.requirements)


def _environment_version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


KERAS_1 = Runtime("keras 1.2.2", "1.2.2", ("keras==1.2.2",))
KERAS_2_0 = Runtime("keras 2.0.9", "2.0.9", ("keras==2.0.9",))
KERAS_2_2 = Runtime("keras 2.2.4", "2.2.4", ("keras==2.2.4", *_COMPANIONS))
KERAS_2_3 = Runtime("keras 2.3.1", "2.3.1", ("keras==2.3.1", *_COMPANIONS))
TF_KERAS = Runtime("tf_keras", _environment_version("tf_keras"))
KERAS = Runtime("keras", _environment_version("keras"))

CATALOGUE: tuple[Runtime, ...] = (KERAS_1, KERAS_2_0, KERAS_2_2, KERAS_2_3, TF_KERAS, KERAS)
"""Every oracle, oldest first."""

_WITHOUT_ARCHITECTURE = frozenset({"h5-weights", "weights-h5", "saved-model"})


def by_name(name: str) -> Runtime:
    """The runtime called `name`, for example 'keras 2.2.4'. Raises `KeyError` for any other name."""
    for runtime in CATALOGUE:
        if runtime.name == name:
            return runtime
    raise KeyError(name)


def cache_folder() -> Path:
    """Where earlier versions are kept: `RECONSTRUCT_CACHE`, or else the user's cache folder."""
    chosen = os.environ.get("RECONSTRUCT_CACHE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("reconstruct")


def location(runtime: Runtime) -> Path | None:
    """The folder an earlier Keras is (or would be) installed in; None for what the environment provides."""
    return cache_folder() / "oracles" / runtime.name.replace(" ", "-") if runtime.earlier else None


def why_unavailable(runtime: Runtime) -> str | None:
    """Why the runtime cannot run now, in words, or None if it can. An earlier Keras also needs TensorFlow."""
    needed = {"tf_keras": ("tensorflow", "tf_keras"), "keras": ("keras",)}.get(runtime.name, ("tensorflow",))
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        return f"{' and '.join(missing)} not installed in this environment"
    folder = location(runtime)
    if folder is not None and not folder.is_dir():
        return f"not installed in {folder.parent}"
    return None


def installed() -> list[Runtime]:
    """The runtimes that can run now, oldest first."""
    return [runtime for runtime in CATALOGUE if why_unavailable(runtime) is None]


def install(
    runtime: Runtime, on_progress: Callable[[str], None] | None = None, timeout: float = INSTALL_SECONDS
) -> Path | None:
    """Install an earlier Keras into the cache, unless it is there; returns its folder (None for the environment's own).

    The folder appears complete or not at all, also when two processes install at once. Raises `OracleUnavailable`
    when pip is missing, cannot reach the package index, fails, or takes longer than `timeout` seconds.
    """
    folder = location(runtime)
    if folder is None:
        reason = why_unavailable(runtime)
        if reason:
            raise OracleUnavailable(f"{runtime.name}: {reason}", hint=FRAMEWORKS)
        return None
    if folder.is_dir():
        return folder
    if confined():  # without network
        message = f"{runtime.name} is not installed here: `reconstruct oracles install` gets it"
        raise OracleUnavailable(message, hint="reconstruct oracles install")
    say = on_progress or (lambda message: None)
    say(f"installing {' '.join(runtime.requirements)}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise OracleUnavailable(
            f"{runtime.name} cannot be installed: {error}", hint="set RECONSTRUCT_CACHE to a folder that can be written"
        ) from error
    try:
        _pip_install(runtime, scratch / "packages", timeout)
        try:
            (scratch / "packages").rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process was faster, with the same pinned packages
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    say(f"{runtime.name} is in {folder}")
    return folder


def _pip_install(runtime: Runtime, target: Path, timeout: float) -> None:
    if importlib.util.find_spec("pip") is None:
        raise OracleUnavailable(
            f"{runtime.name} cannot be installed: this Python has no pip", hint="python -m ensurepip --upgrade"
        )
    options = ["--quiet", "--no-input", "--disable-pip-version-check", "--no-deps", "--retries", "1", "--timeout", "15"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(target), *runtime.requirements]
    # A `user = true` in somebody's pip configuration contradicts --target.
    environment = {**os.environ, "PIP_USER": "0"}
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            _, complaints = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise OracleUnavailable(
                f"{runtime.name} was not installed within {timeout:g} s", hint="check the network and the package index"
            ) from error
        finally:
            if process.poll() is None:
                _kill(process)
    if process.returncode or not (target / "keras").is_dir():
        last = next((line for line in reversed(complaints.splitlines()) if line.strip()), "no message")
        raise OracleUnavailable(
            f"{runtime.name} cannot be installed: pip failed: {last.strip()}",
            hint="this needs the network once; offline, the next oracle in line is used",
        )


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill pip and the builds it started."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def for_writer(keras_version: str | None, backend: str | None, container: str) -> tuple[Runtime, ...]:
    """The oracles for a file, best first.

    `keras_version` and `backend` are what the file says, `container` is the kind of artifact ('h5-model', …). The
    genuine version nearest to the writer comes first; its newer neighbours follow, for what it cannot run; then
    tf_keras. A version older than the writer's is never given, and none at all for a file without an architecture.
    `backend` changes nothing today: a Theano file goes to the same version, whose loader flips the kernels itself.
    """
    if container in _WITHOUT_ARCHITECTURE:
        return ()
    zipped = container in ("keras-zip", "keras-dir")  # written since Keras 2.12 only
    match = re.match(r"(\d+)\.(\d+)", keras_version or "")
    if match is None:
        # Keras wrote its version into HDF5 since 1.2; so a file without one is from Keras 1.
        if zipped:
            return (KERAS, TF_KERAS)
        return (KERAS_1, KERAS_2_0, KERAS_2_2, TF_KERAS)
    major, minor = int(match[1]), int(match[2])
    if major >= 3:
        return (KERAS,)
    if zipped or "-tf" in (keras_version or "") or (major, minor) >= (2, 4):
        return (TF_KERAS,)
    if major <= 1:
        return (KERAS_1, KERAS_2_0, KERAS_2_2, TF_KERAS)
    if minor == 0:
        return (KERAS_2_0, KERAS_2_2, TF_KERAS)
    if minor <= 2:
        return (KERAS_2_2, KERAS_2_3, TF_KERAS)
    return (KERAS_2_3, TF_KERAS)
