"""Constants from their expressions: names, references, and what is wrong with whose."""

import pytest

from propstats.errors import DataError, DomainError
from propstats.published.constants import Constant, compute


def test_later_ones_use_earlier_ones() -> None:
    found = compute([Constant("c", "1/pi", "first"), Constant("d", "sqrt(c)"), Constant("e", "d**2 - c")], 12)
    assert [value.digits for value in found] == ["0.318309886184", "0.564189583548", "0.000000000000"]
    assert [value.formula for value in found] == ["1/pi", "sqrt(c)", "d**2 - c"]
    assert found[0].note == "first"


@pytest.mark.parametrize(("digits", "shown", "error"), [(1, "0.3", 0.05), (3, "0.318", 0.0005), (40, None, 5e-41)])
def test_the_error_is_half_a_unit_of_the_last_digit(digits: int, shown: str | None, error: float) -> None:
    (found,) = compute([Constant("c", "1/pi")], digits)
    assert shown in (None, found.digits)
    assert found.error == pytest.approx(error, rel=1e-15)


def test_match_looks_everywhere_in_any_case() -> None:
    constants = [Constant("alpha", "pi"), Constant("beta", "sqrt(2)"), Constant("gamma", "alpha + beta", "for ALL")]

    def names(match: str) -> list[str]:
        return [value.name for value in compute(constants, 5, match)]

    assert names("") == ["alpha", "beta", "gamma"]
    assert names("ALPHA") == ["alpha", "gamma"]
    assert names("SQRT(") == ["beta"]
    assert names("for all") == ["gamma"]
    with pytest.raises(DomainError, match="no constant has 'delta'"):
        names("delta")


@pytest.mark.parametrize(
    ("constants", "words"),
    [
        ([("a", "b + 1"), ("b", "a + 1")], "constant a: it uses b, which is defined after it"),
        ([("a", "a + 1")], "constant a: it uses itself"),
        ([("a", "c + 1")], "constant a: unknown name 'c'"),
        ([("a", "1"), ("a", "1")], "constant a is defined twice"),
        ([("", "1")], "'' cannot be the name"),
        ([("a-b", "1")], "'a-b' cannot be the name"),
        ([("1a", "1")], "'1a' cannot be the name"),
        ([("lambda", "1")], "'lambda' cannot be the name"),
        ([("a" * 101, "1")], "cannot be the name"),
        ([("sqrt", "1")], "expressions use it (for example my_sqrt)"),
        ([("gain", "1")], "expressions use it"),
        ([("x", "1")], "expressions use it"),
        ([("mu", "1")], "expressions use it"),
        ([("pi", "3")], "expressions use it"),
        ([("a", "__import__('os')")], "constant a: unknown function '__import__'"),
        ([("a", "gain(rellu)")], "constant a: unknown activation 'rellu'"),
        ([("a", "1/0")], "constant a: 1/0 has no finite value"),
        ([("a", "1" * 10_000)], "constant a: 10000 characters, more than 2000"),
        ([("a", 'expect("exp(x**2)")')], "constant a: the expectation of exp(x**2) does not exist"),
    ],
)
def test_what_is_wrong_is_said_with_the_name(constants: list[tuple[str, str]], words: str) -> None:
    with pytest.raises(DataError) as caught:
        compute([Constant(*pair) for pair in constants])
    shown = str(caught.value)
    assert words in shown
    assert len(shown.splitlines()) == 1
    assert len(shown) < 900


def test_long_chains_end() -> None:
    numbers = [Constant("c0", "1"), *(Constant(f"c{i}", f"c{i - 1} + 1") for i in range(1, 200))]
    assert compute(numbers, 5, "c199")[0].digits == "200.00"
    deep = [Constant("c0", "pi"), *(Constant(f"c{i}", f"c{i - 1}" + " + pi" * 50) for i in range(1, 40))]
    with pytest.raises(DataError, match=r"constant c[0-9]+: .*nest"):
        compute(deep, 5)


def test_digits_out_of_range() -> None:
    for digits in (0, 901):
        with pytest.raises(DomainError, match="digits must be between 1 and 900"):
            compute([Constant("c", "pi")], digits)
