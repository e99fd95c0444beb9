"""The command line: arguments to verbs, nothing else. Results go to stdout, progress and errors to stderr."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from reconstruct import writing
from reconstruct.arguments import (
    Backend,
    Budget,
    Custom,
    Examples,
    File,
    For,
    InputShape,
    Json,
    LimitOption,
    Report,
    Settings,
    Source,
    Task,
    Tolerance,
    TrustCode,
    address,
    check_output,
    check_target,
    check_writable,
    hints_for_nothing,
    hints_of,
    limits_of,
    settings_of,
    shapes_of,
    tolerances_of,
)
from reconstruct.errors import DEBUG, ReconstructError, defect

app = typer.Typer(
    name="reconstruct",
    help="Turn any saved Keras model into a working Keras 3 model, and prove that it computes the same.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
oracle_app = typer.Typer(help="The Keras versions that say what an old file computed.", no_args_is_help=True)
app.add_typer(oracle_app, name="oracles")


@contextlib.contextmanager
def _quiet_frameworks() -> Iterator[None]:
    """Frameworks keep their notices to themselves, unless RECONSTRUCT_DEBUG is set.

    TensorFlow writes some to file descriptor 2 before any setting of its own counts; `sys.stderr` goes elsewhere.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if os.environ.get(DEBUG):
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
    ours, descriptor = sys.stderr, None
    with contextlib.suppress(OSError, ValueError):  # not a file, as in tests
        descriptor = ours.fileno()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if descriptor is None:
            yield
            return
        ours.flush()
        saved = os.dup(descriptor)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
        # It stays open: what the frameworks log keeps hold of it
        sys.stderr = os.fdopen(saved, "w", buffering=1, encoding=ours.encoding, errors="backslashreplace")
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, descriptor)
            sys.stderr = ours


@contextlib.contextmanager
def _errors_shown() -> Iterator[None]:
    """One clear error and exit code 1 for what goes wrong; a traceback only for those who ask for it."""
    try:
        yield
    except ReconstructError as error:
        from reconstruct import display

        display.show_error(error)
        raise typer.Exit(1) from None
    except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
        raise
    except Exception as error:
        from reconstruct import display

        if os.environ.get(DEBUG):
            traceback.print_exc()
        display.show_error(defect(error))
        raise typer.Exit(1) from None


def _version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        try:
            print(f"reconstruct {importlib.metadata.version('keras-reconstruct')}")
        except importlib.metadata.PackageNotFoundError:
            print("reconstruct (not installed)")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version and exit")
    ] = False,
) -> None:
    """Turn any saved Keras model into a working Keras 3 model, and prove that it computes the same."""


@app.command()
def inspect(
    file: File,
    as_json: Json = False,
    tensors: Annotated[
        bool, typer.Option("--tensors", help="a line for each tensor with a hash of its values")
    ] = False,
    limit: LimitOption = None,
) -> None:
    """Show what a file holds, who wrote it, and what recovering it would change. Imports no framework."""
    from reconstruct import display, inspection

    limits = limits_of(limit)
    with _errors_shown():
        try:
            facts = inspection.inspect(address(file), limits)
        except ReconstructError as error:
            if not as_json:
                raise
            display.say(writing.json_text({"source": str(file), "error": display.error_fields(error)}))
            raise typer.Exit(1) from None
        display.say(writing.json_text(facts) if as_json else display.inspection_text(facts))
        if tensors:
            from reconstruct.differences import text, view_of

            for line in text.tensor_lines(view_of(file)):
                display.say(display.clean(line))


@app.command()
def diff(
    a: Annotated[Path, typer.Argument(metavar="A", show_default=False, help="the model before")],
    b: Annotated[Path, typer.Argument(metavar="B", show_default=False, help="the model after")],
    as_json: Json = False,
) -> None:
    """Show what changed between two saved models: layers, settings, wiring, tensors, training. Imports no framework.

    Exits with 0 where they mean the same, and with 1 where they do not.
    """
    from reconstruct import differences, display
    from reconstruct.differences import text

    with _errors_shown():
        found = differences.diff(a, b)
        if as_json:
            display.say(writing.json_text(found.to_json()))
        else:
            for line, style in text.lines(found):
                display.say(display.clean(line), style)
        raise typer.Exit(1 if found.entries else 0)


