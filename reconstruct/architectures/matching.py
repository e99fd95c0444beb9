"""Which known architecture the weights of a file, or of a part of it, are those of."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconstruct.architectures.rows import Row
from reconstruct.architectures.table import WITHOUT_PREPROCESSING, Architecture, architectures
from reconstruct.artifact import Call, Graph, Layer, Ref, Tensor, Writer
from reconstruct.inference.shapes import Shape, output_shape
from reconstruct.naming import numbered

# Layers without weights that tell one author's model from another's; activations and Dropout stand anywhere
_TELLING = frozenset("MaxPooling2D AveragePooling2D ZeroPadding2D Cropping2D UpSampling2D LeakyReLU ELU".split())


@dataclass(frozen=True)
class Match:
    """A known architecture with weights of the file; `taken` are the numbers of the layers that it stands for."""

    architecture: Architecture
    model: Layer
    taken: frozenset[int]
    distance: float


def matches(layers: Sequence[Layer], writer: Writer, named: bool) -> list[Match]:
    """The known architectures that the first of these layers are those of, the likeliest first.

    `named` says whether the layers have their names of old, and not those of their places in the file.
    """
    counts = Counter(_kind(n) for n in layers if n.weights)
    found = []
    for architecture in architectures():
        whole = architecture.classic and architecture.top
        if architecture.weighted == counts or (architecture.weighted < counts and not whole):
            found += list(_matches(architecture, layers, _places(architecture, layers), writer, named))
    size = max((sum(m.architecture.weighted.values()) for m in found), default=0)
    found = [m for m in found if sum(m.architecture.weighted.values()) == size]
    return sorted(found, key=lambda m: m.distance)


def _kind(layer: Layer) -> str:
    """The class that tells layers with weights apart. In ConvNeXt a single vector is a scale, and what is called
    depthwise is a convolution with a group for each channel."""
    shapes = [t.shape for t in layer.weights.values()]
    if len(shapes) == 1 and len(shapes[0]) == 1:
        return "LayerScale"
    grouped = layer.class_name == "DepthwiseConv2D" and shapes[0][-2] == 1 < shapes[0][-1]
    return "Conv2D" if grouped else layer.class_name


Places = Mapping[str, Sequence[int]]


def _places(architecture: Architecture, layers: Sequence[Layer]) -> Places:
    """By class the numbers of the layers with weights that the rows may be: those that come first."""
    places: dict[str, list[int]] = {}
    for i, layer in enumerate(layers):
        kind = _kind(layer)
        if layer.weights and len(places.setdefault(kind, [])) < architecture.weighted[kind]:
            places[kind].append(i)
    return places


def _matches(
    architecture: Architecture, layers: Sequence[Layer], places: Places, writer: Writer, named: bool
) -> Iterator[Match]:
    rows = [r for r in architecture.rows if r.variables]
    weighted = frozenset(i for found in places.values() for i in found)
    for order in (_by_name, _by_number, _by_place) if named else (_by_place,):
        assigned = order(rows, layers, places)
        if assigned is None:
            continue
        if named:
            others = _around(architecture, layers, weighted, order is _by_name)
        else:
            others = _anywhere(architecture, layers)
        model = _model(architecture, {row.name: layers[i] for row, i in assigned.items()})
        if model is not None and others is not None:
            distance = architecture.distance(writer) + _unlikely(architecture, model)
            yield Match(architecture, model, weighted | others, distance)
            return


# Layers without weights, where the file lists them


def _anywhere(architecture: Architecture, layers: Sequence[Layer]) -> frozenset[int] | None:
    """The architecture's layers without weights in a file whose order does not tell where these stand, the first of
    each class; None where it has others."""
    wanted = Counter(r.class_name for r in architecture.rows if not r.variables)
    wanted["Rescaling"] = architecture.scalings
    found: dict[str, list[int]] = {}
    for i, layer in enumerate(layers):
        if not layer.weights and layer.class_name != "InputLayer":
            found.setdefault(layer.class_name, []).append(i)
    if any(c in found for c in _TELLING) and any(len(found.get(c, ())) < wanted[c] for c in _TELLING):
        return None
    if any(len(found.get(c, ())) > wanted[c] for c in _TELLING):
        return None
    if "Activation" in found and len(found.get("Rescaling", ())) < wanted["Rescaling"]:
        return None
    return frozenset(i for c, numbers in found.items() for i in numbers[: wanted[c]])


def _around(
    architecture: Architecture, layers: Sequence[Layer], weighted: frozenset[int], same_names: bool
) -> frozenset[int] | None:
    """The layers without weights between the architecture's layers with weights, and those at its ends; None where
    they are others than it has. Names of an author say their class less surely than the same names do."""
    rows = architecture.rows
    own = [i for i, row in enumerate(rows) if row.variables]
    first, last = min(weighted), max(weighted)
    inside = [i for i in range(first, last) if not layers[i].weights]
    before = [i for i in range(first) if layers[i].class_name != "InputLayer"]
    have = Counter(layers[i].class_name for i in inside if layers[i].class_name in _TELLING)
    wanted = Counter(r.class_name for r in rows[own[0] : own[-1]] if r.class_name in _TELLING)
    scalings = sum(layers[i].class_name == "Rescaling" for i in (*before, *inside))
    if inside and ((have != wanted and not same_names) or scalings < architecture.scalings):
        return None
    after = range(last + 1, len(layers))
    leading = _alike([r.class_name for r in reversed(rows[: own[0]])], layers, before[::-1])
    return frozenset([*inside, *leading, *_alike([r.class_name for r in rows[own[-1] + 1 :]], layers, after)])


def _alike(classes: Sequence[str], layers: Sequence[Layer], numbers: Sequence[int]) -> Iterator[int]:
    """The numbers of the layers that are of these classes, one after the other, until one is another."""
    for wanted, i in zip(classes, numbers, strict=False):
        if _general(layers[i].class_name) != _general(wanted):
            return
        yield i


def _general(class_name: str) -> str:
    return "Activation" if class_name in ("ReLU", "Softmax") else class_name


def _unlikely(architecture: Architecture, model: Layer) -> float:
    """What speaks against a match beside the release.

    A classic has its usual size. EfficientNet with the weights of ImageNet divides by their deviations once more
    (Keras 3.15.1, applications/efficientnet.py), and normalises by their mean, which is 0 in one that started at
    random.
    """
    cost = 0.5 if architecture.variant.endswith(WITHOUT_PREPROCESSING) else 0.0
    assert model.graph is not None
    usual = tuple(model.graph.layers[0].config["batch_shape"][1:])
    if output_shape(model, [usual]) is None:
        cost += 0.5
    for layer in model.graph.layers:
        if layer.class_name == "Normalization" and layer.weights:
            trained = bool(layer.weights["mean"].read().any())
            cost += 0.0 if trained == architecture.variant.startswith("with the weights") else 1.0
    return cost


# Which layer is which row


Order = Mapping[Row, int]


def _by_name(rows: Sequence[Row], layers: Sequence[Layer], places: Places) -> dict[Row, int] | None:
    """By the names that both have."""
    numbers = {layers[i].name: i for found in places.values() for i in found}
    if any(row.name not in numbers for row in rows):
        return None
    return {row: numbers[row.name] for row in rows}


def _by_number(rows: Sequence[Row], layers: Sequence[Layer], places: Places) -> dict[Row, int] | None:
    """Layers that Keras numbered were made in the order of their numbers, wherever they stand."""
    result = {}
    for kind in {row.class_name for row in rows}:
        own = [row for row in rows if row.class_name == kind]
        mine = _counted({row.name: k for k, row in enumerate(own)})
        theirs = _counted({layers[i].name: i for i in places[kind]})
        if mine is None or theirs is None:
            return None
        result.update({own[k]: i for k, i in zip(mine, theirs, strict=True)})
    return result


def _counted(names: Mapping[str, int]) -> list[int] | None:
    if len({numbered(name)[0] for name in names}) > 1:
        return None
    return [names[name] for name in sorted(names, key=lambda n: numbered(n)[1])]


def _by_place(rows: Sequence[Row], layers: Sequence[Layer], places: Places) -> dict[Row, int] | None:
    """In the order of the file."""
    left = {kind: iter(found) for kind, found in places.items()}
    return {row: next(left[row.class_name]) for row in rows}


# The model


def _model(architecture: Architecture, layers: Mapping[str, Layer]) -> Layer | None:
    """The architecture with the weights of these layers; None where any of these cannot be its."""
    made: list[Layer] = []
    shapes: list[Shape] = []
    last = next(row for row in reversed(architecture.rows) if row.variables)
    for row in architecture.rows:
        layer = Layer(row.class_name, row.name, {**row.config, "name": row.name})
        if not row.inputs:
            shapes.append(_entry(architecture, layers))
            usual = _usual(row, shapes[0])
            if usual is None:
                return None
            made.append(layer.replace(config={"name": row.name, "batch_shape": [None, *usual]}))
            continue
        below = [shapes[i] for i in row.inputs]
        if row.variables:
            weights = _weights(row, layers[row.name])
            free = architecture.any_width or (architecture.top and row is last)
            if weights is None or not _is_like(row, weights, free):
                return None
            layer = _of_width(layer.replace(weights=weights))
        elif row.class_name == "Reshape":
            layer = _reshaped(layer, below[0])
        # What Flatten gives is known with the size of the input
        flat = below[0][-1] is None and row.class_name == "Dense"
        shape = (layer.config["units"],) if flat else output_shape(layer, below)
        if shape is None:
            return None
        refs = [Ref(made[i].name) for i in row.inputs]
        made.append(layer.replace(calls=(Call((refs if len(refs) > 1 else refs[0],)),)))
        shapes.append(shape)
    graph = Graph(tuple(made), Ref(made[0].name), Ref(made[-1].name))
    name = architecture.label.lower()
    padded = [architecture.rows[i].name for i in sorted(architecture.by_size)]
    config = {"name": name, "architecture": architecture.title, BY_SIZE: padded}
    return Layer("Functional", name, config, graph=graph)


BY_SIZE = "padded_by_size"  # the layers of a model whose padding is known with the size of its input


def _entry(architecture: Architecture, layers: Mapping[str, Layer]) -> Shape:
    """The shape of the input, as far as the first kernel tells it."""
    first = next(row for row in architecture.rows if "kernel" in row.variables)
    kernel = layers[first.name].weights.get("kernel")
    if kernel is None or len(kernel.shape) < 2:
        return (None, None, None)
    return (*(None for _ in kernel.shape[:-2]), kernel.shape[-2])


def _usual(row: Row, entry: Shape) -> Shape | None:
    """The shape that a classic takes where the file does not tell another; None where it takes no such numbers."""
    size = tuple(row.config.get("size", entry[:-1]))
    if len(entry) == 1 and size:
        return size if size == entry else None
    return (*size, entry[-1])


def _weights(row: Row, layer: Layer) -> dict[str, Tensor] | None:
    """The tensors of a layer by the names of the row's variables."""
    if len(layer.weights) != len(row.variables):
        return None
    if set(layer.weights) == set(row.variables):
        return {name: layer.weights[name] for name in row.variables}
    return dict(zip(row.variables, layer.weights.values(), strict=True))


