"""Forms come by cost, and none is left out."""

import time
from collections.abc import Iterator, Sequence

from reconstruct.artifact import Layer, Tensor
from reconstruct.inference.chains import chain
from reconstruct.inference.choices import fits, structural
from reconstruct.inference.context import Context
from reconstruct.inference.forms import forms
from reconstruct.inference.shapes import Shape
from reconstruct.inference.structure import Starts, Wiring
from reconstruct.inference.wiring import contexts


def convolution(name: str, channels: int, filters: int) -> Layer:
    weights = {"kernel": Tensor(f"{name}/kernel", (3, 3, channels, filters), "float32", ())}
    return Layer("Conv2D", name, {"kernel_size": [3, 3], "filters": filters}, weights=weights)


def dense(name: str, entered: int, units: int) -> Layer:
    weights = {"kernel": Tensor(f"{name}/kernel", (entered, units), "float32", ())}
    return Layer("Dense", name, {"units": units}, weights=weights)


LAYERS = [
    Layer("InputLayer", "input"),
    convolution("conv2d", 1, 4),
    Layer("MaxPooling2D", "max_pooling2d"),
    convolution("conv2d_1", 4, 8),
    Layer("Flatten", "flatten"),
    dense("dense", 8 * 36, 10),
]
STARTS = [((side, side, 1), cost) for side, cost in ((20, 2.5), (14, 1.0), (28, 0.2), (13, 0.1))]


Made = tuple[float, tuple[object, ...]]


def all_forms(wiring: Wiring, around: Sequence[Context], starts: Starts) -> Iterator[Made]:
    """Every choice for every layer, tried."""

    def follow(i: int, cost: float, shapes: tuple[Shape, ...], made: tuple[object, ...]) -> Iterator[Made]:
        if i == len(wiring.nodes):
            yield cost, made
            return
        node = wiring.nodes[i]
        if not node.inputs:
            for shape, own in starts[i]:
                yield from follow(i + 1, cost + own, (*shapes, shape), (*made, shape))
            return
        below = [shapes[j] for j in node.inputs]
        for option in structural(node.layer, below, around[i]):
            shape = fits(option, below)
            if shape is not None:
                assert option.layer is not None
                yield from follow(i + 1, cost + option.cost, (*shapes, shape), (*made, str(option.layer.config)))

    yield from follow(0, 0.0, (), ())


def test_all_forms_come_by_cost() -> None:
    wiring = chain(LAYERS)
    around = contexts(wiring, Context())
    expected = sorted(all_forms(wiring, around, {0: STARTS}), key=lambda item: item[0])
    found = list(forms(wiring, around, {0: STARTS}, [None], time.monotonic() + 60))
    assert len(found) == len(expected) > 50
    assert [round(form.cost, 6) for form in found] == [round(cost, 6) for cost, _ in expected]
    marks = [(f.shapes[0], *(str(n.config) for n in f.layers[1:] if n is not None)) for f in found]
    assert sorted(map(str, marks)) == sorted(str(made) for _, made in expected)
