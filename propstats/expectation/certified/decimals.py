"""Proven decimals: the digits of a number that a ball around it determines."""

import math
from fractions import Fraction

#: Numbers from 10^-5 on are written without an exponent.
_SMALLEST_PLAIN = -5


def decimal(low: Fraction, high: Fraction, digits: int) -> str | None:
    """Write the number between two bounds, correctly rounded to so many significant digits.

    "Correctly rounded" is to nearest: whatever the number is, it differs from what is written by at most half a unit
    of the last digit.

    Args:
        low: The number is not smaller.
        high: The number is not larger.
        digits: How many digits to write.

    Returns:
        The digits; None if the bounds do not determine them.

    >>> low, high = Fraction(39429, 10**5), Fraction(39430, 10**5)
    >>> decimal(low, high, 4), decimal(low, high, 5)
    ('0.3943', None)
    """
    if low > 0 or high < 0:
        sign, small, large = ("", low, high) if low > 0 else ("-", -high, -low)
        exponent = _exponent(large)
        unit = Fraction(10) ** (exponent - digits + 1)
        rounded = {round(end / unit) for end in (small, large)}
        if len(rounded) > 1:
            return None
        mantissa = str(rounded.pop())
        return sign + _place(mantissa, exponent + len(mantissa) - digits)
    return zero(low, high, digits) if low == high else None


def zero(low: Fraction, high: Fraction, places: int) -> str:
    """Write a number that may be 0 with the decimals that it provably shares with 0, after rounding.

    Args:
        low: The number is not smaller.
        high: The number is not larger.
        places: How many decimals to write at most.

    >>> zero(Fraction(-1, 10**6), Fraction(1, 10**6), 30)
    '0.00000'
    """
    size = max(-low, high)
    proven = min(-_exponent(2 * size) - 1, places) if size else places
    return "0." + "0" * proven if proven > 0 else "0"


def _exponent(value: Fraction) -> int:
    """Return the exponent of the leading decimal digit."""
    guess = math.floor((value.numerator.bit_length() - value.denominator.bit_length() - 1) * math.log10(2))
    while value >= Fraction(10) ** (guess + 1):
        guess += 1
    return guess


def _place(mantissa: str, exponent: int) -> str:
    """Put the decimal point after the digit of weight 1, or after the first digit and an exponent behind."""
    if exponent < _SMALLEST_PLAIN or exponent >= len(mantissa):
        rest = f".{mantissa[1:]}" if len(mantissa) > 1 else ""
        return f"{mantissa[0]}{rest}e{exponent:+03d}"
    if exponent < 0:
        return "0." + "0" * (-exponent - 1) + mantissa
    whole, rest = mantissa[: exponent + 1], mantissa[exponent + 1 :]
    return f"{whole}.{rest}" if rest else whole
