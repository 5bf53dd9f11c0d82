"""Kinds of layers with weights, as network files name them."""

from propstats.activations import Activation, activation
from propstats.rules.affine import Chain
from propstats.rules.attention import Attention
from propstats.rules.dense import Weights
from propstats.rules.drawn import convolution, dense, weight_variance
from propstats.rules.elementwise import Elementwise
from propstats.rules.embedding import Embedding
from propstats.rules.mask import Pattern
from propstats.rules.meetings import meetings
from propstats.rules.network_file.place import Context, Place
from propstats.rules.network_file.tables import Table
from propstats.rules.normprop import normprop
from propstats.rules.rule import Rule
from propstats.theory.geometry import Axis, same_padding
from propstats.theory.weights import fans as connections

Built = tuple[Rule, Place]


def dense_layer(table: Table, place: Place, context: Context) -> Built:
    """A fully connected layer, at each position by itself."""
    units = table.integer("units")
    act = table.text("act") if table.has("act") else None
    following = activation(act) if act is not None else context.following
    variance = _variance(table, connections.dense(place.units, units), following)
    weights = dense(variance, place.units, units, table.number("bias_std", 0.0, least=0.0))
    return _then(weights, act), Place(units, place.positions)


def conv_layer(table: Table, place: Place, context: Context) -> Built:
    """A convolution over all axes of positions."""
    weights, after = _convolution(table, place, context, transposed=False)
    return _then(weights, table.text("act") if table.has("act") else None), after


def transposed_conv_layer(table: Table, place: Place, context: Context) -> Built:
    """A transposed convolution: its outputs meet its inputs as the inputs of a convolution meet the outputs."""
    weights, after = _convolution(table, place, context, transposed=True)
    return _then(weights, table.text("act") if table.has("act") else None), after


def normprop_layer(table: Table, place: Place, context: Context) -> Built:
    """A NormProp layer, fully connected, or a convolution where there is a kernel."""
    act = activation(table.text("act", "relu"))
    gamma = None if table.values.get("gamma", "jacobian") == "jacobian" else table.number("gamma")
    beta = table.number("beta", 0.0)
    table.used.add("gamma")
    if table.has("kernel"):
        axes, after = _axes(table, place)
        channels, groups = table.integer("channels"), _groups(table, place.units, table.integer("channels"))
        layer = connections.Connections(place.units, channels, groups, axes)
        weights = convolution(1.0 / layer.row_length, (place.units, channels), groups, meetings(axes))
        return normprop(weights, act, gamma, beta), Place(channels, after)
    units = table.integer("units")
    weights = dense(1.0 / place.units, place.units, units)
    return normprop(weights, act, gamma, beta), Place(units, place.positions)


def attention_layer(table: Table, place: Place, context: Context) -> Built:
    """Self-attention with as many units out as in."""
    heads = table.integer("heads", 1)
    if place.units % heads:
        raise table.error(f"{place.units} units cannot be shared by {heads} heads", "heads must divide the units")
    if len(place.positions) != 1:
        raise table.error(f"attention wants tokens, but gets {place}", "write tokens = N at the top")
    # Each of the four is a layer of its own with the same scheme.
    variance = _variance(table, connections.dense(place.units, place.units), context.following)
    weights = dense(variance, place.units, place.units)
    tokens = place.positions[0]
    pattern = Pattern.causal(tokens, tokens) if table.flag("causal") else None
    return Attention(weights, weights, weights, weights, tokens, heads, pattern=pattern), place


def embedding_layer(table: Table, place: Place, context: Context) -> Built:
    """A table of rows, N(0, std^2)."""
    units, rows = table.integer("units"), table.integer("vocabulary", least=2)
    rule = Embedding(0.0, table.number("std", 1.0, least=0.0) ** 2, rows, units)
    return rule, Place(units, place.positions)


def _convolution(table: Table, place: Place, context: Context, *, transposed: bool) -> tuple[Weights, Place]:
    channels = table.integer("channels")
    groups = _groups(table, place.units, channels)
    axes, after = _axes(table, place, transposed=transposed)
    act = activation(table.text("act")) if table.has("act") else context.following
    variance = _variance(table, connections.Connections(place.units, channels, groups, axes), act)
    bias_std = table.number("bias_std", 0.0, least=0.0)
    return convolution(variance, (place.units, channels), groups, meetings(axes), bias_std), Place(channels, after)


def _axes(table: Table, place: Place, *, transposed: bool = False) -> tuple[tuple[Axis, ...], tuple[int, ...]]:
    """Return the axes along which the window slides, and the positions of the output."""
    count = len(place.positions)
    if count == 0:
        raise table.error(f"a kernel slides over positions, but the input is a vector of {place.units} units")
    kernel, stride, dilation = (
        table.integers(key, default, count) for key, default in (("kernel", None), ("stride", 1), ("dilation", 1))
    )
    if table.values.get("padding") == "same":
        table.used.add("padding")
        if transposed or set(stride) != {1}:
            raise table.error("padding 'same' is for stride 1 and not for transposed convolutions")
        ends = [same_padding(k, apart) for k, apart in zip(kernel, dilation, strict=True)]
    else:
        ends = [(around, around) for around in table.integers("padding", 0, count, least=0)]
    mode = "zeros" if transposed else table.text("padding_mode", "zeros")
    rows = zip(place.positions, kernel, stride, ends, dilation, strict=True)
    axes = tuple(Axis(size, k, step, end, apart, mode, transposed) for size, k, step, end, apart in rows)
    return axes, table.positions([axis.outputs for axis in axes])


def _groups(table: Table, inputs: int, outputs: int) -> int:
    groups = table.integer("groups", 1)
    if inputs % groups or outputs % groups:
        raise table.error(f"groups = {groups} must divide the channels, {inputs} in and {outputs} out")
    return groups


def _variance(table: Table, layer: connections.Connections, act: Activation) -> float:
    """Return the variance of a weight: by a scheme, or as the layer says."""
    if table.has("sigma_w"):
        if table.has("weights"):
            raise table.error("weights and sigma_w exclude each other", "sigma_w is the std times sqrt(fan_in)")
        return table.number("sigma_w", least=0.0) ** 2 / layer.fan_in
    table.used.add("sigma_w")
    return weight_variance(table.text("weights", "he"), layer, act)


def _then(weights: Weights, act: str | None) -> Rule:
    return weights if act is None else Chain((weights, Elementwise(activation(act))))
