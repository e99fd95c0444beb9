"""A file of weights read as a known architecture with layers of its author's own around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconstruct.architectures.matching import Match, matches
from reconstruct.artifact import KERAS_3, Artifact
from reconstruct.inference.evidence import Evidence, Found


def readings(evidence: Evidence, artifact: Artifact) -> Sequence[Evidence]:
    """The evidence with each known architecture as one layer of it, the likeliest first; as it is where none is known.

    A nested model is looked at by itself, outer ones first; then all layers are.
    """
    layers = evidence.layers
    nested = list(dict.fromkeys(f.within[:depth] for f in layers for depth in range(1, len(f.within) + 1)))
    found: list[tuple[list[int], list[Match]]] = []
    for model in [*sorted(nested, key=len), ()]:
        run = [i for i, f in enumerate(layers) if f.within[: len(model)] == model]
        inside = any(set(run) <= set(other) for other, _ in found)
        if (model or not found) and not inside and (known := _known(run, layers, artifact)):
            found.append((run, known))
    if not found:
        return [evidence]
    count = max(len(known) for _, known in found)
    made = [
        _reading(evidence, [(run, known[min(k, len(known) - 1)]) for run, known in found], found[0][1], bool(nested))
        for k in range(count)
    ]
    classic = all(known[0].architecture.classic for _, known in found)
    return [*made, evidence] if classic else made  # a classic may be another model with the same shapes


def _known(run: Sequence[int], layers: Sequence[Found], artifact: Artifact) -> list[Match]:
    legacy = artifact.lists_layers
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
