"""The careful way to one set of moments: panels are halved until every integrand is resolved to rounding.

The variance and its rate come from phi(x) - phi(mean) as the integral of the slope, not as a difference of two values:
they keep their digits where phi is almost constant, and where x cannot be told from the mean.
"""

import math

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.moments import BASE
from propstats.expectation.quadrature import singular
from propstats.expectation.quadrature.blind import hidden
from propstats.expectation.quadrature.branches import Branches
from propstats.expectation.quadrature.panels import COARSE, EPS, FINE, Z_MAX, Panels, breakpoints, evaluate_on
from propstats.expectation.quadrature.primitive import blur_of, primitive
from propstats.expectation.quadrature.rule import Array, gauss_legendre
from propstats.expectation.quadrature.sums import UNDERFLOW, add_kink

#: A function that is noisy in its last digits never converges; its error then says so.
_MAX_PANELS = 4_000
#: Bisection ends here, at an unknown kink or a singularity; for wide inputs at a part of the shortest length on which
#: something happens.
_NARROWEST, _NARROWEST_OF_LENGTH = 1e-14, 1e-6
#: An integral that is still so uncertain then, relative to its size, has no value.
_DIVERGENT = 1e-3
#: At how many points to look for what the panels do not see.
_LOOKS = 1000
#: The rows that are integrated: phi, its slope d, y = phi - E[phi] and z, and products of these.
_F, _FF, _D, _DD, _Y, _YY, _YDZ = range(7)


def resolved_panels(branches: Branches, mean: float, std: float) -> Panels:
    """Return panels on which every integrand is resolved."""
    return _Integrals(branches, mean, std).panels


def integrate(branches: Branches, mean: float, std: float) -> tuple[dict[str, float], dict[str, float]]:
    """Return the base moments and bounds on their errors; NaN and infinity where an expectation does not exist.

    Args:
        branches: The activation.
        mean: Mean of the input.
        std: Standard deviation of the input; positive.

    >>> from propstats.activations import activation
    >>> from propstats.expectation.quadrature.branches import branches
    >>> values, errors = integrate(branches(activation("tanh")), -12.0, 1.0)
    >>> values["var"], errors["var"] < 1e-12 * values["var"]  # doctest: +ELLIPSIS
    (1.668...e-17, True)
    """
    if branches.spans:
        return singular.integrate(branches, mean, std)
    with np.errstate(all="ignore"):
        values, errors = _Integrals(branches, mean, std).moments()
        is_lost = branches.is_steep and _underflows(branches, mean, std)
    for name in BASE if is_lost else branches.undefined:
        values[name], errors[name] = math.nan, math.inf
    return values, errors


def _underflows(branches: Branches, mean: float, std: float) -> bool:
    """Whether phi is 0 on all panels but rises beyond them, as exp(x) under N(-10^6, 10^6), whose square has mean 1.

    At a rate r = d log phi/dx, phi^2 rises faster than the density falls as far as z = 2 r s.
    """
    reach = 2 * std * max(scale.rate for scale in branches.scales)
    z = np.linspace(0.0, reach, _LOOKS)
    f = branches.whole(mean + std * np.concatenate([-z, z]), *branches.params.values())[0]
    return reach > Z_MAX and not f[np.abs(np.concatenate([-z, z])) < Z_MAX].any() and bool(f.any())


