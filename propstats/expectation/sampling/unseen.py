"""What samples cannot have seen: where so few are expected that none may have come."""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: What is expected fewer times than this among the samples may not be seen.
UNSEEN = 3.0
#: The density underflows here.
_Z_MAX = 38.0
#: Activations change on a scale of 1 around x = 0.
_FEATURES = 40.0
_GRID = 2001


def tails_of(samples: int) -> float:
    """Return the z beyond which fewer than three independent samples are expected, on both sides together.

    >>> round(tails_of(1_000_000), 2)
    4.67
    """
    return -NormalDist().inv_cdf(min(UNSEEN / 2 / samples, 0.25))


def integral_where_unseen(
    rows: Callable[[torch.Tensor], torch.Tensor],
    law: tuple[float, float],
    averages: Array,
    tails: float,
    at_zero: float,
) -> Array:
    """Integrate what is averaged over where the samples are too few.

    Args:
        rows: What is averaged, as a function of z, from shape (n,) to shape (k, n).
        law: Mean and standard deviation of x.
        averages: The averages, which the unseen part would replace; shape (k,).
        tails: Where the samples become too few, in z.
        at_zero: How many samples there are per unit of z at x = 0.
    """
    mean, std = law
    found = np.zeros(averages.shape)
    ranges = [(tails, _Z_MAX), (-_Z_MAX, -tails)] if tails < _Z_MAX else []
    if std > _FEATURES and at_zero < UNSEEN * std:
        # Samples this far apart jump over all that an activation does around 0.
        edges = ((x - mean) / std for x in (-_FEATURES, _FEATURES))
        low, high = (min(max(z, -tails, -_Z_MAX), tails, _Z_MAX) for z in edges)
        ranges += [(low, high)] if low < high else []
    for low, high in ranges:
        z = torch.linspace(low, high, _GRID, dtype=torch.float64)
        weights = torch.exp(-0.5 * z * z) * ((high - low) / (_GRID - 1) / math.sqrt(2 * math.pi))
        found += ((rows(z) - torch.from_numpy(averages)[:, None]) @ weights).numpy()
    return found
