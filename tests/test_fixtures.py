"""Every file of a genuine Keras, rebuilt, saved and loaded by plain Keras, gives the outputs that version gave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from reconstruct import diff, rules
from reconstruct.artifact import Finding, Layer
from reconstruct.errors import ReconstructError
from reconstruct.readers import read
from reconstruct.rules import lambdas
from reconstruct.rules.layout import of_theano
from reconstruct.runtimes import building, keras_3
from reconstruct.verification.comparison import Comparison, compare
from tests.conftest import FIXTURES, SavedModel, load_manifest

# Modes 1 and 2 of BatchNormalization keep averages and never use them.
UNUSED = {
    "files/keras-1.2.2/batch_normalization.h5": {
        f"/model_weights/{layer}/{layer}_running_{what}:0"
        for layer in ("batchnormalization_2", "batchnormalization_3")
        for what in ("mean", "std")
    },
    # HGQ counts bits, and weighs them, for training.
    **{
        f"files/hgq-0.2.6/{file}.h5": {
            f"/model_weights/{layer}/{name}" for layer in layers.split() for name in ("beta:0", f"{layer}/bops:0")
        }
        for file, layers in {
            "folded": "h_add h_conv1d_batch_norm h_dense_batch_norm",
            "image": "h_activation h_conv2d h_dense h_quantize",
        }.items()
    },
    "files/hgq-0.2.6/numbered.keras": {
        f"/layers/{place}"
        for place in (
            "h_dense/vars/4",
            "h_dense/vars/5",
            "h_dense_batch_norm/vars/6",
            "h_dense_batch_norm/vars/7",
            "h_quantize/vars/1",
            "h_quantize/vars/2",
        )
    },
    # Layers of QKeras that fold a batch normalization count the steps of training.
    "files/qkeras-0.9.0/folded_h5.h5": {
        f"/model_weights/{layer}/{layer}/iteration:0"
        for layer in ("q_conv2d_batchnorm", "q_depthwise_conv2d_batchnorm")
    },
    "files/qkeras-0.9.0/folded_zip.keras": {
        "/layers/q_conv2d_batchnorm/vars/2",
        "/layers/q_depthwise_conv2d_batchnorm/vars/1",
    },
    # What pruning and quantization count and keep for training; ranges of activations become constants of operations.
    "files/tensorflow-model-optimization-0.8.1/pruned_h5.h5": {
        f"/model_weights/prune_low_magnitude_{layer}/prune_low_magnitude_{layer}/{name}:0"
        for layer, names in {
            "conv2d": "pruning_step threshold",
            "batch_normalization": "pruning_step",
            "separable_conv2d": "pruning_step threshold",
            "flatten": "pruning_step",
            "dense": "pruning_step threshold",
        }.items()
        for name in names.split()
    },
    "files/tensorflow-model-optimization-0.8.1/pruned_zip.keras": {
        f"/layers/prune_low_magnitude{layer}/vars/{number}"
        for layer, numbers in {"": "023", "_2": "023", "_4": "01356", "_5": "023"}.items()
        for number in numbers
    }
    | {f"/layers/prune_low_magnitude_{layer}/vars/0" for layer in (1, 3)},
    "files/tensorflow-model-optimization-0.8.1/quantized_model.h5": {
        f"/model_weights/{layer}/{layer}/{name}:0"
        for layer, names in {
            "quantize_layer": "optimizer_step quantize_layer_min quantize_layer_max",
            "quant_conv2d": "optimizer_step",
            "quant_batch_normalization": "optimizer_step",
            "quant_re_lu": "optimizer_step output_min output_max",
            "quant_depthwise_conv2d": "optimizer_step post_activation_min post_activation_max",
            "quant_conv2d_transpose": "optimizer_step post_activation_min post_activation_max",
            "quant_flatten": "optimizer_step",
            "quant_dense": "optimizer_step pre_activation_min pre_activation_max",
            "quant_dense_1": "optimizer_step pre_activation_min pre_activation_max",
        }.items()
        for name in names.split()
    },
    "files/qkeras-v3-1.2.1/folded_h5.h5": {
        f"/model_weights/{layer}/{layer}/iteration"
        for layer in ("q_conv2d_batchnorm", "q_depthwise_conv2d_batchnorm", "q_dense_batchnorm")
    },
    # A spectral normalization is over once the model is trained, a weight normalization has begun.
    "files/tensorflow-addons-0.23/wrappers_h5.h5": {
        f"/model_weights/{name}"
        for name in (
            "time_distributed/time_distributed/sn_u:0",
            "spectral_normalization_1/spectral_normalization_1/sn_u:0",
            "weight_normalization/weight_normalization/data_dep_init/kernel:0",
            "weight_normalization/weight_normalization/data_dep_init/bias:0",
            "weight_normalization_2/weight_normalization_2/data_dep_init/kernel:0",
        )
    },
    "files/tensorflow-addons-0.23/wrappers_zip.keras": {
        f"/layers/{name}"
        for name in (
            "time_distributed/layer/vars/0",
            "time_distributed/layer/vars/1",
            "spectral_normalization/vars/0",
            "spectral_normalization/vars/1",
            "weight_normalization/_naked_clone_layer/vars/0",
            "weight_normalization/_naked_clone_layer/vars/1",
            "weight_normalization_2/_naked_clone_layer/vars/0",
        )
    },
}


# Files whose migration `diff` tells apart from them, though it means the same: what Keras works out when it builds a
# layer (`groups` of -1, the size of patches, places of pixels, shapes), layers of a residual block whose output nobody
# uses, and an initializer.
SAID_OTHERWISE = (
    "files/keras-2.2.4/locally_connected_channels_first",
    "files/keras-contrib-2.0.8/group_normalization",
    "files/keras-retinanet-1.0.0/",
    "files/keras-tcn-3.5.4/",
    "files/copied-images-tf_keras-2.21/enlarged",
    "files/copied-images-tf_keras-2.21/pixels",
    "files/tensorflow-addons-0.23/normalizations",
    "files/tutorials-keras-3.15/vision_transformer",
    "files/tutorials-tf_keras-2.21/vision_transformer",
)


@dataclass(frozen=True)
class Rebuilt:
    """What became of a file: the comparison with its recorded outputs, and what was not used of it."""

    comparison: Comparison
    unused: set[str]
    findings: list[Finding]
    model: Layer
    changes: tuple[rules.Change, ...]
    differences: list[tuple[str, str]]


def recorded(entry: SavedModel) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The recorded inputs and outputs."""
    assert entry.outputs_path is not None
    with np.load(entry.outputs_path, allow_pickle=False) as stored:
        xs, ys = ([stored[f"{k}{i}"] for i in range(len(stored.files)) if f"{k}{i}" in stored] for k in "xy")
    assert len(xs) + len(ys) == len(stored.files)
    return xs, ys


