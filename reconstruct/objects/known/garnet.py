"""GarNet, the graph layer of hls4ml (contrib/garnet.py) and of caloGraphNN, from which that is taken."""

from __future__ import annotations

from reconstruct.artifact import Layer, Ref
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.nodes import Nodes
from reconstruct.objects.known.variables import named

_NAMES = ["FLR_kernel", "FLR_bias", "S_kernel", "S_bias", "Fout_kernel", "Fout_bias"]


@known("GarNet", "GarNetStack", source="hls4ml, contrib/garnet.py", certain=False)
def garnet(layer: Layer) -> Layer:
    """GarNet of hls4ml in its simplified form: Dense layers of Keras, joined by weights that fall with a distance."""
    config = layer.config
    if not {"simplified", "collapse", "input_format", "n_propagate"} <= set(config):
        return layer
    found = named(layer, _NAMES)
    doubts = [
        "several layers" if layer.class_name == "GarNetStack" else "",
        "quantized transforms" if config.get("quantize_transforms") else "",
        "" if config["simplified"] else "the form that is not simplified",
        "" if config["input_format"] == "xn" else f"the input format {config['input_format']!r}",
        "a mean over the vertices" if config.get("mean_by_nvert") else "",
        # Versions differ in whether they apply it once or twice
        "" if config.get("output_activation") in (None, "linear") else "an output activation",
    ]
    if any(doubts):
        raise NotEquivalent(f"GarNet with {', '.join(filter(None, doubts))} is not known")
    if not set(_NAMES) <= set(found):
        return layer
    flr, flr_bias, s, s_bias, fout, fout_bias = (found[name] for name in _NAMES)
    filters = flr.shape[-1]
    nodes, data, count = Nodes(), Ref("input_0"), Ref("input_1")
    features, distance = nodes.dense(flr, flr_bias, data, "FLR"), nodes.dense(s, s_bias, data, "S")
    one = nodes.op("ones_like", nodes.op("get_item", features, (Ellipsis, slice(0, 1))))
    number = nodes.op("subtract", nodes.op("cumsum", one, axis=1), 1.0)
    size = nodes.op("cast", nodes.op("expand_dims", nodes.op("cast", count, "int32"), -1), "float32")
    mask = nodes.op("cast", nodes.op("less", number, size), "float32")
    near = nodes.op("multiply", mask, nodes.op("exp", nodes.op("negative", nodes.op("square", distance))))
    turned = nodes.op("expand_dims", nodes.op("transpose", near, (0, 2, 1)), 3)
    gathered = nodes.op("mean", nodes.op("multiply", turned, nodes.op("expand_dims", features, 1)), axis=2)
    flat = nodes.op("reshape", gathered, (-1, 1, s.shape[-1] * filters))
    spread = nodes.op("multiply", nodes.op("repeat", near, filters, axis=-1), flat)
    result = nodes.op("multiply", mask, nodes.dense(fout, fout_bias, spread, "Fout"))
    if config["collapse"] is not None:
        result = nodes.op(str(config["collapse"]), result, axis=1)
    return nodes.model(layer, inputs=2, outputs=result)


KNOWN = (garnet,)
