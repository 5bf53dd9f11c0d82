"""The sampling route: random numbers, torch's activations, and an error that says how sure the averages are."""

import math
import sys
from collections.abc import Callable, Collection, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from propstats.activations.activation import Activation
from propstats.errors import unknown_name
from propstats.estimate import Estimate, Route
from propstats.expectation.moments import BASE, DERIVED
from propstats.expectation.normal import density
from propstats.expectation.samples import check_samples
from propstats.expectation.sampling.delta import Averages, is_of_values, quantities
from propstats.expectation.sampling.draws import independent, resolve_device, workers_for
from propstats.expectation.sampling.integrand import Integrand
from propstats.expectation.sampling.stratified import REPLICATES, stratified
from propstats.expectation.sampling.unseen import integral_where_unseen, tails_of

Array = NDArray[np.float64]

#: A few roundings, in formulas of a dozen operations.
_ROUNDING = 8 * sys.float_info.epsilon


def moments(
    activation: Activation,
    *,
    mean: float = 0.0,
    std: float = 1.0,
    samples: int = 1_000_000,
    seed: int = 0,
    device: str = "cpu",
    method: str = "iid",
    names: Collection[str] | None = None,
) -> Mapping[str, Estimate]:
    """Estimate the base moments and the derived quantities from samples, with standard errors.

    Every quantity is a smooth function of six averages, so its standard error follows from their covariance
    (the delta method). To it is added what lies where fewer than three of so many samples are expected: samples
    that never came have no spread, and a rare event may be all there is.

    `iid` averages independent samples. `stratified` averages 64 replicates of evenly spread ones, whose spread gives
    the error: for the error of a million it needs some hundred to thousand times fewer. That error has 63 degrees of
    freedom. The numbers depend on the seed and on how many samples are asked for, on nothing else: not on the number
    of threads.

    Args:
        activation: The activation.
        mean: Mean of the input.
        std: Standard deviation of the input; not negative.
        samples: How many samples; at least 2, or 256 for `stratified`, which uses a multiple of 64.
        seed: Seed of the generators, not negative; the global generators are not touched.
        device: A torch device, or `auto` for CUDA where there is one.
        method: `iid` or `stratified`.
        names: Which quantities; all if none are named. Without any that needs the slope, independent samples of phi
            alone are averaged, in a third of the time.

    Raises:
        DomainError: If there are too few samples, the seed is negative, or the device is not there.
        UnknownNameError: If there is no such method, or no such quantity.

    >>> from propstats.activations import activation
    >>> e = moments(activation("tanh"), samples=4096, method="stratified")["second_moment"]
    >>> abs(e.value - 0.394294490397841174) <= 5 * e.error < 0.003
    True
    """
    if method not in METHODS:
        raise unknown_name("sampling method", method, sorted(METHODS))
    for name in names or ():
        if name not in (*BASE, *DERIVED):
            raise unknown_name("quantity", name, [*BASE, *DERIVED])
    where = resolve_device(device)
    integrand = Integrand(activation, mean, std)
    averages, used = METHODS[method](integrand, samples, seed, where, names is None or not is_of_values(names))
    known = {"s": std, "shift": integrand.shift, "slope_shift": integrand.slope_shift}
    found = quantities(averages, known | _jump_terms(activation, integrand), names)
    freedom = REPLICATES - 1 if method == "stratified" else None
    return {
        name: Estimate(value, error, Route.SAMPLING, used, freedom=freedom) for name, (value, error) in found.items()
    }


def _by_independent(
    integrand: Integrand, samples: int, seed: int, device: torch.device, slopes: bool
) -> tuple[Averages, int]:
    check_samples(samples)
    running = independent(integrand, samples, seed, device, workers_for(device), slopes=slopes)
    at_zero = samples * density(integrand.mean / max(integrand.std, sys.float_info.min))
    law = integrand.mean, integrand.std
    unseen = integral_where_unseen(integrand.at, law, running.mean, tails_of(samples), at_zero)
    covariance = running.covariance
    size = np.sqrt(running.mean**2 + np.maximum(covariance.diagonal(), 0.0))
    return _averages(integrand, running.mean, covariance / samples, unseen, size), samples


def _by_stratified(
    integrand: Integrand, samples: int, seed: int, device: torch.device, _slopes: bool
) -> tuple[Averages, int]:
    running, size = stratified(integrand, samples, seed, device, workers_for(device))
    used = samples // REPLICATES * REPLICATES
    # The points are pi (1 + z^2)/samples apart, while p(z) falls by e within 1/z: fewer than three on that way.
    tails = (used / (3 * math.pi)) ** (1 / 3)
    z = integrand.mean / max(integrand.std, sys.float_info.min)
    law, at_zero = (integrand.mean, integrand.std), used / (math.pi * (1 + z * z))
    unseen = integral_where_unseen(integrand.at, law, running.mean, tails, at_zero)
    return _averages(integrand, running.mean, running.covariance / REPLICATES, unseen, size), used


_Method = Callable[[Integrand, int, int, torch.device, bool], tuple[Averages, int]]

#: How samples can be drawn.
METHODS: Mapping[str, _Method] = {"iid": _by_independent, "stratified": _by_stratified}


def _averages(integrand: Integrand, mean: Array, covariance: Array, unseen: Array, size: Array) -> Averages:
    """Add what rounding may have done, given the typical `size` of each row."""
    y, d, zd = size.tolist()[:3]
    # What the shifts leave still has the rounding of what they took away; x is rounded like mu.
    far = abs(integrand.mean)
    of_y = abs(integrand.shift) + far * (abs(integrand.slope_shift) + d)
    of_d = abs(integrand.slope_shift) + (far * d / integrand.std if integrand.std > 0 else 0.0)
    of_rows = np.array(
        [of_y, of_d, 0.0, (2 * y + _ROUNDING * of_y) * of_y, (2 * d + _ROUNDING * of_d) * of_d, zd * of_y]
    )
    return Averages(mean, covariance, unseen, _ROUNDING * (size + of_rows))


def _jump_terms(activation: Activation, integrand: Integrand) -> dict[str, float]:
    """Return what samples of phi' miss where phi jumps by J at k: `J delta(x - k)`, averaged exactly.

    `E[phi']` lacks the sum of `J p(k)`, and `E[(phi - m) phi' (x - mu)]` that of
    `J ((phi(k-) + phi(k+))/2 - m) (k - mu) p(k)`, with p the density of x.
    """
    slope = rate0 = rate1 = 0.0
    # A number jumps nowhere.
    for kink, jump in activation.jumps if integrand.std > 0 else ():
        z = (kink - integrand.mean) / integrand.std
        sides = (float(activation(np.nextafter(kink, side))) for side in (-math.inf, math.inf))
        middle = sum(sides) / 2 - integrand.shift
        slope += jump * density(z) / integrand.std
        rate0 += jump * density(z) * z * middle
        rate1 += jump * density(z) * z
    return {"jump_slope": slope, "jump_rate0": rate0, "jump_rate1": rate1}
