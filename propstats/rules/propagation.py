"""What every layer of a network should carry, forwards and backwards, and whether signal survives."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from propstats.rules.affine import Chain
from propstats.rules.attention import Attention
from propstats.rules.dense import Weights
from propstats.rules.embedding import Embedding
from propstats.rules.graph import Graph
from propstats.rules.node import Node
from propstats.rules.order import INPUT
from propstats.rules.statistics import InputStatistics
from propstats.signals import Gradient, Signal

#: A signal or gradient that is this many times smaller (larger) at one end than at the other does not survive: one
#: learning rate cannot serve both ends. Where one moves by a hundredth of its weights, the other moves by a hundredth
#: of that.
FAIL_FACTOR = 100.0


@dataclass(frozen=True, slots=True)
class LayerSignal:
    """What one layer should carry.

    Args:
        name: Its name.
        kind: What it is.
        units: Units of its output.
        positions: Positions of its output, along each axis.
        mean: Mean over units, positions and data.
        std: Standard deviation over units, positions and data.
        var: Variance over the data, in the mean over units: the signal.
        c: Correlation of two inputs: the mean over units of `E[x]^2`, divided by the second moment.
        error: Relative standard error of the second moment and the variance that finite width allows.
        backward_std: Root mean square of the gradient at its output, of 1 at the network's output.
        backward_error: Relative standard error of its square that finite width allows.
    """

    name: str
    kind: str
    units: int
    positions: tuple[int, ...]
    mean: float
    std: float
    var: float
    c: float
    error: float
    backward_std: float
    backward_error: float

    @property
    def backward_norm(self) -> float:
        """Root of the mean squared norm of the gradient, which layers that change the width or reshape keep."""
        return self.backward_std * math.sqrt(self.units * math.prod(self.positions))


@dataclass(frozen=True, slots=True)
class Growth:
    """How a scale changes from end to end.

    Args:
        total: The factor from end to end: of the root of the variance over the data, or of the gradient's norm.
        rate: The factor per layer of weights, `total^(1/layers)`; None without layers of weights.
        dies_at: The first layer at which the factor is beyond 100 or below 1/100; None where it never is.
    """

    total: float
    rate: float | None
    dies_at: str | None

    @property
    def survives(self) -> bool:
        """Whether the factor from end to end stays within 100."""
        return 1.0 / FAIL_FACTOR < self.total < FAIL_FACTOR


@dataclass(frozen=True, slots=True)
class Propagation:
    """Everything `propstats propagate` prints.

    Args:
        network: What the network is called.
        input: What its input is like.
        layers: The input, then every layer, each after all that it hears.
        weight_layers: How many layers of weights there are.
        forward: Growth of the signal: the root of its variance over the data.
        backward: Growth of the gradient's norm, from the output to the input (or the first layer that has one).
        notes: Where an approximation is known to be rough.
    """

    network: str
    input: InputStatistics
    layers: tuple[LayerSignal, ...]
    weight_layers: int
    forward: Growth
    backward: Growth
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether signal and gradient survive."""
        return self.forward.survives and self.backward.survives


def propagate_graph(graph: Graph, statistics: InputStatistics, *, name: str = "network") -> Propagation:
    """Send a signal forwards through a network of rules and a gradient back.

    Args:
        graph: The network.
        statistics: What its input is like.
        name: What to call it.

    Raises:
        DomainError: If there can be no such input.
        ModelError: If the signal is not finite from some layer on; the message names it.

    >>> relu = Weights(0.0, 2 / 64, 0.0, 0.0, 64, 64, 64)
    >>> result = propagate_graph(Graph([Node("dense", "dense", relu, ("input",), 64)], 64), InputStatistics())
    >>> round(result.forward.total, 12), result.passed  # sqrt(2)
    (1.414213562373, True)
    """
    tokens = any(isinstance(node.rule, Embedding) for node in graph.consumers[INPUT])
    start = statistics.signal(graph.units, has_positions=math.prod(graph.positions) > 1)
    signals = graph.forward(Signal(0.0, 0.0, 0.0) if tokens else start)
    gradients = graph.backward(signals)
    layers = [_layer(INPUT, INPUT, graph.units, graph.positions, signals[INPUT], gradients[INPUT])]
    layers += [_layer(n.name, n.kind, n.units, n.positions, signals[n.name], gradients[n.name]) for n in graph.order]
    carrying = layers[1:] if tokens else layers  # tokens carry no signal and have no gradient
    count = sum(has_weights(node) for node in graph.nodes)
    notes = [
        f"{at}: its branches share {shared.source!r} with no random weights between; they count as independent"
        for at, shared in graph.shared.items()
        if shared.together is None
    ]
    return Propagation(
        network=name,
        input=statistics,
        layers=tuple(layers),
        weight_layers=count,
        forward=_growth([(layer.name, math.sqrt(layer.var)) for layer in carrying], count),
        backward=_growth([(layer.name, layer.backward_norm) for layer in reversed(carrying)], count),
        notes=tuple(notes),
    )


def has_weights(node: Node) -> bool:
    """Whether a layer has random weights that mix units."""
    rules = node.rule.rules if isinstance(node.rule, Chain) else [node.rule]
    return any(isinstance(rule, Weights | Attention) for rule in rules)


def _layer(
    name: str, kind: str, units: int, positions: tuple[int, ...], signal: Signal, gradient: Gradient
) -> LayerSignal:
    return LayerSignal(
        name=name,
        kind=kind,
        units=units,
        positions=positions,
        mean=signal.mean,
        std=math.sqrt(signal.spread),
        var=signal.var,
        c=signal.c,
        error=signal.error,
        backward_std=math.sqrt(gradient.q),
        backward_error=gradient.error,
    )


def _growth(path: Sequence[tuple[str, float]], weight_layers: int) -> Growth:
    """Return the growth along layers in the order of the signal, or of the gradient."""
    start = path[0][1]
    factors = [(name, scale / start) for name, scale in path]
    total = factors[-1][1]
    rate = total ** (1.0 / weight_layers) if weight_layers else None
    growth = Growth(total, rate, None)
    if growth.survives:
        return growth
    # From where on it is lost for good: a branch that is silent by design kills nothing.
    lost = [not Growth(factor, None, None).survives for _, factor in factors]
    first = len(lost) - next((i for i, bad in enumerate(reversed(lost)) if not bad), len(lost))
    return Growth(total, rate, factors[first][0])
