"""What positions have in common, counted."""

import math

import torch

from propstats.auditing.expecting.places import Place
from propstats.signals import Positions


def products_within(rows: torch.Tensor, place: Place, tokens: int) -> Positions:
    """Return mean products of positions as attention meets them: of tokens that see each other, as in one window.

    Args:
        rows: The tensor, shape (samples, *place.shape).
        place: Where its units are.
        tokens: The axis that counts the tokens of a window.
    """
    windows = [axis for axis in range(len(place.shape)) if axis != tokens and axis not in place.axes]
    everywhere = products(rows, place)
    if tokens in place.axes:
        return everywhere
    if math.prod(place.shape[axis] for axis in windows) == 1 or place.shape[tokens] == 1:
        return everywhere
    kept = [axis for axis in range(len(place.shape)) if axis not in windows]
    shape = tuple(place.shape[axis] for axis in kept)
    apart = rows.permute(0, *(axis + 1 for axis in windows), *(axis + 1 for axis in kept)).reshape(-1, *shape)
    one = Place(shape, frozenset(new for new, axis in enumerate(kept) if axis in place.axes))
    return Positions(products(apart, one).same, everywhere.other)


def arranged_by(place: Place, rows: torch.Tensor) -> torch.Tensor:
    """Return a tensor in the shape (samples, units, positions).

    Args:
        place: Where its units are.
        rows: The tensor, shape (samples, *place.shape).
    """
    axes = sorted(place.axes)
    order = [0, *(axis + 1 for axis in axes), *(a + 1 for a in range(len(place.shape)) if a not in place.axes)]
    return rows.permute(order).reshape(len(rows), place.units, place.count)


def products(rows: torch.Tensor, place: Place) -> Positions:
    """Return the mean products of different positions, of the same unit, in one sample and in two.

    Args:
        rows: The tensor, shape (samples, *place.shape).
        place: Where its units are.

    >>> x = torch.tensor([[[1.0, 3.0]], [[2.0, 4.0]]])  # two samples of one unit at two positions
    >>> products(x, Place.first((1, 2)))
    Positions(same=5.5, other=5.0)
    """
    values = arranged_by(place, rows)
    n, count = len(values), place.count
    same = other = 0.0
    step = max(1, (1 << 22) // (n * count))
    for first in range(0, place.units, step):
        block = values[:, first : first + step].double()
        sums, squares = block.sum(dim=2), block.square()
        own = sums.square().sum() - squares.sum()
        total = sums.sum(dim=0).square().sum() - sums.square().sum()
        at_one = block.sum(dim=0).square().sum() - squares.sum()
        same += float(own)
        other += float(total - at_one)
    pairs = place.units * count * (count - 1)
    return Positions(same / (pairs * n), other / (pairs * n * (n - 1)) if n > 1 else math.nan)
