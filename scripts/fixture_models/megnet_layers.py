"""megnet 1.3.2 on tf.keras: two molecules as one batch, of three and two atoms."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import keras
import numpy as np
from keras import Input, Model
from keras import layers as L

from fixture_models.common import Arrays, Catalogue

core = ModuleType("pymatgen.core")
core.Molecule = core.Structure = object  # type: ignore[attr-defined]  # megnet names their types only
sys.modules.update({"pymatgen": ModuleType("pymatgen"), "pymatgen.core": core})

from megnet.layers import _CUSTOM_OBJECTS, GaussianExpansion, MEGNetLayer, Set2Set  # noqa: E402

catalogue = Catalogue("megnet-1.3.2")


def reload(path: Path) -> Any:
    with keras.utils.custom_object_scope(_CUSTOM_OBJECTS):
        return keras.models.load_model(str(path))


def as_keras_2_4(path: Path) -> None:
    """The activation as the tf.keras of megnet's own models wrote it: tf_keras 2.21 writes what megnet cannot read."""
    new = '{"module": "builtins", "class_name": "function", "config": "softplus2", "registered_name": "function"}'
    with h5py.File(path, "r+") as file:
        config = file.attrs["model_config"]
        assert new in config
        file.attrs["model_config"] = config.replace(new, '"softplus2"')


def molecules(rng: np.random.Generator) -> Arrays:
    """Atoms, distances, states, the two atoms of each bond, and the graphs of atoms and bonds."""
    atoms, distances, states = rng.normal(size=(1, 5, 4)), rng.uniform(0.5, 3.0, (1, 6)), rng.normal(size=(1, 2, 2))
    first, second = [[0, 1, 1, 0, 3, 4]], [[1, 0, 2, 2, 4, 3]]
    graphs = [[0, 0, 0, 1, 1]], [[0, 0, 0, 0, 1, 1]]
    return [a.astype("float32") for a in (atoms, distances, states)] + [
        np.asarray(i, "int32") for i in (first, second, *graphs)
    ]


def network(pool: str, activation: str, use_bias: bool) -> Any:
    atoms, distances, states = Input((None, 4)), Input((None,)), Input((None, 2))
    indices = [Input((None,), dtype="int32") for _ in range(4)]
    bonds = L.Dense(5)(GaussianExpansion(np.linspace(0, 4, 7), 0.6)(distances))
    options = {"pool_method": pool, "activation": activation, "use_bias": use_bias}
    v, e, u = MEGNetLayer([7, 6], [8, 3], [5, 4], **options)([atoms, bonds, states, *indices])
    options = {"recurrent_activation": "hard_sigmoid", "use_bias": use_bias}
    of_atoms = Set2Set(T=3, n_hidden=5, **options)([v, indices[2]])
    of_bonds = Set2Set(T=1, n_hidden=4, **options)([e, indices[3]])
    out = L.Dense(2)(L.Concatenate()([of_atoms, of_bonds, u]))
    return Model([atoms, distances, states, *indices], [out, v, e, u])


COVERS = ("MEGNetLayer", "Set2Set", "GaussianExpansion")


@catalogue.add(*COVERS, inputs=molecules, reload=reload, edit=as_keras_2_4)
def mean_softplus2() -> Any:
    return network("mean", "softplus2", True)


@catalogue.add(*COVERS, inputs=molecules, reload=reload, container="keras-zip", suffix=".keras")
def sum_tanh() -> Any:
    return network("sum", "tanh", False)
