"""The orders in which values for open choices are tried."""

from reconstruct.artifact import Layer, Tensor
from reconstruct.inference.chains import chain
from reconstruct.inference.context import Context
from reconstruct.inference.opened import Values, opened, uniform
from reconstruct.inference.structure import Form
from reconstruct.inference.wiring import contexts


def dense(name: str) -> Layer:
    weights = {"kernel": Tensor(f"{name}/kernel", (6, 6), "float32", ())}
    return Layer("Dense", name, {"units": 6}, weights=weights)


def test_one_activation_for_all_hidden_layers_or_all_but_the_first() -> None:
    wiring = chain([Layer("InputLayer", "input"), *map(dense, "abcd")])
    each = opened(
        Form(wiring, tuple(n.layer for n in wiring.nodes), ((6,),) * 5, 0.0), contexts(wiring, Context(entered=6))
    )

    def hidden(values: Values) -> list[object]:
        return [value for (node, _), value in sorted(values.items()) if node < 4]

    tried = [hidden(values) for values in uniform(each)]
    assert ["tanh"] * 3 in tried
    assert ["relu", "elu", "elu"] in tried
    assert all(values[1] == values[2] for values in tried)
    assert {values[(4, "activation")] for values in uniform(each)} == {each.best()[4, "activation"]}
