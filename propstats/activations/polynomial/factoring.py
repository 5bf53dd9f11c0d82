"""Sums over one denominator, common factors, and division."""

from fractions import Fraction
from math import gcd, lcm

from propstats.activations.expression import ZERO, Expr, Number
from propstats.activations.polynomial.terms import MAX_DENOMINATORS, UNIT, Monomial, Sum, folded, is_sum
from propstats.activations.syntax import str_of
from propstats.errors import ExpressionError

#: A quotient of more terms than this is not looked for.
_MAX_QUOTIENT = 64


def together(total: Sum) -> tuple[Sum, Monomial]:
    """Bring a sum over one denominator: return the numerator and the product of what stood below."""
    below: dict[Expr, Fraction] = {}
    for monomial in total.terms:
        for atom, power in monomial.factors:
            if power < 0 and not isinstance(atom, Number):
                below[atom] = max(below.get(atom, Fraction(0)), -power)
    if sum(map(is_sum, below)) > MAX_DENOMINATORS:
        raise ExpressionError("the formula has too many different denominators")
    denominator = Monomial(frozenset(below.items()))
    return total * Sum({denominator: Fraction(1)}), denominator


def factored(total: Sum) -> tuple[Fraction, Monomial, Sum]:
    """Take out what all terms have in common: the rational content, the common monomial, and the rest."""
    terms = sorted_terms(total)
    numbers = [c for _, c in terms]
    content = Fraction(gcd(*(c.numerator for c in numbers)), lcm(*(c.denominator for c in numbers)))
    content = -content if numbers[0] < 0 else content
    shared = dict(terms[0][0].factors)
    for monomial, _ in terms[1:]:
        powers = dict(monomial.factors)
        shared = {a: min(p, powers[a]) for a, p in shared.items() if a in powers and (p > 0) == (powers[a] > 0)}
    exponent = terms[0][0].exponent if len({m.exponent for m, _ in terms}) == 1 else ZERO
    common = Monomial(frozenset(shared.items()), exponent)
    rest = Sum()
    for monomial, coefficient in terms:
        bare = Monomial(monomial.factors, ZERO if exponent != ZERO else monomial.exponent) * common.inverse
        rest = rest + folded(bare, coefficient / content)
    return content, common, rest


def quotient(total: Sum) -> tuple[Fraction, Monomial, Sum]:
    """Bring a sum over one denominator, cancel, and return a number, a product of powers and the remaining sum."""
    numerator, denominator = together(total)
    if not numerator.terms:
        return Fraction(0), UNIT, numerator
    content, common, rest = factored(numerator)
    if denominator == UNIT:
        return content, common, rest
    from propstats.activations.polynomial.normal import normal

    powers = {atom: -power for atom, power in denominator.factors}
    for atom in [atom for atom in powers if is_sum(atom)]:
        while powers[atom] <= -1 and (smaller := _divided(rest, normal(atom))) is not None:
            rest, powers[atom] = smaller, powers[atom] + 1
    more, also, rest = factored(rest)
    below = Monomial(frozenset((atom, power) for atom, power in powers.items() if power))
    return content * more, common * also * below, rest


def _divided(total: Sum, divisor: Sum) -> Sum | None:
    """Divide one polynomial by another; None if something is left."""
    if any(monomial.exponent != ZERO for monomial in (*total.terms, *divisor.terms)):
        return None
    atoms = sorted({atom for m in (*total.terms, *divisor.terms) for atom, _ in m.factors}, key=str_of)

    def leading(terms: Sum) -> tuple[Monomial, Fraction]:
        """Return the first term in the lexicographic order, which products respect."""

        def key(term: tuple[Monomial, Fraction]) -> list[Fraction]:
            powers = dict(term[0].factors)
            return [powers.get(atom, Fraction(0)) for atom in atoms]

        return max(terms.terms.items(), key=key)

    quotient, (first, scale) = Sum(), leading(divisor)
    while total.terms:
        lead, coefficient = leading(total)
        step = lead * first.inverse
        if any(p < 0 for _, p in step.factors) or len(quotient.terms) > _MAX_QUOTIENT:
            return None
        part = Sum({step: coefficient / scale})
        quotient, total = quotient + part, total - part * divisor
    return quotient


def sorted_terms(total: Sum) -> list[tuple[Monomial, Fraction]]:
    """Return the terms in the order in which they are written: high powers last, names in between."""

    def key(term: tuple[Monomial, Fraction]) -> tuple[object, ...]:
        monomial, coefficient = term
        degree = sum(power for _, power in monomial.factors)
        return coefficient < 0, degree, sorted((str_of(atom), -power) for atom, power in monomial.factors)

    return sorted(total.terms.items(), key=key)
