"""Sums over the weights of a matrix, and the lengths of its rows, in float64, block by block."""

import math
from dataclasses import dataclass
from typing import Final

import torch

_BLOCK: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class Sums:
    """What a matrix adds up to.

    Args:
        count: How many weights there are.
        mean: Their mean.
        mean_square: Their mean square.
        kurtosis: `E w^4/(E w^2)^2`; NaN if all are zero.
        largest: Largest absolute value.
        lengths: Lengths of the rows.
    """

    count: int
    mean: float
    mean_square: float
    kurtosis: float
    largest: float
    lengths: torch.Tensor


def sums(rows: torch.Tensor) -> Sums:
    """Add up the weights of a matrix with finite entries, shape (units, weights of a unit).

    >>> found = sums(torch.tensor([[1.0, -1.0], [3.0, 3.0]]))
    >>> found.mean, round(found.mean_square, 12), found.largest, round(found.lengths[1].item() ** 2, 12)
    (1.5, 5.0, 3.0, 18.0)
    """
    largest = float(torch.maximum(rows.max(), -rows.min()))
    scale = largest if largest > 0 else 1.0  # so that no fourth power overflows
    first, second, fourth, lengths = 0.0, 0.0, 0.0, []
    step = max(1, _BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        scaled = rows[start : start + step].double() / scale
        squares = scaled.square()
        first += float(scaled.sum())
        lengths.append(squares.sum(dim=1))
        second += float(lengths[-1].sum())
        fourth += float(squares.square().sum())
    count = rows.numel()
    return Sums(
        count=count,
        mean=scale * first / count,
        mean_square=scale**2 * second / count,
        kurtosis=fourth * count / second**2 if second > 0 else math.nan,
        largest=largest,
        lengths=scale * torch.cat(lengths).sqrt(),
    )
