"""Sums of rules: what they reach, what they leave open, and what symmetry adds."""

import pytest

from propstats.activations.expression import ZERO, Symbol
from propstats.activations.pieces import Piece, pieces
from propstats.activations.polynomial import to_expr
from propstats.activations.syntax import parse, str_of
from propstats.expectation.symbolic.integrand import coefficients, split
from propstats.expectation.symbolic.reduction import even_part, reduce_pieces


def _pieces(text: str) -> tuple[Piece, ...]:
    return pieces(parse(text, {"x"}), {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", "3"),
        ("x**4", "mu**4 + 6*mu**2*s**2 + 3*s**4"),
        ("max(x, 0)", "mu*Phi(mu/s) + s*phi(mu/s)"),
        ("exp(x)", "exp(mu + s**2/2)"),
        ("cos(x)**2", "1/2 + cos(2*mu)*exp(-2*s**2)/2"),
        ("erf(x)", "erf(mu/sqrt(1 + 2*s**2))"),
        ("Phi(x)", "Phi(mu/sqrt(1 + s**2))"),
        ("where(x > 0, 1, -1)", "Phi(mu/s) - Phi(-mu/s)"),
    ],
)
def test_known_expectations(text: str, expected: str) -> None:
    reduction = reduce_pieces(_pieces(text))
    assert reduction.is_closed
    assert str_of(to_expr(reduction.value)).replace("(-2)", "-2") == expected


@pytest.mark.parametrize(
    ("text", "count", "value"),
    [
        ("sigmoid(x)", 1, "E1"),
        ("x*sigmoid(x)", 2, "E1*mu + E1*s**2 - E2*s**2"),
        ("exp(-x**4)", 1, "E1"),
        ("max(x, 0)*Phi(x)", 1, "E1"),
        ("x + tanh(x)", 1, "E1 + mu"),
    ],
)
def test_what_stays_open(text: str, count: int, value: str) -> None:
    reduction = reduce_pieces(_pieces(text))
    assert len(reduction.open) == count
    assert not reduction.is_closed
    assert str_of(to_expr(reduction.value)) == value


def test_the_same_expectation_is_reduced_once() -> None:
    reduction = reduce_pieces(_pieces("x**2*Phi(x) + x*Phi(x) + Phi(x)"))
    names = [step.rule.name for step in reduction.steps.values()]
    assert names.count("smoothed distribution function") == len(
        {step.expectation for step in reduction.steps.values() if step.rule.name == "smoothed distribution function"}
    )
    assert len(reduction.steps) == len(set(reduction.steps))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x**3 + x**2", ["x**2"]),
        ("tanh(x)", ["0"]),
        ("softplus(x)", None),
        ("max(x, 0)", ["-x/2", "x/2"]),
        ("where(x > 1, x, 0)", None),
        ("where(abs(x) > 1, x, 0)", ["0", "0", "0"]),
    ],
)
def test_even_parts(text: str, expected: list[str] | None) -> None:
    even = even_part(_pieces(text))
    if text == "softplus(x)":
        assert even is not None
        assert str_of(even[0].formula) == "softplus(x) - x/2"
        return
    assert (None if even is None else [str_of(piece.formula) for piece in even]) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(x + 1)**2", [("1", "1"), ("2", "x"), ("1", "x**2")]),
        ("sin(x)*cos(x)", [("1/2", "sin(2*x)")]),
        ("sin(x)**2", [("1/2", "1"), ("-1/2", "cos(2*x)")]),
        ("phi(x)*exp(x)", [("1/sqrt(2*pi)", "exp(x*(2 - x)/2)")]),
        ("erf(x)", [("2", "Phi(sqrt(2)*x)"), ("-1", "1")]),
        ("erf(x**2)", [("1", "erf(x**2)")]),
        ("x/(1 + x**2)", [("1", "x/(1 + x**2)")]),
        ("sin(x)*sin(2*x)*sin(3*x)", [("1/4", "sin(2*x)"), ("1/4", "sin(4*x)"), ("-1/4", "sin(6*x)")]),
    ],
)
def test_integrands_as_sums_of_products(text: str, expected: list[tuple[str, str]]) -> None:
    found = [(str_of(to_expr(c)), str_of(integrand.formula)) for c, integrand in split(parse(text, {"x"}))]
    assert sorted(found) == sorted(expected)


def test_coefficients() -> None:
    found = coefficients(parse("a*x**2 - 3*x + b/2", {"a", "b", "x"}), 2)
    assert found is not None
    assert [str_of(c) for c in found] == ["b/2", "-3", "a"]
    assert coefficients(parse("x**3", {"x"}), 2) is None
    assert coefficients(parse("sin(x)", {"x"}), 2) is None


def test_pieces_of_nothing_are_nothing() -> None:
    reduction = reduce_pieces((Piece(None, Symbol("k"), ZERO), Piece(Symbol("k"), None, ZERO)))
    assert reduction.is_closed
    assert to_expr(reduction.value) == ZERO
