"""Rows of numbers as lines of text."""

import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from propstats_cli.sparkline import print_profile, sparkline
from rich.console import Console

NUMBERS = st.lists(st.floats(0.0, 1e300) | st.just(math.nan) | st.just(math.inf), max_size=200)


@given(NUMBERS, st.integers(1, 80), st.booleans())
def test_fits_and_has_no_other_characters(values: list[float], width: int, blocks: bool) -> None:
    line = sparkline(values, width, blocks=blocks)
    assert len(line) <= min(width, 60)
    assert set(line) <= set("▁▂▃▄▅▆▇█ " if blocks else "_.,-=+*# ")


@given(st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=60))
def test_order_of_characters_is_that_of_numbers(values: list[float]) -> None:
    line = sparkline(values, 60)
    for (a, x), (b, y) in zip(zip(values, line, strict=True), zip(values[1:], line[1:], strict=True), strict=False):
        assert (a <= b) <= (x <= y)


def test_flat_is_flat_and_a_gap_is_a_gap() -> None:
    assert sparkline([1.0, 1.0001, 1.0], 3) == "▄▄▄"
    assert sparkline([1.0, math.nan, 0.0, 8.0], 4) == "▁  █"
    assert sparkline([], 5) == sparkline([0.0], 5) == ""


def test_neighbours_share_a_character() -> None:
    assert sparkline([1, 1, 1, 64, 64, 64], 2) == "▁█"


def _printed(width: int, encoding: str, values: list[float]) -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    print_profile(Console(file=file, width=width), "signal", values, "from input to output")
    file.seek(0)
    return file.read()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_fits_the_terminal(width: int) -> None:
    line = _printed(width, "utf-8", [2.0**-n for n in range(100)])
    assert len(line.rstrip("\n")) <= width
    assert line.endswith("  1.58e-30 to 1, from input to output\n")
    assert "█" in line


def test_ascii_terminal() -> None:
    assert _printed(80, "ascii", [1.0, 10.0, 100.0]) == "signal    _=#  1 to 100, from input to output\n"


def test_nothing_to_show() -> None:
    assert _printed(80, "utf-8", [1.0]) == _printed(80, "utf-8", [0.0, math.nan]) == ""
    assert _printed(30, "utf-8", [1.0, 2.0]) == ""
