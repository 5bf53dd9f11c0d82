"""The certified route: every number is a ball that provably contains it, printed with the digits that this proves.

Digits are significant digits, correctly rounded: the number differs from what is printed by at most half a unit of
the last digit. A number that is 0, or that cannot be told from 0 within `10^-digits` of its natural size (for a mean,
of `E|phi|`), is printed as `0.000...`, with the decimals that are proven.
"""

import math
from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from typing import Any

from propstats.activations.activation import Activation
from propstats.activations.expression import Expr
from propstats.activations.pieces import pieces
from propstats.activations.syntax import str_of
from propstats.errors import DomainError
from propstats.estimate import Estimate
from propstats.expectation.certified.balls import precision
from propstats.expectation.certified.integrals import GaussianIntegrals
from propstats.expectation.certified.moment_balls import GUARD_BITS, MomentBalls, point_mass_claims, value_of
from propstats.expectation.certified.proof import SMALLEST, Claim, Deadline, prove
from propstats.expectation.certified.tails import Segment
from propstats.expectation.singularities import parts_of


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
    _check(mean, std)
    deadline = Deadline(timeout)
    if std == 0.0:
        return prove(partial(point_mass_claims, activation, mean), digits, deadline)
    return prove(MomentBalls(activation, mean, std, deadline).claims, digits, deadline)


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

    >>> from propstats.activations.syntax import parse
    >>> expectation(parse("2*x*Phi(x)", {"x"}), {}, digits=25).digits  # the larger of two: 1/sqrt(pi)
    '0.5641895835477562869480795'
    """
    _check(mean, std)
    deadline = Deadline(timeout)
    if std == 0.0:
        return constant(formula, {"x": mean, **params}, digits=digits, timeout=timeout)
    parts = parts_of(pieces(formula, params), params)
    segments = [Segment(p.piece.low, p.piece.high, (p.piece.formula,), p.ends) for p in parts]
    integrals = GaussianIntegrals(segments, (formula,), params, mean=mean, std=std, deadline=deadline)

    def claims(bits: int) -> dict[str, Claim]:
        (ball,) = integrals.integrate(bits)
        integrals.require(0)
        return {"expectation": Claim(ball, integrals.scale(0))}

    return prove(claims, digits, deadline)["expectation"]


def combinations(
    integrals: Mapping[str, Expr],
    results: Mapping[str, Expr],
    symbols: Mapping[str, float | Fraction],
    *,
    digits: int = 30,
    timeout: float = 10.0,
) -> Mapping[str, Estimate]:
    """Return what follows from several expectations under N(0, 1) with proven digits.

    Args:
        integrals: Formulas in `x` and the symbols, by the names of their expectations.
        results: Formulas in these names and the symbols.
        symbols: Exact values of the symbols; those of the integrals must be floats.
        digits: How many significant digits to prove, from 1 to 1000.
        timeout: Seconds to spend at most.

    Raises:
        DomainError: If an argument is out of range or an expectation does not exist.
        CertificateError: If no proof was found, or not in time.

    >>> from propstats.activations.syntax import parse
    >>> m, q = parse("3*x*Phi(x)**2", {"x"}), parse("3*x**2*Phi(x)**2", {"x"})
    >>> var = parse("q - m**2", {"q", "m"})
    >>> combinations({"m": m, "q": q}, {"var": var}, {}, digits=20)["var"].digits  # of the largest of three
    '0.55946720379736701380'
    """
    deadline = Deadline(timeout)
    params = {name: float(value) for name, value in symbols.items()}
    found = {
        name: GaussianIntegrals(
            [Segment(p.low, p.high, (p.formula,)) for p in pieces(formula, params)],
            (formula,),
            params,
            mean=0.0,
            std=1.0,
            deadline=deadline,
        )
        for name, formula in integrals.items()
    }

    def claims(bits: int) -> dict[str, Claim]:
        balls: dict[str, Any] = dict(symbols)
        for name, integral in found.items():
            (balls[name],) = integral.integrate(bits)
            integral.require(0)
        with precision(2 * bits + GUARD_BITS):
            return {name: Claim(value_of(formula, balls), SMALLEST) for name, formula in results.items()}

    return prove(claims, digits, deadline)


def constant(
    expr: Expr, symbols: Mapping[str, float | Fraction], *, digits: int = 30, timeout: float = 10.0
) -> Estimate:
    """Return the value of a formula with proven digits.

    Args:
        expr: The formula.
        symbols: Exact values of its symbols: a float stands for the binary number that it is.
        digits: How many significant digits to prove, from 1 to 1000.
        timeout: Seconds to spend at most.

    Raises:
        DomainError: If `digits` or `timeout` is out of range, or the formula has no finite value.
        CertificateError: If no proof was found, or not in time.

    >>> from propstats.activations.syntax import parse
    >>> constant(parse("1/sqrt(2*pi)", set()), {}, digits=20).digits
    '0.39894228040143267794'
    """

    def claims(bits: int) -> dict[str, Claim]:
        with precision(bits + GUARD_BITS):
            value = value_of(expr, symbols)
        if not value.is_finite():
            raise DomainError(f"{str_of(expr)} has no finite value that could be proven")
        return {"value": Claim(value, Fraction(1))}

    return prove(claims, digits, Deadline(timeout))["value"]


def _check(mean: float, std: float) -> None:
    if not (math.isfinite(mean) and math.isfinite(std) and std >= 0.0):
        raise DomainError(f"mean must be finite and std finite and not negative, got mean {mean} and std {std}")
