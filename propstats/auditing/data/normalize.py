"""Data with mean 0 and standard deviation 1: over everything, or value by value, over the set or in each batch."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

#: `global` is one mean and one deviation for all values. `feature` is one for each value of a sample over the whole
#: set: the Global Data Normalization of Arpit et al. 2016 (arXiv:1603.01431, section 4.1). `batch` is the same within
#: each batch: their Batch Data Normalization, for streams.
NORMALIZATIONS: Final = ("none", "global", "feature", "batch")

#: Samples that `batch` normalises together; a number of its own, so that results do not depend on how data are sent.
GROUP: Final = 256

# A spread below this, relative to the mean, is the rounding error of a constant.
_ROUNDING: Final = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Subtract a mean, multiply by a scale; each is one number or has the shape of a sample."""

    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]

    def apply(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        """Return the normalised values, (n, ...); what was not finite still is not."""
        with np.errstate(all="ignore"):
            scaled: npt.NDArray[np.float64] = (values.astype(np.float64) - self.mean) * self.scale
        return scaled


def scaling(parts: Iterable[npt.NDArray[np.generic]], mode: str) -> Scaling:
    """Find what gives data mean 0 and standard deviation 1, in one pass.

    Values that are not finite are left out. Counts, means and squares of parts are merged as in Chan, Golub and
    LeVeque 1983, Eq. 2.1, in float64.

    Args:
        parts: The data, (n, ...) each.
        mode: "global" (one mean and one deviation) or "feature" (one for each value of a sample; what is constant
            over the samples becomes 0).

    >>> scaling([np.array([[1.0, 5.0]]), np.array([[3.0, 5.0]])], "feature").apply(np.array([[3.0, 5.0]])).tolist()
    [[1.0, 0.0]]
    """
    axis = 0 if mode == "feature" else None
    count, mean, squares = np.zeros(()), np.zeros(()), np.zeros(())
    with np.errstate(all="ignore"):
        for part in parts:
            values = part.astype(np.float64)
            finite = np.isfinite(values)
            values[~finite] = 0.0
            more = np.asarray(finite.sum(axis=axis), dtype=np.float64)
            part_mean = values.sum(axis=axis) / np.maximum(more, 1.0)
            part_squares = np.square(np.where(finite, values - part_mean, 0.0)).sum(axis=axis)
            total = count + more
            share = more / np.maximum(total, 1.0)
            delta = part_mean - mean
            squares = squares + part_squares + np.square(delta) * count * share
            mean, count = mean + delta * share, total
        std = np.sqrt(squares / np.maximum(count, 1.0))
        scale = np.where(std > _ROUNDING * np.abs(mean), 1.0 / std, 0.0)
    return Scaling(np.asarray(mean), np.asarray(scale))
