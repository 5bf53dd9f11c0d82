"""Decimal numbers as they are printed: each stands for everything that rounds to it."""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

from propstats.errors import DataError
from propstats.text import printable

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_MAX_DIGITS = 2000


@dataclass(frozen=True, slots=True)
class Printed:
    """A number and half a unit of its last digit.

    Args:
        text: The number as it is printed.
        value: The number that is written.
        half_unit: Half a unit of its last digit: a correctly rounded number is not farther from what it stands for.

    >>> exact = Printed.read("1.2111738962")
    >>> Printed.read("1.21").overlaps(exact), Printed.read("1.22").overlaps(exact)
    (True, False)
    """

    text: str
    value: Fraction
    half_unit: Fraction

    @classmethod
    def read(cls, text: str, digits: int | None = None) -> "Printed":
        """Read a number.

        Args:
            text: The number.
            digits: How many significant digits of it count; by default all that are written.

        Raises:
            DataError: If it is no decimal number.
        """
        text = text.strip()
        if len(text) > _MAX_DIGITS or not _NUMBER.fullmatch(text):
            raise DataError(f"{printable(text, limit=40)!r} is no decimal number", "for example 0.3989 or -1.5e-7")
        value, number = Fraction(text), Decimal(text)
        exponent = _exponent(number)
        if digits is not None:
            exponent = number.adjusted() - digits + 1 if value else min(exponent, -digits)
        return cls(text, value, Fraction(10) ** exponent / 2)

    @property
    def digits(self) -> int:
        """How many significant digits are written; for a zero, how many decimals."""
        number = Decimal(self.text)
        return len(str(int("".join(map(str, number.as_tuple().digits))))) if self.value else max(1, -_exponent(number))

    def overlaps(self, other: "Printed") -> bool:
        """Whether both can stand for the same number."""
        return abs(self.value - other.value) <= self.half_unit + other.half_unit


def _exponent(number: Decimal) -> int:
    """Return the decimal exponent of the last digit of a finite number."""
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent


def first_difference(stated: str, computed: str, digits: int) -> int | None:
    """Return the position of the first significant digit in which two numbers differ, from 1; None if there is none.

    >>> first_difference("0.398942281", "0.398942280401", 9), first_difference("-0.5", "0.5", 3)
    (9, 1)
    """
    mine, theirs = (_significant(text, digits) for text in (stated, computed))
    if mine == theirs:
        return None
    if mine[:2] != theirs[:2]:
        return 1
    return next(i for i, (a, b) in enumerate(zip(mine[2], theirs[2], strict=True), start=1) if a != b)


def _significant(text: str, digits: int) -> tuple[int, int, str]:
    """Return sign, exponent and so many digits of a number."""
    rounded = Context(prec=digits, rounding=ROUND_HALF_EVEN).plus(Decimal(text))
    sign, found, _ = rounded.as_tuple()
    if not rounded:
        return 0, 0, "0" * digits
    return sign, rounded.adjusted(), "".join(map(str, found)).ljust(digits, "0")
