"""What two activations at correlated Gaussian inputs leave, by each route that knows its errors as bounds."""

from dataclasses import dataclass, replace

import numpy as np

from propstats.expectation.dual.closed import closed_dual
from propstats.expectation.dual.expect import Bounded, added, input_rounding
from propstats.expectation.dual.input import Input, constant
from propstats.expectation.dual.panels import Array
from propstats.expectation.dual.quadrature import quadrature_dual
from propstats.expectation.dual.resolved import Resolved
from propstats.expectation.dual.rotated import rotated

_EPS = float(np.finfo(float).eps)
#: What the integral of a square of differences leaves out, and its rounding, relative to itself.
_OF_SQUARES = 64 * _EPS
#: Up to this correlation all that is wrong with a covariance shrinks with the correlation.
_WEAK = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """What one route finds for `y = phi(u)` and `z = psi(v)`; shape (n) each, the squares and variances (1).

    Args:
        dual: `E[y z]`.
        covariance: `E[y z] - E[y] E[z]`.
        difference: `E[(y - z)^2]/2`.
        squares: `E[y^2]` and `E[z^2]`.
        variances: `Var y` and `Var z`.
    """

    dual: Bounded
    covariance: Bounded
    difference: Bounded
    squares: tuple[Bounded, Bounded]
    variances: tuple[Bounded, Bounded]

    @property
    def named(self) -> dict[str, Bounded]:
        """All that depends on the correlation, by name."""
        names = ("dual", "cosine", "covariance", "correlation", "difference")
        return {name: getattr(self, name) for name in names}

    @property
    def cosine(self) -> Bounded:
        """`E[y z]/sqrt(E[y^2] E[z^2])`."""
        return _normalised(self.dual, *self.squares)

    @property
    def correlation(self) -> Bounded:
        """`Cov(y, z)/sqrt(Var y Var z)`."""
        return _normalised(self.covariance, *self.variances)


def by_closed_form(first: Input, second: Input, rho: Array) -> Joint | None:
    """Return what closed forms say, or None where there are none.

    Covariances and differences are small differences here: their errors are those of what they are made of.

    >>> from propstats.activations import activation
    >>> from propstats.expectation.dual.input import inputs
    >>> found = by_closed_form(*inputs(activation("relu"), None, 0.0, 1.0), np.array([0.5]))
    >>> found.cosine[0].round(12).tolist()  # Cho & Saul 2009: (sin(pi/3) + (2 pi/3) cos(pi/3))/pi
    [0.608997781044]
    """
    if first.form is None or second.form is None:
        return None
    dual = _plus(closed_dual(first.form, second.form, rho, errors=True), input_rounding(first, second))
    same, apart, one = np.ones(1), np.zeros(1), constant(1.0)
    squares, means = [], []
    for side in (first, second):
        assert side.form is not None
        squares.append(_plus(closed_dual(side.form, side.form, same, errors=True), input_rounding(side, side)))
        means.append(_plus(closed_dual(side.form, one, apart, errors=True), input_rounding(side, side)))
    half = added(_scaled(squares[0], 0.5), _scaled(squares[1], 0.5))
    return Joint(
        dual=dual,
        covariance=added(dual, _scaled(_product(*means), -1.0)),
        difference=added(half, _scaled(dual, -1.0)),
        squares=(squares[0], squares[1]),
        variances=(
            added(squares[0], _scaled(_product(means[0], means[0]), -1.0)),
            added(squares[1], _scaled(_product(means[1], means[1]), -1.0)),
        ),
    )


def by_quadrature(first: Input, second: Input, rho: Array) -> Joint:
    """Return what quadrature says: with finer panels, and how far the plain ones are from them.

    >>> from propstats.activations import activation
    >>> from propstats.expectation.dual.input import inputs
    >>> rho = np.array([1e-9])
    >>> value, error = by_quadrature(*inputs(activation("relu"), None, 0.0, 1.0), rho).covariance
    >>> round(float(value[0] / rho[0]), 15), bool(error[0] < 1e-14 * rho[0])  # 1/4 + rho/(4 pi): no digit is lost
    (0.250000000079577, True)
    """
    plain = _integrated(first.resolved, second.resolved, rho)
    finer = _integrated(first.finer, second.finer, rho)
    moved = input_rounding(first, second)
    of_u, of_v = input_rounding(first, first), input_rounding(second, second)
    return Joint(
        dual=_refined(plain.dual, finer.dual, moved),
        covariance=_refined(plain.covariance, finer.covariance, moved * _weakness(rho)),
        difference=_refined(plain.difference, finer.difference, of_u + of_v + moved),
        squares=(
            _refined(plain.squares[0], finer.squares[0], of_u),
            _refined(plain.squares[1], finer.squares[1], of_v),
        ),
        variances=(
            _refined(plain.variances[0], finer.variances[0], of_u),
            _refined(plain.variances[1], finer.variances[1], of_v),
        ),
    )