def _is_like(row: Row, weights: Mapping[str, Tensor], any_width: bool) -> bool:
    """Whether the tensors are as large as the row says."""
    kernel = weights.get("kernel", weights.get("depthwise_kernel"))
    if kernel is None:
        return True
    size = row.config.get("kernel_size", [])
    size = [size, size] if isinstance(size, int) else list(size)
    if list(kernel.shape[: len(size)]) != size or len(kernel.shape) != len(size) + 2:
        return False
    width = row.config.get("filters", row.config.get("units"))
    return width is None or any_width or _width(row.class_name, weights) == width


def _of_width(layer: Layer) -> Layer:
    field = next((f for f in ("filters", "units") if f in layer.config), None)
    return layer if field is None else layer.having(**{field: _width(layer.class_name, layer.weights)})


def _width(class_name: str, weights: Mapping[str, Tensor]) -> int:
    """The number of channels that a layer gives."""
    kernel = weights.get("pointwise_kernel", weights.get("kernel"))
    assert kernel is not None
    return kernel.shape[-2 if class_name.endswith("Transpose") else -1]


def _reshaped(layer: Layer, below: Shape) -> Layer:
    """To as many channels as there are: the architecture's own are those of its usual width."""
    target = list(layer.config["target_shape"])
    known = [n for n in below if n is not None]
    if len(known) == len(below) and -1 not in target and math.prod(target) != math.prod(known):
        return layer.having(target_shape=[*(1 for _ in target[1:]), below[-1]])
    return layer


