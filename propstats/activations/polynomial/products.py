"""A product of powers written as one quotient, with one root of numbers and symbols above and one below."""

from fractions import Fraction

from propstats.activations.expression import ONE, Call, Expr, Number, Symbol, call
from propstats.activations.polynomial.signs import is_positive
from propstats.activations.polynomial.terms import HALF, Monomial, is_function, is_product
from propstats.activations.syntax import str_of

#: From this denominator on a fraction is hard to read.
_LONG = 10_000


def product_of(coefficient: Fraction, monomial: Monomial, bracket: Expr | None) -> Expr:
    """Write a coefficient, powers of atoms and a sum in brackets as one quotient."""
    sides: tuple[list[Expr], list[Expr]] = ([], [])
    roots: tuple[list[Expr], list[Expr]] = ([], [])  # of numbers and symbols, under one sign
    scale = abs(coefficient)
    factors = sorted(monomial.factors, key=lambda f: (_kind(f[0]), str_of(f[0])))
    # Under one root only one may be negative: if two are, their product has a root, and they have none.
    signed = [
        atom for atom, power in factors if isinstance(atom, Symbol) and power % 1 == HALF and not is_positive(atom)
    ]
    for atom, power in factors:
        if bracket is not None and is_function(atom):
            sides[0].append(bracket)  # just before the functions
            bracket = None
        if isinstance(atom, Number) and power == HALF and scale.denominator % atom.value == 0:
            scale, power = scale * atom.value, -HALF  # sqrt(2)/2 is 1/sqrt(2)
        side, size = (0, power) if power > 0 else (1, -power)
        whole = int(size)
        if size - whole == HALF and (whole == 0 or not is_product(atom)):
            if isinstance(atom, Number | Symbol) and atom not in signed[1:]:
                roots[side].append(atom)
            else:
                sides[side].append(call("sqrt", atom))
            size = Fraction(whole)
        if size:
            sides[side].append(atom if size == 1 else Call("pow", (atom, Number(size))))
    if bracket is not None:
        sides[0].append(bracket)
    if roots[0] and roots[1]:
        sides[0].insert(0, call("sqrt", call("div", times(roots[0]), times(roots[1]))))
    else:
        for side in (0, 1):
            if roots[side]:
                sides[side].insert(0, call("sqrt", times(roots[side])))
    above, below = (scale, Fraction(1)) if _is_decimal(scale) else (scale.numerator, scale.denominator)
    sides[0].insert(0, Number(Fraction(above)))
    sides[1].insert(0, Number(Fraction(below)))
    result = call("div", times(sides[0]), times(sides[1]))
    return call("neg", result) if coefficient < 0 else result


def _is_decimal(value: Fraction) -> bool:
    """Whether a number is better read as a decimal, as measured constants are, than as a fraction."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1 and value.denominator >= _LONG


def _kind(atom: Expr) -> int:
    """Order factors: numbers, symbols, sums, functions."""
    return 0 if isinstance(atom, Number) else 1 if isinstance(atom, Symbol) else 3 if is_function(atom) else 2


def times(factors: list[Expr]) -> Expr:
    """Multiply factors, in their order."""
    product: Expr = ONE
    for factor in factors:
        product = call("mul", product, factor)
    return product
