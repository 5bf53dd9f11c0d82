"""Expressions evaluated in ball arithmetic, to as many digits as are asked for."""

import math
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from propstats.activations.activation import Activation
from propstats.activations.expression import Expr, evaluate, parse, str_of
from propstats.errors import DomainError
from propstats.estimate import Estimate
from propstats.expectation import certified
from propstats.expectation.certified.balls import Balls, exact, precision
from propstats.expectation.certified.proof import MAX_DIGITS, Claim, Deadline, prove
from propstats.published.language import Integral, Reading
from propstats.published.printed import Printed
from propstats.text import printable

if TYPE_CHECKING:
    from flint import arb

_TIMEOUT = 60.0
_GUARD_BITS = 24
_GUARD_DIGITS = 5


def value_of(reading: Reading, digits: int = 30) -> Estimate:
    """Return the value of an expression with proven digits, correctly rounded.

    A value that cannot be told from 0 within `10^-digits` is printed as `0.000...`, with the decimals that are proven.

    Args:
        reading: The expression, as `propstats.published.language.read` returns it.
        digits: How many significant digits to prove, from 1 to 1000.

    Raises:
        DomainError: If `digits` is out of range, or the expression has no finite value.
        CertificateError: If an expectation in it cannot be proven.

    >>> from propstats.published.language import read
    >>> value_of(read("jacobian_factor(relu)**2"), 20).digits  # Arpit et al. 2016, section 3.4: 1.47
    '1.4669422069242598600'
    """

    def claims(bits: int) -> dict[str, Claim]:
        inner = math.ceil(bits * math.log10(2)) + _GUARD_DIGITS
        with precision(bits + _GUARD_BITS):
            balls = {name: _ball(integral, inner) for name, integral in reading.integrals.items()}
            value = evaluate(reading.tree, balls, Balls().reals)
        if not value.is_finite():
            raise DomainError(f"{printable(str_of(reading.tree), limit=80)} has no finite value")
        return {"value": Claim(value, Fraction(1))}

    return prove(claims, digits, Deadline(_TIMEOUT))["value"]


def _ball(integral: Integral, digits: int) -> "arb":
    """Return a ball that holds an integral: what its proven digits leave open."""
    found = _estimate(integral.quantity, str_of(integral.formula), digits)
    if found.digits is None:
        raise DomainError(f"{integral.quantity} of {printable(str_of(integral.formula), limit=80)} does not exist")
    number = Printed.read(found.digits)
    return exact(number.value - number.half_unit).union(exact(number.value + number.half_unit))


def _estimate(quantity: str, text: str, digits: int) -> Estimate:
    # Near the most that are ever proven, the guard digits go.
    digits = min(digits, MAX_DIGITS)
    return _expectation(text, digits) if quantity == "expect" else _moments(text, digits)[quantity]


@lru_cache(maxsize=1024)
def _moments(text: str, digits: int) -> dict[str, Estimate]:
    return dict(certified.moments(Activation(text, text), digits=digits, timeout=_TIMEOUT))


@lru_cache(maxsize=1024)
def _expectation(text: str, digits: int) -> Estimate:
    formula: Expr = parse(text, {"x"})
    return certified.expectation(formula, {}, digits=digits, timeout=_TIMEOUT)
