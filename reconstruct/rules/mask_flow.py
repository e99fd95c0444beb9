"""Masks: which one each layer got in the Keras that wrote the file, where Keras 3 would hand on another or none.

What differs (layers/merging/, layers/rnn/ and layers/layer.py of Keras 3; layers/merge.py, wrappers.py of Keras 2.2.4):

- Add and its kin combine masks with "and" and take no account of inputs without one; Keras 3 combines them with "or",
  and gives no mask at all where an input has none. Concatenate likewise ("all" and "any" over the features).
- TimeDistributed hands on the masks of the layer inside since Keras 2.2; Keras 3 those of its input.
- A layer called with initial states gets no automatic mask in Keras 3, and none comes out of a nested model.
- Bidirectional repeats the last output at masked steps in Keras 1 and 2, and gives zeros in `tf.keras` and Keras 3.
- Multiply of Keras 3 puts 1 where an input is masked, which changes the product; no Keras before does.
- Identity, Normalization and Rescaling hand on masks in Keras 3 only.
- Softmax takes no mask before `tf.keras` 2.4.

So every layer that uses a mask, as one of the user may, is passed the right one as an argument, where the automatic
one is another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from reconstruct.artifact import Call, Graph, Layer, Ref, Writer, map_refs, refs_in
from reconstruct.rules.engine import before_keras_3, multi_backend, rule
from reconstruct.rules.expansion import op
from reconstruct.stock import LAYERS

# A mask as the operations that compute it, e.g. ("and", (("ids", Ref), ("steps", ("ids", Ref)))).
Mask = tuple[Any, ...]

_MODELS = ("Sequential", "Functional", "Model")
_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN")
_SEQUENCES = (*_RECURRENT, "Bidirectional")
_MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
_TAKE = (*_SEQUENCES, "GlobalAveragePooling1D", "TimeDistributed", "BatchNormalization", "CRF", "ChainDecoder")
_PASS = (
    "Activation Dropout SpatialDropout1D GaussianNoise GaussianDropout AlphaDropout BatchNormalization LeakyReLU PReLU "
    "ELU ReLU ThresholdedReLU Softmax ActivityRegularization Dense LayerNormalization GroupNormalization "
    "UnitNormalization"
).split()
_END = ("Identity", "Normalization", "Rescaling")


@dataclass
class _Flow:
    """The masks in one model: as Keras 3 hands them on, or as the Keras that wrote the file did.

    `inner` says whether TimeDistributed asks the layer inside, `branches` whether models can be those of a Merge.
    `lost` are the layers that will be replaced by operations, or called on their results, which hand on no mask.
    """

    graph: Graph
    keras_3: bool
    inner: bool = False
    lost: frozenset[str] = frozenset()
    branches: bool = False
    given: dict[str, Mask | None] = field(default_factory=dict)
    _known: dict[Ref, Mask | None] = field(default_factory=dict)

    def of(self, ref: Ref) -> Mask | None:
        """The mask that comes with a tensor; None where it has none."""
        if ref not in self._known:
            self._known[ref] = None
            self._known[ref] = self._find(ref)
        return self._known[ref]

    def _find(self, ref: Ref) -> Mask | None:
        layer = self.graph[ref.layer]
        if not layer.calls:
            return self.given.get(layer.name)
        given = refs_in(layer.calls[ref.call].args)
        if not given or layer.name in self.lost:
            return None
        if layer.class_name == "CarryMask":  # one of our own (reconstruct/layers/masks.py)
            return self.of(given[1])
        if layer.class_name in _MERGES:
            return self._merged([self.of(r) for r in given])
        if layer.class_name == "Concatenate":
            masks = [self.of(r) for r in given]
            if self.keras_3:  # computed by operations whose automatic names can be those of layers in the file
                return ("keras_3", ref) if any(masks) else None
            if layer.config.get("axis", -1) in (1, -2):
                return ("cat", tuple(masks)) if all(masks) else None
            return self._merged(masks)
        return self._of_one(layer, ref, given[0])

    def _of_one(self, layer: Layer, ref: Ref, given: Ref) -> Mask | None:
        if layer.class_name in ("Embedding", "Masking"):
            return _own_mask(layer, given)
        if layer.class_name in _SEQUENCES:
            each = layer.children.get("forward_layer", layer)
            unseen = self.keras_3 and "initial_state" in layer.calls[ref.call].kwargs
            states = ref.output > (1 if layer.config.get("merge_mode", "concat") is None else 0)
            return None if unseen or states or not each.config.get("return_sequences") else self.of(given)
        if layer.class_name == "TimeDistributed":
            return self._of_time_distributed(layer.children["layer"], given)
        if layer.graph is not None:
            return None if self.keras_3 else self._of_model(layer, ref, given)
        return self.of(given) if layer.class_name in _PASS else None

    def _merged(self, masks: list[Mask | None]) -> Mask | None:
        present = list(dict.fromkeys(m for m in masks if m is not None))
        if (self.keras_3 and None in masks) or not present:
            return None
        return present[0] if len(present) == 1 else ("or" if self.keras_3 else "and", tuple(present))

    def _of_time_distributed(self, layer: Layer, given: Ref) -> Mask | None:
        mask = self.of(given)
        if self.keras_3 or not self.inner:
            return mask
        own = _own_mask(layer, given)
        if own is not None:
            return "steps", own
        return ("any", mask[1]) if mask and mask[0] == "steps" and _gives_last(layer) else mask

    def _of_model(self, layer: Layer, ref: Ref, given: Ref) -> Mask | None:
        """The mask that comes out of a nested model with one input, if it is computed from what goes in.

        None comes out of a Sequential that was given to a Merge (Keras 1.2.2, models.py: `output_masks=[None]`);
        `merge_of_models` has made an input of its own for it.
        """
        if self.branches and given.layer == f"{layer.name}_input" and not layer.name.endswith("_branch"):
            return None
        inside = as_functional(layer).graph
        if inside is None or inside.sequential or len(entries := refs_in(inside.inputs)) != 1:
            return None
        outputs = refs_in(inside.outputs)
        flow = _Flow(inside, False, self.inner, branches=self.branches, given={entries[0].layer: self.of(given)})
        mask = flow.of(outputs[ref.output]) if ref.output < len(outputs) else None
        moved = _moved(mask, {entries[0]: given})
        return moved if all(r.layer in {n.name for n in self.graph.layers} for r in refs_in(moved or ())) else None


def _gives_last(layer: Layer) -> bool:
    """Whether a recurrent layer gives its last output only, and so no mask."""
    each = layer.children.get("forward_layer", layer)
    return layer.class_name in _SEQUENCES and not each.config.get("return_sequences")


def _own_mask(layer: Layer, given: Ref) -> Mask | None:
    if layer.class_name == "Embedding" and layer.config.get("mask_zero"):
        return "ids", given
    if layer.class_name == "Masking":
        return "values", given, float(layer.config.get("mask_value", 0.0))
    return None


def _moved(mask: Any, refs: dict[Ref, Ref]) -> Any:
    if isinstance(mask, Ref):
        return refs.get(mask, mask)
    return tuple(_moved(m, refs) for m in mask) if isinstance(mask, tuple) else mask


def as_functional(model: Layer) -> Layer:
    """A sequential model that begins with an InputLayer as a functional one; any other as it is."""
    graph = model.graph
    if graph is None or not graph.sequential or not graph.layers or graph.layers[0].class_name != "InputLayer":
        return model
    layers = [graph.layers[0]]
    for layer in graph.layers[1:]:
        layers.append(layer.replace(calls=(Call((Ref(layers[-1].name),)),)))
    return model.replace(
        class_name="Functional", graph=Graph(tuple(layers), [Ref(layers[0].name)], Ref(layers[-1].name))
    )


def _multi_backend_before_2_2(writer: Writer) -> bool:
    return multi_backend(writer) and writer.version < (2, 2, 0)


def _multi_backend_from_2_2(writer: Writer) -> bool:
    return multi_backend(writer) and writer.version >= (2, 2, 0)


def _tf_keras(writer: Writer) -> bool:
    return before_keras_3(writer) and writer.is_tf_keras


@rule(layers=_MODELS, writers=_multi_backend_before_2_2)
def masks_before_keras_2_2(layer: Layer) -> Layer:
    """Merging and bidirectional layers handle masks otherwise in Keras 3: the masks of Keras 1 and 2 are passed on."""
    return _with_masks(layer, holds=True, inner=False)


@rule(layers=_MODELS, writers=_multi_backend_from_2_2)
def masks_of_keras_2(layer: Layer) -> Layer:
    """Merging, wrapping and bidirectional layers handle masks otherwise in Keras 3: those of Keras 2 are passed on."""
    return _with_masks(layer, holds=True, inner=True)


@rule(layers=_MODELS, writers=_tf_keras)
def masks_of_tf_keras(layer: Layer) -> Layer:
    """Merging layers and TimeDistributed handle masks otherwise in Keras 3: those of tf.keras are passed on."""
    return _with_masks(layer, holds=False, inner=True)


def _with_masks(layer: Layer, holds: bool, inner: bool) -> Layer:
    """The model with masks as arguments. `holds`: a Keras of many backends, so Bidirectional and Softmax differ."""
    model = as_functional(layer)
    graph = model.graph
    if graph is None or graph.sequential or not any(_own_mask(n, Ref("")) for n in model.walk()):
        return layer
    old = _Flow(graph, False, inner, branches=holds)
    held = frozenset(n.name for n in graph.layers if holds and _is_held(n, old))
    plain = frozenset(n.name for n in graph.layers if holds and _is_masked_softmax(n, old))
    ends = frozenset(n.name for n in graph.layers if _ends_mask(n, old))
    products = frozenset(n.name for n in graph.layers if _is_masked_product(n, old, _Flow(graph, True)))
    new = _Flow(graph, True, lost=held | plain | ends | products)
    layers: list[Layer] = []
    masks: dict[Mask, Ref] = {}
    states: dict[tuple[str, int], tuple[str, int]] = {}
    for part in graph.layers:
        if part.name in plain:
            part = op(part.name, "softmax", *part.calls[0].args, axis=part.config.get("axis", -1))
        elif _uses_mask(part):
            part = part.replace(calls=tuple(_masked(c, part.name, old, new, layers, masks) for c in part.calls))
        if part.name in ends:
            layers += _without_mask(part)
        elif part.name in products:
            layers += _of_unmasked(part)
        else:
            layers += _taken_apart(part, states) if part.name in held else [part]
    if layers == list(graph.layers):
        return layer

    def ref(r: Ref) -> Ref:
        name, output = states.get((r.layer, r.output), (r.layer, r.output))
        return Ref(name, r.call, output)

    placed = tuple(
        n.replace(path=n.path or f"{model.path}/{n.name}", calls=tuple(c.map(ref) for c in n.calls)) for n in layers
    )
    return model.replace(graph=Graph(placed, graph.inputs, map_refs(graph.outputs, ref)))


def _ends_mask(layer: Layer, old: _Flow) -> bool:
    """Whether Keras 3 would hand on a mask where none was: also TimeDistributed that takes the last of masked steps."""
    if layer.class_name in _END and len(layer.calls) == 1:
        return old.of(refs_in(layer.calls[0].args)[0]) is not None
    if layer.class_name != "TimeDistributed" or len(layer.calls) != 1 or not _gives_last(layer.children["layer"]):
        return False
    mask = old.of(refs_in(layer.calls[0].args)[0])
    return mask is not None and mask[0] == "steps"


def _without_mask(layer: Layer) -> list[Layer]:
    """The layer and, under its name, a copy of its output: operations hand on no mask."""
    inside = layer.having(name=f"{layer.name}_masked").replace(name=f"{layer.name}_masked")
    return [inside, op(layer.name, "copy", Ref(inside.name)).replace(path=layer.path)]


def _is_masked_product(layer: Layer, *flows: _Flow) -> bool:
    """Whether Keras 3 would put 1 in this product where an input is masked (layers/merging/multiply.py)."""
    if layer.class_name != "Multiply" or len(layer.calls) != 1:
        return False
    return any(flow.of(r) for r in refs_in(layer.calls[0].args) for flow in flows)


def _of_unmasked(layer: Layer) -> list[Layer]:
    """The layer called on copies of its inputs: operations hand on no mask."""
    given = refs_in(layer.calls[0].args)
    copies = [op(f"{layer.name}_plain_{i}", "copy", r) for i, r in enumerate(given)]
    return [*copies, layer.replace(calls=(Call(([Ref(c.name) for c in copies],)),))]


def _is_masked_softmax(layer: Layer, old: _Flow) -> bool:
    """Whether Keras 3 would apply a mask to this softmax, as no Keras before `tf.keras` 2.4 does."""
    return layer.class_name == "Softmax" and len(layer.calls) == 1 and bool(old.of(refs_in(layer.calls[0].args)[0]))


def _is_held(layer: Layer, old: _Flow) -> bool:
    """Whether the Bidirectional layer gets a mask and gives sequences, which Keras 3 would fill with zeros."""
    forward = layer.children.get("forward_layer")
    if layer.class_name != "Bidirectional" or forward is None or forward.class_name not in _RECURRENT:
        return False
    if not forward.config.get("return_sequences") or layer.config.get("merge_mode", "concat") not in _BY_MODE:
        return False
    if layer.config.get("merge_mode", "concat") is None and len(layer.calls) > 1:
        return False
    calls = [c for c in layer.calls if "initial_state" not in c.kwargs]
    return len(calls) == len(layer.calls) and any(old.of(refs_in(c.args)[0]) for c in calls)


_BY_MODE = {"concat": "Concatenate", "sum": "Add", "ave": "Average", "mul": "Multiply", None: None}


def _taken_apart(layer: Layer, states: dict[tuple[str, int], tuple[str, int]]) -> list[Layer]:
    """The two directions of a Bidirectional layer, the second one turned round, and their merging under its name.

    `states` gets where the outputs that are not merged, the states above all, are now.
    """
    name, both = layer.name, []
    by_mode = _BY_MODE[layer.config.get("merge_mode", "concat")]
    for direction in ("forward", "backward"):
        each = layer.children[f"{direction}_layer"].having(name=f"{name}_{direction}")
        both.append(each.replace(name=f"{name}_{direction}", calls=layer.calls, path=f"{layer.path}/{direction}_layer"))
    if both[0].config.get("return_state"):
        count = 2 if both[0].class_name == "LSTM" else 1
        for i in range(2 * count):
            states[name, i + (1 if by_mode else 2)] = both[i // count].name, 1 + i % count
    turned, merged = [], []
    for i in range(len(layer.calls)):
        turned.append(op(f"{name}_turned_{i}", "flip", Ref(both[1].name, i), axis=1))
        first = Ref(both[0].name, i)
        if by_mode == "Multiply":  # as above: the mask must not reach it
            turned.append(op(f"{name}_plain_{i}", "copy", first))
            first = Ref(turned[-1].name)
        merged.append(Call(([first, Ref(f"{name}_turned_{i}")],)))
    if by_mode is None:
        states[name, 0], states[name, 1] = (both[0].name, 0), (turned[0].name, 0)
        return [*both, *turned]
    return [*both, *turned, Layer(by_mode, name, {"name": name}, calls=tuple(merged), path=layer.path)]


def _uses_mask(layer: Layer) -> bool:
    own = layer.class_name not in LAYERS and not str(layer.package).startswith("reconstruct>")
    return layer.class_name in _TAKE or layer.graph is not None or (own and layer.class_name != "Op")


def _masked(each: Call, name: str, old: _Flow, new: _Flow, layers: list[Layer], masks: dict[Mask, Ref]) -> Call:
    """The call with the mask as an argument, where the one that Keras 3 takes by itself is another.

    What computes the mask is added to `layers` and remembered in `masks`.
    """
    given = refs_in(each.args)
    want = old.of(given[0]) if given else None
    have = None if not given or "initial_state" in each.kwargs else new.of(given[0])
    if want is None or want == have or "mask" in each.kwargs:
        return each
    return Call(each.args, {**each.kwargs, "mask": _computed(want, f"{name}_mask", layers, masks)})


def _computed(mask: Mask, name: str, layers: list[Layer], masks: dict[Mask, Ref]) -> Ref:
    """Where the mask is after the operations that compute it are among `layers`."""
    if mask in masks:
        return masks[mask]
    kind, first = mask[0], mask[1]
    if kind == "steps":
        return _computed(first, name, layers, masks)
    while any(n.name == name for n in layers):
        name += "_"
    if kind == "ids":
        node = op(name, "not_equal", first, 0)
    elif kind == "values":
        layers.append(op(f"{name}_parts", "not_equal", first, mask[2]))
        node = op(name, "any", Ref(f"{name}_parts"), axis=-1)
    elif kind == "any":
        node = op(name, "any", _computed(first, f"{name}_steps", layers, masks), axis=-1)
    else:
        parts = [_computed(m, f"{name}_{i}", layers, masks) for i, m in enumerate(first)]
        if kind == "cat":
            node = op(name, "concatenate", parts, axis=1)
        else:
            for i, part in enumerate(parts[1:-1]):
                layers.append(op(f"{name}_and_{i}", "logical_and", parts[0], part))
                parts[0] = Ref(f"{name}_and_{i}")
            node = op(name, "logical_and", parts[0], parts[-1])
    layers.append(node)
    masks[mask] = Ref(name)
    return masks[mask]


RULES = (masks_before_keras_2_2, masks_of_keras_2, masks_of_tf_keras)
