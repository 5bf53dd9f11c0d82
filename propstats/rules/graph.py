"""Networks as graphs of rules: signals go forwards in order, gradients come back and add up where paths part."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from propstats.errors import ModelError
from propstats.rules.max_pooling import Pooled, find_pooled
from propstats.rules.node import Node
from propstats.rules.order import INPUT, Step, in_order
from propstats.rules.rule import Join
from propstats.rules.shared import Shared, find_shared
from propstats.signals import Gradient, Signal


@dataclass(frozen=True)
class Graph:
    """A network.

    Where a signal is heard by several layers, their gradients meet. Their second moments add, because the gradients
    have passed random zero-mean weights of their own and are uncorrelated: exact in the mean over the weights. Where
    a branch has none (an identity skip around an activation), the covariance is counted; see `propstats.rules.shared`.

    Args:
        nodes: The layers, in any order.
        units: Units of the input.
        positions: Positions of the input, along each axis.

    Raises:
        ModelError: If names repeat or are unknown, layers hear each other in a circle, or there is not one output.
    """

    nodes: Sequence[Node]
    units: int
    positions: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.nodes:
            raise ModelError("the network has no layers")
        _ = self.order
        ends = [node for node in self.nodes if not self.consumers[node.name]]
        if len(ends) != 1:
            listed = ", ".join(repr(node.name) for node in ends)
            raise ModelError(
                f"the network has {len(ends)} outputs: {listed}", "no other layer hears them: join or drop"
            )

    @cached_property
    def consumers(self) -> Mapping[str, Sequence[Node]]:
        """The layers that hear each layer, and the input."""
        found: dict[str, list[Node]] = {INPUT: [], **{node.name: [] for node in self.nodes}}
        for node in self.nodes:
            for name in node.inputs:
                found[name].append(node)
        return found

    @cached_property
    def order(self) -> Sequence[Node]:
        """The layers, each after all that it hears; otherwise as they were given."""
        return [self.nodes[i] for i in in_order([Step(node.name, node.inputs, node.where) for node in self.nodes])]

    @property
    def output(self) -> Node:
        """The layer that no other hears."""
        return next(node for node in self.nodes if not self.consumers[node.name])

    @cached_property
    def shared(self) -> Mapping[str, Shared]:
        """What sums with branches that have no weights of their own do to the signal where they part."""
        return find_shared(self.order)

    @cached_property
    def together(self) -> Mapping[str, Shared | Pooled]:
        """The layers that are one function of an earlier signal: sums of such branches, max pools of activations."""
        sums = {name: shared for name, shared in self.shared.items() if shared.together is not None}
        return {**sums, **find_pooled(self.order)}

    def forward(self, signal: Signal) -> dict[str, Signal]:
        """Return the signal after each layer, and the input.

        Args:
            signal: The signal at the input.

        Raises:
            ModelError: If the signal is not finite from some layer on; the message names it.
        """
        signals = {INPUT: signal}
        for node in self.order:
            together = self.together.get(node.name)
            if together is not None:
                signals[node.name] = together.forward(signals[together.source])
            elif isinstance(node.rule, Join):
                signals[node.name] = node.rule.join([signals[name] for name in node.inputs])
            else:
                signals[node.name] = node.rule.forward(signals[node.inputs[0]])
            after = signals[node.name]
            if not all(math.isfinite(value) for value in (after.mean, after.q, after.var)):
                raise ModelError(f"{node.where}the signal is not finite from layer {node.name!r} on", "smaller weights")
        return signals

    def backward(self, signals: Mapping[str, Signal], gradient: Gradient | None = None) -> dict[str, Gradient]:
        """Return the gradient at the output of each layer, and at the input.

        Args:
            signals: What `forward` returned.
            gradient: The gradient at the network's output; of second moment 1 if left out.
        """
        arriving: dict[str, list[Gradient]] = {INPUT: [], **{node.name: [] for node in self.nodes}}
        arriving[self.output.name].append(gradient or Gradient(1.0))
        gradients: dict[str, Gradient] = {}
        for node in reversed(self.order):
            given = gradients[node.name] = meeting(arriving[node.name], signals[node.name].units)
            if isinstance(node.rule, Join):
                parts = node.rule.split(given, [signals[name] for name in node.inputs])
            else:
                parts = [node.rule.backward(given, signals[node.inputs[0]])]
            for name, part in zip(node.inputs, parts, strict=True):
                arriving[name].append(part)
            together = self.together.get(node.name)
            if together is not None:
                arriving[together.source].append(together.correction(given, signals[together.source]))
        gradients[INPUT] = meeting(arriving[INPUT], signals[INPUT].units)
        return gradients


def meeting(parts: Sequence[Gradient], units: float) -> Gradient:
    """Return the sum of gradients that are uncorrelated but for chance, which is of the order of `1/sqrt(units)`."""
    if len(parts) == 1:
        return parts[0]
    q = math.fsum(part.q for part in parts)
    if q <= 0.0:
        return Gradient(0.0)
    chance = math.sqrt(sum(4 * max(a.q * b.q, 0.0) / units for a, b in combinations(parts, 2)))
    fresh = math.hypot(chance, *(part.q * part.fresh for part in parts)) / q
    before = sum(abs(part.q) * part.inherited for part in parts) / q  # may stem from the same layers
    return Gradient(q, math.hypot(before, fresh), math.fsum(part.positions for part in parts), fresh)
