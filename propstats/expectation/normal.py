"""The standard normal law."""

import math


def density(z: float) -> float:
    """Return the standard normal density.

    >>> round(density(0.0), 12)  # 1/sqrt(2 pi)
    0.398942280401
    """
    return math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
