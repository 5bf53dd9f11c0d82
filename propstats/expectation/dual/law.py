"""Two Gaussians cut off by gates: the probability that these are open, and what is left given that one just opens.

A gate on u is a factor `1[w > 0]` with `w = slope u + offset + noise e` and e independent: without noise it is a step,
with noise 1 it averages to `Phi(slope u + offset)`.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.dual.bivariate import bivariate_cdf, bivariate_size

#: Numbers that are the same for all moments stay plain floats: those are quicker, and a zero drops out.
Values = float | NDArray[Any]

#: In place of a variance of 0, so that a mean of 0 is 0 standard deviations away and any other infinitely many.
_TINY = 1e-300

#: The density of a standard normal variable at 0.
_PEAK = 1.0 / math.sqrt(2 * math.pi)


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate `1[slope u + offset + noise e > 0]`; a step (noise 0) has its kink at u = 0, so offset 0."""

    slope: Values
    offset: Values
    noise: float


@dataclass(frozen=True, eq=False)
class Law:
    """Two jointly Gaussian variables and their gates; arrays that broadcast to one shape.

    Args:
        mean_u: Mean of u.
        mean_v: Mean of v.
        var_u: Variance of u.
        cov: Covariance of u and v.
        var_v: Variance of v.
        det: `var_u var_v - cov^2`, where it is known better than by this difference.
        gate_u: The gate on u.
        gate_v: The gate on v.
        twins: Whether exchanging u and v exchanges the first two axes of all arrays, and nothing else.
        sizes: Bounds on the means and on what they are differences of. Given these, what comes out are not the
            moments but the sizes of the sums behind them, to which their rounding is proportional.
    """

    mean_u: Values
    mean_v: Values
    var_u: Values
    cov: Values
    var_v: Values
    det: Values
    gate_u: Gate | None = None
    gate_v: Gate | None = None
    twins: bool = False
    sizes: tuple[Values, Values] | None = None

    @cached_property
    def behind_u(self) -> tuple[Values, Values]:
        """The mean, in standard deviations, and the variance of what the gate on u compares with 0."""
        assert self.gate_u is not None
        return _behind(self.gate_u, self.mean_u, self.var_u)

    @property
    def swapped(self) -> "Law":
        """The same law with the names of u and v exchanged."""
        u, v = (self.mean_u, self.var_u, self.gate_u), (self.mean_v, self.var_v, self.gate_v)
        sizes = None if self.sizes is None else (self.sizes[1], self.sizes[0])
        return Law(v[0], u[0], v[1], self.cov, u[1], self.det, v[2], u[2], self.twins, sizes)


def is_nothing(value: Values) -> bool:
    """Whether this is a plain 0, which drops out."""
    return isinstance(value, float) and value == 0.0


def is_one(value: Values) -> bool:
    """Whether this is a plain 1, which drops out of products."""
    return isinstance(value, float) and value == 1.0


def times(a: Values, b: Values) -> Values:
    """Return a product, at no cost if a factor is a plain 1."""
    return b if is_one(a) else a if is_one(b) else a * b


def _root(variance: Values) -> Values:
    if isinstance(variance, float):
        return math.sqrt(max(variance, _TINY))
    return np.asarray(np.sqrt(np.maximum(variance, _TINY)))


def _behind(gate: Gate, mean: Values, var: Values) -> tuple[Values, Values]:
    """Return the mean, in standard deviations, and the variance of what a gate compares with 0."""
    total = gate.slope * gate.slope * var + gate.noise if gate.noise else var  # the slope of a step is +-1
    centre = times(gate.slope, mean)
    if not is_nothing(gate.offset):
        centre = centre + gate.offset
    return times(centre, 1.0 / _root(total)), total


def _behind_size(gate: Gate, size: Values, h: Values, total: Values) -> Values:
    """Return what the rounding of that mean is proportional to."""
    # Under a delta little variance may be left, but what rounding moves there is made up for under the other delta.
    own: Values = (np.abs(gate.slope) * size + np.abs(gate.offset)) / np.sqrt(np.maximum(total, 1.0))
    return own + np.abs(h)


