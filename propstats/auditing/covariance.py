"""The covariance that a first layer's units really have: `W Cov(x) W^T`, over the data.

Proposition 1 is about uncorrelated inputs. Neighbouring pixels are correlated, which is why a first convolution is
rarely canonical, whatever its coherence.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from propstats.auditing.matrices import Matrix
from propstats.auditing.patches import Patches
from propstats.errors import DataError
from propstats.estimate import Estimate, Route
from propstats.theory.weights.coherence import canonical_error, pairwise

Array = NDArray[np.float64]

#: Groups of samples whose scatter gives the standard errors.
_GROUPS = 10


@dataclass(frozen=True, slots=True)
class MeasuredCovariance:
    """The covariance of a layer's pre-activations over data, pooled over the positions of a convolution.

    Args:
        layer: The weight.
        samples: How many samples (images, not positions).
        positions: Positions of the output in each.
        input_variance: Variance of an input over the data, in the mean over inputs.
        coherence: Largest absolute correlation of two units.
        diagonal: Frobenius norm of the covariance's diagonal.
        off_diagonal: Frobenius norm of the rest.
        white: What the rest would be if inputs of that variance were not correlated.
        canonical_error_bound: What Proposition 1 bounds that with.
    """

    layer: str
    samples: int
    positions: int
    input_variance: float
    coherence: Estimate
    diagonal: Estimate
    off_diagonal: Estimate
    white: Estimate
    canonical_error_bound: Estimate


def measure(matrix: Matrix, rows: NDArray[np.generic], inputs: torch.Tensor) -> MeasuredCovariance:
    """Return what the pre-activations of a layer have in common over data.

    Standard errors come from the scatter of ten groups of samples, and include what the finite number of samples adds
    to a sum of squares.

    Args:
        matrix: The first layer's weight.
        rows: Its rows, shape (units, inputs of a unit).
        inputs: The data, shape (N, ...).

    Raises:
        DataError: If the data do not fit the layer, or its units have too many inputs.
    """
    samples = Patches.of(matrix, inputs)
    weights = np.asarray(rows, dtype=np.float64)
    covariance = _covariance(samples, slice(None))
    found = _statistics(weights, covariance)
    enough = len(inputs) >= 2 * _GROUPS
    parts = [slice(group, None, _GROUPS) for group in range(_GROUPS if enough else 0)]
    scatter = np.array([_statistics(weights, _covariance(samples, part)) for part in parts])
    errors = [_error(value, scatter[:, k]) if enough else math.inf for k, value in enumerate(found)]
    variance = float(np.trace(covariance)) / len(covariance)
    if variance == 0.0:
        raise DataError("the data are constant: every sample is the same", "give samples that differ")
    ideal = canonical_error(rows, std=math.sqrt(variance))
    off = math.sqrt(found[2])

    def estimate(value: float, error: float) -> Estimate:
        return Estimate(value, error, Route.MEASURED, len(inputs), freedom=_GROUPS - 1)

    return MeasuredCovariance(
        layer=matrix.name,
        samples=len(inputs),
        positions=samples.positions,
        input_variance=variance,
        coherence=estimate(found[0], errors[0]),
        diagonal=estimate(found[1], errors[1]),
        off_diagonal=estimate(off, errors[2] / (2 * off) if off > 0 else errors[2]),
        white=ideal.off_diagonal,
        canonical_error_bound=ideal.canonical_error_bound,
    )


def _covariance(samples: Patches, part: slice) -> Array:
    """Return the covariance of the inputs of a unit, over some samples and all positions, in two passes."""
    count, total = 0, np.zeros(samples.length)
    for chunk in samples.chunks(part):
        count, total = count + len(chunk), total + chunk.sum(axis=0)
    mean, products = total / count, np.zeros((samples.length, samples.length))
    for chunk in samples.chunks(part):
        chunk -= mean
        products += chunk.T @ chunk
    return products / count


def _statistics(weights: Array, covariance: Array) -> tuple[float, float, float]:
    """Return the largest correlation of two units, and the norms of the diagonal and (squared) of the rest."""
    carried = weights @ covariance
    variances = np.maximum(np.einsum("ij,ij->i", carried, weights), 0.0)
    scale = np.sqrt(np.where(variances > 0, variances, np.inf))[:, None]
    left, right = carried / scale, weights / scale
    overlaps = pairwise(lambda i, j: left[i:j], lambda i, j: right[i:j], variances, weights.shape[1])
    return overlaps.largest, float(np.linalg.norm(variances)), overlaps.squared


def _error(value: float, groups: Array) -> float:
    """Return a standard error from what groups of samples give, with the bias, which falls like 1/samples."""
    bias = (float(groups.mean()) - value) / (len(groups) - 1)
    return math.hypot(bias, float(groups.std(ddof=1)) / math.sqrt(len(groups)))
