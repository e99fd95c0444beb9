"""A file of weights read as a known architecture with layers of its author's own around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconstruct.architectures.matching import Match, matches
from reconstruct.artifact import KERAS_3, Artifact
from reconstruct.inference.evidence import Evidence, Found


def readings(evidence: Evidence, artifact: Artifact) -> Sequence[Evidence]:
    """The evidence with each known architecture as one layer of it, the likeliest first; as it is where none is known.

    A nested model is looked at by itself; then all layers are.
    """
    layers = evidence.layers
    models = list(dict.fromkeys(f.within for f in layers if f.within is not None))
    found = [(run, known) for m in models if (known := _known(run := _run(layers, m), layers, artifact))]
    if not found:
        whole = list(range(len(layers)))
        known = _known(whole, layers, artifact)
        found = [(whole, known)] if known else []
    if not found:
        return [evidence]
    count = max(len(known) for _, known in found)
    made = [
        _reading(evidence, [(run, known[min(k, len(known) - 1)]) for run, known in found], found[0][1], bool(models))
        for k in range(count)
    ]
    classic = all(known[0].architecture.classic for _, known in found)
    return [*made, evidence] if classic else made  # a classic may be another model with the same shapes


def _run(layers: Sequence[Found], model: str) -> list[int]:
    return [i for i, f in enumerate(layers) if f.within == model]


def _known(run: Sequence[int], layers: Sequence[Found], artifact: Artifact) -> list[Match]:
    legacy = artifact.container == "h5-weights"
    writer = artifact.writer if legacy else KERAS_3  # other files of weights do not say who wrote them
    return matches([layers[i].layer for i in run], writer, legacy)


def _reading(
    evidence: Evidence, chosen: Sequence[tuple[Sequence[int], Match]], others: Sequence[Match], nested: bool
) -> Evidence:
    made: dict[int, Found] = {}
    gone: set[int] = set()
    for number, (run, match) in enumerate(chosen):
        places = [run[i] for i in match.taken]
        name = f"{match.model.name}_{number}" if number else match.model.name
        layer = match.model.replace(name=name, path=f"model/{name}").having(name=name)
        made[min(places)] = Found(layer, "certain", ("shapes",))
        gone.update(places)
    kept = tuple(made.get(i, f) for i, f in enumerate(evidence.layers) if i in made or i not in gone)
    listed = any(not f.layer.weights and f.layer.graph is None and f.layer.class_name != "InputLayer" for f in kept)
    title = chosen[0][1].architecture.title
    return replace(
        evidence,
        layers=kept,
        lists_all=listed if nested else evidence.lists_all,
        known=f"these weights are taken for those of {title}",
        others=tuple(m.architecture.title for m in others if m.architecture.title != title),
        cost=0.1 + chosen[0][1].distance - others[0].distance,
    )


__all__ = ["readings"]
