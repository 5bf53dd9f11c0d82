"""Moments of two Gaussians cut off by gates, in closed form: Stein's lemma down to the normal distribution.

Stein's lemma, `E[(u - m) F] = sum_y Cov(u, y) E[dF/dy]`, lowers the powers of u and v in
`E[u^p v^q 1[w > 0] 1[w' > 0]]`. The derivative of a gate is a delta, under which the rest is a moment of the
conditional law, with one gate less.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np

from propstats.expectation.dual.law import Gate, Law, Values, density_of, given_open, is_nothing, probability_of, times


class Moments:
    """The moments `E[u^p v^q 1[w > 0] 1[w' > 0]]` of a law, each computed when it is asked for.

    References:
        Stein 1981, "Estimation of the mean of a multivariate normal distribution", Lemma 2.

    >>> above = Gate(1.0, 0.0, 0.0)
    >>> relu = Moments(Law(0.0, 0.0, 1.0, np.array(0.5), 1.0, np.array(0.75), above, above))
    >>> float(relu(1, 1).round(12))  # Cho & Saul 2009: correlation 1/2
    0.304498890522
    """

    def __init__(self, law: Law) -> None:
        self._law = law
        self._known: dict[tuple[int, int], Values] = {}

    def __call__(self, p: int, q: int) -> Values:
        """Return the moment of `u^p v^q`."""
        if (p, q) not in self._known:
            self._known[p, q] = self._by_stein(p, q) if p or q else probability_of(self._law)
        return self._known[p, q]

    def _by_stein(self, p: int, q: int) -> Values:
        law = self._law
        mean_u, mean_v = law.sizes or (law.mean_u, law.mean_v)
        factors: tuple[Values, ...] = (law.cov, _slope(law.gate_u), _slope(law.gate_v))
        cov, slope_u, slope_v = factors if law.sizes is None else map(np.abs, factors)
        terms: tuple[tuple[Values, Values, Callable[[int, int], Values], int, int], ...] = (
            (
                (1.0, mean_u, self, p - 1, q),
                (p - 1.0, law.var_u, self, p - 2, q),
                (float(q), cov, self, p - 1, q - 1),
                (slope_u, law.var_u, self._at_u, p - 1, q),
                (slope_v, cov, self._at_v, p - 1, q),
            )
            if p
            else (
                (1.0, mean_v, self, p, q - 1),
                (q - 1.0, law.var_v, self, p, q - 2),
                (slope_u, cov, self._at_u, p, q - 1),
                (slope_v, law.var_v, self._at_v, p, q - 1),
            )
        )
        found: list[Values] = [
            times(times(factor, other), value)
            for factor, other, moment, i, j in terms
            if not (i < 0 or j < 0 or is_nothing(factor) or is_nothing(other) or is_nothing(value := moment(i, j)))
        ]
        return sum(found[1:], start=found[0]) if found else 0.0

    def _at_u(self, p: int, q: int) -> Values:
        """Return the moment under a delta in place of the gate on u."""
        gate = self._law.gate_u
        if gate is None or (p and not gate.noise):
            return 0.0  # the delta of a step is at u = 0
        if not (p or q) and self._law.gate_v is None:
            return self._density_u
        return self._density_u * self._given_u(p, q)

    def _at_v(self, p: int, q: int) -> Values:
        if self._law.twins:
            mirrored = np.asarray(self._at_u(q, p))
            return mirrored.swapaxes(0, 1) if mirrored.ndim == 3 else mirrored
        return self._mirrored._at_u(q, p)

    @cached_property
    def _mirrored(self) -> "Moments":
        return Moments(self._law.swapped)

    @cached_property
    def _density_u(self) -> Values:
        return density_of(self._law)

    @cached_property
    def _given_u(self) -> "Moments":
        return Moments(given_open(self._law))


def _slope(gate: Gate | None) -> Values:
    return 0.0 if gate is None else gate.slope
