"""Data with mean 0 and standard deviation 1: over everything, or value by value over the samples."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

NORMALIZATIONS: Final = ("none", "global", "feature")
_CHUNK: Final = 1 << 22
# A spread below this, relative to the mean, is the rounding error of a constant.
_ROUNDING: Final = 1e-13


def standardise(values: npt.NDArray[np.generic], mode: str) -> npt.NDArray[np.float32]:
    """Subtract the mean and divide by the standard deviation, with float64 sums over the finite values.

    Args:
        values: (N, ...), real numbers.
        mode: "none", "global" (one mean and one deviation) or "feature" (one for each value of a sample; what
            is constant over the samples becomes 0).

    Returns:
        A new float32 array of the same shape; what was not finite still is not.

    >>> standardise(np.array([[1.0, 5.0], [3.0, 5.0]]), "feature").tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    out = np.empty(values.shape, dtype=np.float32)
    with np.errstate(all="ignore"):
        if mode == "none":
            out[...] = values
            return out
        mean, std = _moments(values, axis=0 if mode == "feature" else None)
        scale = np.where(std > _ROUNDING * np.abs(mean), 1.0 / std, 0.0)
        for part in _parts(values):
            out[part] = (values[part].astype(np.float64) - mean) * scale
    return out


def _parts(values: npt.NDArray[np.generic]) -> Iterator[slice]:
    rows = max(1, _CHUNK * len(values) // values.size)
    return (slice(start, start + rows) for start in range(0, len(values), rows))


def _moments(
    values: npt.NDArray[np.generic], *, axis: int | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    shape = values.shape[1:] if axis == 0 else ()
    count, total, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for part in _parts(values):
        chunk = values[part].astype(np.float64)
        finite = np.isfinite(chunk)
        count += finite.sum(axis=axis)
        total += np.where(finite, chunk, 0.0).sum(axis=axis)
    mean = total / np.maximum(count, 1)
    for part in _parts(values):
        chunk = values[part].astype(np.float64)
        squares += np.square(np.where(np.isfinite(chunk), chunk - mean, 0.0)).sum(axis=axis)
    return np.asarray(mean), np.asarray(np.sqrt(squares / np.maximum(count, 1)))