def probability_of(law: Law) -> Values:
    """Return the probability that all gates are open, or its size."""
    from scipy.special import ndtr

    if law.gate_u is not None and law.gate_v is not None:
        return _both_open(law, law.gate_u, law.gate_v)
    if law.gate_u is None and law.gate_v is None:
        return 1.0
    one = law if law.gate_u is not None else law.swapped
    h, var = one.behind_u
    probability = np.asarray(ndtr(h))
    if one.sizes is None:
        return probability
    assert one.gate_u is not None
    # An ulp of what h is made of changes Phi(h) by the density times as much.
    size = _behind_size(one.gate_u, one.sizes[0], h, var)
    return np.asarray(np.abs(probability) + size * np.abs(np.exp(-0.5 * h * h)))


def _both_open(law: Law, u: Gate, v: Gate) -> Values:
    """Return the probability that both gates are open, or its size."""
    (h, var_h), (k, var_k) = law.behind_u, _behind(v, law.mean_v, law.var_v)
    if law.sizes is not None:
        sizes = _behind_size(u, law.sizes[0], h, var_h), _behind_size(v, law.sizes[1], k, var_k)
        return bivariate_size(h, k, *sizes)
    product = var_h * var_k
    rho, det = times(times(u.slope, v.slope), law.cov), law.det
    if not is_one(product):
        rho = np.maximum(np.minimum(rho / np.sqrt(product), 1.0), -1.0)
    if u.noise or v.noise:
        # The determinant of both w, as a sum without cancellation.
        det = (u.slope * v.slope) ** 2 * law.det + u.slope * u.slope * law.var_u * v.noise + u.noise * var_k
    return bivariate_cdf(h, k, rho, det / product, twins=law.twins)


def density_of(law: Law) -> Values:
    """Return the density of what the gate on u compares with 0, at 0, or its size."""
    h, var = law.behind_u
    density: Values = np.exp(-0.5 * h * h) * (_PEAK / _root(var))
    if law.sizes is None:
        return density
    assert law.gate_u is not None
    size = _behind_size(law.gate_u, law.sizes[0], h, var)
    # No infinity times the zero that the density then is.
    return np.asarray(np.abs(density) * (1 + np.minimum(np.abs(h) * size, 1e6)))


def given_open(law: Law) -> Law:
    """Return the conditional law where the gate on u compares 0 with 0.

    With `r` the share of the noise in the variance of w, u moves by `-(1 - r) shift` and v by cov/var_u times that.
    For steps at one point the latter leaves a small difference of equal numbers, which is therefore formed first:
    it must come out the same as in the probability of both gates, or nearly perfect correlations lose their digits.
    """
    gate = law.gate_u
    assert gate is not None
    _, var = law.behind_u
    moved, left = _moved(law, gate)
    if not gate.noise:
        given = Law(
            0.0, (law.mean_v - moved) + moved * left, 0.0, 0.0, law.det / np.maximum(var, _TINY), 0.0, None, law.gate_v
        )
    else:
        noise = gate.noise / var
        given = Law(
            mean_u=law.mean_u * noise - (1 - noise) * gate.offset / gate.slope,
            mean_v=(law.mean_v - moved) + moved * (noise + (1 - noise) * left),
            var_u=law.var_u * noise,
            cov=law.cov * noise,
            var_v=(law.var_v * gate.noise + gate.slope * gate.slope * law.det) / var,
            det=law.det * noise,
            gate_v=law.gate_v,
        )
    if law.sizes is not None:
        size_u, size_v = law.sizes
        given = replace(given, sizes=(size_u if gate.noise else 0.0, size_v + np.abs(moved)))
    return given


def _moved(law: Law, gate: Gate) -> tuple[Values, Values]:
    """Return how far v moves with u at perfect correlation, and one minus the size of the correlation."""
    shift = law.mean_u + gate.offset / gate.slope
    if is_nothing(shift):
        return 0.0, 0.0
    product = law.var_u * law.var_v
    # 1 - correlation^2 over 1 + |correlation|; not by the root of the former, which says nothing of small correlations.
    left = law.det / np.maximum(product, _TINY) / (1 + np.abs(law.cov) / _root(product))
    return shift * np.copysign(np.sqrt(law.var_v / np.maximum(law.var_u, _TINY)), law.cov), left
