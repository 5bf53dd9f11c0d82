"""The length of a signal in random normalised networks, layer by layer, without drawing their weights.

Given the input x of a layer, the pre-activations `w_i x` of unit rows w_i are independent: `|x|` times a coordinate of
a uniform direction. So a layer of N units costs some N numbers instead of N^2, in exactly the same law.
"""

import math

import numpy as np
from numpy.typing import NDArray

from propstats.errors import DomainError
from propstats.expectation.sampling.draws import generator
from propstats.theory.design.unit import NormalisedUnit

Array = NDArray[np.float64]


def draw_lengths(unit: NormalisedUnit, *, width: int, depth: int, draws: int, seed: int = 0) -> Array:
    """Return the second moment of the signal before the first and after each layer, of shape (draws, depth + 1).

    Inputs are Gaussian. A signal that leaves the floats stays where it left.

    Args:
        unit: The unit of all layers.
        width: Units in each layer, and inputs.
        depth: Layers.
        draws: Random networks; each has its own stream, whatever their number.
        seed: Seed of the draws.

    Raises:
        DomainError: If a number is out of range.

    >>> from propstats.activations import activation
    >>> relu = NormalisedUnit.matched(activation("relu"))
    >>> draw_lengths(relu, width=64, depth=9, draws=5).shape
    (5, 10)
    """
    for name, value, least in (("width", width, 2), ("depth", depth, 1), ("draws", draws, 1)):
        if value < least:
            raise DomainError(f"{name} must be at least {least}, got {value}")
    return np.stack([_one(unit, width, depth, generator(seed, draw)) for draw in range(draws)])


def _one(unit: NormalisedUnit, width: int, depth: int, random: np.random.Generator) -> Array:
    q = np.empty(depth + 1)
    q[0] = np.mean(random.standard_normal(width) ** 2)
    with np.errstate(over="ignore"):
        for layer in range(depth):
            normal = random.standard_normal(width)
            rest = random.chisquare(width - 1, width)  # of the squares of the other coordinates
            coordinates = normal / np.sqrt(normal**2 + rest)
            h = unit.gamma * math.sqrt(width * q[layer]) * coordinates + unit.beta
            y = (unit.activation(h) - unit.shift) / unit.scale
            square = float(np.mean(np.square(y)))
            q[layer + 1] = square if math.isfinite(square) else q[layer]
    return q