def _integrated(f: Resolved, g: Resolved, rho: Array) -> Joint:
    """Return what quadrature says on the panels of f and g."""
    centred = _centred(f)
    pair = centred, centred if f is g else _centred(g)
    return Joint(
        dual=quadrature_dual(f, g, rho),
        covariance=_covariance(*pair, rho),
        difference=_difference(f, g, rho),
        squares=(_square(f), _square(g)),
        variances=(_square(pair[0]), _square(pair[1])),
    )


def _centred(f: Resolved) -> Resolved:
    """Return f less its mean, from which covariances come out without a difference of large numbers."""
    mean = float(f.hermite[0])
    return replace(f, f=lambda z: f.f(z) - mean, values=f.values - mean, mirror=None)


def _covariance(f: Resolved, g: Resolved, rho: Array) -> Bounded:
    """Return the dual of two functions without mean: all terms of its series but that of order 0."""
    value, error = quadrature_dual(f, g, rho)
    return np.asarray(value - f.hermite[0] * g.hermite[0]), error * _weakness(rho)


def _weakness(rho: Array) -> Array:
    """Return what the errors of a covariance shrink with: there is a factor of rho in all terms of its series.

    A jump at x that is moved leaves a delta, with Hermite coefficients h_n(x) phi(x), and what follows from it is at
    most `phi(x) |rho| sqrt(sum_(n > 0) (h_n(x) rho^(n-1))^2)`. By Mehler's formula that is below `|rho| sqrt(phi(x))`
    up to rho = 1/2.
    """
    size = np.abs(rho)
    return np.where(size <= _WEAK, size / _WEAK, 1.0)


def _difference(f: Resolved, g: Resolved, rho: Array) -> Bounded:
    value = np.empty(rho.shape)
    # Not a mirror image that the integral would take for a product's.
    for here, other in ((rho >= 0, g), (rho < 0, replace(g.mirrored, mirror=None))):
        if here.any():
            size = np.abs(rho[here])
            value[here] = rotated(
                f, other, np.sqrt(size), np.sqrt(1.0 - size), combine=_half_square, nodes=max(f.nodes - 4, 16)
            )
    if not np.isfinite(f.norm * g.norm) or f.is_rough or g.is_rough:
        return value, np.full(rho.shape, 2 * (f.norm + g.norm) ** 2)
    noise = f.noise + g.noise
    return value, _OF_SQUARES * value + noise * (np.sqrt(2 * np.abs(value)) + noise)


def _half_square(y: Array, z: Array) -> Array:
    return np.asarray(0.5 * (y - z) ** 2)


def _square(f: Resolved) -> Bounded:
    value = np.array([f.norm**2])
    error = 2 * f.noise * f.norm + 12 * _EPS * f.norm**2
    return value, np.array([2 * f.norm**2 if f.is_rough else error])


def _refined(plain: Bounded, finer: Bounded, moved: Array | float) -> Bounded:
    return finer[0], plain[1] + np.abs(finer[0] - plain[0]) + moved


def _plus(x: Bounded, error: float) -> Bounded:
    return x[0], x[1] + error


def _scaled(x: Bounded, factor: float) -> Bounded:
    return factor * x[0], abs(factor) * x[1]


def _product(x: Bounded, y: Bounded) -> Bounded:
    value = x[0] * y[0]
    return value, np.abs(x[0]) * y[1] + np.abs(y[0]) * x[1] + x[1] * y[1] + _EPS * np.abs(value)


def _normalised(x: Bounded, a: Bounded, b: Bounded) -> Bounded:
    """Return `x/sqrt(a b)`, NaN where a or b may be nothing."""
    with np.errstate(all="ignore"):
        root = np.sqrt(a[0] * b[0])
        value = x[0] / root
        # (a - error)(b - error) is at least 1 - lost times a b.
        lost = a[1] / a[0] + b[1] / b[0]
        more = np.where(lost < 1.0, np.expm1(-0.5 * np.log1p(-np.minimum(lost, 1.0))), np.nan)
        error = x[1] * (1 + more) / root + np.abs(value) * (more + 4 * _EPS)
        value = np.where(np.isfinite(error), np.clip(value, -1.0, 1.0), np.nan)
    return value, np.where(np.isfinite(error), error, np.inf)