def rebuilt(entry: SavedModel, path: Path, use: tuple[rules.Rule, ...] = rules.RULES) -> Rebuilt:
    """Read the file, apply the rules, build the model, save it to `path`, load it, and compare."""
    artifact = read(entry.path)
    outcome = rules.apply(artifact, use)
    assert outcome.artifact.model is not None
    keras_3.clear()
    built = building.build(outcome.artifact.model)
    built.model.save(path)
    loaded: Any = keras.models.load_model(path)
    xs, ys = recorded(entry)
    used = {source for _, tensor in built.assigned for source in tensor.sources}
    return Rebuilt(
        compare(keras_3.run(loaded, xs), ys),
        {source for tensor in artifact.tensors for source in tensor.sources} - used,
        [*artifact.findings, *outcome.findings, *built.findings],
        outcome.artifact.model,
        outcome.changes,
        [(e.kind, e.path) for e in diff(entry.path, path).entries if e.kind != "training"],  # it is not compiled
    )


def test_outputs_are_those_of_the_genuine_version(saved_model: SavedModel, tmp_path: Path) -> None:
    result = rebuilt(saved_model, tmp_path / "model.keras")
    assert result.comparison.problem is None
    assert result.comparison.relative <= saved_model.tolerance
    assert result.unused == UNUSED.get(saved_model.file, set())
    assert [f.message for f in result.findings if f.severity == "error"] == []
    assert result.differences == [] or saved_model.file.startswith(SAID_OTHERWISE), result.differences


def test_rules_applied_to_their_result_change_nothing(saved_model: SavedModel) -> None:
    once = rules.apply(read(saved_model.path), rules.RULES).artifact
    twice = rules.apply(once, rules.RULES)
    assert twice.changes == ()
    assert twice.artifact.model is once.model


# A file that goes wrong, in its outputs or before, without the rule.
NEEDED = [
    ("keras-1.2.2/lstm_cpu.h5", "gates_in_one_kernel"),
    ("keras-1.2.2/conv2d_th.h5", "kernels_of_convolutions"),
    ("keras-1.2.2/resampling_th.h5", "dim_ordering_of_model"),
    ("keras-1.2.2/batch_normalization.h5", "batch_normalization_modes"),
    ("keras-1.2.2/maxout_highway.h5", "highway"),
    ("keras-2.0.9/recurrent_1.h5", "hard_sigmoid_gates"),
    ("keras-2.2.4/mlp.h5", "hard_sigmoid_of_linear"),
    ("keras-2.2.4/cudnn_lstm.h5", "cudnn_to_plain"),
    ("keras-2.2.4/initial_states.h5", "initial_state_argument"),
    ("keras-2.2.4/locally_connected.h5", "locally_connected"),
    ("keras-2.2.4/theano_conv2d.h5", "theano_kernels"),
    ("keras-2.3.1/resampling_and_local.h5", "bilinear_upsampling_of_keras_2"),
    ("tf_keras-2.21/activations_h5.h5", "hard_sigmoid_layer"),
    ("tf_keras-2.21/conv_lstm_zip.keras", "hard_sigmoid_gates"),
    ("tf_keras-2.21/time_major_h5.h5", "time_major"),
    ("tf_keras-2.21/slash_names_h5.h5", "slash_in_names"),
    ("tf_keras-2.21/operators_h5.h5", "tensorflow_function_to_keras_op"),
]


