"""The dual in closed form, for functions made of polynomials, exponentials, waves, steps and normal distributions."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.dual.stein import Gate, Law, Moments, Values
from propstats.expectation.dual.terms import Polynomial, Shape

Array = NDArray[np.float64]

_EPS = float(np.finfo(float).eps)
#: How many ulp of its largest terms a path through the recurrences may lose.
_ROUNDINGS = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Terms of one function of a standard normal z, all with gates of one kind or all without.

    Args:
        centre: Where powers are taken from, for each term (or one number for all).
        log: Logarithm of a constant factor.
        linear: Coefficient of z in the exponent.
        quadratic: Coefficient of `z^2/2` in the exponent.
        gate: The gates, about the centre.
        powers: Coefficients of `(z - centre)^p`, shape (terms, powers).
    """

    centre: Values
    log: Values
    linear: Values
    quadratic: Values
    gate: Gate | None
    powers: NDArray[Any]

    def along(self, axis: int) -> "Cells":
        """Return the same with its arrays laid along one of the first two axes of three."""
        shape = (-1, 1, 1) if axis == 0 else (1, -1, 1)

        def laid(values: Values) -> Values:
            return values.reshape(shape) if isinstance(values, np.ndarray) else values

        gate = self.gate and Gate(laid(self.gate.slope), laid(self.gate.offset), self.gate.noise)
        return Cells(
            laid(self.centre), laid(self.log), laid(self.linear), laid(self.quadratic), gate,
            np.expand_dims(self.powers.T, (2, 3) if axis == 0 else (1, 3)),
        )  # fmt: skip


def closed_dual(
    left: tuple[Cells, ...], right: tuple[Cells, ...], rho: Array, *, errors: bool = False
) -> tuple[Array, Array]:
    """Return `E[f(u) g(v)]` for standard normal u and v, and if asked for bounds on its rounding.

    Args:
        left: The terms of f.
        right: The terms of g; if it is the same object, half of the work is saved.
        rho: Correlations, shape (n).
        errors: Whether to bound the rounding, which takes as long again.

    Returns:
        The values, NaN where the integral diverges or overflows, and their errors (0 if not asked for).

    >>> from propstats.activations import activation
    >>> from propstats.expectation.dual.reading import terms_of
    >>> gelu = cells_of(tuple(terms_of(activation("gelu")).items()), 0.0, 1.0)
    >>> value, _ = closed_dual(gelu, gelu, np.array([1.0]))
    >>> bool(abs(value[0] - (1 / 3 + 1 / (2 * math.sqrt(3) * math.pi))) < 1e-15)  # E[gelu^2]
    True
    """
    value, size = np.zeros(rho.shape), np.zeros(rho.shape)
    twins = left is right
    with np.errstate(all="ignore"):
        for i, first in enumerate(left):
            for j, second in enumerate(right):
                if twins and j < i:
                    continue  # the same as with i and j exchanged
                both = 2.0 if twins and j > i else 1.0
                value += both * _pair(first, second, rho, sizes=False)
                if errors:
                    size += both * _pair(first, second, rho, sizes=True)
    value[~np.isfinite(value)] = np.nan
    return value, _ROUNDINGS * _EPS * size


@lru_cache(maxsize=256)
def cells_of(terms: tuple[tuple[Shape, Polynomial], ...], mean: float, std: float) -> tuple[Cells, ...]:
    """Return the terms as functions of `z = (x - mean)/std`, by the kind of their gates."""
    groups: dict[float | None, list[tuple[Shape, Polynomial]]] = {}
    for shape, polynomial in terms:
        kind = None if shape.gate is None else shape.gate.noise
        groups.setdefault(kind, []).append((shape, polynomial))
    return tuple(_cells(group, kind, mean, std) for kind, group in groups.items())


