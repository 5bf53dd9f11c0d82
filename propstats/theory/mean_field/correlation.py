"""How one layer changes the correlation of two inputs, and where that settles.

Divided by q, the covariance of two pre-activations of second moment q and correlation c is, after a layer,

    T_c(c) = (sigma_b^2 + sigma_w^2 E[phi(u) phi(v)])/q = p_0 + p_1 c + p_2 c^2 + ...,

with p_n >= 0 (the squared Hermite coefficients of phi) that add up to 1 if q is a fixed point: the generating function
of a probability distribution. What is known of branching processes therefore holds. 1 is a fixed point; there is
another one in [0, 1), the probability of extinction, if and only if the mean `chi_1 = sum n p_n` exceeds 1, and exactly
one. Below 0 there is none but -1, and that only if all even p_n vanish. Only for p_1 = 1 is every c fixed.
"""

import math
from dataclasses import dataclass

import numpy as np

from propstats.estimate import Estimate, Quantity, Route
from propstats.expectation.dual import difference, dual, dual_estimates, dual_slope
from propstats.theory.mean_field.scales import depth_scale
from propstats.theory.mean_field.second_moment import EPS, SecondMomentMap

#: Below this distance from 1, correlations are not told from 1.
_CLOSEST = 1e-13
#: From this distance on, wide waves have nothing in common.
_APART = 0.1


@dataclass(frozen=True, slots=True)
class CorrelationPoint:
    """A fixed point of the correlation's map.

    Args:
        c: The correlation of two inputs that stays.
        chi_c: The slope of the map there; below 1, correlations nearby tend to it.
        xi_c: The number of layers in which the distance to it falls to 1/e; undefined where it does not attract.
    """

    c: Quantity
    chi_c: Estimate
    xi_c: Estimate


