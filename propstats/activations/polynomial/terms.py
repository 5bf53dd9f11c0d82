"""Sums of products: the terms of normal forms, and their arithmetic."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, reduce

from propstats.activations.expression import ZERO, Call, Expr, Number
from propstats.errors import ExpressionError

Factors = frozenset[tuple[Expr, Fraction]]

HALF = Fraction(1, 2)
#: Sums are multiplied out up to this power.
MAX_EXPANDED = 8
#: What a product may cost, in terms times terms, how many sums may stand below one line, how long numbers may become.
MAX_PRODUCTS, MAX_DENOMINATORS, MAX_BITS = 2_500, 8, 4096


@dataclass(frozen=True, slots=True)
class Monomial:
    """A product of powers of atoms and of `exp(exponent)`."""

    factors: Factors = frozenset()
    exponent: Expr = ZERO

    def __mul__(self, other: "Monomial") -> "Monomial":
        powers = dict(self.factors)
        for atom, power in other.factors:
            powers[atom] = powers.get(atom, Fraction(0)) + power
        exponent = self.exponent
        if other.exponent != ZERO:
            from propstats.activations.polynomial.normal import reduced

            exponent = other.exponent if exponent == ZERO else reduced(Call("add", (exponent, other.exponent)))
        return Monomial(frozenset((atom, power) for atom, power in powers.items() if power), exponent)

    @property
    def inverse(self) -> "Monomial":
        """One over the product of powers; the exponential is left out."""
        return Monomial(frozenset((atom, -power) for atom, power in self.factors))


UNIT = Monomial()


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum of monomials with rational coefficients, none of them zero."""

    terms: Mapping[Monomial, Fraction] = field(default_factory=dict)

    def __add__(self, other: "Sum") -> "Sum":
        total = dict(self.terms)
        for monomial, coefficient in other.terms.items():
            total[monomial] = total.get(monomial, Fraction(0)) + coefficient
        return Sum({m: c for m, c in total.items() if c})

    def __sub__(self, other: "Sum") -> "Sum":
        return self + other.scaled(Fraction(-1))

    def __mul__(self, other: "Sum") -> "Sum":
        if len(self.terms) * len(other.terms) > MAX_PRODUCTS:
            raise ExpressionError("the formula has too many terms when it is multiplied out")
        total: dict[Monomial, Fraction] = {}
        for left, a in self.terms.items():
            for right, b in other.terms.items():
                for monomial, c in folded(left * right, a * b).terms.items():
                    total[monomial] = total.get(monomial, Fraction(0)) + c
        return Sum({m: c for m, c in total.items() if c})

    def __pow__(self, power: int) -> "Sum":
        return reduce(lambda product, _: product * self, range(power), constant(Fraction(1)))

    def scaled(self, factor: Fraction) -> "Sum":
        """Return the sum multiplied by a number."""
        return Sum({m: factor * c for m, c in self.terms.items()} if factor else {})


def constant(value: Fraction) -> Sum:
    """Return a number as a sum."""
    return Sum({UNIT: value} if value else {})


def atom_of(expr: Expr, power: Fraction = Fraction(1)) -> Sum:
    """Return a power of a formula that is not taken apart, as a sum."""
    return Sum({Monomial(frozenset({(expr, power)})): Fraction(1)})


def folded(monomial: Monomial, coefficient: Fraction) -> Sum:
    """Leave numbers with powers between 0 and 1, and open what has become a whole power of something composed."""
    from propstats.activations.polynomial.normal import normal
    from propstats.activations.polynomial.powers import power_of

    rest, opened = [], constant(Fraction(1))
    for atom, power in monomial.factors:
        whole = _opened_power(atom, power)
        if isinstance(atom, Number):
            coefficient *= checked_power(atom.value, whole)
        elif whole:
            opened = opened * power_of(normal(atom), Fraction(whole))
        if power != whole:
            rest.append((atom, power - whole))
    if coefficient.numerator.bit_length() + coefficient.denominator.bit_length() > MAX_BITS:
        raise ExpressionError("the numbers in the formula become too large")
    closed = Sum({Monomial(frozenset(rest), monomial.exponent): coefficient})
    return closed if opened.terms.keys() == {UNIT} else closed * opened


def _opened_power(atom: Expr, power: Fraction) -> int:
    """Return the whole power of an atom that is written without it."""
    whole = power.numerator // power.denominator
    if isinstance(atom, Number):
        return whole
    if is_sum(atom) and 0 < whole <= MAX_EXPANDED:
        return whole
    if is_product(atom):
        return whole if power == whole else 0  # it was an atom only under a root
    # A sum stays together below the line.
    return whole if is_sum(atom) and whole == power < 0 and not _is_primitive(atom) else 0


@cache
def _is_primitive(atom: Expr) -> bool:
    """Whether the terms of a sum have nothing in common."""
    from propstats.activations.polynomial.factoring import factored
    from propstats.activations.polynomial.normal import normal

    content, common, _ = factored(normal(atom))
    return content == 1 and common == UNIT


def is_sum(expr: Expr) -> bool:
    """Whether a formula is written as a sum."""
    return isinstance(expr, Call) and expr.function in ("add", "sub")


def is_product(expr: Expr) -> bool:
    """Whether a formula is written as a product, a quotient or a power."""
    if isinstance(expr, Call) and expr.function == "pow":
        return isinstance(expr.args[1], Number)
    return isinstance(expr, Call) and expr.function in ("mul", "div", "neg")


def is_function(atom: Expr) -> bool:
    """Whether an atom is neither a number, a symbol nor a sum."""
    return isinstance(atom, Call) and atom.function not in ("add", "sub")


def checked_power(value: Fraction, exponent: int) -> Fraction:
    """Raise a number to a whole power, if the result has a reasonable length."""
    if max(value.numerator.bit_length(), value.denominator.bit_length()) * abs(exponent) > 2 * MAX_BITS:
        raise ExpressionError("the numbers in the formula become too large")
    return value**exponent
