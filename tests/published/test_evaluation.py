"""Digits of expressions: against mpmath, which knows nothing of balls, and the limits of what is tried."""

import time

import mpmath
import pytest
from oracle import mpmath_namespace

from propstats.activations.expression import evaluate
from propstats.errors import CertificateError, DomainError, ExpressionError
from propstats.published.evaluation import value_of
from propstats.published.language import read


@pytest.mark.parametrize("digits", [1, 2, 17, 30, 200])
@pytest.mark.parametrize(
    "text",
    ["1/sqrt(2*pi)", "exp(1/2)*Phi(-1)", "-atan(sqrt(2))*6/pi**1.5", "2/3", "1e-40", "pi**64", "log(7)/3 - sin(2)"],
)
def test_digits_are_correctly_rounded(text: str, digits: int) -> None:
    with mpmath.workdps(digits + 30):
        truth = evaluate(read(text).tree, {}, mpmath_namespace())
        found = value_of(read(text), digits)
        assert found.digits is not None
        size = mpmath.mpf(10) ** (mpmath.floor(mpmath.log10(abs(truth))) + 1)
        assert abs(mpmath.mpf(found.digits) - truth) <= size * mpmath.mpf(10) ** -digits / 2 * (
            1 + mpmath.mpf(10) ** -20
        )
        assert len(found.digits.partition("e")[0].lstrip("-0.").replace(".", "")) == digits


def test_digits_of_a_quotient_of_integrals() -> None:
    """A thousand digits of a number with a closed form, found by integration."""
    assert value_of(read("jacobian_factor(relu)**2"), 300).digits == value_of(read("1/(1 - 1/pi)"), 300).digits


@pytest.mark.parametrize("text", ["sqrt(1e-30*pi + 1) - 1", 'sqrt(expect("x**2") + 1e-30*pi) - 1'])
def test_cancellation_is_made_up_for(text: str) -> None:
    """Thirty digits are lost, and twenty shown."""
    with mpmath.workdps(80):
        truth = mpmath.sqrt(mpmath.mpf(10) ** -30 * mpmath.pi + 1) - 1
        assert value_of(read(text), 20).digits == mpmath.nstr(truth, 20)


def test_zero_is_printed_with_the_decimals_that_are_proven() -> None:
    assert value_of(read("mean(tanh)"), 12).digits == "0.000000000000"
    assert value_of(read("sin(pi)"), 12).digits == "0.000000000000"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1/0", "has no finite value"),
        ("log(-1)", "has no finite value"),
        ("(-8)**(1/3)", "has no finite value"),
        ("0**-1", "has no finite value"),
        ("1/mean(tanh)", "has no finite value"),
        ("exp(exp(10))", "too large or too small"),
        ("exp(-exp(10))", "too large or too small"),
        ("1e-3000", "too large or too small"),
        ("exp(2000)", "too large or too small"),
        ("exp(-2000)", "too large or too small"),
        ('expect("exp(x**2)")', "does not exist: it outgrows the density"),
        ('expect("1/x")', "pole at x = 0"),
        ('gain("0*x")', "gain of 0 does not exist"),
        ('slope_second_moment("sqrt(abs(x))")', "does not exist"),
    ],
)
def test_numbers_that_do_not_exist(text: str, words: str) -> None:
    with pytest.raises(DomainError) as caught:
        value_of(read(text))
    assert words in str(caught.value)


def test_depth_is_limited() -> None:
    known = {"c": read("pi")}
    with pytest.raises(ExpressionError, match="nest"):  # noqa: PT012
        for _ in range(40):
            known["c"] = read("c" + " + pi" * 50, known)
            value_of(known["c"], 3)


def test_time_is_limited() -> None:
    """All integrals of an expression together have the time that one has."""
    text = "+".join(f'expect("sin({i}*x + exp(x))")' for i in range(1, 40))
    start = time.perf_counter()
    with pytest.raises(CertificateError, match=r"not proven within 0\.3 s"):
        value_of(read(text), 30, timeout=0.3)
    assert time.perf_counter() - start < 5


def test_digits_out_of_range() -> None:
    for digits in (0, -1, 1001):
        with pytest.raises(DomainError, match="digits must be between 1 and 1000"):
            value_of(read("pi"), digits)
    with pytest.raises(DomainError, match="timeout must be a positive number"):
        value_of(read("pi"), timeout=0)
