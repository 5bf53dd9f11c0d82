"""Samples of two activations at correlated Gaussian inputs."""

import math

import numpy as np
from numpy.typing import NDArray

from propstats.errors import DomainError
from propstats.estimate import Estimate, Route
from propstats.expectation.dual.input import Input
from propstats.expectation.dual.panels import Array
from propstats.expectation.normal import density
from propstats.expectation.samples import check_samples
from propstats.expectation.sampling.draws import generator
from propstats.expectation.sampling.running import RunningMoments
from propstats.expectation.sampling.unseen import tails_of

_EPS = float(np.finfo(float).eps)
#: Pairs of one seed.
_BLOCK = 1 << 14
#: A standard error that fewer samples dominate says nothing: rare events may not have come at all.
_ENOUGH = 100.0
#: How finely the part of the plane that no sample has seen is looked at, out there and along it.
_OUT, _ALONG = 201, 65
#: The density underflows here.
_FAR = 38.0

#: What is estimated.
SAMPLED = ("dual", "cosine", "covariance", "correlation", "difference", "slope")


def dual_moments(
    first: Input, second: Input, rho: Array, *, samples: int, seed: int
) -> dict[str, list[Estimate | None]]:
    """Estimate what two activations leave, with standard errors.

    All correlations share u and what is independent of it in v. The derivative of the dual is averaged as
    `phi'(u) psi'(v)`; if one of them jumps, as `phi(u) psi(v)` times the derivative of the logarithm of the density.

    Args:
        first: phi.
        second: psi.
        rho: Correlations, shape (n).
        samples: How many pairs for each correlation; at least 2.
        seed: Seed of the generators, not negative; the global generators are not touched.

    Returns:
        For each name in `SAMPLED` one estimate for each correlation, or None where so few samples make a difference
        that there is no telling the error.

    Raises:
        DomainError: If there are too few samples, or the seed is negative.

    >>> from propstats.activations import activation
    >>> from propstats.expectation.dual.input import inputs
    >>> pair = inputs(activation("relu"), None, 0.0, 1.0)
    >>> [found] = dual_moments(*pair, np.array([0.5]), samples=10_000, seed=0)["slope"]
    >>> found is not None and abs(found.value - 1 / 3) <= 5 * found.error < 0.05
    True
    """
    check_samples(samples)
    if seed < 0:
        raise DomainError(f"a seed must be at least 0, got {seed}")
    pairs = [_Pairs(first, second, float(r)) for r in rho]
    for block, start in enumerate(range(0, samples, _BLOCK)):
        z = generator(seed, block).standard_normal((2, min(_BLOCK, samples - start)))
        for pair in pairs:
            pair.add(z)
    found = [pair.estimates() for pair in pairs]
    return {name: [estimates[name] for estimates in found] for name in SAMPLED}


