"""Expectations of two activations at correlated Gaussian inputs: the dual, its slope, and what it leaves.

`E[phi(u) psi(v)]` for Gaussians u and v of any means, variances and correlation is how a layer maps the covariance of
two signals (Cho & Saul 2009; Daniely, Frostig & Singer 2016, arXiv:1602.05897). There is a closed form for whatever is
made of polynomials, exponentials, waves, steps and normal distributions (`closed`), and quadrature for the rest
(`quadrature`), which knows nothing of the closed forms.
"""

import math
from functools import lru_cache
from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from propstats.activations.activation import Activation
from propstats.errors import DomainError
from propstats.estimate import Estimate, Quantity, Route
from propstats.expectation.dual.cells import Form
from propstats.expectation.dual.closed import closed_dual
from propstats.expectation.dual.input import Input, inputs
from propstats.expectation.dual.panels import Array
from propstats.expectation.dual.quadrature import quadrature_dual
from propstats.expectation.dual.rotated import rotated

#: What is correlated: one mean (standard deviation) for both inputs, or one for each.
Pair = float | tuple[float, float]

#: The rounding of a closed form, relative to the root of `E[phi^2] E[psi^2]`, from which on quadrature is better.
_TRUSTED = 1e-13
_PROBES = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


@overload
def dual(
    phi: Activation, psi: Activation | None = ..., *, mean: Pair = ..., std: Pair = ..., correlation: float
) -> float: ...
@overload
def dual(
    phi: Activation, psi: Activation | None = ..., *, mean: Pair = ..., std: Pair = ..., correlation: ArrayLike
) -> float | Array: ...
def dual(
    phi: Activation,
    psi: Activation | None = None,
    *,
    mean: Pair = 0.0,
    std: Pair = 1.0,
    correlation: ArrayLike,
) -> float | Array:
    """Return `E[phi(u) psi(v)]` for two Gaussians, by the better one of two routes.

    Args:
        phi: The activation at u.
        psi: The activation at v; phi if left out.
        mean: Mean of u and v, or one for each.
        std: Standard deviation of u and v, or one for each; not negative.
        correlation: Their correlation, in [-1, 1]; a number or an array.

    Returns:
        A number, or an array of the shape of the correlation; NaN where the expectation does not exist.

    Raises:
        DomainError: If a correlation is outside [-1, 1], or a mean or standard deviation makes no sense.

    >>> from propstats.activations import activation
    >>> round(dual(activation("relu"), correlation=0.5), 12)  # Cho & Saul 2009
    0.304498890522
    >>> erf, tanh = activation("erf"), activation("tanh")
    >>> dual(erf, tanh, mean=(0.5, 1.0), std=(1.0, 2.0), correlation=np.array([-1.0, 0.5])).round(12).tolist()
    [-0.265112722172, 0.319207295392]
    """
    first, second = inputs(phi, psi, mean, std)
    rho = _correlations(correlation)
    return _shaped(_best(first, second, rho), correlation)


def dual_estimates(
    phi: Activation,
    psi: Activation | None = None,
    *,
    mean: Pair = 0.0,
    std: Pair = 1.0,
    correlation: ArrayLike,
) -> list[Quantity]:
    """Return `E[phi(u) psi(v)]` by every route, with errors, and whether the routes agree.

    Args:
        phi: The activation at u.
        psi: The activation at v; phi if left out.
        mean: Mean of u and v, or one for each.
        std: Standard deviation of u and v, or one for each; not negative.
        correlation: Their correlation, in [-1, 1]; a number or an array.

    Returns:
        One quantity for each correlation, in their order.

    Raises:
        DomainError: As `dual`.

    >>> from propstats.activations import activation
    >>> [q] = dual_estimates(activation("relu"), correlation=0.5)
    >>> q.route.value, sorted(route.value for route in q.routes), q.agree, q.error < 1e-14
    ('closed_form', ['closed_form', 'quadrature'], True, True)
    """
    first, second = inputs(phi, psi, mean, std)
    rho = _correlations(correlation)
    routes = {Route.QUADRATURE: _by_quadrature(first, second, rho)}
    if first.form is not None and second.form is not None:
        value, error = closed_dual(first.form, second.form, rho, errors=True)
        routes[Route.CLOSED_FORM] = value, error + _input_rounding(first, second)
    return [
        Quantity.of({route: _estimate(value[i], error[i], route) for route, (value, error) in routes.items()})
        for i in range(rho.size)
    ]


@overload
def dual_slope(
    phi: Activation, psi: Activation | None = ..., *, mean: Pair = ..., std: Pair = ..., correlation: float
) -> float: ...
@overload
def dual_slope(
    phi: Activation, psi: Activation | None = ..., *, mean: Pair = ..., std: Pair = ..., correlation: ArrayLike
) -> float | Array: ...
def dual_slope(
    phi: Activation,
    psi: Activation | None = None,
    *,
    mean: Pair = 0.0,
    std: Pair = 1.0,
    correlation: ArrayLike,
) -> float | Array:
    """Return the derivative of the dual in the correlation, `s_u s_v E[phi'(u) psi'(v)]`.

    Where phi jumps, its derivative contains a delta, and the expectation is one given that u is there. Two deltas
    leave the joint density, which is infinite at rho = 1 if they coincide.

    Args:
        phi: The activation at u.
        psi: The activation at v; phi if left out.
        mean: Mean of u and v, or one for each.
        std: Standard deviation of u and v, or one for each; not negative.
        correlation: Their correlation, in [-1, 1]; a number or an array.

    Raises:
        DomainError: As `dual`.

    References:
        Price 1958, "A useful theorem for nonlinear devices having Gaussian inputs".

    >>> from propstats.activations import activation
    >>> round(dual_slope(activation("relu"), correlation=0.5), 12)  # (pi - acos(1/2))/(2 pi)
    0.333333333333
    >>> round(dual_slope(activation("step"), correlation=0.0), 12)  # 1/(2 pi)
    0.159154943092
    """
    first, second = inputs(phi, psi, mean, std)
    rho = _correlations(correlation)
    if first.std == 0.0 or second.std == 0.0:
        return _shaped(np.zeros(rho.shape), correlation)
    total = first.std * second.std * _best(first.slope, second.slope, rho)
    for one, other in ((first, second), (second, first)):
        for kink, jump in one.jumps:
            total += jump * other.std * _density(kink) * _given(other.slope, kink, rho)
    for kink, jump in first.jumps:
        for other_kink, other_jump in second.jumps:
            total += jump * other_jump * _joint_density(kink, other_kink, rho)
    return _shaped(total, correlation)


