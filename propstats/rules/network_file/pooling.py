"""Kinds of pooling layers, as network files name them."""

from propstats.rules.max_pooling import MaxPool
from propstats.rules.network_file.place import Context, Place
from propstats.rules.network_file.tables import Table
from propstats.rules.pooling import PowerPool, average_pool
from propstats.rules.resampling import Resampling, resample
from propstats.rules.rule import Rule
from propstats.theory.pooling.layer import PoolLayer, pool_layer

#: What a file calls a layer, and what `propstats.theory.pooling` calls it.
POOLING = {
    "average_pool": "average",
    "max_pool": "max",
    "lp_pool": "lp",
    "global_average_pool": "global_average",
    "global_max_pool": "global_max",
    "adaptive_average_pool": "adaptive_average",
    "adaptive_max_pool": "adaptive_max",
}


def pooling_layer(kind: str, table: Table, place: Place, context: Context) -> tuple[Rule, Place]:
    """Return the rule of a pooling layer, and the shape of its output."""
    axes, name = len(place.positions), POOLING[kind]
    if axes == 0:
        raise table.error(f"pooling wants positions, but the input is a vector of {place.units} units")
    if name.startswith("global"):
        return rule_of(pool_layer(name, size=place.positions)), Place(place.units)
    if name.startswith("adaptive"):
        sizes = table.integers("output", None, axes)
        return rule_of(pool_layer(name, size=place.positions, output_size=sizes)), Place(place.units, sizes)
    kernel = table.integers("kernel", None, axes)
    stride = table.integers("stride", None, axes) if table.has("stride") else kernel
    table.used.add("stride")
    layer = pool_layer(
        name,
        kernel,
        stride=stride,
        padding=table.integers("padding", 0, axes, least=0),
        dilation=table.integers("dilation", 1, axes) if name == "max" else 1,
        ceil_mode=table.flag("ceil_mode"),
        count_include_pad=table.flag("count_include_pad", True) if name == "average" else True,
        power=table.number("power", 2.0) if name == "lp" else None,
        size=place.positions,
    )
    outputs = tuple(axis.outputs for axis in layer.layout().axes)
    return rule_of(layer), Place(place.units, outputs)


def upsample_layer(table: Table, place: Place, context: Context) -> tuple[Rule, Place]:
    """Return the rule of a layer that enlarges, and the shape of its output."""
    axes = len(place.positions)
    if axes == 0:
        raise table.error(f"upsampling wants positions, but the input is a vector of {place.units} units")
    mode = table.text("mode", "nearest")
    known = {"nearest": "nearest", "linear": "linear", "cubic": "bicubic"}
    if mode not in known:
        raise table.error(f"unknown mode {mode!r}", f"known: {', '.join(known)}")
    factor = table.integers("factor", 2, axes)
    rule, outputs = resample(place.positions, Resampling(known[mode], scale=factor))
    return rule, Place(place.units, table.positions(outputs))


def rule_of(layer: PoolLayer) -> Rule:
    """Return the rule of a pooling layer whose sizes are known."""
    if layer.kind.endswith("average"):
        return average_pool(layer)
    return PowerPool(layer) if layer.kind == "lp" else MaxPool(layer)
