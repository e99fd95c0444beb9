"""The layers that a weights file lists, in the order of the model."""

from pathlib import Path

import h5py
import numpy as np

from reconstruct.readers import read


def test_object_weights_are_in_the_order_of_writing_and_of_counters(tmp_path: Path) -> None:
    path = tmp_path / "m.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_group("vars")
        for key, name, shape in [
            ("input_layer", "input", None),
            ("lstm/cell", "encoder", (2, 4)),
            ("dropout", "drop", None),
            ("dense", "hidden", (4, 3)),
            ("conv1d", "late", (3, 3, 3)),
            ("dense_1", "out", (3, 1)),
        ]:
            own = file.create_group(f"layers/{key}/vars")
            file.require_group(f"layers/{key.split('/')[0]}/vars").attrs["name"] = name
            if shape is not None:
                own["0"] = np.zeros(shape, "f4")
        file["optimizer/vars/0"] = np.zeros(3, "f4")
    groups = read(path).groups
    assert [g.name for g in groups] == ["input", "encoder", "drop", "hidden", "late", "out"]
    assert [g.kind for g in groups] == ["input_layer", "lstm", "dropout", "dense", "conv1d", "dense"]
    assert [t.name for t in groups[1].tensors] == ["cell/vars/0"]


def test_legacy_weights_keep_layers_without_weights(tmp_path: Path) -> None:
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"flatten_1", b"dense_1"]
        file.create_group("flatten_1").attrs["weight_names"] = np.zeros(0, "S1")
        dense = file.create_group("dense_1")
        dense.attrs["weight_names"] = [b"dense_1/kernel:0"]
        dense["dense_1/kernel:0"] = np.zeros((4, 2), "f4")
    assert [(g.name, len(g.tensors)) for g in read(path).groups] == [("flatten_1", 0), ("dense_1", 1)]
