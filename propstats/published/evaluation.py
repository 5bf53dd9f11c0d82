"""Expressions evaluated in ball arithmetic, to as many digits as are asked for."""

import math
import time
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from propstats.activations.activation import Activation
from propstats.activations.expression import Expr, evaluate
from propstats.activations.syntax import parse, str_of
from propstats.errors import CertificateError, DomainError, ExpressionError
from propstats.estimate import Estimate
from propstats.expectation import certified
from propstats.expectation.certified.balls import Balls, exact, precision
from propstats.expectation.certified.proof import MAX_DIGITS, Claim, Deadline, prove
from propstats.published.language import Integral, Reading
from propstats.published.printed import Printed
from propstats.text import printable

if TYPE_CHECKING:
    from flint import arb

#: Seconds that one constant may take.
TIMEOUT = 60.0
#: Numbers and their reciprocals stay within what a double can hold.
_LARGEST = 1 << 1000
_GUARD_BITS = 24
_GUARD_DIGITS = 5


def value_of(reading: Reading, digits: int = 30, timeout: float = TIMEOUT) -> Estimate:
    """Return the value of an expression with proven digits, correctly rounded.

    A value that cannot be told from 0 within `10^(-2 digits)` is printed as `0.000...`.

    Args:
        reading: The expression, as `propstats.published.language.read` returns it.
        digits: How many significant digits to prove, from 1 to 1000.
        timeout: Seconds to spend at most, on all that is in it.

    Raises:
        DomainError: If `digits` or `timeout` is out of range, or the expression has no finite value.
        CertificateError: If an expectation in it cannot be proven, or not in time.
        ExpressionError: If it is nested too deeply.

    >>> from propstats.published.language import read
    >>> value_of(read("jacobian_factor(relu)**2"), 20).digits  # Arpit et al. 2016, section 3.4: 1.47
    '1.4669422069242598600'
    """
    deadline, end = Deadline(timeout), time.monotonic() + timeout

    def claims(bits: int) -> dict[str, Claim]:
        inner = math.ceil(bits * math.log10(2)) + _GUARD_DIGITS
        with precision(bits + _GUARD_BITS):
            balls = {}
            for name, integral in reading.integrals.items():
                deadline.check()
                balls[name] = _ball(integral, inner, end - time.monotonic())
            value: arb = evaluate(reading.tree, balls, Balls().reals)
        if not value.is_finite():
            raise DomainError(f"{_shown(reading.tree)} has no finite value")
        if not abs(value) < _LARGEST or (value != 0 and abs(value) * _LARGEST < 1):
            raise DomainError(f"{_shown(reading.tree)} is too large or too small to be written")
        # What is left of numbers that cancel is followed to the square of the precision, and then called 0.
        return {"value": Claim(value, Fraction(1, 10**digits))}

    try:
        return prove(claims, digits, deadline)["value"]
    except CertificateError as error:
        if not deadline.is_over:
            raise
        raise CertificateError(f"its digits were not proven within {timeout:g} s", error.hint) from None
    except RecursionError:
        raise ExpressionError("it is nested too deeply, with what its names stand for") from None


def _shown(tree: Expr) -> str:
    return printable(str_of(tree), limit=80)


def _ball(integral: Integral, digits: int, seconds: float) -> "arb":
    """Return a ball that holds an integral: what its proven digits leave open."""
    # Near the most that are ever proven, the guard digits go.
    found = _estimate(integral.quantity, str_of(integral.formula), min(digits, MAX_DIGITS), max(seconds, 1e-3))
    if found.digits is None:
        what = f"{integral.quantity} of {_shown(integral.formula)}"
        raise DomainError(f"{what} does not exist, or is too large or small to be proven")
    number = Printed.read(found.digits)
    return exact(number.value - number.half_unit).union(exact(number.value + number.half_unit))


def _estimate(quantity: str, text: str, digits: int, seconds: float) -> Estimate:
    known = _found(text, digits)
    if quantity not in known:
        # All moments of a formula come from the same integrals: whoever asks for one gets the others as well.
        known.update(_integrate(quantity, text, digits, seconds))
    return known[quantity]


@lru_cache(maxsize=1024)
def _found(text: str, digits: int) -> dict[str, Estimate]:
    """Return where quantities of a formula are kept, so that the time they may take is no part of the question."""
    return {}


def _integrate(quantity: str, text: str, digits: int, seconds: float) -> Mapping[str, Estimate]:
    if quantity != "expect":
        return certified.moments(Activation(text, text), digits=digits, timeout=seconds)
    formula = parse(text, {"x"})
    return {quantity: certified.expectation(formula, {}, digits=digits, timeout=seconds)}