# Padding by size


def fitted(model: Layer, shape: Shape) -> Layer:
    """The model on inputs of this shape: `correct_pad` (Keras 3.15.1, applications/imagenet_utils.py) pads what is odd
    on both sides alike, and what is even by one less before it, so that a stride of 2 halves either."""
    names = model.config.get(BY_SIZE)
    if not names or model.graph is None:
        return model
    made, sides = [], []
    shapes: dict[str, Shape] = {}
    for layer in model.graph.layers:
        if not layer.calls:
            shapes[layer.name] = shape
            made.append(layer)
            continue
        below = [shapes[ref.layer] for ref in layer.calls[0].refs()]
        if layer.name in names:
            after = [int(side[1]) for side in layer.config["padding"]]
            odd = [n is not None and n % 2 == 1 for n in below[0][:-1]]
            layer = layer.having(padding=[[a if o else a - 1, a] for a, o in zip(after, odd, strict=True)])
        found = output_shape(layer, below)
        if found is None:
            return model
        shapes[layer.name] = found
        made.append(layer)
        sides.append(layer.config.get("padding") if layer.name in names else None)
    graph = Graph(tuple(made), model.graph.inputs, model.graph.outputs)
    return model.replace(graph=graph).having(sides=[s for s in sides if s is not None])


def pooled(model: Layer, class_name: str) -> Layer:
    """The model with pooling at its end, as the argument `pooling` adds it."""
    assert model.graph is not None
    below = model.graph.layers[-1].name
    name = f"{below}_pooled"
    last = Layer(class_name, name, {"name": name}, calls=(Call((Ref(below),)),))
    graph = Graph((*model.graph.layers, last), model.graph.inputs, Ref(name))
    return model.replace(graph=graph).having(pooling=class_name)


__all__ = ["BY_SIZE", "Match", "fitted", "matches", "pooled"]
