"""Lists that lookup layers learnt are read from beside config and weights."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

import reconstruct
from reconstruct.artifact import Layer
from reconstruct.readers import read, vocabularies
from tests.rules.cases import layer, sequential

WORDS = layer("StringLookup", "words")


def attached(model: Layer, files: dict[str, str]) -> dict[str, Any]:
    found = vocabularies.attach(model, {f"assets/layers/{k}/vocabulary.txt": v for k, v in files.items()}.get)
    return {n.name: n.config["vocabulary"] for n in found.walk() if "vocabulary" in n.config}


def test_each_layer_gets_its_own_list() -> None:
    model = sequential(WORDS, sequential(layer("StringLookup", "inner")), layer("IntegerLookup", "numbers"))
    files = {"string_lookup": "[UNK]\ncat", "sequential/layers/string_lookup": "dog\n", "integer_lookup": "-1\n7"}
    assert attached(model, files) == {"words": ["[UNK]", "cat"], "inner": ["dog"], "numbers": [-1, 7]}


def test_a_layer_in_a_wrapper() -> None:
    model = sequential(layer("TimeDistributed", "each").replace(children={"layer": WORDS}))
    assert attached(model, {"time_distributed/layer": "cat"}) == {"words": ["cat"]}


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (layer("StringLookup", "x", vocabulary=["dog"]), "cat"),
        (layer("Dense", "x"), "cat"),
        (layer("IntegerLookup", "x"), "cat"),
        (layer("StringLookup", "x", output_mode="tf_idf"), "cat"),
    ],
    ids=["of_the_config", "no_table", "no_numbers", "without_weights_of_words"],
)
def test_other_lists_are_left_aside(table: Layer, text: str) -> None:
    files = dict.fromkeys(["string_lookup", "integer_lookup", "dense"], text)
    assert "cat" not in attached(sequential(table), files).get("x", [])


@pytest.fixture
def adapted(tmp_path: Path) -> Any:
    import keras
    import numpy as np

    table = keras.layers.TextVectorization(output_sequence_length=3)
    table.adapt(np.array(["cat dog", "dog bird"]))
    return keras.Sequential([keras.Input((1,), dtype="string"), table, keras.layers.Embedding(9, 2)])


def test_a_model_that_learnt_words_comes_back(adapted: Any, tmp_path: Path) -> None:
    adapted.save(tmp_path / "model.keras")
    recovery = reconstruct.recover(tmp_path / "model.keras")
    assert recovery.status == "verified"
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        archive.extractall(tmp_path / "folder")
    model = read(tmp_path / "folder").model
    assert model is not None
    assert next(n.config["vocabulary"] for n in model.walk() if n.class_name == "TextVectorization")[2:] == [
        *("dog", "cat", "bird")
    ]


def test_links_out_of_a_folder_are_not_followed(adapted: Any, tmp_path: Path) -> None:
    adapted.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        archive.extractall(tmp_path / "folder")
    (tmp_path / "folder/assets").rename(tmp_path / "elsewhere")
    (tmp_path / "folder/assets").symlink_to(tmp_path / "elsewhere")
    model = read(tmp_path / "folder").model
    assert model is not None
    assert all(n.config.get("vocabulary") is None for n in model.walk())


def test_an_hdf5_file_has_no_learnt_words(adapted: Any, tmp_path: Path) -> None:
    adapted.save(tmp_path / "model.h5")
    recovery = reconstruct.recover(tmp_path / "model.h5")
    assert recovery.status == "failed"
    assert "no vocabulary for TextVectorization" in recovery.report["error"]["message"]
