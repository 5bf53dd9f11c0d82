"""A layer of a network, as graphs of rules know it."""

import math
from dataclasses import dataclass

from propstats.rules.rule import Join, Rule


@dataclass(frozen=True, slots=True)
class Node:
    """A layer of a network.

    Args:
        name: Its name.
        kind: What it is, for readers.
        rule: What it does to signals.
        inputs: The names of the layers that it hears; `input` is the network's input.
        units: Units of its output.
        positions: Positions of its output, along each axis; none for a vector.
        where: Where it was described (a line of a file), for messages.
    """

    name: str
    kind: str
    rule: Rule | Join
    inputs: tuple[str, ...]
    units: int
    positions: tuple[int, ...] = ()
    where: str = ""

    @property
    def size(self) -> int:
        """How many numbers it hands on for one input."""
        return self.units * math.prod(self.positions)
