"""Decimals as they are printed."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propstats.errors import DataError
from propstats.published.printed import Printed, first_difference


@pytest.mark.parametrize(
    ("text", "value", "half_unit", "digits"),
    [
        ("1.21", Fraction(121, 100), Fraction(1, 200), 3),
        ("1.210", Fraction(121, 100), Fraction(1, 2000), 4),
        ("-0.50", Fraction(-1, 2), Fraction(1, 200), 2),
        ("12", Fraction(12), Fraction(1, 2), 2),
        ("1200", Fraction(1200), Fraction(1, 2), 4),
        ("1.5e-7", Fraction(15, 10**8), Fraction(1, 2 * 10**8), 2),
        ("2E3", Fraction(2000), Fraction(500), 1),
        (".5", Fraction(1, 2), Fraction(1, 20), 1),
        ("5.", Fraction(5), Fraction(1, 2), 1),
        ("0.0038", Fraction(38, 10**4), Fraction(1, 2 * 10**4), 2),
        ("0", Fraction(0), Fraction(1, 2), 1),
        ("0.000", Fraction(0), Fraction(1, 2000), 3),
    ],
)
def test_reading(text: str, value: Fraction, half_unit: Fraction, digits: int) -> None:
    number = Printed.read(text)
    assert (number.value, number.half_unit, number.digits) == (value, half_unit, digits)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "one",
        "1,5",
        "1.2.3",
        "0x10",
        "1e",
        "e5",
        "nan",
        "inf",
        "1_000",
        "--1",
        "1e99999",
        "٣",
        "1" * 2001,
        "1 2",
    ],
)
def test_what_is_no_decimal_number(text: str) -> None:
    with pytest.raises(DataError, match="is no decimal number") as caught:
        Printed.read(text)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize(
    ("printed", "exact", "same"),
    [
        ("1.21", "1.2149999999", True),
        ("1.21", "1.215000001", False),
        ("1.21", "1.2150", True),
        ("1.21", "1.205", True),
        ("1.21", "1.2049", False),
        ("1.47", "1.46694220692425985998", True),
        ("0.2123", "0.21174569972", False),
        ("-1.21", "1.21", False),
    ],
)
def test_what_a_printed_number_stands_for(printed: str, exact: str, same: bool) -> None:
    assert Printed.read(printed).overlaps(Printed.read(exact)) is same


@pytest.mark.parametrize(
    ("stated", "computed", "digits", "position"),
    [
        ("0.398942281", "0.398942280", 9, 9),
        ("0.398942280", "0.398942280", 9, None),
        ("0.4989", "0.3989", 4, 1),
        ("0.5", "-0.5", 1, 1),
        ("5.0", "0.5", 2, 1),
        ("0.00123", "0.00124", 3, 3),
        ("1.23e-5", "0.0000123", 3, None),
        ("1.2", "1.20001", 2, None),
        ("1.2", "1.20001", 6, 6),
        ("0", "0.000", 3, None),
        ("0", "0.1", 3, 1),
        ("9.99", "10.0", 3, 1),
    ],
)
def test_first_difference(stated: str, computed: str, digits: int, position: int | None) -> None:
    assert first_difference(stated, computed, digits) == position


@given(st.integers(1, 10**12 - 1), st.integers(-20, 20), st.integers(0, 11))
def test_any_changed_digit_is_found(mantissa: int, exponent: int, place: int) -> None:
    digits = str(mantissa).rjust(12, "1")
    changed = digits[:place] + str((int(digits[place]) + 1) % 10) + digits[place + 1 :]
    if changed.startswith("0"):
        changed, place = "9" + changed[1:], 0
    if changed[0] == digits[0] or place == 0:
        found = first_difference(f"{digits}e{exponent}", f"{changed}e{exponent}", 12)
        assert found == (None if changed == digits else place + 1)
