"""`pytest --goldens`, as a project that uses it would run it."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import keras
import numpy as np
import pytest

import reconstruct
from reconstruct.goldens import golden

PLUGIN = ("-p", "no:reconstruct", "-p", "reconstruct.pytest_plugin", "-p", "no:randomly", "-p", "no:cacheprovider")


def model(bias: float = 0.0) -> keras.Model:
    keras.utils.set_random_seed(2)
    layers = [keras.Input((3,)), keras.layers.Dense(4, name="one"), keras.layers.Dense(2, name="two")]
    made = keras.Sequential(layers)
    made.get_layer("one").bias.assign_add([bias] * 4)
    return made


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two models and their goldens."""
    folder = tmp_path_factory.mktemp("recorded")
    models = [folder / "a.keras", folder / "b.keras"]
    for path in models:
        model().save(path)
    reconstruct.record(models, folder / "goldens")
    return folder


@pytest.fixture
def project(recorded: Path, pytester: pytest.Pytester) -> Path:
    """A project with two models, their goldens, and a test of its own."""
    shutil.copytree(recorded, pytester.path, dirs_exist_ok=True)
    pytester.makepyfile(
        test_own="""
        def test_own(saved_model):
            assert saved_model("a.keras").get_layer("two").units == 2
        """
    )
    return pytester.path


def test_goldens_are_tests_and_the_fixture_loads_and_compares(project: Path, pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess(*PLUGIN, "--goldens", "goldens", "test_own.py", "-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*test_own.py::test_own PASSED*", "*a.keras.golden.json::golden PASSED*"])
    only = pytester.runpytest_inprocess(*PLUGIN, "--goldens", "goldens", "test_own.py", "-k", "b.keras")
    only.assert_outcomes(passed=1, deselected=2)


def test_a_changed_model_fails_with_a_message_and_can_be_accepted(project: Path, pytester: pytest.Pytester) -> None:
    model(0.5).save(project / "a.keras")
    result = pytester.runpytest_inprocess(*PLUGIN, "--goldens", "goldens", "test_own.py")
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(["*the first layer that differs: one*", "*likely cause: tensor values: one bias*"])
    accepted = pytester.runpytest_inprocess(*PLUGIN, "--goldens", "goldens", "test_own.py", "--update-goldens")
    accepted.assert_outcomes(passed=3)
    pytester.runpytest_inprocess(*PLUGIN, "--goldens", "goldens", "test_own.py").assert_outcomes(passed=3)


def test_single_goldens_can_be_asked_for(project: Path, pytester: pytest.Pytester) -> None:
    one = "goldens/b.keras.golden.json::golden"
    pytester.runpytest_inprocess(*PLUGIN, "--goldens", "goldens", one).assert_outcomes(passed=1)


def test_models_of_one_name_have_goldens_of_their_own_and_may_move(project: Path, pytester: pytest.Pytester) -> None:
    (project / "other").mkdir()
    model(0.5).save(project / "other" / "a.keras")
    pytester.makepyfile(test_own="def test_own(saved_model):\n    saved_model('other/a.keras')")
    arguments = (*PLUGIN, "--goldens", "goldens", "test_own.py", "-k", "own")
    result = pytester.runpytest_inprocess(*arguments)
    result.stdout.fnmatch_lines(["*has no golden*other*a.keras.golden.json*"])
    assert "def _check" not in result.stdout.str()
    pytester.runpytest_inprocess(*arguments, "--update-goldens").assert_outcomes(passed=1, deselected=2)
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=1, deselected=3)
    assert reconstruct.check([project / "goldens" / "a.keras.golden.json"])[0].status == "same"
    (project / "other").rename(project / "moved")
    pytester.makepyfile(test_own="def test_own(saved_model):\n    saved_model('moved/a.keras')")
    pytester.runpytest_inprocess(*arguments).assert_outcomes(passed=1, deselected=3)


def test_an_update_keeps_inputs_tolerances_and_detail(project: Path, pytester: pytest.Pytester) -> None:
    path = project / "goldens" / "a.keras.golden.json"
    xs = np.array([[1.0, 2.0, 3.0]], "float32")
    np.savez(project / "e.npz", x0=xs, y0=model().predict(xs, verbose=0))
    reconstruct.record(
        [project / "a.keras"], path, examples=project / "e.npz", layers=False, tolerances={"float32": 0.5}
    )
    model(0.5).save(project / "a.keras")
    asked = (*PLUGIN, "--goldens", "goldens", "goldens/a.keras.golden.json")
    pytester.runpytest_inprocess(*asked, "--update-goldens").assert_outcomes(passed=1)
    found = golden.read(path)
    np.testing.assert_array_equal(found.probes[0].inputs[0], xs)
    assert (len(found.probes), found.layers, found.tolerances["float32"]) == (1, {}, 0.5)
    path.write_text("{}", "utf-8")
    result = pytester.runpytest_inprocess(*asked, "--update-goldens")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*is no golden of version 1; delete it, and record it again*"])
    assert "Traceback" not in result.stdout.str()


def test_it_works_with_xdist(project: Path, pytester: pytest.Pytester) -> None:
    model(0.5).save(project / "b.keras")
    result = pytester.runpytest_subprocess(*PLUGIN, "--goldens", "goldens", "test_own.py", "-n", "1")
    result.assert_outcomes(failed=1, passed=2)


def test_a_model_without_a_golden_fails_until_it_is_recorded(project: Path, pytester: pytest.Pytester) -> None:
    model().save(project / "c.keras")
    pytester.makepyfile(test_own="def test_own(saved_model):\n    saved_model('c.keras')")
    result = pytester.runpytest_inprocess(*PLUGIN, "--goldens", "goldens", "test_own.py")
    result.assert_outcomes(failed=1, passed=2)
    result.stdout.fnmatch_lines(["*has no golden*--update-goldens*"])
    wanted = pytester.runpytest_inprocess(*PLUGIN, "--goldens", "goldens", "test_own.py", "--update-goldens")
    wanted.assert_outcomes(passed=3)
    assert (project / "goldens" / "c.keras.golden.json").exists()


def test_a_folder_that_is_not_there_is_a_mistake_in_usage(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess(*PLUGIN, "--goldens", "none")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_without_the_option_nothing_changes(project: Path, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own="def test_own():\n    pass")
    pytester.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=1)


def test_the_package_announces_the_plugin() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["entry-points"]["pytest11"] == {"reconstruct": "reconstruct.pytest_plugin"}
