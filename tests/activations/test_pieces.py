"""Formulas cut at their kinks."""

from itertools import pairwise

import numpy as np
import pytest

from propstats.activations import activation, activation_names
from propstats.activations.activation import Activation
from propstats.activations.expression import Call, Expr, evaluate, symbols_of
from propstats.activations.namespaces import float_namespace, numpy_namespace
from propstats.activations.pieces import find_kinks, pieces
from propstats.activations.syntax import parse, str_of


def _cut(text: str, **params: float) -> list[tuple[str, str, str]]:
    found = pieces(parse(text, {"x", *params}), params)
    return [(str_of(p.low) if p.low else "", str_of(p.high) if p.high else "", str_of(p.formula)) for p in found]


@pytest.mark.parametrize(
    ("text", "params", "expected"),
    [
        ("x", {}, [("", "", "x")]),
        ("max(x, 0)", {}, [("", "0", "0"), ("0", "", "x")]),
        ("abs(x)", {}, [("", "0", "-x"), ("0", "", "x")]),
        ("min(max(x, a), b)", {"a": -1.0, "b": 2.0}, [("", "a", "a"), ("a", "b", "x"), ("b", "", "b")]),
        ("where(abs(x) > l, x, 0)", {"l": 0.5}, [("", "-l", "x"), ("-l", "l", "0"), ("l", "", "x")]),
        ("max(abs(x) - 1, 0)", {}, [("", "-1", "-x - 1"), ("-1", "1", "0"), ("1", "", "x - 1")]),
        ("where(x > 0, x, x)", {}, [("", "", "x")]),
        ("where(2*x + c > 0, 1, 0)", {"c": 3.0}, [("", "-c/2", "0"), ("-c/2", "", "1")]),
    ],
)
def test_pieces(text: str, params: dict[str, float], expected: list[tuple[str, str, str]]) -> None:
    assert _cut(text, **params) == expected


def _functions(expr: Expr) -> set[str]:
    return {expr.function}.union(*map(_functions, expr.args)) if isinstance(expr, Call) else set()


@pytest.mark.parametrize("name", activation_names())
def test_pieces_are_the_formula(name: str) -> None:
    entry = activation(name)
    ends = [-30.0, *(float(evaluate(p.low, entry.params, float_namespace())) for p in entry.pieces[1:] if p.low), 30.0]
    assert ends == sorted(ends)
    for (low, high), piece in zip(pairwise(ends), entry.pieces, strict=True):
        x = np.linspace(low, high, 50)[1:-1]
        value = evaluate(piece.formula, {"x": x, **entry.params}, numpy_namespace())
        assert np.array_equal(value + 0 * x, entry(x))
        assert not _functions(piece.formula) & {"where", "abs", "sign", "gt"} or "x" not in symbols_of(piece.formula)


def test_jumps() -> None:
    assert activation("relu").jumps == ()
    assert Activation("step", "where(x > 1/2, 3, 1)").jumps == ((0.5, 2.0),)
    assert Activation("shrink", "where(abs(x) > l, x, 0)", {"l": 0.5}).jumps == ((-0.5, 0.5), (0.5, 0.5))


def test_order_follows_the_parameters() -> None:
    clip = Activation("clip", "where(x > b, b, where(x > a, x, a))", {"a": -1.0, "b": 1.0})
    assert clip.kinks == (-1.0, 1.0)
    assert clip.with_params(a=-3.0, b=-2.0).kinks == (-3.0, -2.0)


def test_a_vanishing_slope_is_no_kink() -> None:
    kinks, settled = find_kinks(parse("max(x, a*x)", {"x", "a"}), {"a": 1.0})
    assert kinks == ()
    assert settled


def test_a_boundary_with_too_many_roots_has_none() -> None:
    kinks, settled = find_kinks(parse("abs(sin(100*x))", {"x"}), {})
    assert kinks == ()
    assert not settled