@app.command()
def recover(
    file: File,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.keras", help="the file to write")],
    custom: Custom = None,
    source: Source = None,
    input_shape: InputShape = None,
    examples: Examples = None,
    backend: Annotated[
        Backend | None, typer.Option("--backend", help="what trained the model, where the file does not say")
    ] = None,
    trust_code: TrustCode = False,
    settings: Settings = None,
    task: Annotated[
        Task | None, typer.Option("--task", help="what weights without architecture were trained for")
    ] = None,
    budget: Budget = None,
    code: Annotated[
        Path | None, typer.Option("--code", metavar="MODEL.py", help="write an inferred model as Keras code, too")
    ] = None,
    write_differing: Annotated[
        bool, typer.Option("--write-differing", help="write the model although an oracle contradicts it")
    ] = False,
    fresh_weights: Annotated[
        bool, typer.Option("--fresh-weights", help="initial values for weights that a salvaged file lost")
    ] = False,
    target: For = None,
    report: Report = None,
    limit: LimitOption = None,
) -> None:
    """Recover one model, verify it, and write it as a .keras file of Keras 3 (or as .h5 or .keras of tf_keras)."""
    from reconstruct import display

    limits = limits_of(limit)

    shapes = shapes_of(input_shape)
    check_output(output, file, target)
    check_writable(report, "--report")
    check_writable(code, "--code")
    with _errors_shown(), _quiet_frameworks():
        from reconstruct.report import document, worst_exit_code
        from reconstruct.runtimes.recovering import Recoverer

        hint = {
            "custom": custom or [],
            "source": None if source is None else str(source),
            "input_shape": shapes,
            "examples": None if examples is None else str(examples),
            "backend": backend.value if backend else None,
            "trust_code": trust_code,
            "set": settings_of(settings),
            "task": task.value if task else None,
            "budget": budget,
            "code": None if code is None else str(code),
            "write_differing": write_differing,
            "fresh_weights": fresh_weights,
            "target": target.value if target else None,
        }
        with display.status(f"recovering {file.name}") as say, Recoverer(limits) as recoverer:
            result = recoverer.recover(str(file), str(output), hint, say)
        display.show_result(result)
        if report is not None:
            writing.write_json(report, document([result]))
        raise typer.Exit(worst_exit_code([result["status"]]))


@app.command()
def record(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL…", show_default=False, help="saved models")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="GOLDENS", help="a directory, or OUT.golden.json")],
    examples: Examples = None,
    layers: Annotated[bool, typer.Option(help="record a part of the outputs of each layer, too")] = True,
    full: Annotated[bool, typer.Option("--full", help="keep all numbers of large outputs")] = False,
    tolerance: Tolerance = None,
    custom: Custom = None,
    source: Source = None,
    input_shape: InputShape = None,
    trust_code: TrustCode = False,
) -> None:
    """Record what models compute, in the Keras that wrote them where it runs, for `check` to compare with."""
    from reconstruct import display

    shapes = shapes_of(input_shape)
    chosen = tolerances_of(tolerance)
    if len(models) > 1 and output.suffix == ".json" and not output.is_dir():
        raise typer.BadParameter(f"{output} is one file, for {len(models)} models: give a directory", param_hint="-o")
    with _errors_shown(), _quiet_frameworks():
        from reconstruct import goldens
        from reconstruct.goldens.golden import read

        with display.status("recording") as say:
            written = goldens.record(
                models,
                output,
                examples=examples,
                layers=layers,
                full=full,
                tolerances=chosen,
                on_progress=say,
                custom=custom or (),
                source=source,
                input_shape=shapes,
                trust_code=trust_code,
            )
        for model, path in zip(models, written, strict=True):
            recorded = read(path)
            display.say(display.clean(f"{path}: {model}, {len(recorded.probes)} probes, outputs by {recorded.oracle}"))


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(metavar="GOLDEN…", show_default=False, help="goldens, or directories")],
    model: Annotated[Path | None, typer.Option("--model", help="check this file in place of the recorded one")] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="load with keras.models.load_model, as other programs do")
    ] = False,
    tolerance: Tolerance = None,
    custom: Custom = None,
    source: Source = None,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="R.xml", help="write JUnit XML")] = None,
    report: Report = None,
) -> None:
    """Check that models still compute what was recorded. Exits with 1 where one does not."""
    from reconstruct import display

    chosen = tolerances_of(tolerance)
    check_writable(junit, "--junit")
    check_writable(report, "--report")
    with _errors_shown(), _quiet_frameworks():
        from reconstruct import goldens
        from reconstruct.goldens import golden
        from reconstruct.goldens import junit as junit_xml
        from reconstruct.report import document

        if model is not None and (count := len(golden.find(paths))) != 1:
            raise typer.BadParameter(f"it is for one golden, and there are {count}", param_hint="--model")

        with display.progress("checking") as bar:
            results = goldens.check(
                paths,
                model=model,
                plain=plain,
                tolerances=chosen,
                custom=custom or (),
                source=source,
                on_total=bar.total,
                on_result=lambda result: bar.advance({"status": result.status, "source": result.model}),
            )
        for result in results:
            for i, line in enumerate(result.message().splitlines()):
                display.say(display.clean(line), (None if result.status == "same" else "error") if i == 0 else None)
        if not results:
            display.say("no goldens were found: reconstruct record MODEL -o GOLDENS/")
        if report is not None:
            writing.write_json(report, document([result.to_json() for result in results]))
        if junit is not None:
            writing.write_text(junit, junit_xml.text(results))
        raise typer.Exit(0 if results and all(result.status == "same" for result in results) else 1)


