"""Libraries whose layers are known (`reconstruct/objects/known`): what is installed to write their fixtures, and where.

A library is installed once, without its dependencies but for those named here, into a folder of the user's cache. It
runs on tf_keras, under the name `keras` and as `tf.keras`, or on the earlier Keras it was made for. Code that people
copy from tutorials instead of installing it stands, written anew, in `tutorials` and in the modules `copied_…`.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Library:
    """`module` holds the fixtures; `base` is the Keras that the library runs on, `packages` what pip installs."""

    module: str
    base: str = "tf_keras"
    packages: tuple[str, ...] = ()


_ADDONS = ("tensorflow-addons==0.23.0", "typeguard==2.13.3", "tf2crf==0.1.33")
_PRUNING = ("tensorflow-model-optimization==0.8.1", "dm-tree==0.1.9")
_PARSING = ("pyparsing==3.1.4", "networkx==3.4.2", "tqdm==4.67.1")
_LIBROSA = (
    "librosa==0.10.2",
    "lazy-loader==0.4",
    "joblib==1.4.2",
    "cloudpickle==3.1.1",
    "decorator==5.1.1",
    "pooch==1.8.2",
    "msgpack==1.1.0",
)
LIBRARIES: dict[str, Library] = {
    "tensorflow-model-optimization-0.8.1": Library("model_optimization", packages=_PRUNING),
    "garnet": Library("garnet_layers"),
    "loss-layers": Library("loss_layers"),
    "megnet-1.3.2": Library("megnet_layers", packages=("megnet==1.3.2",)),
    "qkeras-0.9.0": Library("qkeras_layers", packages=("qkeras==0.9.0", *_PRUNING, *_PARSING)),
    "qkeras-v3-1.2.1": Library("qkeras_layers", "keras", ("qkeras-v3==1.2.1", *_PRUNING, *_PARSING)),
    "attention-layers": Library(
        "cyberzhg",
        packages=(
            "keras-self-attention==0.51.0",
            "keras-multi-head==0.29.0",
            "keras-pos-embd==0.13.0",
            "keras-layer-normalization==0.16.0",
            "keras-position-wise-feed-forward==0.8.0",
            "attention==5.0.0",
        ),
    ),
    "tutorials-tf_keras-2.21": Library("tutorials"),
    "tutorials-keras-3.15": Library("tutorials", base="keras"),
    "copied-images-tf_keras-2.21": Library("copied_images"),
    "copied-images-keras-3.15": Library("copied_images", base="keras"),
    "copied-sequences-tf_keras-2.21": Library("copied_sequences"),
    "copied-sequences-keras-3.15": Library("copied_sequences", base="keras"),
    "copied-decoder-keras-2.0.9": Library("copied_decoder", base="keras 2.0.9"),
    "copied-series-tf_keras-2.21": Library("copied_series"),
    "efficientnet-1.1.1": Library("efficientnet", packages=("efficientnet==1.1.1", "keras-applications==1.0.8")),
    "kapre-0.1.7": Library("kapre_0_1", packages=("kapre==0.1.7", *_LIBROSA)),
    "kapre-0.3.7": Library("kapre_layers", packages=("kapre==0.3.7", *_LIBROSA)),
    "hgq-0.2.6": Library("hgq_layers", packages=("HGQ==0.2.6",)),
    "keras-bert-0.89.0": Library(
        "bert_layers",
        packages=(
            "keras-bert==0.89.0",
            "keras-transformer==0.40.0",
            "keras-embed-sim==0.10.0",
            "keras-self-attention==0.51.0",
            "keras-multi-head==0.29.0",
            "keras-pos-embd==0.13.0",
            "keras-layer-normalization==0.16.0",
            "keras-position-wise-feed-forward==0.8.0",
        ),
    ),
    "keras-contrib-2.0.8": Library("keras_contrib", base="keras 2.2.4"),
    "keras-resnet-0.2.0": Library("resnet_layers", "keras 2.2.4", ("keras-resnet==0.2.0",)),
    "keras-retinanet-1.0.0": Library("retinanet_layers", packages=("keras-retinanet==1.0.0",)),
    "keras-tcn-3.5.4": Library("keras_tcn", packages=("keras-tcn==3.5.4",)),
    "vit-keras-0.2.0": Library("vit_layers", "keras", ("vit-keras==0.2.0",)),
    "tensorflow-addons-0.23": Library("addons", packages=_ADDONS),
}


def activate(version: str) -> Any:
    """Make the library and the Keras it runs on importable; returns that `keras` module."""
    from reconstruct.runtimes import earlier_keras, oracles, originals

    library = LIBRARIES[version]
    os.environ["TF_USE_LEGACY_KERAS"] = "1" if library.base == "tf_keras" else "0"
    if library.packages:
        sys.path.append(str(_installed(version, library.packages, oracles.cache_folder() / "libraries")))
    if library.base.startswith("keras "):
        return earlier_keras.activate(oracles.install(oracles.by_name(library.base)))
    importlib.import_module("tensorflow")
    keras = importlib.import_module(library.base)
    if library.base == "tf_keras":
        originals._answer_to_keras()
    return keras


def _installed(version: str, packages: tuple[str, ...], cache: Path) -> Path:
    folder = cache / version
    done = folder / ".installed"
    if not done.exists() or done.read_text() != "\n".join(packages):
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target", str(folder)]
        subprocess.run([*command, *packages], check=True, stdout=sys.stderr)
        done.write_text("\n".join(packages))
    return folder
