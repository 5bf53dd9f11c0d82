"""Rational powers of sums and of numbers."""

from fractions import Fraction
from math import isqrt

from propstats.activations.expression import ZERO, Call, Expr, Number
from propstats.activations.polynomial.factoring import factored, together
from propstats.activations.polynomial.signs import is_not_negative, is_positive, is_positive_sum
from propstats.activations.polynomial.terms import (
    MAX_EXPANDED,
    UNIT,
    Monomial,
    Sum,
    atom_of,
    checked_power,
    constant,
    folded,
)
from propstats.errors import ExpressionError


def power_of(base: Sum, exponent: Fraction) -> Sum:
    """Raise a sum to a rational power.

    Raises:
        ExpressionError: If the power has no real value, as 1/0 has none.
    """
    from propstats.activations.polynomial.normal import canonical
    from propstats.activations.polynomial.writing import to_expr

    whole = exponent.denominator == 1
    if whole and 0 <= exponent <= MAX_EXPANDED:
        return base ** int(exponent)
    if not base.terms:
        if exponent < 0:
            raise ExpressionError("the formula divides by 0")
        return base
    numerator, denominator = together(base)
    if denominator != UNIT and (whole or is_positive_sum(numerator) or is_not_negative(denominator)):
        return power_of(numerator, exponent) * power_of(Sum({denominator: Fraction(1)}), -exponent)
    content, common, rest = factored(base)
    powers = dict(common.factors)
    if not whole:
        # (u v)^e is u^e v^e where u is positive: what may be negative stays together.
        powers = {atom: p for atom, p in powers.items() if is_positive(atom) or p.denominator > 1}
        left = Monomial(common.factors.difference(powers.items()))
        rest = rest * Sum({left: Fraction(1 if content > 0 else -1)})
        content = abs(content)
        if rest.terms == {left: 1} and len(left.factors) == 1 and all(p % 2 == 1 for _, p in left.factors):
            powers |= dict(left.factors)
            rest = constant(Fraction(1))
    total = number_power(content, exponent)
    power = Monomial(
        frozenset((atom, p * exponent) for atom, p in powers.items()),
        canonical(Call("mul", (Number(exponent), common.exponent))) if common.exponent != ZERO else ZERO,
    )
    total = total * folded(power, Fraction(1))
    if rest.terms.keys() == {UNIT}:
        if rest.terms[UNIT] < 0:
            raise ExpressionError("the formula has a root of a negative number")
        return total
    if len(rest.terms) == 1 and all(p < 0 for m in rest.terms for _, p in m.factors):
        ((below, sign),) = rest.terms.items()
        rest, exponent = folded(below.inverse, sign), -exponent
    return total * atom_of(to_expr(rest), exponent)


def number_power(value: Fraction, exponent: Fraction) -> Sum:
    """Raise a number to a power, as powers of its prime factors."""
    if exponent.denominator == 1:
        return constant(checked_power(value, int(exponent)))
    factors: dict[Expr, Fraction] = {}
    for number, sign in ((value.numerator, 1), (value.denominator, -1)):
        for factor, count in _factors(number).items():
            factors[Number(Fraction(factor))] = sign * count * exponent
    return folded(Monomial(frozenset(factors.items())), Fraction(1))


#: Prime factors are looked for up to this number.
_MAX_FACTOR = 1000


def _factors(number: int) -> dict[int, int]:
    """Factor a positive number into small primes and what is left, of which square roots are taken."""
    found: dict[int, int] = {}
    for factor in range(2, _MAX_FACTOR):
        while number % factor == 0:
            number //= factor
            found[factor] = found.get(factor, 0) + 1
    count = 1
    while number > 1 and isqrt(number) ** 2 == number:
        number, count = isqrt(number), 2 * count
    return {**found, number: count} if number > 1 else found
