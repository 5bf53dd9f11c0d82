"""Compiled formulas against the interpreter."""

import math

import numpy as np
import pytest

from propstats.activations import activation, activation_names
from propstats.activations.compile import compiled
from propstats.activations.expression import Expr, evaluate
from propstats.activations.namespaces import float_namespace, numpy_namespace
from propstats.activations.syntax import parse


@pytest.mark.parametrize("name", activation_names())
def test_equals_the_interpreter_bit_for_bit(name: str) -> None:
    entry = activation(name)
    exprs = [entry.formula, entry.slope_formula]
    x = np.linspace(-5, 5, 101) + 1e-3
    found = compiled(exprs, ["x", *entry.params], numpy_namespace())(x, *entry.params.values())
    for expr, value in zip(exprs, found, strict=True):
        expected = evaluate(expr, {"x": x, **entry.params}, numpy_namespace())
        assert np.array_equal(value, expected)


def test_what_is_shared_is_computed_once() -> None:
    calls = []

    def exp(u: float) -> float:
        calls.append(u)
        return math.exp(u)

    exprs: list[Expr] = [parse(text, {"x"}) for text in ("exp(x) + 1", "exp(x)*exp(x)")]
    assert compiled(exprs, ["x"], {**float_namespace(), "exp": exp})(0.0) == (2.0, 1.0)
    assert calls == [0.0]


def test_an_unknown_symbol_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="a"):
        compiled([parse("a*x", {"a", "x"})], ["x"], float_namespace())


def test_deeply_shared_trees_stay_small() -> None:
    """Forty doublings of one tree are forty statements, not a trillion."""
    expr = parse("x + 1", {"x"})
    for _ in range(40):
        expr = type(expr)("add", (expr, expr))  # type: ignore[call-arg, arg-type]
    assert compiled([expr], ["x"], float_namespace())(0.0) == (2.0**40,)