def difference(activation: Activation, *, mean: float, common: float, own: float) -> float:
    """Return `E[(phi(u) - phi(v))^2]/2`, which stays accurate where u and v are almost the same.

    Args:
        activation: phi.
        mean: Mean of u and v.
        common: Standard deviation of what they share.
        own: Standard deviation of what each has for itself.

    >>> from propstats.activations import activation
    >>> round(difference(activation("tanh"), mean=0.0, common=1.0, own=1e-5) / 1e-10, 8)  # E[tanh'^2]
    0.4644029
    """
    std = math.hypot(common, own)
    if own == 0.0:
        return 0.0
    f = Input(activation, mean, std).resolved
    parts = (np.array([common / std]), np.array([own / std]))
    return float(rotated(f, f, *parts, combine=lambda y, z: 0.5 * (y - z) ** 2)[0])


def _correlations(correlation: ArrayLike) -> Array:
    rho = np.asarray(correlation, dtype=float).ravel()
    wrong = rho[~(np.abs(rho) <= 1.0)]
    if wrong.size:
        raise DomainError(f"a correlation must lie in [-1, 1], got {wrong[0]:g}")
    return rho


def _shaped(values: Array, like: ArrayLike) -> float | Array:
    return values.reshape(np.shape(like)) if np.ndim(like) else float(values[0])


def _best(first: Input, second: Input, rho: Array) -> Array:
    """Return the dual by the closed form where there is one and its digits hold, else by quadrature."""
    if first.form is not None and second.form is not None and _is_trusted(first.form, second.form):
        return closed_dual(first.form, second.form, rho)[0]
    return quadrature_dual(first.resolved, second.resolved, rho)[0]


@lru_cache(maxsize=256)
def _is_trusted(f: Form, g: Form) -> bool:
    """Whether rounding leaves enough of the closed form: wide exponentials and polynomials cancel."""
    _, errors = closed_dual(f, g, _PROBES, errors=True)
    squares = [float(closed_dual(side, side, np.ones(1))[0][0]) for side in (f, g)]
    if not all(map(math.isfinite, squares)):
        return True  # quadrature would say nothing at all, and where the integral diverges so does the closed form
    return bool(np.nanmax(errors) <= _TRUSTED * math.sqrt(max(squares[0], 0.0) * max(squares[1], 0.0)))


def _by_quadrature(first: Input, second: Input, rho: Array) -> tuple[Array, Array]:
    """Return the dual by quadrature, and how far a finer rule is from it, plus truncation and rounding."""
    value, error = quadrature_dual(first.resolved, second.resolved, rho)
    finer, _ = quadrature_dual(first.finer, second.finer, rho)
    return finer, error + np.abs(finer - value) + _input_rounding(first, second)


def _input_rounding(first: Input, second: Input) -> float:
    """Bound what rounding does to the places of jumps: it moves them by an ulp, and the integral by the density."""
    total = 0.0
    for one, other in ((first, second), (second, first)):
        for kink, jump in one.jumps:
            moved = np.finfo(float).eps * (abs(kink) + abs(one.mean / one.std))
            # Given that one variable is at the kink, the other function is at most some root of its second moment.
            total += abs(jump) * moved * math.sqrt(_density(kink)) * other.resolved.norm
    return total


def _estimate(value: float, error: float, route: Route) -> Estimate:
    defined = math.isfinite(value) and math.isfinite(error)
    return Estimate(float(value), float(error), route) if defined else Estimate(math.nan, math.inf, route)


def _density(z: float) -> float:
    return math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def _given(function: Input, z: float, rho: Array) -> Array:
    """Return the expectation of a function of v given the value z of the other variable."""
    # At perfect correlation a hair's breadth stays, which takes the mean of both sides of a kink there.
    spread = np.maximum(np.sqrt((1.0 - rho) * (1.0 + rho)), 1e-13)
    return function.resolved.given(rho * z, spread)


def _joint_density(x: float, y: float, rho: Array) -> Array:
    """Return the density of two standard normal variables at (x, y)."""
    size, side = np.abs(rho), np.copysign(1.0, rho)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = (1.0 - size) * (1.0 + size)
        apart = (x - side * y) ** 2
        # At perfect correlation, deltas that are apart do not meet, and those that are not do so infinitely densely.
        gap = np.where(apart > 0.0, apart / left, 0.0)
        found = np.exp(-0.5 * gap - side * x * y / (1.0 + size)) / (2 * math.pi * np.sqrt(left))
        return np.where(np.isinf(gap), 0.0, found)
