"""The rules by which claims are judged, each with a claim on either side of it."""

import pytest

from propstats.errors import PropstatsError
from propstats.published.claims import Claim, Finding, Source, Verdict, judge, number, shortened
from propstats.published.comparison import differs, same_number
from propstats.published.printed import Printed

PAPER = Source("A. Author 2016", seed=True)


def claim(printed: str, exact: object, **options: object) -> Claim:
    return Claim("id", PAPER, "section 1", "what is claimed", printed, exact, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("printed", "exact", "verdict"),
    [
        # rounded to what is printed: half a unit of the last digit either way
        ("1.21", "jacobian_factor(relu)", "holds"),
        ("1.22", "jacobian_factor(relu)", "fails"),
        ("1.2112", "jacobian_factor(relu)", "holds"),
        ("1.21117389623631662051918483062", "jacobian_factor(relu)", "holds"),
        ("0.125", "1/8", "holds"),
        ("0.13", "1/8", "holds"),  # a tie may be rounded either way
        ("0.12", "1/8", "holds"),
        ("0.12", "1/8 + 1e-9", "cut off"),
        ("0.13", "1/8 - 1e-9", "fails"),
        ("-1.76", "-1.7580993", "holds"),
        ("-1.75", "-1.7580993", "cut off"),
        ("-1.77", "-1.7580993", "fails"),
        ("1.75", "-1.7580993", "fails"),
        # the first digits of a number, not rounded
        ("1.2111", "jacobian_factor(relu)", "cut off"),
        ("2.718281", "exp(1)", "cut off"),
        ("2.718282", "exp(1)", "holds"),
        ("2.718280", "exp(1)", "fails"),
        ("0.6", "2/3", "cut off"),
        ("0.5", "2/3", "fails"),
        # more digits than a double has
        ("0.87962566103423978", "sqrt(1 - 4*phi(2)/between(-2, 2))", "nearest double"),
        ("0.87962566103423967", "sqrt(1 - 4*phi(2)/between(-2, 2))", "fails"),
        ("0.1000000000000000055511151231257827", "1/10", "nearest double"),
        ("0.10000000000000001", "1/10", "nearest double"),
        # a zero holds if its decimals do
        ("0", "mean(tanh)", "holds"),
        ("0.000", "1e-4", "holds"),
        ("0.000", "1e-3", "fails"),
    ],
)
def test_numbers(printed: str, exact: str, verdict: str) -> None:
    found = judge(claim(printed, exact))
    assert found.verdict == verdict
    assert found.holds == (verdict == "holds")
    assert (found.printed, found.seed, found.source) == (printed, True, "A. Author 2016, section 1")


@pytest.mark.parametrize(
    ("printed", "exact", "holds"),
    [
        ("1/sqrt(2*pi)", "mean(relu)", True),
        ("5/3", "gain(tanh)", False),
        ("0.5", 'expect("where(x > 0, 1, 0)")', True),
        ("0.50000001", 'expect("where(x > 0, 1, 0)")', False),
        ("1", "jacobian_factor(relu)/1.21", False),  # it would hold as a rounded number
        ("0", "mean(tanh)", True),
        ("1.41421356237309504880", "sqrt(2)", False),  # right as far as it goes
    ],
)
def test_equations_are_exact(printed: str, exact: str, holds: bool) -> None:
    assert judge(claim(printed, exact, equal=True)).holds is holds


def test_formulas_are_compared_at_every_point() -> None:
    at = ({"a": "0"}, {"a": "1/4"}, {"a": "1"})
    right = judge(claim("1/2*((1 + a**2) - (1 - a)**2/pi)", "var(prelu, a=a)", at=at))
    assert (right.holds, right.relative_error, right.exact) == (True, None, "var(prelu, a=a)")
    # wrong only where a is neither 0 nor 1
    wrong = judge(claim("1/2*((1 + a) - (1 - a)**2/pi)", "var(prelu, a=a)", at=at))
    assert wrong.verdict is Verdict.FAILS
    assert wrong.exact == "var(prelu, a=a); at a = 1/4: 0.44172534, printed 0.53547534"
    assert wrong.relative_error == pytest.approx(0.53547534 / 0.44172534 - 1, abs=1e-7)


@pytest.mark.parametrize("holds", [True, False])
def test_statements(holds: bool) -> None:
    found = judge(claim("no effect", lambda: Finding(holds, "unchanged"), note="why"))
    assert (found.holds, found.exact, found.note, found.relative_error) == (holds, "unchanged", "why", None)
    assert found.verdict == ("holds" if holds else "fails")


def test_an_estimate_is_excused_but_does_not_hold() -> None:
    found = judge(claim("0.2123", "std(sigmoid)", estimated=True))
    assert (found.verdict, found.holds, found.exact) == (Verdict.ESTIMATE, False, "0.21174570")
    assert found.relative_error == pytest.approx(0.2123 / 0.211745699721 - 1, abs=1e-9)  # mpmath, tabulated before
    assert judge(claim("0.2117", "std(sigmoid)", estimated=True)).verdict is Verdict.HOLDS
    assert judge(claim("5/3", "gain(tanh)", equal=True, estimated=True)).verdict is Verdict.ESTIMATE


@pytest.mark.parametrize(
    ("printed", "exact", "shown"),
    [
        ("1.21", "jacobian_factor(relu)", "1.211174"),
        # as many digits as it takes to see the difference
        ("0.87962566103423978", "sqrt(1 - 4*phi(2)/between(-2, 2))", "0.879625661034239750413"),
        ("1.67326324235", "1.67326324235437728481704299167165204", "1.673263242354377"),
    ],
)
def test_enough_digits_are_shown(printed: str, exact: str, shown: str) -> None:
    assert judge(claim(printed, exact)).exact == shown


def test_numbers_are_shortened_by_rounding() -> None:
    assert shortened(number("2/3"), 3) == "0.667"
    assert shortened(number("mean(tanh)"), 3) == "0"
    assert shortened(Printed.read("0.25"), 9) == "0.25"


def test_comparison() -> None:
    assert same_number("1/3", "0.333333333333333333333333333333333333")
    assert not same_number("1/3", "0.33333333333333333333333333333")
    assert differs("mean(relu)", "0", "mean") == Finding(True, "mean 0.398942")
    assert differs("mean(tanh)", "0", "mean") == Finding(False, "mean 0")


def test_a_claim_that_cannot_be_read_is_a_mistake_of_ours() -> None:
    for wrong in (claim("1.2.1", "1"), claim("1", "gain(rellu)"), claim("one", "1", equal=True)):
        with pytest.raises(PropstatsError):
            judge(wrong)
