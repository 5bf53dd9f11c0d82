"""The certified route: every number is a ball that provably contains it, printed with the digits that this proves.

Digits are significant digits, correctly rounded: the number differs from what is printed by at most half a unit of
the last digit. A number that is 0, or that cannot be told from 0 within `10^-digits` of its natural size (for a mean,
of `E|phi|`), is printed as `0.000...`, with the decimals that are proven.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from propstats.activations.activation import Activation
from propstats.activations.expression import Expr, Number, Symbol, call, differentiate, evaluate, str_of
from propstats.activations.pieces import pieces
from propstats.errors import DomainError
from propstats.estimate import Estimate
from propstats.expectation.balls import Balls, ends, exact, indeterminate, precision
from propstats.expectation.integrals import GaussianIntegrals
from propstats.expectation.moments import derived_formulas
from propstats.expectation.proof import SMALLEST, Claim, Deadline, prove
from propstats.expectation.tails import Segment

if TYPE_CHECKING:
    from flint import arb

_GUARD_BITS = 24


def moments(
    activation: Activation, *, mean: float = 0.0, std: float = 1.0, digits: int = 30, timeout: float = 10.0
) -> Mapping[str, Estimate]:
    """Return all base moments and derived quantities with proven digits.

    Args:
        activation: The activation.
        mean: Mean of the input.
        std: Standard deviation of the input; at 0 the input is the number `mean`.
        digits: How many significant digits to prove, from 1 to 1000.
        timeout: Seconds to spend at most.

    Raises:
        DomainError: If `digits` or `timeout` is out of range, or the mean of the activation does not exist.
        CertificateError: If no proof was found, or not in time.

    >>> from propstats.activations import activation
    >>> moments(activation("tanh"), digits=36)["second_moment"].digits
    '0.394294490397841174416459772444119561'
    """
    deadline = Deadline(timeout)
    if std == 0.0:
        return _point_mass(activation, mean, digits, deadline)
    return prove(_Moments(activation, mean, std, deadline).claims, digits, deadline)


def expectation(
    formula: Expr,
    params: Mapping[str, float],
    *,
    mean: float = 0.0,
    std: float = 1.0,
    digits: int = 30,
    timeout: float = 10.0,
) -> Estimate:
    """Return the expectation of any formula in x with proven digits.

    Args:
        formula: A formula in `x` and the parameters.
        params: The parameters.
        mean: Mean of x.
        std: Standard deviation of x; at 0, x is the number `mean`.
        digits: How many significant digits to prove, from 1 to 1000.
        timeout: Seconds to spend at most.

    Raises:
        DomainError: If an argument is out of range or the expectation does not exist.
        CertificateError: If no proof was found, or not in time.

    >>> from propstats.activations.expression import parse
    >>> expectation(parse("2*x*Phi(x)", {"x"}), {}, digits=25).digits  # the larger of two: 1/sqrt(pi)
    '0.5641895835477562869480795'
    """
    deadline = Deadline(timeout)
    if std == 0.0:
        return constant(formula, {"x": mean, **params}, digits=digits)
    segments = [Segment(p.low, p.high, (p.formula,)) for p in pieces(formula, params)]
    integrals = GaussianIntegrals(segments, (formula,), params, mean=mean, std=std, deadline=deadline)

    def claims(bits: int) -> dict[str, Claim]:
        (ball,) = integrals.integrate(bits)
        integrals.require(0)
        return {"expectation": Claim(ball, integrals.scale(0))}

    return prove(claims, digits, deadline)["expectation"]


def constant(expr: Expr, symbols: Mapping[str, float | Fraction], *, digits: int = 30) -> Estimate:
    """Return the value of a formula with proven digits.

    Args:
        expr: The formula.
        symbols: Exact values of its symbols: a float stands for the binary number that it is.
        digits: How many significant digits to prove, from 1 to 1000.

    Raises:
        DomainError: If `digits` is out of range or the formula has no finite value.

    >>> from propstats.activations.expression import parse
    >>> constant(parse("1/sqrt(2*pi)", set()), {}, digits=20).digits
    '0.39894228040143267794'
    """

    def claims(bits: int) -> dict[str, Claim]:
        with precision(bits + _GUARD_BITS):
            value = _value(expr, symbols)
        if not value.is_finite():
            raise DomainError(f"{str_of(expr)} has no finite value here")
        return {"value": Claim(value, Fraction(1))}

    return prove(claims, digits, Deadline(60.0))["value"]


def _value(expr: Expr, symbols: Mapping[str, Any]) -> "arb":
    from flint import arb

    balls = {name: value if isinstance(value, arb) else exact(value) for name, value in symbols.items()}
    value: arb = evaluate(expr, balls, Balls().reals)
    return value


#: The integrals that all moments are made of: of phi, phi^2, phi', phi'^2, phi' (x - mu), phi phi' (x - mu).
_MEAN, _SECOND, _SLOPE, _SLOPE_SECOND, _LEVER, _LEVER_PHI = range(6)


def _integrands(formula: Expr, mean: float) -> tuple[Expr, ...]:
    slope = differentiate(formula, "x")
    lever = call("mul", slope, call("sub", Symbol("x"), Number(Fraction(mean))))
    return formula, call("mul", formula, formula), slope, call("mul", slope, slope), lever, call("mul", formula, lever)


class _Moments:
    """The moments of one activation under one Gaussian, to any precision."""

    def __init__(self, activation: Activation, mean: float, std: float, deadline: Deadline) -> None:
        self._pieces, self._params, self._mean, self._std = activation.pieces, activation.params, mean, std
        segments = [Segment(p.low, p.high, _integrands(p.formula, mean)) for p in self._pieces]
        self._integrals = GaussianIntegrals(
            segments, _integrands(activation.formula, mean), activation.params, mean=mean, std=std, deadline=deadline
        )
        self._integrals.require(_MEAN)

    def claims(self, bits: int) -> dict[str, Claim]:
        """Return all quantities, computed with an error of about `2**-bits` of their size."""
        integrals = self._integrals.integrate(bits)
        self._integrals.require(_MEAN)
        with precision(2 * bits + _GUARD_BITS):
            base = self._base([indeterminate().real if ball is None else ball for ball in integrals])
            symbols = {"s": exact(self._std), **base}
            derived = {name: _value(formula, symbols) for name, formula in derived_formulas().items()}
        mean, slope = self._integrals.scale(_MEAN), self._integrals.scale(_SLOPE)
        scales = {"mean": mean, "normprop_shift": mean, "mean_slope": slope, "linear_slope": slope}
        scales |= {"var_rate": max(_size(base["var"]), SMALLEST)}
        scales |= {"stability_slope": Fraction(1), "nonlinear_share": Fraction(1)}
        return {name: Claim(ball, scales.get(name, SMALLEST)) for name, ball in (base | derived).items()}

    def _base(self, integrals: "Sequence[arb]") -> "dict[str, arb]":
        from flint import arb

        mean, std = integrals[_MEAN], exact(self._std)
        slope, rate = integrals[_SLOPE], integrals[_LEVER_PHI] - mean * integrals[_LEVER]
        for kink, below, above in self._kinks():
            z = (kink - exact(self._mean)) / std
            density = (z * z / -2).exp() / (std * (2 * arb.pi()).sqrt())
            slope = slope + (above - below) * density
            rate = rate + (above - below) * ((above + below) / 2 - mean) * z * std * density
        return {
            "mean": mean,
            "second_moment": integrals[_SECOND],
            "var": integrals[_SECOND] - mean * mean,
            "mean_slope": integrals[_SLOPE],
            "slope_second_moment": integrals[_SLOPE_SECOND],
            "linear_slope": slope,
            "var_rate": rate,
        }

    def _kinks(self) -> "Iterator[tuple[arb, arb, arb]]":
        """Yield the kinks, with the activation just below and just above."""
        for left, right in pairwise(self._pieces):
            assert right.low is not None
            kink = _value(right.low, self._params)
            below, above = (_value(piece.formula, {"x": kink, **self._params}) for piece in (left, right))
            yield kink, below, above


def _point_mass(activation: Activation, x: float, digits: int, deadline: Deadline) -> Mapping[str, Estimate]:
    def claims(bits: int) -> dict[str, Claim]:
        with precision(bits + _GUARD_BITS):
            value, slope = (
                _value(f, {"x": x, **activation.params}) for f in (activation.formula, activation.slope_formula)
            )
            zero = exact(0.0)
            base = {
                "mean": value,
                "second_moment": value * value,
                "var": zero,
                "mean_slope": slope,
                "slope_second_moment": slope * slope,
                "linear_slope": slope,
                "var_rate": zero,
            }
            derived = {name: _value(formula, {"s": zero, **base}) for name, formula in derived_formulas().items()}
        return {name: Claim(ball, Fraction(1)) for name, ball in (base | derived).items()}

    return prove(claims, digits, deadline)


def _size(ball: "arb") -> Fraction:
    return max(map(abs, ends(ball))) if ball.is_finite() else Fraction(0)
