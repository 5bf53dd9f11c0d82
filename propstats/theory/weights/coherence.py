"""Proposition 1 of Normalization Propagation: how far the covariance of Wx is from diagonal, exactly and by its bound.

For `Cov x = s^2 I` the covariance is `s^2 W W^T`. Its part off the diagonal has the Frobenius norm
`s^2 sqrt(sum_{i!=j} (W_i . W_j)^2)`, and as no `|W_i . W_j|` is larger than the coherence mu times both lengths, that
is at most `s^2 mu sqrt(sum_{i!=j} |W_i|^2 |W_j|^2)`.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propstats.errors import DomainError
from propstats.estimate import Estimate, Route

Array = NDArray[np.float64]
RowBlocks = Callable[[int, int], Array]

_UNIT = 2.0**-53
#: Numbers in the blocks that are multiplied: a few tens of megabytes, whatever the size of W.
_BLOCK_NUMBERS, _BLOCK_ROWS = 1 << 22, 512


@dataclass(frozen=True, slots=True)
class CanonicalError:
    """The two sides of Proposition 1, for one matrix.

    Args:
        rows: Units.
        columns: Weights of a unit.
        zero_rows: Units without any weight; they have no direction and count in neither side.
        coherence: Largest `|cos|` of the angle between two rows.
        pair: The rows that make it, or None if there are not two.
        least_coherence: Welch's bound: no matrix of this shape with rows all in use has less.
        diagonal: Frobenius norm of the covariance's diagonal.
        off_diagonal: Frobenius norm of the rest: the left side.
        canonical_error_bound: The right side.
        ratio: Left side over right side; NaN where both vanish.
    """

    rows: int
    columns: int
    zero_rows: int
    coherence: Estimate
    pair: tuple[int, int] | None
    least_coherence: float
    diagonal: Estimate
    off_diagonal: Estimate
    canonical_error_bound: Estimate
    ratio: Estimate


@dataclass(frozen=True, slots=True)
class Overlaps:
    """What all pairs of rows have in common.

    Args:
        largest: Largest absolute correlation of two rows, at most 1.
        pair: The rows that have it.
        squared: `sum_{i!=j} p_i p_j c_ij^2` for the correlations c and the weights p of the rows.
    """

    largest: float
    pair: tuple[int, int] | None
    squared: float


def canonical_error(weight: NDArray[np.generic], *, std: float = 1.0, groups: int = 1) -> CanonicalError:
    """Return both sides of Proposition 1.

    Memory stays within a few blocks of rows beside W; sums are taken in float64.

    Args:
        weight: Rows of weights, shape (units, ...); filters are flattened.
        std: Standard deviation s of the inputs.
        groups: Groups of consecutive rows, each of which sees inputs of its own: across groups nothing correlates.

    Raises:
        DomainError: If there are no rows, weights are not finite or no numbers, or the groups do not divide the rows.

    References:
        Arpit et al. 2016, arXiv:1603.01431, Proposition 1, Eq. 3; Welch 1974 for the least coherence.

    >>> import numpy as np
    >>> found = canonical_error(np.array([[1.0, 0.0], [1.0, 1.0]]))
    >>> numbers = (found.coherence, found.off_diagonal, found.canonical_error_bound)
    >>> [round(number.value, 12) for number in numbers]
    [0.707106781187, 1.414213562373, 1.414213562373]
    """
    rows = _checked(weight, std, groups)
    units, length = rows.shape
    sizes, exponent = _sizes(rows)
    # A matrix that is a block itself is scaled once, a larger one block by block.
    whole = _unit_rows(rows) if rows.size <= _BLOCK_NUMBERS else None

    def unit_rows(start: int, stop: int) -> Array:
        return _unit_rows(rows[start:stop]) if whole is None else whole[start:stop]

    overlaps = pairwise(unit_rows, unit_rows, sizes**2, length, groups)
    scale = math.ldexp(std, exponent) * math.ldexp(1.0, exponent) * std
    all_pairs = math.sqrt(products_of_pairs(sizes**2))
    left = math.sqrt(overlaps.squared)
    # A dot product of unit vectors of n numbers, each rounded by half an n of its own from the lengths.
    blur = (2 * length + 16) * _UNIT
    relative = (length + 64) * _UNIT

    def estimate(value: float, error: float) -> Estimate:
        return Estimate(scale * value, scale * error, Route.CLOSED_FORM)

    off = estimate(left, all_pairs * blur + left * relative)
    bound = estimate(overlaps.largest * all_pairs, all_pairs * (blur + relative))
    return CanonicalError(
        rows=units,
        columns=length,
        zero_rows=int((sizes == 0).sum()),
        coherence=Estimate(overlaps.largest, blur if overlaps.pair else 0.0, Route.CLOSED_FORM),
        pair=overlaps.pair,
        least_coherence=_welch(int((sizes > 0).sum()), length * groups),
        diagonal=estimate(math.sqrt(float((sizes**4).sum())), math.sqrt(float((sizes**4).sum())) * relative),
        off_diagonal=off,
        canonical_error_bound=bound,
        ratio=_ratio(off, bound),
    )


def pairwise(left: RowBlocks, right: RowBlocks, weights: Array, length: int, groups: int = 1) -> Overlaps:
    """Return what rows have in common, two blocks at a time.

    Args:
        left: Gives rows start to stop of a matrix L, shape (stop - start, length).
        right: The same of R; the correlation of rows i and j is `L_i . R_j`, which is `L_j . R_i`.
        weights: What the squares are weighted with, one number for each row.
        length: Numbers in a row.
        groups: Groups of consecutive rows; rows of different groups have nothing in common.
    """
    per_group = weights.size // groups
    step = max(1, min(_BLOCK_ROWS, _BLOCK_NUMBERS // max(length, 1), per_group))
    largest, pair, total = -1.0, None, []
    for first in range(0, weights.size, per_group):
        for start, stop in _blocks(first, first + per_group, step):
            one = left(start, stop)
            for low, high in _blocks(start, first + per_group, step):
                cosines = one @ right(low, high).T
                np.abs(cosines, out=cosines)
                if low == start:
                    np.fill_diagonal(cosines, 0.0)
                if cosines.max() > max(largest, 0.0):
                    i, j = np.unravel_index(int(cosines.argmax()), cosines.shape)
                    first_row, second_row = sorted((start + int(i), low + int(j)))
                    largest, pair = float(cosines[i, j]), (first_row, second_row)
                np.square(cosines, out=cosines)
                both_ways = 1.0 if low == start else 2.0
                total.append(both_ways * float(weights[start:stop] @ cosines @ weights[low:high]))
    if pair is None and int((weights > 0).sum()) > 1:  # all at right angles, exactly
        i, j = np.flatnonzero(weights > 0)[:2]
        pair = (int(i), int(j))
    return Overlaps(min(max(largest, 0.0), 1.0), pair, math.fsum(total))


def products_of_pairs(p: Array) -> float:
    """Return `sum_{i!=j} p_i p_j` of numbers that are not negative, without cancellation.

    >>> import numpy as np
    >>> products_of_pairs(np.array([1e20, 1.0, 2.0])) / 6e20
    1.0
    """
    after = np.cumsum(p[::-1])[::-1]
    return 2.0 * float((p[:-1] * after[1:]).sum())


def check_std(std: float) -> None:
    """Refuse a standard deviation that is none, or whose square and fourth power double precision cannot hold.

    Raises:
        DomainError: If it is not positive, or beyond 1e-50 to 1e50.
    """
    if not 1e-50 <= std <= 1e50:
        raise DomainError(f"std must be a positive number, got {std:g}", "from 1e-50 to 1e50")


def _checked(weight: NDArray[np.generic], std: float, groups: int) -> NDArray[Any]:
    if weight.ndim < 1 or weight.size == 0:
        raise DomainError(f"weights of shape {weight.shape} have no rows")
    if weight.dtype.kind not in "biuf":
        raise DomainError(f"weights must be real numbers, got {weight.dtype}")
    check_std(std)
    if groups < 1 or len(weight) % groups:
        raise DomainError(f"{groups} groups do not divide {len(weight)} rows")
    if not np.issubdtype(weight.dtype, np.floating):
        return weight.reshape(len(weight), -1).astype(np.float64)
    rows: NDArray[Any] = np.asarray(weight.reshape(len(weight), -1), dtype=weight.dtype)
    wrong = sum(int((~np.isfinite(rows[i : i + _BLOCK_ROWS])).sum()) for i in range(0, len(rows), _BLOCK_ROWS))
    if wrong:
        raise DomainError(f"{wrong:,} of {weight.size:,} weights are not finite", "they have no covariance")
    return rows


def _sizes(rows: NDArray[Any]) -> tuple[Array, int]:
    """Return the lengths of the rows, divided by a power of two that keeps their fourth powers within floats."""
    largest = np.maximum(rows.max(axis=1), -rows.min(axis=1)).astype(np.float64)  # without a copy of it all
    exponent = math.frexp(float(largest.max()))[1]
    sizes = np.zeros(len(rows))
    for start in range(0, len(rows), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        divisor = np.where(largest[part] > 0, largest[part], 1.0)
        lengths = np.linalg.norm(rows[part].astype(np.float64) / divisor[:, None], axis=1)
        sizes[part] = lengths * np.ldexp(divisor, -exponent)
    return sizes, exponent


def _unit_rows(rows: NDArray[Any]) -> Array:
    part = rows.astype(np.float64)
    largest = np.abs(part).max(axis=1, keepdims=True)
    part /= np.where(largest > 0, largest, 1.0)
    lengths = np.linalg.norm(part, axis=1, keepdims=True)
    return np.asarray(part / np.where(lengths > 0, lengths, 1.0))


def _blocks(first: int, end: int, step: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + step, end)) for start in range(first, end, step))


def _welch(units: int, dimensions: int) -> float:
    return math.sqrt((units - dimensions) / (dimensions * (units - 1))) if units > dimensions else 0.0


def _ratio(off: Estimate, bound: Estimate) -> Estimate:
    if not bound.value > bound.error:
        return Estimate(math.nan, math.inf, off.route)
    value = off.value / bound.value
    return Estimate(value, (off.error + value * bound.error) / (bound.value - bound.error), off.route)
