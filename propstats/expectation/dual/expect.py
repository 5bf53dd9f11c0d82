"""Expectations of two activations at correlated Gaussian inputs: the dual, and what it leaves.

`E[phi(u) psi(v)]` for Gaussians u and v of any means, variances and correlation is how a layer maps the covariance of
two signals (Cho & Saul 2009; Daniely, Frostig & Singer 2016, arXiv:1602.05897). There is a closed form for whatever is
made of polynomials, exponentials, waves, steps and normal distributions (`closed`), and quadrature for the rest
(`quadrature`), which knows nothing of the closed forms.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike

from propstats.activations.activation import Activation
from propstats.activations.syntax import parse
from propstats.errors import DomainError
from propstats.estimate import Estimate, Quantity, Route
from propstats.expectation.certified.growth import obstacle
from propstats.expectation.dual.cells import Form
from propstats.expectation.dual.closed import closed_dual
from propstats.expectation.dual.input import Input, Phi, inputs
from propstats.expectation.dual.panels import Array
from propstats.expectation.dual.quadrature import quadrature_dual
from propstats.expectation.dual.rotated import rotated
from propstats.expectation.normal import density

#: What is correlated: one mean (standard deviation) for both inputs, or one for each.
Pair = float | tuple[float, float]

#: Values and bounds on their errors, of one shape.
Bounded: TypeAlias = tuple[Array, Array]

#: The rounding of a closed form, relative to the root of `E[phi^2] E[psi^2]`, from which on quadrature is better.
_TRUSTED = 1e-13
_PROBES = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


@overload
def dual(phi: Phi, psi: Phi | None = ..., *, mean: Pair = ..., std: Pair = ..., correlation: float) -> float: ...
@overload
def dual(
    phi: Phi, psi: Phi | None = ..., *, mean: Pair = ..., std: Pair = ..., correlation: ArrayLike
) -> float | Array: ...
def dual(
    phi: Phi,
    psi: Phi | None = None,
    *,
    mean: Pair = 0.0,
    std: Pair = 1.0,
    correlation: ArrayLike,
) -> float | Array:
    """Return `E[phi(u) psi(v)]` for two Gaussians, by the better one of two routes.

    Args:
        phi: The activation at u, or its name.
        psi: The activation at v; phi if left out.
        mean: Mean of u and v, or one for each.
        std: Standard deviation of u and v, or one for each; not negative.
        correlation: Their correlation, in [-1, 1]; a number or an array.

    Returns:
        A number, or an array of the shape of the correlation; NaN where the expectation does not exist.

    Raises:
        DomainError: If a correlation is outside [-1, 1], or a mean or standard deviation makes no sense.

    >>> round(dual("relu", correlation=0.5), 12)  # Cho & Saul 2009
    0.304498890522
    >>> dual("erf", "tanh", mean=(0.5, 1.0), std=(1.0, 2.0), correlation=np.array([-1.0, 0.5])).round(12).tolist()
    [-0.265112722172, 0.319207295392]
    """
    first, second = inputs(phi, psi, mean, std)
    rho = correlations(correlation)
    return shaped(best(first, second, rho), correlation)


def dual_estimates(
    phi: Phi,
    psi: Phi | None = None,
    *,
    mean: Pair = 0.0,
    std: Pair = 1.0,
    correlation: ArrayLike,
) -> list[Quantity]:
    """Return `E[phi(u) psi(v)]` by every route, with errors, and whether the routes agree.

    Args:
        phi: The activation at u, or its name.
        psi: The activation at v; phi if left out.
        mean: Mean of u and v, or one for each.
        std: Standard deviation of u and v, or one for each; not negative.
        correlation: Their correlation, in [-1, 1]; a number or an array.

    Returns:
        One quantity for each correlation, in their order.

    Raises:
        DomainError: As `dual`.

    >>> [q] = dual_estimates("relu", correlation=0.5)
    >>> q.route.value, sorted(route.value for route in q.routes), q.agree, q.error < 1e-14
    ('closed_form', ['closed_form', 'quadrature'], True, True)
    """
    first, second = inputs(phi, psi, mean, std)
    rho = correlations(correlation)
    routes = {Route.QUADRATURE: by_quadrature(first, second, rho)}
    closed = by_closed_form(first, second, rho)
    if closed is not None:
        routes[Route.CLOSED_FORM] = closed
    return quantities(routes)


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


def correlations(correlation: ArrayLike) -> Array:
    """Return correlations in a row.

    Raises:
        DomainError: If one is outside [-1, 1].
    """
    rho = np.asarray(correlation, dtype=float).ravel()
    wrong = rho[~(np.abs(rho) <= 1.0)]
    if wrong.size:
        raise DomainError(f"a correlation must lie in [-1, 1], got {wrong[0]:g}")
    return rho


def shaped(values: Array, like: ArrayLike) -> float | Array:
    """Return values in the shape that the correlations came in."""
    return values.reshape(np.shape(like)) if np.ndim(like) else float(values[0])


def best(first: Input, second: Input, rho: Array) -> Array:
    """Return the dual by the closed form where there is one and its digits hold, else by quadrature."""
    if first.form is not None and second.form is not None and _is_trusted(first.form, second.form):
        value = closed_dual(first.form, second.form, rho)[0]
        # What is not finite has overflowed on its way, or diverges, of which quadrature knows nothing.
        if np.isfinite(value).all() or not (_has_square(first) and _has_square(second)):
            return value
    return quadrature_dual(first.resolved, second.resolved, rho)[0]


def _has_square(one: Input) -> bool:
    """Whether the expectation of the squared function may exist."""
    names = {"x", *one.activation.params}
    square = parse(f"({one.activation.text})**2", names)
    return obstacle(square, one.activation.params, mean=one.mean, std=one.std) is None


@lru_cache(maxsize=256)
def _is_trusted(f: Form, g: Form) -> bool:
    """Whether rounding leaves enough of the closed form: wide exponentials and polynomials cancel."""
    _, errors = closed_dual(f, g, _PROBES, errors=True)
    squares = [float(closed_dual(side, side, np.ones(1))[0][0]) for side in (f, g)]
    if not all(map(math.isfinite, squares)):
        return True  # quadrature would say nothing at all, and where the integral diverges so does the closed form
    return bool(np.nanmax(errors) <= _TRUSTED * math.sqrt(max(squares[0], 0.0) * max(squares[1], 0.0)))


def by_closed_form(first: Input, second: Input, rho: Array) -> Bounded | None:
    """Return the dual in closed form, and a bound on its rounding; None where there is no closed form."""
    if first.form is None or second.form is None:
        return None
    value, error = closed_dual(first.form, second.form, rho, errors=True)
    return value, error + input_rounding(first, second)


def by_quadrature(first: Input, second: Input, rho: Array) -> Bounded:
    """Return the dual by quadrature, and how far a finer rule is from it, plus truncation and rounding."""
    value, error = quadrature_dual(first.resolved, second.resolved, rho)
    finer, _ = quadrature_dual(first.finer, second.finer, rho)
    return finer, error + np.abs(finer - value) + input_rounding(first, second)


def input_rounding(first: Input, second: Input) -> float:
    """Bound what rounding does to a dual at jumps: it moves them by an ulp, and the integral by the density."""
    total = 0.0
    for one, other in ((first, second), (second, first)):
        for kink, jump in one.jumps:
            moved = np.finfo(float).eps * (abs(kink) + abs(one.mean / one.std))
            # Given that one variable is at the kink, the other function is at most some root of its second moment.
            total += abs(jump) * moved * math.sqrt(density(kink)) * other.resolved.norm
    return total


def quantities(routes: Mapping[Route, Bounded]) -> list[Quantity]:
    """Return one quantity for each correlation from what the routes found."""
    columns = [[estimate(v, e, route) for v, e in zip(*found, strict=True)] for route, found in routes.items()]
    return [Quantity.of(dict(zip(routes, row, strict=True))) for row in zip(*columns, strict=True)]


def estimate(value: float, error: float, route: Route) -> Estimate:
    """Return one of the bounded values; NaN where nothing is known, while what is infinite stays so."""
    if math.isinf(value) or (math.isfinite(value) and math.isfinite(error)):
        return Estimate(float(value), float(error), route)
    return Estimate(math.nan, math.inf, route)


def added(x: Bounded, y: Bounded) -> Bounded:
    """Return a sum, with the errors of both and its rounding."""
    total = x[0] + y[0]
    return total, x[1] + y[1] + float(np.finfo(float).eps) * np.abs(total)
