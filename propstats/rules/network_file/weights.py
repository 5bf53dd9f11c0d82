"""Kinds of layers with weights, as network files name them."""

from propstats.activations import Activation, activation
from propstats.rules.affine import Chain
from propstats.rules.attention import Attention
from propstats.rules.dense import Weights
from propstats.rules.drawn import convolution, dense, weight_variance
from propstats.rules.elementwise import Elementwise
from propstats.rules.embedding import Embedding
from propstats.rules.geometry import Window
from propstats.rules.network_file.place import Context, Place
from propstats.rules.network_file.tables import Table
from propstats.rules.normprop import normprop
from propstats.rules.rule import Rule
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
        window, after = _window(table, place)
        channels, groups = table.integer("channels"), _groups(table, place.units, table.integer("channels"))
        variance = groups / (place.units * _taps(window))
        weights = convolution(variance, (place.units, channels), groups, window.meetings(place.positions))
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
    return Attention(weights, weights, weights, weights, place.positions[0], heads), place


def embedding_layer(table: Table, place: Place, context: Context) -> Built:
    """A table of rows, N(0, std^2)."""
    units, rows = table.integer("units"), table.integer("vocabulary", least=2)
    rule = Embedding(0.0, table.number("std", 1.0, least=0.0) ** 2, rows, units)
    return rule, Place(units, place.positions)


def _convolution(table: Table, place: Place, context: Context, *, transposed: bool) -> tuple[Weights, Place]:
    channels = table.integer("channels")
    groups = _groups(table, place.units, channels)
    window, after = _window(table, place, transposed=transposed)
    act = activation(table.text("act")) if table.has("act") else context.following
    axes = tuple(
        connections.Axis(size, kernel, stride, (padding, padding), dilation, transposed=transposed)
        for size, kernel, stride, padding, dilation in zip(
            place.positions, window.kernel, window.stride, window.padding, window.dilation, strict=True
        )
    )
    variance = _variance(table, connections.Connections(place.units, channels, groups, axes), act)
    meetings = window.meetings(after).reversed if transposed else window.meetings(place.positions)
    bias_std = table.number("bias_std", 0.0, least=0.0)
    return convolution(variance, (place.units, channels), groups, meetings, bias_std), Place(channels, after)


def _window(table: Table, place: Place, *, transposed: bool = False) -> tuple[Window, tuple[int, ...]]:
    """Return the window, and the positions of the output."""
    axes = len(place.positions)
    if axes == 0:
        raise table.error(f"a kernel slides over positions, but the input is a vector of {place.units} units")
    window = Window(
        table.integers("kernel", None, axes),
        table.integers("stride", 1, axes),
        table.integers("padding", 0, axes, least=0),
        table.integers("dilation", 1, axes),
    )
    if not transposed:
        return window, window.outputs(place.positions)
    sizes = tuple(
        (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1
        for size, kernel, stride, padding, dilation in zip(
            place.positions, window.kernel, window.stride, window.padding, window.dilation, strict=True
        )
    )
    if min(sizes) < 1:
        raise table.error(f"padding {window.padding} leaves nothing of an input of {place}")
    return window, table.positions(sizes)


def _taps(window: Window) -> int:
    taps = 1
    for kernel in window.kernel:
        taps *= kernel
    return taps


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
