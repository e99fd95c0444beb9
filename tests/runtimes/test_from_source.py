"""Definitions of a source tree that a model can be built with: which of several computed what the file computes."""

from pathlib import Path

import keras
import pytest

import reconstruct
from reconstruct.objects import custom
from reconstruct.objects.source.candidates import MAX_CHOICES
from reconstruct.readers import read
from reconstruct.runtimes import from_source

SCALED = """import keras


class Scaled(keras.layers.Layer):
    def build(self, shape):
        self.factor = self.add_weight(name="factor", shape=(shape[-1],), initializer="ones")

    def call(self, x):
        return {}
"""


@pytest.mark.parametrize(
    ("other", "ambiguous"), [("keras.ops.minimum(x * self.factor, 50.0)", True), ("self.factor * x", False)]
)
def test_a_definition_that_differs_for_large_values_alone_is_a_doubt(
    tmp_path: Path, other: str, ambiguous: bool
) -> None:
    texts = {"a": SCALED.format("x * self.factor"), "b": SCALED.format(other)}
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    inputs = keras.Input((4,))
    scaled = custom.load([str(tmp_path / "b.py")])["Scaled"]
    keras.Model(inputs, scaled()(inputs)).save(tmp_path / "m.keras")
    chosen = from_source.choose(read(tmp_path / "m.keras", trust=True), str(tmp_path), {})
    assert (chosen.doubt is not None) == ambiguous


@pytest.mark.parametrize("last", ["x * 3", "x * self.factor + 0"])
def test_every_definition_of_a_name_is_compared(tmp_path: Path, last: str) -> None:
    for number in range(MAX_CHOICES + 1):
        call = "self.factor * x" if number == 0 else f"x * self.factor + 0 * {number}"
        (tmp_path / f"a{number:02}.py").write_text(SCALED.format(call))
    (tmp_path / "b.py").write_text(SCALED.format(last))
    inputs = keras.Input((4,))
    scaled = custom.load([str(tmp_path / "a00.py")])["Scaled"]
    keras.Model(inputs, scaled()(inputs)).save(tmp_path / "m.keras")
    chosen = from_source.choose(read(tmp_path / "m.keras", trust=True), str(tmp_path), {})
    assert (chosen.doubt is not None) == (last == "x * 3")


def test_a_definition_that_is_not_run_is_a_doubt_of_the_one_that_is(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SCALED.format("x * self.factor"))
    inputs = keras.Input((4,))
    scaled = custom.load([str(tmp_path / "a.py")])["Scaled"]
    keras.Model(inputs, scaled()(inputs)).save(tmp_path / "m.keras")
    (tmp_path / "b.py").write_text(SCALED.format("x * 3").replace("    def call", "    print()\n\n    def call"))
    chosen = from_source.choose(read(tmp_path / "m.keras", trust=True), str(tmp_path), {})
    assert chosen.doubt is not None
    assert "b.py" in chosen.doubt.message


def test_a_definition_that_cannot_be_built_leaves_a_placeholder_and_says_the_line(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SCALED.format("x * self.factor"))
    inputs = keras.Input((4,))
    scaled = custom.load([str(tmp_path / "a.py")])["Scaled"]
    keras.Model(inputs, scaled()(inputs)).save(tmp_path / "m.keras")
    (tmp_path / "a.py").write_text(SCALED.format("keras.ops.no_such_function(x)"))
    recovery = reconstruct.recover(tmp_path / "m.keras", source=tmp_path, trust_code=True)
    assert recovery.status == "partial"
    unusable = next(f for f in recovery.result.findings if f.code == "source_unusable")
    assert "a.py:9: return keras.ops.no_such_function(x)" in unusable.message
    assert "missing_layer" in {f.code for f in recovery.result.findings}
