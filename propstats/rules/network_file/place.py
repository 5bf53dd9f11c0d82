"""Where a layer of a network file stands: the shape that it gets, and what it should know of the rest."""

import math
from dataclasses import dataclass

from propstats.activations import Activation


@dataclass(frozen=True, slots=True)
class Place:
    """The shape of a signal.

    Args:
        units: Units (channels, features).
        positions: Positions along each axis; none for a vector.
    """

    units: int
    positions: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """How many positions there are."""
        return math.prod(self.positions)

    def __str__(self) -> str:
        return "x".join(map(str, (self.units, *self.positions)))


@dataclass(frozen=True, slots=True)
class Context:
    """What a layer should know of the network.

    Args:
        training: Whether dropout drops.
        following: The activation that the layer's output meets first, for weight schemes that ask.
    """

    training: bool
    following: Activation