def _cells(terms: list[tuple[Shape, Polynomial]], kind: float | None, mean: float, std: float) -> Cells:
    rows: list[list[complex]] = []
    degree = max(len(polynomial) for _, polynomial in terms)
    for shape, polynomial in terms:
        a, b, gate = shape.linear, shape.quadratic, shape.gate
        point, slope, offset = mean, 0.0, 0.0
        if gate is not None and gate.noise:
            slope, offset = gate.slope * std, gate.offset + gate.slope * mean
        elif gate is not None:
            point, slope = -gate.offset * gate.slope, gate.slope  # powers from the step, where they vanish
        powers = [c * std**p for p, c in enumerate(_about(polynomial, point))]
        # exp(a x + b x^2/2) at x = mean + std z.
        exponent = (a * mean + b * mean**2 / 2, (a + b * mean) * std, b * std**2)
        rows.append([(point - mean) / std, *exponent, slope, offset, *powers, *[0.0] * (degree - len(powers))])
    table = np.array(rows)
    if not table.imag.any():
        table = table.real
    centre, log, linear, quadratic, slopes, offsets = (_common(column) for column in table.T[:6])
    return Cells(centre, log, linear, quadratic, None if kind is None else Gate(slopes, offsets, kind), table[:, 6:])


def _common(column: NDArray[Any]) -> Values:
    """Return one number in place of an array of equal numbers, and a real one if it is real."""
    if not column.imag.any():
        column = column.real
    common: Values = column if (column != column[0]).any() else column[0].item()
    return common


def _about(polynomial: Polynomial, point: float) -> Iterator[complex]:
    """Yield the coefficients of a polynomial in powers of `x - point`."""
    for p in range(len(polynomial)):
        yield sum(c * math.comb(n, p) * point ** (n - p) for n, c in enumerate(polynomial) if n >= p)


def _pair(left: Cells, right: Cells, rho: Array, *, sizes: bool) -> Array:
    """Return the sum over all pairs of terms, of the moments or of the sizes behind them."""
    first, second = left.along(0), right.along(1)
    gap = (1.0 - rho) * (1.0 + rho)
    var_u: Values = 1.0
    var_v: Values = 1.0
    scale: Values = 1.0
    cov, det = rho, gap
    # exp(quadratic z^2/2) leaves a Gaussian with another covariance, exp(linear z) one with another mean.
    b, c = -first.quadratic, -second.quadratic
    if np.any(b) or np.any(c):
        norm = (1 + b) * (1 + c) - rho * rho * (b * c)
        var_u, var_v, cov, det = (1 + c * gap) / norm, (1 + b * gap) / norm, rho / norm, gap / norm
        scale = np.where((norm > 0) & (var_u > 0), 1 / np.sqrt(norm), np.nan)  # NaN: the integral diverges
    one, two = first.linear, second.linear
    shift_u: Values = 0.0
    shift_v: Values = 0.0
    if np.any(one) or np.any(two):
        shift_u, shift_v = var_u * one + cov * two, cov * one + var_v * two
        scale = scale * np.exp((one * shift_u + two * shift_v) / 2 + (first.log + second.log))
    else:
        scale = scale * np.exp(first.log + second.log)
    law = Law(
        shift_u - first.centre, shift_v - second.centre, var_u, cov, var_v, det, first.gate, second.gate, left is right
    )
    if sizes:
        law = _sized(law, first, second)
        logs = np.abs(one * shift_u) + np.abs(two * shift_v) + np.abs(first.log) + np.abs(second.log)
        scale = np.abs(scale) * (1 + logs)
    moments = Moments(law)
    total: Values = 0.0
    for p, by_u in enumerate(first.powers):
        for q, by_v in enumerate(second.powers):
            weight = by_u * by_v
            if weight.any():
                total = total + (np.abs(weight) if sizes else weight) * moments(p, q)
    terms = np.asarray(total * scale)
    shape = (left.powers.shape[0], right.powers.shape[0], rho.size)
    return np.asarray(np.broadcast_to(terms, shape).sum(axis=(0, 1)).real)


def _sized(law: Law, first: Cells, second: Cells) -> Law:
    one, two, cov = np.abs(first.linear), np.abs(second.linear), np.abs(law.cov)
    size_u = np.abs(first.centre) + law.var_u * one + cov * two
    size_v = np.abs(second.centre) + cov * one + law.var_v * two
    return replace(law, sizes=(size_u, size_v))