@app.command()
def verify(
    a: Annotated[Path, typer.Argument(metavar="A", show_default=False, help="a model, a golden, or examples (.npz)")],
    b: Annotated[Path, typer.Argument(metavar="B", show_default=False, help="what it is compared with")],
    tolerance: Annotated[
        float | None, typer.Option("--tolerance", metavar="1e-4", min=0.0, help="relative difference allowed")
    ] = None,
    custom: Custom = None,
    source: Source = None,
    trust_code: TrustCode = False,
    as_json: Json = False,
) -> None:
    """Compare what two models compute, each in its own Keras; exits with 1 and the first layer where they differ."""
    from reconstruct import display

    with _errors_shown(), _quiet_frameworks():
        from reconstruct import goldens

        with display.status("verifying") as say:
            found = goldens.verify(
                *(a, b),
                tolerance=tolerance,
                on_progress=say,
                custom=custom or (),
                source=source,
                trust_code=trust_code,
            )
        if as_json:
            display.say(writing.json_text(found.to_json()))
        else:
            for i, line in enumerate(display.agreement_lines(found)):
                display.say(display.clean(line), (None if found.same else "error") if i == 0 else None)
        raise typer.Exit(0 if found.same else 1)


@app.command()
def stub(
    file: File,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="layers.py", help="the module to write")],
    custom: Custom = None,
    input_shape: InputShape = None,
) -> None:
    """Write a Python skeleton of the classes and functions that a model lacks, for you to fill in."""
    from reconstruct import display

    shapes = shapes_of(input_shape)
    if output.exists():
        raise typer.BadParameter(f"{output} exists already: it may be what you filled in", param_hint="-o")
    check_writable(output, "-o")
    with _errors_shown(), _quiet_frameworks():
        from reconstruct.recover import recover as recover_one

        with display.status(f"reading {file.name}") as say:
            recovery = recover_one(file, custom=custom or (), input_shape=shapes, on_progress=say)
            text = recovery.stub()
        lacking = sorted({f.path for f in recovery.result.findings if f.code in display.MISSING})
        if not lacking:
            unwired = next((f for f in recovery.result.findings if f.code == "not_wired"), None)
            then = f"{unwired.message}; {unwired.hint}" if unwired else f"reconstruct recover {file} -o OUT.keras"
            display.say(display.clean(f"no code is missing for {file}: {then}"))
            raise typer.Exit(0)
        writing.write_text(output, text)
        skeletons = "a skeleton for 1 layer" if len(lacking) == 1 else f"skeletons for {len(lacking)} layers"
        display.say(f"{output}: {skeletons}; fill in what is marked TODO, then")
        display.say(f"reconstruct recover {file} --custom {output} -o OUT.keras")