@pytest.mark.parametrize(("file", "rule"), NEEDED)
def test_a_missing_rule_is_noticed(manifest: list[SavedModel], file: str, rule: str, tmp_path: Path) -> None:
    entry = next(e for e in manifest if e.file == f"files/{file}")
    others = tuple(r for r in rules.RULES if r.name != rule)
    assert len(others) == len(rules.RULES) - 1
    try:
        result = rebuilt(entry, tmp_path / "model.keras", others)
    except (ReconstructError, KeyError, TypeError, ValueError):
        return
    assert not result.comparison.within(entry.tolerance)


# Forms that none of the versions writes that can still be run; their cases in tests/rules/cases are made by hand.
WITHOUT_A_FIXTURE = set(
    (
        "model_subclass dim_ordering_unsaid input_layer_of_sequential running_std_of_keras_1_0 full_border_mode "
        "dtype_names initializer_fields scalar_values relu_none_values activation_names model_config_fields "
        "graph_op_to_function ragged_and_sparse_methods training_only_layers random_crop interpolation_methods "
        "causal_separable_convolution renormalization_weights recurrent_activation_default stack_of_one_cell "
        "initial_output_of_masked_steps drop_autocast drop_unit_forget_bias_initializer drop_reverse_state_order "
        "drop_filters drop_rank drop_fused drop_virtual_batch_size drop_renorm drop_renorm_clipping "
        "drop_renorm_momentum drop_adjustment drop_moving_mean_regularizer drop_causal drop_sparse "
        "drop_data_format drop_vectorize drop_type_spec rename_max_tokens_to_num_tokens drop_keepdims"
    ).split()
)


# No bytecode is committed; tests/objects has Lambda layers saved by genuine versions while the tests run.
WITHOUT_A_FIXTURE |= {rule.name for rule in lambdas.RULES}


WITHOUT_A_FIXTURE |= {"foreign_activation_apart", "fixed_dropout"}
WITHOUT_A_FIXTURE |= {"qkeras_without_translation", "cluster_weights", "hub_layer"}  # they only refuse
# They draw random numbers: tests/objects/test_known_random.py
WITHOUT_A_FIXTURE |= {"sampling", "lasting_dropout"}
# Genuine files of both are written while the tests run: tests/generated
WITHOUT_A_FIXTURE |= {"lookup_counts", "grouped_query_attention"}
# What Keras 3.15.1 writes for these, no Keras reads: tests/rules has the cases, tests/generated the models.
WITHOUT_A_FIXTURE |= {"shear_range", "equalization_in_pipeline"}
# A name that Keras 3 has and the writer's Keras had not: nothing is computed otherwise, an assumption is reported.
WITHOUT_A_FIXTURE |= {"activation_before_its_time"}


def test_every_rule_is_needed_by_a_genuine_file() -> None:
    used = {change.rule for e in load_manifest() for change in rules.apply(read(e.path), rules.RULES).changes}
    assert {rule.name for rule in rules.RULES} - used <= WITHOUT_A_FIXTURE


def test_every_file_of_the_folder_is_in_the_manifest() -> None:
    entries = load_manifest()
    named = {e.path for e in entries} | {e.outputs_path for e in entries}
    assert all(path is not None and path.exists() for path in named)
    weights = {read(e.path).weights_source for e in entries if e.container == "config-json"}
    files = {p for p in FIXTURES.rglob("*") if p.is_file() and p.name != "manifest.json"}
    assert {str(p) for p in files if p not in named and p.parent not in named} == weights


def test_the_manifest_covers_every_generation() -> None:
    manifest = load_manifest()
    assert len({e.file for e in manifest}) == len(manifest) >= 80
    versions = {"keras 1.2.2", "keras 2.0.9", "keras 2.2.4", "keras 2.3.1", "tf_keras 2.21", "keras 3.15"}
    assert versions <= {e.made_with for e in manifest}
    assert {e.container for e in manifest} == {"h5-model", "keras-zip", "keras-dir", "config-json"}
    assert any(of_theano(read(e.path).writer) for e in manifest)
