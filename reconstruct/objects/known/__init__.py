"""Layers and activations of other libraries, and of tutorials, that many files use: what each is in stock Keras 3.

Each is a rule of its own kind (`declare.known`), in the module of the library or family that it comes from. What the
user gives under the same name takes precedence. To add one: write the function beside its kin, name it in `KNOWN`, and
give it a case in `tests/rules/cases/`, `known*.py`.
"""

from __future__ import annotations

from reconstruct.objects.known import (
    activations,
    addons,
    attention,
    batch_normalizations,
    book,
    channels,
    crf,
    cyberzhg,
    distances,
    efficientnet,
    gan,
    garnet,
    hgq,
    hub,
    images,
    kapre,
    kapre_0_1,
    keras_bert,
    loss_layers,
    megnet,
    model_optimization,
    normalizations,
    pooling,
    qkeras,
    resizing,
    retinanet,
    self_attention,
    seq2seq,
    series,
    spectral,
    ssd,
    tcn,
    training_only,
    transformers,
    tutorials,
    vit_keras,
)
from reconstruct.objects.known.declare import Known, known

KNOWN: tuple[Known, ...] = (
    *model_optimization.KNOWN,  # before those that its wrappers wrap
    *activations.KNOWN,
    *addons.KNOWN,
    *efficientnet.KNOWN,
    *kapre.KNOWN,
    *kapre_0_1.KNOWN,
    *normalizations.KNOWN,
    *batch_normalizations.KNOWN,
    *tcn.KNOWN,
    *qkeras.KNOWN,
    *hgq.KNOWN,
    *hub.KNOWN,
    *megnet.KNOWN,
    *garnet.KNOWN,
    *seq2seq.KNOWN,  # before the layers of one input that have the same names
    *keras_bert.KNOWN,  # before the FeedForward of which it has its own
    *self_attention.KNOWN,  # before those of gists that have the same names
    *cyberzhg.KNOWN,
    *attention.KNOWN,
    *crf.KNOWN,
    *vit_keras.KNOWN,  # before the blocks of the same name of the Keras examples
    *transformers.KNOWN,
    *book.KNOWN,
    *series.KNOWN,
    *tutorials.KNOWN,
    *retinanet.KNOWN,
    *distances.KNOWN,
    *channels.KNOWN,
    *images.KNOWN,
    *resizing.KNOWN,
    *pooling.KNOWN,
    *ssd.KNOWN,
    *gan.KNOWN,
    *spectral.KNOWN,
    *training_only.KNOWN,
    *loss_layers.KNOWN,
)
RULES = tuple(each.rule for each in KNOWN)

__all__ = ["KNOWN", "RULES", "Known", "known"]
