"""The graph of the rules of a recorded network."""

from collections.abc import Sequence

from propstats.auditing.expecting.network import Step
from propstats.auditing.expecting.places import Place
from propstats.auditing.measuring.call import INPUT, Call
from propstats.rules.graph import Graph
from propstats.rules.node import Node
from propstats.rules.order import INPUT as NETWORK_INPUT
from propstats.signals import Gradient, Signal


class Unknown:
    """Stands in the graph for a call without a rule: what follows begins anew, with what was measured."""

    def forward(self, signal: Signal) -> Signal:
        """Return the signal; never asked."""
        return signal

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient; never asked."""
        return gradient


def graph_of(calls: Sequence[Call], steps: Sequence[Step], start: Place) -> Graph:
    """Return the graph of the rules; its layers are called by their positions, and the last joins all ends.

    Args:
        calls: The calls.
        steps: What theory makes of them.
        start: The place of the network's input.
    """
    nodes = []
    for position, (call, step) in enumerate(zip(calls, steps, strict=True)):
        place = step.places[0] if step.places else Place((), frozenset())
        heard = tuple(name_of(source) for source, _ in step.takes(call)) if step.rule is not None else ()
        rule = step.rule if step.rule is not None else Unknown()
        nodes.append(Node(str(position), call.kind, rule, heard, place.units, place.positions))
    used = {name for node in nodes for name in node.inputs}
    ends = tuple(node.name for node in nodes if node.name not in used)
    nodes.append(Node("ends", "ends", Unknown(), ends, 1))
    return Graph(nodes, start.units, start.positions)


def name_of(source: int) -> str:
    """Return the name of a source in the graph."""
    return NETWORK_INPUT if source == INPUT else str(source)
