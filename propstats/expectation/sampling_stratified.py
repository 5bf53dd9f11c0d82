"""Stratified samples: an even grid in a probability, shifted at random, and weights that make it Gaussian.

A sixteenth of the samples is one replicate: an unbiased estimate by itself, from
`z = tan(pi (u - 1/2))` at `u = (i + U)/n` with the weights of importance sampling from the Cauchy distribution,
`w(z) = pi (1 + z^2) p(z)`. As functions of u, smooth integrands vanish with all their derivatives at both
ends: the error of the grid falls faster than any power of n; at a bend of the integrand it is of order n^-2, at a
jump of order 1/n, where independent samples have n^(-1/2). The Cauchy tails see to it that no part of the
Gaussian's is without samples.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from propstats.errors import DomainError
from propstats.expectation.sampling_delta import AVERAGED
from propstats.expectation.sampling_draws import PIECE, generator, in_order
from propstats.expectation.sampling_integrand import Integrand
from propstats.expectation.sampling_running import RunningMoments

Array = NDArray[np.float64]

#: Independent estimates, whose spread gives the standard error.
REPLICATES = 16
#: Student's t with 15 degrees of freedom is beyond 8.2671 as rarely as a normal number is beyond STANDARD_ERRORS.
STUDENT = 8.267096139752576 / 5.0
#: Fewer samples than this say nothing about the spread of a replicate.
MIN_SAMPLES = REPLICATES * 16
#: How many strata are worked through at a time, in all replicates.
_STRATA = PIECE // REPLICATES
#: The density underflows here.
_Z_MAX = 38.0


def stratified(
    integrand: Integrand, samples: int, seed: int, device: torch.device, workers: int
) -> tuple[RunningMoments, Array]:
    """Return the moments of the replicates' averages, and the mean absolute value of each of the six rows.

    The shifts are stratified as well, `U_r = (r + V_r)/16`: each replicate remains unbiased, the union of all
    is one finer grid, and the spread of the replicates overstates the error of their mean: stratification
    never raises a variance. What three bends make of a replicate's error is far from normal; without this, 16
    of them would now and then agree by chance on a wrong number.

    Args:
        integrand: What to average.
        samples: How many samples; what is left after division by 16 is not drawn.
        seed: Seed of the shifts.
        device: Where to evaluate.
        workers: How many threads; the result does not depend on it.

    Raises:
        DomainError: If there are fewer than 256 samples.

    References:
        Cranley & Patterson 1976, SIAM J. Numer. Anal. 13, 904 (random shifts). Cochran 1977, Sampling
        Techniques, section 5.6 (stratification).
    """
    if samples < MIN_SAMPLES:
        raise DomainError(
            f"stratified sampling needs at least {MIN_SAMPLES} samples, got {samples}", "they form 16 replicates"
        )
    size = samples // REPLICATES
    shifts = (np.arange(REPLICATES) + generator(seed, 0).random(REPLICATES)) / REPLICATES
    # Counted from the middle, so that the points around mu keep all digits.
    offsets = torch.from_numpy(shifts - size / 2)[:, None].to(device)

    def one_piece(task: int) -> Array:
        """Return the weighted sums of the six rows for each replicate, and of their absolute values for all."""
        strata = torch.arange(task * _STRATA, min((task + 1) * _STRATA, size), dtype=torch.float64, device=device)
        z = torch.tan((strata + offsets).ravel() * (math.pi / size)).clamp_(-_Z_MAX, _Z_MAX)
        weight = torch.exp(-0.5 * z * z) * (1 + z * z) * math.sqrt(math.pi / 2)
        weighted = integrand.at(z).mul_(weight).view(len(AVERAGED), REPLICATES, -1)
        return torch.cat([weighted.sum(-1), weighted.abs().sum((1, 2))[:, None]], dim=1).cpu().numpy()

    pieces = in_order(one_piece, math.ceil(size / _STRATA), workers)
    averages = sum(pieces, np.zeros((len(AVERAGED), REPLICATES + 1))) / size
    return RunningMoments.of(averages[:, :REPLICATES]), averages[:, REPLICATES] / REPLICATES