class _Integrals:
    """The integrals over as many panels as it takes."""

    def __init__(self, branches: Branches, mean: float, std: float) -> None:
        self.branches, self.mean, self.std = branches, mean, std
        centres = tuple(branches.centres())
        lengths = [_NARROWEST_OF_LENGTH * length / std for _, length in centres]
        self.narrowest = min([_NARROWEST, *lengths])
        kinks = branches.suspects or tuple(kink.at for kink in branches.kinks)
        edges = breakpoints(mean, std, kinks, centres)
        panels = evaluate_on(branches, mean, std, edges[:-1], np.diff(edges))
        while True:
            with np.errstate(all="ignore"):
                self._integrate(panels)
                poor = self._unresolved()
                if not branches.is_settled and not poor.any():
                    poor = self._hidden()
            if not poor.any() or panels.width.size + poor.sum() > _MAX_PANELS:
                break
            half, left = panels.width[poor] / 2, panels.left[poor]
            halves = evaluate_on(branches, mean, std, np.concatenate([left, left + half]), np.concatenate([half, half]))
            panels = panels.keep(~poor).join(halves)

    def _integrate(self, panels: Panels) -> None:
        """Integrate every row over every panel by both rules."""
        mean, std = self.mean, self.std
        fine, coarse = gauss_legendre(FINE)[1], gauss_legendre(COARSE)[1]
        f, d, z, density = panels.f, panels.d, panels.z, panels.density
        self.panels = panels
        self.inner = primitive(panels, self.branches, mean, std)
        self.mass = density[:, :FINE] * fine
        # phi and x = mean + std z are rounded; d says what the latter does.
        steep = np.abs(d) + blur_of(self.branches, mean, std) * np.abs(f)
        f_error = 4 * EPS * np.abs(f) + steep * EPS * (np.abs(mean + std * z) + np.abs(std * z))
        self.f_mean = float((f[:, :FINE] * self.mass).sum())
        self.y_mean = float((self.inner.y[:, :FINE] * self.mass).sum())
        self.trusts_slope = self._trusts_slope(f_error)
        if self.trusts_slope:
            self.y, y_error = self.inner.y - self.y_mean, self.inner.error
        else:
            self.y, y_error = f - self.f_mean, f_error[:, :FINE]
        y = self.y
        self.rows = np.stack([f, f * f, d, d * d, y, y * y, y * d * z]) * density
        self.value = self.rows[..., :FINE] @ fine
        self.size = np.abs(self.rows[..., :FINE]) @ fine
        self.gap = np.abs(self.value - self.rows[..., FINE:] @ coarse)
        f, d, y, z, f_error = (np.abs(a[:, :FINE]) for a in (f, d, y, z, f_error))
        d_error = self.inner.slope_error
        errors = (f_error, 2 * f * f_error, d_error, 2 * d * d_error, y_error + 0 * y, 2 * y * y_error)
        self.noise = np.stack([(e * self.mass).sum(axis=1) for e in (*errors, z * (d * y_error + y * d_error))])
        # The density magnifies the rounding of z by z.
        self.noise += EPS * (np.abs(self.rows[..., :FINE]) * z * z) @ fine
        if self.trusts_slope:
            # What interpolation misses of y.
            for row, lever in ((_Y, 1.0), (_YY, 2 * y), (_YDZ, d * z)):
                self.noise[row] += self.inner.missed * (lever * self.mass).sum(axis=1)

    def _trusts_slope(self, f_error: Array) -> bool:
        """Whether phi - phi(mean) is the integral of the slope: not if there are jumps that nobody knows of."""
        if not self.branches.is_settled:
            return False
        f = self.panels.f[:, :FINE]
        rest = f - self.inner.y[:, :FINE]
        rest = rest - (rest * self.mass).sum()
        rounding = (f_error[:, :FINE] + self.inner.error) ** 2
        allowed = 1e6 * (rounding * self.mass).sum() + 1e-12 * (f * f * self.mass).sum()
        return bool((rest * rest * self.mass).sum() <= allowed)

    def _unresolved(self) -> NDArray[np.bool_]:
        total = self.size.sum(axis=1, keepdims=True)
        rough = (self.gap > EPS / 4 * total) & (self.gap > 16 * EPS * self.size + 4 * self.noise + UNDERFLOW)
        poor = rough.any(axis=0)
        if self.trusts_slope:
            levers = np.abs(self.y[:, :FINE] * self.mass).sum(axis=1)
            poor |= ~self.inner.is_smooth & (self.inner.missed * levers > EPS / 4 * total[_YY, 0])
        return np.asarray(poor & (self.panels.width > self.narrowest))

    def _hidden(self) -> NDArray[np.bool_]:
        """Return the panels that may hide a kink, and can be halved."""
        found = hidden(self.panels, self.branches, self.mean, self.std, self.size[[_F, _FF, _D, _DD]].sum(axis=1))
        return np.asarray(found & (self.panels.width > self.narrowest))

    def _integral(self, row: int) -> tuple[float, float]:
        """Return an integral and the bound on its error; NaN and infinity where it does not exist."""
        value, size = float(self.value[row].sum()), float(self.size[row].sum())
        error = float(self.gap[row].sum() + self.noise[row].sum()) + 4 * EPS * size + self._beyond(row, size)
        error += UNDERFLOW * (1 + self.panels.width.size / 64)
        # Where bisection ended, an unknown kink is resolved; of an integrable singularity, the last panel is left.
        narrow = self.panels.width <= self.narrowest
        error += float(self.size[row, narrow].sum())
        is_singular = error > _DIVERGENT * size and bool(narrow.any())
        if is_singular or not math.isfinite(value + error):
            return math.nan, math.inf
        return value, error

    def _beyond(self, row: int, size: float) -> float:
        """Return what may lie beyond the last panels, where the integrand decays at least as fast as it does there."""
        beyond = 0.0
        for panel, (last, before) in ((-1, (FINE - 1, FINE - 2)), (0, (0, 1))):
            here, inside = (abs(float(self.rows[row, panel, i])) / self.panels.width[panel] for i in (last, before))
            if here > EPS * EPS * size:
                step = abs(float(self.panels.z[panel, last] - self.panels.z[panel, before]))
                rate = math.log(inside / here) / step if 0.0 < inside < math.inf and here < math.inf else 0.0
                beyond += here / rate if rate > 0.0 else math.inf
        return beyond

    def moments(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return the base moments and the bounds on their errors."""
        lever, slope = self._integral(_YDZ), self._integral(_D)
        found = {
            "mean": self._mean(),
            "second_moment": (0.0, 0.0),
            "var": self._integral(_YY),
            "mean_slope": slope,
            "slope_second_moment": self._integral(_DD),
            "linear_slope": slope,
            "var_rate": (self.std * lever[0], self.std * lever[1]),
        }
        if not self.trusts_slope:
            self._by_stein(found)
        values, errors = ({name: pair[i] for name, pair in found.items()} for i in (0, 1))
        for step in self.inner.steps if self.trusts_slope else ():
            middle = step.y - self.y_mean, step.y_error + 2 * EPS * abs(step.y) + self._integral(_Y)[1]
            add_kink(values, errors, step.z, self.std, step.jump, middle, step.slopes, step.error)
        # E[(phi - c)^2] is off by (c - m)^2 only; a product, as powers of floats do not overflow but raise.
        off = self._integral(_Y if self.trusts_slope else _F)[1]
        errors["var"] += off * off
        mean, mean_error = values["mean"], errors["mean"]
        values["second_moment"] = values["var"] + mean * mean
        rounding = 2 * EPS * values["second_moment"]
        errors["second_moment"] = errors["var"] + mean_error * (2 * abs(mean) + mean_error) + rounding
        for name in values:
            if not (math.isfinite(values[name]) and math.isfinite(errors[name])):
                values[name], errors[name] = math.nan, math.inf
        return values, errors

    def _mean(self) -> tuple[float, float]:
        """The mean of phi, or phi(mean) plus that of the difference, whichever is rounded less."""
        direct = self._integral(_F)
        if not self.trusts_slope:
            return direct
        ends = [(kink.at - self.mean) / self.std for kink in self.branches.kinks]
        part = self.branches.parts[int(np.searchsorted(ends, 0.0, side="right"))]
        start = float(part(np.float64(self.mean), *self.branches.params.values())[0])
        _, error = self._integral(_Y)
        other = start + self.y_mean, error + EPS * (5 * abs(start) + abs(self.y_mean))
        return other if other[1] < direct[1] else direct

    def _by_stein(self, found: dict[str, tuple[float, float]]) -> None:
        """Take two moments from phi alone: E[y z]/s, and E[y^2 (z^2 - 1)]/2, which need not know where it jumps."""
        fine, coarse = gauss_legendre(FINE)[1], gauss_legendre(COARSE)[1]
        z = self.panels.z
        for name, row, lever in (("linear_slope", _Y, z / self.std), ("var_rate", _YY, (z * z - 1) / 2)):
            g = self.rows[row] * lever
            value = g[:, :FINE] @ fine
            gap = np.abs(value - g[:, FINE:] @ coarse).sum()
            # Where nothing is left of the density, nothing is left of the rounding either.
            farthest = float(np.abs(lever[np.abs(z) < 9.0]).max())
            error = gap + 4 * EPS * (np.abs(g[:, :FINE]) @ fine).sum() + farthest * self.noise[row].sum()
            found[name] = (float(value.sum()), float(error))
