"""Stratified samples: one random point in each of n equal parts of a probability, with weights that make it Gaussian.

A 64th of the samples is one replicate, an unbiased estimate by itself: the points `u = (i + U + V_i)/n`, each
with its own V, carried to `z = tan(pi (u - 1/2))` with the weights of importance sampling from the Cauchy
distribution, `w(z) = pi (1 + z^2) p(z)`. Its heavy tails see to it that no part of the Gaussian is without samples,
and where the two ends of u meet all weights vanish. The error of a replicate is of order n^(-3/2) where the integrand
is smooth or bends and of order 1/n where it jumps; for independent samples it is of order n^(-1/2).
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from propstats.errors import DomainError
from propstats.expectation.samples import check_samples
from propstats.expectation.sampling.delta import AVERAGED
from propstats.expectation.sampling.draws import PIECE, generator, in_order
from propstats.expectation.sampling.integrand import Integrand
from propstats.expectation.sampling.running import RunningMoments

Array = NDArray[np.float64]

#: Unbiased estimates, whose spread gives the standard error. With fewer, jumps that none of them meets in the same
#: part would too often leave no spread: two jumps miss 16 replicates once in 700 times, but 64 never.
REPLICATES = 64
#: Four parts for each replicate.
MIN_SAMPLES = 4 * REPLICATES
#: How many strata are worked through at a time, in all replicates.
_STRATA = PIECE // REPLICATES
#: The density underflows here.
_Z_MAX = 38.0


def stratified(
    integrand: Integrand, samples: int, seed: int, device: torch.device, workers: int
) -> tuple[RunningMoments, Array]:
    """Return the moments of the replicates' averages, and the mean absolute value of each of the six rows.

    U moves the parts against whatever the integrand does at a fixed place, and is itself stratified over the
    replicates, `U_r = (r + V_r)/64`: a jump lies in the middle of a part for some of them, at its edge for others, so
    that it always shows in their spread. An even grid (all V_i alike) would be better still for smooth integrands,
    but two jumps a whole number of its steps apart would hide from it: all replicates would agree on a wrong
    number.

    Args:
        integrand: What to average.
        samples: How many samples; what is left after division by 64 is not drawn.
        seed: Seed of U and V.
        device: Where to evaluate.
        workers: How many threads; the result does not depend on it.

    Raises:
        DomainError: If there are fewer than 256 samples.

    References:
        Cochran 1977, Sampling Techniques, section 5.6 (stratification never raises a variance). Cranley & Patterson
        1976, SIAM J. Numer. Anal. 13, 904 (random shifts).
    """
    if samples < MIN_SAMPLES:
        raise DomainError(
            f"stratified sampling needs at least {MIN_SAMPLES} samples, got {samples}",
            f"they form {REPLICATES} replicates",
        )
    check_samples(samples)
    size = samples // REPLICATES
    shifts = (np.arange(REPLICATES) + generator(seed, 0).random(REPLICATES)) / REPLICATES
    # Counted from the middle, so that the points around mu keep all digits.
    offsets = torch.from_numpy(shifts - size / 2)[:, None].to(device)

    def one_piece(task: int) -> Array:
        """Return the weighted sums of the six rows for each replicate, and of their absolute values for all."""
        strata = torch.arange(task * _STRATA, min((task + 1) * _STRATA, size), dtype=torch.float64, device=device)
        inside = generator(seed, task + 1).random((REPLICATES, strata.numel()))
        u = strata + offsets + torch.from_numpy(inside).to(device)
        z = torch.tan(u.ravel() * (math.pi / size)).clamp_(-_Z_MAX, _Z_MAX)
        weight = torch.exp(-0.5 * z * z) * (1 + z * z) * math.sqrt(math.pi / 2)
        weighted = integrand.at(z).mul_(weight).view(len(AVERAGED), REPLICATES, -1)
        return torch.cat([weighted.sum(-1), weighted.abs().sum((1, 2))[:, None]], dim=1).cpu().numpy()

    pieces = in_order(one_piece, math.ceil(size / _STRATA), workers)
    averages = sum(pieces, np.zeros((len(AVERAGED), REPLICATES + 1))) / size
    return RunningMoments.of(averages[:, :REPLICATES]), averages[:, REPLICATES] / REPLICATES
