"""The line chi_1 = 1 in the plane of weights and biases: all of it, with its gaps."""

import math
from collections.abc import Iterator

import numpy as np

from propstats.activations import Activation
from propstats.errors import DomainError
from propstats.expectation import quadrature
from propstats.theory.mean_field.critical import CriticalPoint
from propstats.theory.mean_field.runs import runs
from propstats.theory.mean_field.second_moment import EPS, SMALL_JUMP, SecondMomentMap

_PER_DECADE = 24
#: From where on q is followed, and how far beyond the largest variance of the biases.
_BOTTOM, _BEYOND = 1e-10, 1e3
#: Beyond this error, relative to q, the line is not followed.
_KNOWN = 1e-6
#: Below this variance, relative to q, biases are rounding.
_ROUNDED = 1e-12


def critical_weights(activation: Activation, sigma_b: float) -> tuple[CriticalPoint, ...]:
    """Return all critical points with given biases, by growing q; none if there is none.

    Args:
        activation: phi.
        sigma_b: Standard deviation of the biases, whose mean is 0.

    Raises:
        DomainError: As `Biases`.

    >>> from propstats.activations import activation
    >>> [point] = critical_weights(activation("tanh"), 0.150964629378553**0.5)
    >>> round(point.sigma_w**2, 9), round(point.q, 9)
    (2.153302649, 1.0)
    >>> critical_weights(activation("relu"), 0.1)
    ()
    """
    return Biases(activation, 0.0, sigma_b).weights(sigma_b)


class Biases:
    """What `sigma_b^2 = q - E[phi^2]/E[phi'^2]` the critical point of each q needs: the whole line is in it.

    Args:
        activation: phi.
        beta: Mean of the biases.
        sigma_b_max: The largest biases to look for; not negative.

    Raises:
        DomainError: If phi jumps, so that chi_1 is infinite, or a number is out of range.

    References:
        Schoenholz et al. 2017, arXiv:1611.01232, Figure 1.

    >>> from propstats.activations import activation
    >>> ((point,),) = Biases(activation("relu"), 0.0, 3.0).line()
    >>> round(point.sigma_w, 12), point.sigma_b
    (1.414213562373, 0.0)
    >>> Biases(activation("softplus"), 0.0, 3.0).line()
    ()
    """

    def __init__(self, activation: Activation, beta: float, sigma_b_max: float) -> None:
        if not 0.0 <= sigma_b_max <= 1e50:
            raise DomainError(f"sigma_b must be a finite number and not negative, got {sigma_b_max:g}")
        self._layer = SecondMomentMap(activation, 1.0, 0.0, beta)  # complains of poles and of beta
        if any(abs(jump) > SMALL_JUMP for _, jump in activation.jumps):
            raise DomainError(
                f"{activation} has no critical line: it jumps, so that chi_1 is infinite",
                "a network of it is chaotic whatever its weights",
            )
        self._max = sigma_b_max
        top = _BEYOND * max(1.0, sigma_b_max**2, beta**2)
        q = np.logspace(math.log10(_BOTTOM), math.log10(top), round(_PER_DECADE * math.log10(top / _BOTTOM)))
        found = quadrature.values(activation, beta, np.sqrt(q))
        second, slope = found["second_moment"], found["slope_second_moment"]
        with np.errstate(all="ignore"):
            ratio = second / slope
            error = ratio * (found.error("second_moment") / second + found.error("slope_second_moment") / slope)
            bias, error = q - ratio, np.nan_to_num(error) + 4 * EPS * q
            known = np.isfinite(bias) & (error <= _KNOWN * np.maximum(q, np.abs(bias)))
        self._q, self._bias, self._error = q[known], bias[known], error[known]

    def line(self) -> tuple[tuple[CriticalPoint, ...], ...]:
        """Return its stretches, by growing q: between them the biases would need a negative variance.

        One that is a single point is there for every q: a ReLU is critical at sigma_w = sqrt(2) without biases, and
        nowhere else.
        """
        bias = self._bias
        zero = np.abs(bias) <= self._error
        if zero.all():
            return ((self._point(1.0),),)
        within = ((bias >= 0.0) | zero) & (bias <= self._max**2 + self._error)
        return tuple(tuple(self._branch(first, last)) for first, last in runs(within))

    def weights(self, sigma_b: float) -> tuple[CriticalPoint, ...]:
        """Return all critical points with given biases, by growing q."""
        from scipy.optimize import brentq

        gap = self._bias - sigma_b**2
        signs = np.where(np.abs(gap) > self._error, np.sign(gap), 0.0)
        if not signs.any():
            return (self._point(1.0),)
        found = []
        slope = self._layer.slope_at_zero
        if sigma_b == 0.0 and self._layer.starts_at_zero and 0.0 < slope < math.inf:
            found.append(CriticalPoint(1.0 / math.sqrt(slope), 0.0, 0.0))
        certain = np.flatnonzero(signs)
        for i, j in zip(certain[:-1].tolist(), certain[1:].tolist(), strict=True):
            if signs[i] != signs[j]:
                ends = math.log(self._q[i]), math.log(self._q[j])
                root = brentq(lambda u: self._at(math.exp(u)) - sigma_b**2, *ends, xtol=1e-15, rtol=4 * EPS)
                found.append(self._point(math.exp(float(root))))
        return tuple(found)

    def _at(self, q: float) -> float:
        """Return the variance of the biases for one q."""
        found = self._layer.moments(q)
        return q - found["second_moment"].value / found["slope_second_moment"].value

    def _point(self, q: float) -> CriticalPoint:
        """Return the critical point of one q."""
        found = self._layer.moments(q)
        bias = q - found["second_moment"].value / found["slope_second_moment"].value
        sigma_b = math.sqrt(bias) if bias > _ROUNDED * q else 0.0
        return CriticalPoint(1.0 / math.sqrt(found["slope_second_moment"].value), sigma_b, q)

    def _branch(self, first: int, last: int) -> Iterator[CriticalPoint]:
        """Yield the points of a stretch of the grid, and its ends, where the biases are none or the largest."""
        q = self._q
        if first > 0:
            yield self._point(self._end(float(q[first]), float(q[first - 1])))
        for value in q[first : last + 1].tolist():
            yield self._point(value)
        if last + 1 < q.size:
            yield self._point(self._end(float(q[last]), float(q[last + 1])))

    def _end(self, inside: float, outside: float) -> float:
        """Return between which two q, by bisection, the biases become none or the largest."""
        low, high = math.log(inside), math.log(outside)
        for _ in range(60):
            middle = (low + high) / 2
            if 0.0 <= self._at(math.exp(middle)) <= self._max**2:
                low = middle
            else:
                high = middle
        return math.exp(low)
