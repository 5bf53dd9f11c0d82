"""The derivative of the dual in the correlation: by Price's theorem it is the dual of the slopes."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike

from propstats.expectation.dual.closed import closed_dual
from propstats.expectation.dual.expect import (
    Bounded,
    Pair,
    added,
    best,
    by_closed_form,
    by_quadrature,
    correlations,
    shaped,
)
from propstats.expectation.dual.input import Input, Phi, constant, inputs
from propstats.expectation.dual.panels import Array
from propstats.expectation.normal import density

_EPS = float(np.finfo(float).eps)
#: What is left of the standard deviation of v given u at perfect correlation.
_HAIR = 1e-13

#: How to get the expectation of a function of `z ~ N(mean, std^2)`, given how far rounding may have moved that.
Given: TypeAlias = Callable[[Input, Array, Array, Array], Bounded]


@overload
def dual_slope(phi: Phi, psi: Phi | None = ..., *, mean: Pair = ..., std: Pair = ..., correlation: float) -> float: ...
@overload
def dual_slope(
    phi: Phi, psi: Phi | None = ..., *, mean: Pair = ..., std: Pair = ..., correlation: ArrayLike
) -> float | Array: ...
def dual_slope(
    phi: Phi,
    psi: Phi | None = None,
    *,
    mean: Pair = 0.0,
    std: Pair = 1.0,
    correlation: ArrayLike,
) -> float | Array:
    """Return the derivative of the dual in the correlation, `s_u s_v E[phi'(u) psi'(v)]`.

    Where phi jumps, its derivative contains a delta, and the expectation is one given that u is there. Two deltas
    leave the joint density, which is infinite at rho = 1 if they coincide.

    Args:
        phi: The activation at u, or its name.
        psi: The activation at v; phi if left out.
        mean: Mean of u and v, or one for each.
        std: Standard deviation of u and v, or one for each; not negative.
        correlation: Their correlation, in [-1, 1]; a number or an array.

    Raises:
        DomainError: As `dual`.

    References:
        Price 1958, "A useful theorem for nonlinear devices having Gaussian inputs".

    >>> round(dual_slope("relu", correlation=0.5), 12)  # (pi - acos(1/2))/(2 pi)
    0.333333333333
    >>> round(dual_slope("step", correlation=0.0), 12)  # 1/(2 pi)
    0.159154943092
    """
    first, second = inputs(phi, psi, mean, std)
    rho = correlations(correlation)
    if first.std == 0.0 or second.std == 0.0:
        return shaped(np.zeros(rho.shape), correlation)
    smooth = first.std * second.std * best(first.slope, second.slope, rho)
    return shaped(smooth + _at_jumps(first, second, rho, _by_panels)[0], correlation)


def slope_by_quadrature(first: Input, second: Input, rho: Array) -> Bounded:
    """Return the derivative by quadrature, and a bound on its error."""
    if first.std == 0.0 or second.std == 0.0:
        return np.zeros(rho.shape), np.zeros(rho.shape)
    value, error = by_quadrature(first.slope, second.slope, rho)
    scale = first.std * second.std
    return added((scale * value, scale * error), _at_jumps(first, second, rho, _by_panels))


def slope_by_closed_form(first: Input, second: Input, rho: Array) -> Bounded | None:
    """Return the derivative by closed forms, and a bound on its rounding; None where there are none."""
    if first.std == 0.0 or second.std == 0.0:
        return np.zeros(rho.shape), np.zeros(rho.shape)
    smooth = by_closed_form(first.slope, second.slope, rho)
    if smooth is None:
        return None
    scale = first.std * second.std
    return added((scale * smooth[0], scale * smooth[1]), _at_jumps(first, second, rho, _by_formula))


def _at_jumps(first: Input, second: Input, rho: Array, given: Given) -> Bounded:
    """Return what the deltas contribute where the functions jump."""
    total: Bounded = np.zeros(rho.shape), np.zeros(rho.shape)
    for one, other in ((first, second), (second, first)):
        for kink, jump in one.jumps:
            # The hair takes the mean of both sides of a kink there.
            spread = np.maximum(np.sqrt((1.0 - rho) * (1.0 + rho)), _HAIR)
            moved = _moved(one, kink) + _moved(other, kink)
            value, error = given(other.slope, rho * kink, spread, np.full(rho.shape, moved))
            scale = jump * other.std * density(kink)
            total = added(total, (scale * value, np.abs(scale) * (error + abs(kink) * moved * np.abs(value))))
    for kink, jump in first.jumps:
        for other_kink, other_jump in second.jumps:
            value, error = _joint_density(kink, other_kink, rho, (_moved(first, kink), _moved(second, other_kink)))
            total = added(total, (jump * other_jump * value, abs(jump * other_jump) * error))
    return total


def _moved(function: Input, z: float) -> float:
    """Bound how far rounding moves a kink at z."""
    return 2 * _EPS * (abs(z) + abs(function.mean / function.std))


def _by_panels(function: Input, mean: Array, std: Array, moved: Array) -> Bounded:
    """Return the expectation of a function of `z ~ N(mean, std^2)` by quadrature."""
    plain, _ = function.resolved.given(mean, std, moved)
    value, error = function.finer.given(mean, std, moved)
    return value, error + np.abs(value - plain)


def _by_formula(function: Input, mean: Array, std: Array, moved: Array) -> Bounded:
    """Return the same in closed form; the effect of what rounding moves is that which quadrature finds."""
    value, error = np.empty(mean.shape), function.resolved.given(mean, std, moved)[1]
    for i, (m, s) in enumerate(zip(mean.tolist(), std.tolist(), strict=True)):
        form = replace(function, mean=function.mean + function.std * m, std=function.std * s).form
        assert form is not None
        (value[i],), (rounding,) = closed_dual(form, constant(1.0), np.zeros(1), errors=True)
        error[i] += rounding
    return value, error


def _joint_density(x: float, y: float, rho: Array, moved: tuple[float, float]) -> Bounded:
    """Return the density of two standard normal variables at (x, y), and a bound on its rounding."""
    size, side = np.abs(rho), np.copysign(1.0, rho)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = (1.0 - size) * (1.0 + size)
        apart = (x - side * y) ** 2
        # At perfect correlation, deltas that are apart do not meet, and those that are not do so infinitely densely.
        gap = np.where(apart > 0.0, apart / left, 0.0)
        found = np.exp(-0.5 * gap - side * x * y / (1.0 + size)) / (2 * math.pi * np.sqrt(left))
        # The derivatives of its logarithm are (rho y - x)/left and (rho x - y)/left.
        steep = (np.abs(x - rho * y) * moved[0] + np.abs(y - rho * x) * moved[1]) / left
        error = found * (8 * _EPS * (1.0 + gap + abs(x * y)) + steep)
        nowhere = np.isinf(gap)
        return np.where(nowhere, 0.0, found), np.where(nowhere, 0.0, np.where(np.isinf(found), math.inf, error))