class _Pairs:
    """The averages of seven rows over pairs of one correlation."""

    def __init__(self, first: Input, second: Input, rho: float) -> None:
        self._f, self._g = first.function, second.function
        self._slopes = first.slope.function, second.slope.function
        self._scale = first.std * second.std
        self._rho, self._left = rho, (1.0 - rho) * (1.0 + rho)
        self._jumps = [kink for kink, _ in (*first.jumps, *second.jumps)]
        # Any constants would do: with these few digits are lost.
        self._shifts = _steady(first), _steady(second)
        self._running, self._fourth = RunningMoments.empty(7), np.zeros(7)

    def add(self, z: Array) -> None:
        """Take in pairs of independent numbers, shape (2, n)."""
        rows = self._rows(z[0], self._rho * z[0] + math.sqrt(self._left) * z[1])
        block = RunningMoments.of(rows)
        self._running = self._running.merge(block)
        with np.errstate(all="ignore"):
            squares = (rows - block.mean[:, None]) ** 2
            self._fourth += np.einsum("ij,ij->i", squares, squares)

    def _rows(self, u: Array, v: Array) -> Array:
        """Return y, z, y z, y^2 and z^2 of the shifted outputs, half of the squared difference, and the slope."""
        rows = np.empty((7, u.size))
        with np.errstate(all="ignore"):
            f, g = self._f(u), self._g(v)
            y, z = f - self._shifts[0], g - self._shifts[1]
            rows[:6] = y, z, y * z, y * y, z * z, 0.5 * (f - g) ** 2
            if self._jumps:
                quadratic = (1 + self._rho**2) * u * v - self._rho * (u * u + v * v)
                rows[6] = y * z * (self._rho + quadratic / self._left) / self._left
            else:
                rows[6] = self._scale * self._slopes[0](u) * self._slopes[1](v)
        return rows

    def estimates(self) -> dict[str, Estimate | None]:
        """Return all quantities, by the delta method.

        The quantities are taken along the principal axes of the errors of the averages, three standard errors there and
        back: half of their difference is three standard errors, and how far their mean is off is added.
        """
        running, count = self._running, self._running.count
        with np.errstate(all="ignore"):
            value = self._quantities(running.mean)
            there, back = (
                np.array([self._quantities(running.mean + side * axis) for axis in _axes(running.covariance / count)])
                for side in (3.0, -3.0)
            )
            spread = ((there - back) / 6) ** 2 + ((there + back) / 2 - value) ** 2
            seen = self._quantities(running.mean + self._unseen(tails_of(count))) - value
            error = np.sqrt(spread.sum(axis=0) + seen**2) + self._rounding(value)
        known = self._known & np.isfinite(value) & np.isfinite(error)
        return {
            name: Estimate(float(v), float(e), Route.SAMPLING, count) if fine else None
            for name, v, e, fine in zip(SAMPLED, value, error, known, strict=True)
        }

    @property
    def _known(self) -> NDArray[np.bool_]:
        """Which quantities, in the order of `SAMPLED`, have standard errors that mean something."""
        squares = self._running.scatter.diagonal()
        with np.errstate(all="ignore"):
            # How many samples make up the variance, for a rare event: how often it came.
            steady = squares**2 / self._fourth >= _ENOUGH
        y, z, _, yy, zz = steady[:5] | (squares[:5] == 0.0)  # what never changes, as the square of a sign, does not err
        product, difference, slope = steady[[2, 5, 6]] & self._parts
        both = y & z & product
        return np.array([both, both & yy & zz, both, both & yy & zz, difference, slope])

    def _quantities(self, averages: Array) -> Array:
        """Return the quantities in the order of `SAMPLED` from the averages of the rows."""
        y, z, yz, yy, zz, difference, slope = averages
        a, b = self._shifts
        dual, covariance = yz + a * z + b * y + a * b, yz - y * z
        squares = (yy + 2 * a * y + a * a) * (zz + 2 * b * z + b * b)
        variances = (yy - y * y) * (zz - z * z)
        cosine, correlation = dual / np.sqrt(squares), covariance / np.sqrt(variances)
        return np.array([dual, cosine, covariance, correlation, difference, slope])

    @property
    def _parts(self) -> bool:
        """Whether every jump that matters has come between u and v often enough for that to be seen."""
        near = [kink for kink in self._jumps if abs(kink) < tails_of(self._running.count)]
        return all(self._running.count * density(kink) * math.sqrt(self._left) >= _ENOUGH for kink in near)

    def _unseen(self, tails: float) -> Array:
        """Integrate the rows, less their averages, where u or v is so far out that no sample may have been there."""
        y, step = np.linspace(-8.0, 8.0, _ALONG, retstep=True)
        out, width = np.linspace(tails, _FAR, _OUT, retstep=True)
        x = np.concatenate([out, -out])[:, None]
        weights = (np.exp(-0.5 * (x * x + y * y)) * (step * width / (2 * math.pi))).ravel()
        other = (self._rho * x + math.sqrt(self._left) * y).ravel()
        x = np.broadcast_to(x, (x.size, y.size)).ravel()
        felt = weights > 0.0
        found = np.zeros(7)
        for u, v in ((x, other), (other, x)):
            found += (self._rows(u[felt], v[felt]) - self._running.mean[:, None]) @ weights[felt]
        return found

    def _rounding(self, value: Array) -> Array:
        """Bound the rounding of the quantities: that of covariances is one of the squares behind them."""
        size = math.sqrt(abs(self._running.mean[3] * self._running.mean[4])) + abs(self._shifts[0] * self._shifts[1])
        return np.asarray(16 * _EPS * (np.abs(value) + np.array([size, 1.0, size, 1.0, 0.0, 0.0])))


def _steady(function: Input) -> float:
    value = float(function.function(np.zeros(1))[0])
    return value if math.isfinite(value) else 0.0


def _axes(covariance: Array) -> Array:
    """Return the principal axes of the errors, one standard error each, scaled before as they may differ widely."""
    if not np.isfinite(covariance).all():
        return np.full(covariance.shape, np.nan)
    scale = np.sqrt(np.maximum(covariance.diagonal(), 0.0))
    scale[scale == 0.0] = 1.0
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    return np.asarray((scale[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))).T)