@app.command()
def migrate(
    paths: Annotated[list[Path], typer.Argument(metavar="SRC… DST", show_default=False)],
    report: Report = None,
    hints: Annotated[
        Path | None, typer.Option("--hints", metavar="HINTS.json", help="input shapes, examples and code by file")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="processes; default: as many as there are cores")
    ] = None,
    custom: Custom = None,
    source: Source = None,
    written_for: For = None,
    limit: LimitOption = None,
) -> None:
    """Recover many models (files, or all below directories) into a directory. Can be run again to continue."""
    if len(paths) < 2:
        raise typer.BadParameter("give at least one source and the destination directory")
    from reconstruct import display

    *sources, target = paths
    if target.exists() and not target.is_dir():
        raise typer.BadParameter(f"the destination {target} is not a directory")
    if not target.exists() and target.suffix in (".keras", ".h5", ".hdf5"):
        one = "; for one file: reconstruct recover FILE -o OUT.keras"
        raise typer.BadParameter(f"{target} looks like a file, and DST is a directory{one}")
    check_writable(target / "any", "DST")
    check_writable(report, "--report")
    absent = next((s for s in sources if not s.exists()), None)
    if absent is not None:
        display.show_error({"message": f"there is no {absent}", "hint": "check the path"})
        raise typer.Exit(1)
    wanted = hints_of(hints)
    for name in hints_for_nothing(wanted, sources):
        display.show_warning(f"the hints have {name!r}, and no source has such a file")
    with _errors_shown(), _quiet_frameworks():
        from reconstruct.migrate import MIGRATING
        from reconstruct.migrate import migrate as migrate_all
        from reconstruct.report import document, worst_exit_code

        with display.progress("migrating") as bar:
            results = migrate_all(
                sources,
                target,
                hints=wanted,
                jobs=jobs,
                custom=custom or (),
                source=None if source is None else str(source),
                target=written_for.value if written_for else None,
                limits=limits_of(limit, MIGRATING),
                on_total=bar.total,
                on_unchanged=lambda count: display.say(f"{count} done by an earlier run, and unchanged", error=True),
                on_result=bar.advance,
            )
        display.show_results(results)
        if report is not None:
            writing.write_json(report, document(results))
        raise typer.Exit(worst_exit_code([r["status"] for r in results]))


@app.command()
def scan(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", show_default=False, help="models, arrays, folders, SavedModels")
    ],
    as_json: Json = False,
    sarif: Annotated[Path | None, typer.Option("--sarif", metavar="FILE", help="write SARIF 2.1.0, too")] = None,
    limit: LimitOption = None,
) -> None:
    """Say what in files executes, reaches outside, takes memory or is damaged. Runs and opens nothing of it.

    Exits with 1 if anything is an error (codes E_ and F_), else with 0. Imports no framework.
    """
    from reconstruct import display, scanning

    limits = limits_of(limit)
    check_writable(sarif, "--sarif")
    with _errors_shown():
        report = scanning.scan(files, limits)
        display.say(writing.json_text(report) if as_json else display.scan_text(report))
        if sarif is not None:
            from reconstruct.scanning import sarif as form

            writing.write_json(sarif, form.document(report["files"], report["reconstruct"]))
        raise typer.Exit(scanning.exit_code(report))


@app.command()
def salvage(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", show_default=False, help="a damaged file, or damaged copies of one file"),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="OUT.h5", help="the file to write (.keras for a .keras file)")
    ],
    report: Report = None,
    limit: LimitOption = None,
) -> None:
    """Take out of a damaged file every array whose bytes are all there, and the architecture; recover takes the result.

    Exits with 0 if nothing is missing, with 4 if something is, with 1 if nothing is left. Imports no framework.
    """
    from reconstruct import display

    limits = limits_of(limit)
    if output.suffix not in (".h5", ".hdf5", ".keras"):
        raise typer.BadParameter(f"the name must end in .h5 or .keras; {output} does not", param_hint="-o")
    for file in files:
        check_target(output, file)
    check_writable(report, "--report")
    with _errors_shown():
        from reconstruct.report import document
        from reconstruct.salvage import EXIT_CODES
        from reconstruct.salvage.child import salvaged

        with display.status("salvaging") as say:
            result = salvaged(files, output, limits, say)
        display.say(display.salvage_text(result))
        if report is not None:
            writing.write_json(report, document([result]))
        raise typer.Exit(EXIT_CODES[result["status"]])


@oracle_app.command("list")
def list_oracles() -> None:
    """List the oracles and whether each can run here."""
    from reconstruct import display

    with _errors_shown():
        from reconstruct.runtimes import oracles

        display.show_oracles([(r, oracles.why_unavailable(r)) for r in oracles.CATALOGUE])


@oracle_app.command("install")
def install_oracles() -> None:
    """Install the earlier Keras versions into the user's cache; the environment stays as it is."""
    from reconstruct import display

    failed = False
    with _errors_shown():
        from reconstruct.runtimes import oracles

        for runtime in oracles.CATALOGUE:
            if not runtime.earlier:
                continue
            try:
                with display.status(f"installing {runtime.name}") as say:
                    oracles.install(runtime, say)
            except ReconstructError as error:
                display.show_error(error)
                failed = True
        display.show_oracles([(r, oracles.why_unavailable(r)) for r in oracles.CATALOGUE])
    raise typer.Exit(1 if failed else 0)


if __name__ == "__main__":
    app()