@dataclass(frozen=True)
class CorrelationMap:
    """The map of the correlation at a fixed point q.

    Args:
        layer: The second moment's map.
        q: A fixed point of it, positive.
        error: How far it may be off.

    References:
        Poole et al. 2016, arXiv:1606.05340, Eq. 5; Schoenholz et al. 2017, arXiv:1611.01232, Eqs. 4 to 6.

    >>> from propstats.activations import activation
    >>> he = CorrelationMap(SecondMomentMap(activation("relu"), 2.0**0.5, 0.0), 1.0)
    >>> round(1.0 - he.gap(0.5), 12)  # Cho & Saul 2009
    0.608997781044
    """

    layer: SecondMomentMap
    q: float
    error: float = 0.0

    def gap(self, gap: float) -> float:
        """Return `1 - T_c(1 - gap)`, which keeps its digits however small the gap is."""
        std, mean = math.sqrt(self.q), self.layer.beta
        # Nothing cancels at negative correlations; nor between wide waves, which would take the difference long.
        if gap > 1.0 or (gap > _APART and self.layer.is_wide_wave(self.q)):
            kept = dual(self.layer.activation, mean=mean, std=std, correlation=1.0 - gap)
            lost = self.layer.moments(self.q)["second_moment"].value - kept
        else:
            common, own = std * math.sqrt(1.0 - gap), std * math.sqrt(gap)
            with np.errstate(all="ignore"):  # of wide inputs to steep activations nothing is left
                lost = difference(self.layer.activation, mean=mean, common=common, own=own)
        return self.layer.sigma_w**2 * lost / self.q

    def slope(self, c: float) -> float:
        """Return `T_c'(c) = sigma_w^2 E[phi'(u) phi'(v)]`, what jumps of phi add included."""
        found = dual_slope(self.layer.activation, mean=self.layer.beta, std=math.sqrt(self.q), correlation=c)
        return self.layer.sigma_w**2 * found / self.q

    def fixed_points(self, chi_1: Estimate) -> tuple[CorrelationPoint, ...]:
        """Return all fixed points, from -1 to 1.

        Args:
            chi_1: The slope at 1.
        """
        exact = Quantity.of({Route.CLOSED_FORM: Estimate(1.0, 0.0, Route.CLOSED_FORM)})
        found = [CorrelationPoint(exact, chi_1, depth_scale(chi_1))]
        if chi_1.value - 1.0 > chi_1.error or math.isinf(chi_1.value):
            below = self._below_one()
            if below is not None:
                found.insert(0, below)
        if self._is_odd():
            opposite = Quantity.of({Route.QUADRATURE: Estimate(-1.0, 0.0, Route.QUADRATURE)})
            found.insert(0, CorrelationPoint(opposite, chi_1, depth_scale(chi_1)))
        return tuple(found)

    def keeps_all(self, chi_1: Estimate) -> bool:
        """Whether every correlation is a fixed point, as in linear networks: p_0 = 0 and p_1 = 1."""
        if not chi_1.is_defined or abs(chi_1.value - 1.0) > chi_1.error:
            return False
        return abs(self.gap(1.0) - 1.0) <= self._rounding(1.0) + chi_1.error

    def _is_odd(self) -> bool:
        """Whether opposite inputs stay opposite: no bias, and E[phi(u) phi(-u)] = -E[phi(u)^2]."""
        if self.layer.sigma_b > 0.0:
            return False
        [opposite] = self._duals(-1.0)
        second = self.layer.moments(self.q)["second_moment"]
        return abs(opposite.value + second.value) <= opposite.error + second.error

    def _below_one(self) -> CorrelationPoint | None:
        """Return the fixed point below 1, if it can be told from 1."""
        from scipy.optimize import brentq

        def excess(log_gap: float) -> float:
            gap = math.exp(log_gap)
            return self.gap(gap) / gap - 1.0

        at_zero = excess(0.0)
        if at_zero >= -self._rounding(1.0):  # T_c(0) = 0
            gap = 1.0
        else:
            low = 0.25
            while excess(math.log(low)) <= 0.0:
                low /= 4
                if low < _CLOSEST:
                    return None
            gap = math.exp(float(brentq(excess, math.log(low), min(math.log(4 * low), 0.0), xtol=1e-15, rtol=4 * EPS)))
        chi = self.slope(1.0 - gap)
        # The map's relative error moves the gap by that over 1 - chi_c.
        gap_error = gap * self._rounding(gap) / max(1.0 - chi, EPS)
        c = 1.0 - gap
        routes = {Route.QUADRATURE: Estimate(c, gap_error + EPS, Route.QUADRATURE)}
        by_formula = self._by_formula(c, chi)
        if by_formula is not None:
            routes[Route.CLOSED_FORM] = by_formula
        moved = max(abs(self.slope(min(max(c + side * gap_error, -1.0), 1.0)) - chi) for side in (-1, 1))
        slope = Estimate(chi, moved + 64 * EPS * max(chi, 1.0) + chi * self._q_error, Route.QUADRATURE)
        return CorrelationPoint(Quantity.of(routes), slope, depth_scale(slope))

    @property
    def _q_error(self) -> float:
        return 4 * self.error / self.q

    def _rounding(self, gap: float) -> float:
        """Bound the relative error of `gap`: of u - v, of the integrals, and of q."""
        return 32 * EPS + EPS / math.sqrt(gap) + self._q_error

    def _by_formula(self, c: float, chi: float) -> Estimate | None:
        """Return the fixed point from the closed form of the dual, one step of Newton's from another route's."""
        [found] = self._duals(c)
        formula = found.routes.get(Route.CLOSED_FORM)
        if formula is None or not formula.is_defined:
            return None
        layer = self.layer
        value = (layer.sigma_w**2 * formula.value + layer.sigma_b**2) / self.q
        error = layer.sigma_w**2 * formula.error / self.q + 4 * EPS + self._q_error
        away = max(1.0 - chi, EPS)
        return Estimate(c + (value - c) / away, (error + abs(value - c)) / away, Route.CLOSED_FORM)

    def _duals(self, c: float) -> list[Quantity]:
        return dual_estimates(self.layer.activation, mean=self.layer.beta, std=math.sqrt(self.q), correlation=c)
