"""Every printed digit is proven: correctly rounded, or not printed."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propstats.expectation.certified.decimals import decimal, zero


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (Fraction(1, 2), 5, "0.50000"),
        (Fraction(2, 3), 5, "0.66667"),
        (Fraction(-1, 3), 3, "-0.333"),
        (Fraction(123456), 6, "123456"),
        (Fraction(123456), 8, "123456.00"),
        (Fraction(123456), 4, "1.235e+05"),
        (Fraction(1, 10**5), 3, "0.0000100"),
        (Fraction(146, 10**36), 3, "1.46e-34"),
        (Fraction(999996, 10**6), 5, "1.00000"),
        (Fraction(0), 3, "0.000"),
    ],
)
def test_how_numbers_look(value: Fraction, digits: int, text: str) -> None:
    assert decimal(value, value, digits) == text


def test_a_ball_across_a_rounding_boundary_proves_less() -> None:
    low, high = Fraction(12344, 10**5), Fraction(12346, 10**5)
    assert decimal(low, high, 4) is None
    assert decimal(low, high, 3) == "0.123"


def test_a_ball_around_zero_has_no_digits() -> None:
    assert decimal(Fraction(-1, 100), Fraction(1, 100), 1) is None
    assert zero(Fraction(-1, 100), Fraction(1, 100), 9) == "0.0"
    assert zero(Fraction(-1, 10**40), Fraction(1, 10**40), 9) == "0.000000000"
    assert zero(Fraction(-1), Fraction(5), 9) == "0"


@given(
    st.fractions(max_denominator=10**12).filter(bool),
    st.integers(1, 12),
    st.integers(-40, 40),
    st.integers(0, 14),
)
def test_correctly_rounded(value: Fraction, digits: int, power: int, width: int) -> None:
    """Whatever is in the ball is within half a unit of the last digit that is printed."""
    value *= Fraction(10) ** power
    radius = abs(value) / 10**width / 3
    low, high = value - radius, value + radius
    text = decimal(low, high, digits)
    if text is None:
        return
    shown = Fraction(text)
    mantissa, _, exponent = text.partition("e")
    unit = Fraction(10) ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    assert max(abs(shown - low), abs(shown - high)) <= unit / 2
    significant = mantissa.replace(".", "").lstrip("-0")
    assert len(significant) in (digits, digits + 1)  # 9.99 rounds to 10.00
