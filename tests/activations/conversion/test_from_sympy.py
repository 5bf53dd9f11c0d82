"""Activations from sympy, against sympy's own thirty digits."""

from typing import Any

import mpmath
import pytest
import sympy
from oracle import DIGITS, exactly
from sympy import And, Eq, Ge, Heaviside, Max, Min, Ne, Not, Or, Piecewise, Rational, exp, log, pi, sqrt, tanh

from propstats.activations import Activation, activation, activation_names
from propstats.activations.conversion.from_sympy import from_sympy
from propstats.activations.syntax import str_of
from propstats.errors import DomainError, ExpressionError

x, a, t = sympy.symbols("x a t")
_POINTS = (-7.25, -2.0, -1.0, -0.375, 0.0, 0.25, 1.0, 3.5, 8.125)


def _check(expr: Any, found: Activation, symbol: Any = x, **params: float) -> None:
    # A float is read as its shortest decimal: 0.1 is one tenth.
    expr = expr.xreplace({number: sympy.Rational(repr(float(number))) for number in expr.atoms(sympy.Float)})
    for point in _POINTS:
        values = {symbol: sympy.Rational(point)} | {sympy.Symbol(key): sympy.Rational(v) for key, v in params.items()}
        with mpmath.workdps(DIGITS):
            expected = mpmath.mpf(str(sympy.N(expr.subs(values), DIGITS)))
            gap = abs(exactly(found.formula, {"x": point, **params}) - expected)
        # Both have 34 digits; differences of exponentials lose some of them.
        assert gap <= mpmath.mpf(10) ** -22 * (1 + abs(expected)), point


@pytest.mark.parametrize(
    "expr",
    [
        x,
        -x / 3 - 2 * x**2,
        x * tanh(x),
        x**3 / 7 + x**-2 * 0 + 1,
        1 / (1 + x**2),
        (x**2 + 1) ** Rational(-3, 2),
        sympy.Abs(x) ** Rational(3, 2),
        sqrt(x**2 + 1) - 1,
        sympy.Float(0.1) * x,
        exp(-(x**2) / 2) / sqrt(2 * pi),
        sympy.E**x - sympy.E,
        2**x,
        log(1 + exp(x)),
        log(3 + sympy.cos(x)),
        x * (1 + sympy.erf(x / sqrt(2))) / 2,
        sympy.erfc(x) / 2,
        sympy.sinh(x) / sympy.cosh(x) ** 2,
        sympy.sech(x),
        sympy.tan(x / 9),
        sympy.asinh(x) + sympy.atan(x) + sympy.sign(x) + sympy.cos(x) * sympy.sin(x),
        Heaviside(x) * x,
        sympy.sympify("Heaviside(x, 1)"),
        Max(0, x, Rational(1, 2)) + Min(x, 3),
        Piecewise((x, x > 0), (0, True)),
        Piecewise((0, x <= -1), (1, Ge(x, 1)), ((x + 1) / 2, True)),
        Piecewise((1, And(x > -2, x < 1)), (2, Or(x >= 5, x < -5)), (3, Not(x > 3)), (4, True)),
        Piecewise((1, Eq(x, 0)), (sympy.sin(x) * x, True)),
        Piecewise((x, Ne(x, 1)), (7, True)),
    ],
    ids=str,
)
def test_the_same_function(expr: Any) -> None:
    _check(expr, from_sympy(expr))


@pytest.mark.parametrize("name", activation_names())
def test_the_catalog_goes_there_and_back(name: str) -> None:
    """Every entry, written out as sympy and read again."""
    entry = activation(name)
    symbols: dict[str, Any] = {key: sympy.Symbol(key) for key in entry.params}
    symbol = sympy.Symbol("x", real=True)
    there = Activation(name, entry.text, symbols)(symbol)
    back = from_sympy(there, symbol, name="", **entry.params)
    with mpmath.workdps(DIGITS):
        for point in (*_POINTS, 30.0):
            expected = exactly(entry.formula, {"x": point, **entry.params})
            gap = abs(exactly(back.formula, {"x": point, **entry.params}) - expected)
            assert gap <= mpmath.mpf(10) ** -20 * (1 + abs(expected)), (point, back.text)


@pytest.mark.parametrize("name", ["silu", "gelu", "mish", "quick_gelu", "log_sigmoid", "tanhshrink", "relu", "square"])
def test_there_and_back_is_recognised(name: str) -> None:
    entry = activation(name)
    assert str_of(from_sympy(entry(sympy.Symbol("x", real=True))).formula) == str_of(entry.formula)


def test_parameters() -> None:
    swish = from_sympy(x / (1 + exp(-a * x)), x, a=1.5, name="own swish")
    assert (swish.text, swish.params, swish.name) == ("x*sigmoid(a*x)", {"a": 1.5}, "own swish")
    _check(x / (1 + exp(-a * x)), swish, a=1.5)
    assert swish.with_params(a=2.0).params == {"a": 2.0}
    shifted = from_sympy(Max(x - a, 0), a=0.5)
    assert shifted.kinks == (0.5,)
    _check(Max(x - a, 0), shifted, a=0.5)


def test_the_input_may_have_any_name() -> None:
    assert from_sympy(t * tanh(t)).text == "x*tanh(x)"
    assert from_sympy(t * tanh(a), t, a=1.0).text == "x*tanh(a)"
    assert from_sympy(a * t, a=2.0).text == "a*x"


def test_functions_and_lambdas() -> None:
    assert from_sympy(sympy.tanh).text == "tanh(x)"
    assert from_sympy(sympy.Lambda(t, t * sympy.sin(t))).text == "x*sin(x)"


def test_what_occurs_twice_is_translated_once() -> None:
    expr = x
    for _ in range(60):
        expr = sympy.Mul(expr, sympy.sin(expr), evaluate=False)
    with pytest.raises(ExpressionError, match="more than 2000 terms"):
        from_sympy(expr)


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        (sympy.gamma(x), "gamma has no meaning"),
        (sympy.floor(x), "floor has no meaning"),
        (sympy.Integral(exp(x), x), "Integral has no meaning"),
        (sympy.I * x, "ImaginaryUnit has no meaning"),
        (sympy.Function("f")(x), "f has no meaning"),
        (Piecewise((x, x > 0)), "no value outside its cases"),
        (Piecewise((x, sympy.Contains(x, sympy.Interval(0, 1))), (0, True)), "condition"),
        (log(x), "no value at x = -29.7"),
        (sqrt(x), "no value at x = -29.7"),
        (sympy.sin(x) / x, "no value at x = 0"),
        (x**100, "exponents go up to 64"),
        (a * x, "the symbol a has no value .*a=1.0"),
        (a * t, "which symbol is the input"),
        (sympy.Integer(3), "which symbol is the input"),
        (x > 0, "no expression of sympy"),
        (sympy.Matrix([x]), "no expression of sympy"),
    ],
    ids=str,
)
def test_refused_in_one_line(expr: Any, message: str) -> None:
    with pytest.raises(ExpressionError, match=message) as caught:
        from_sympy(expr)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["mu", "s", "pi", "lambda", "a b"])
def test_names_that_no_parameter_can_have(name: str) -> None:
    with pytest.raises(ExpressionError, match="cannot be"):
        from_sympy(sympy.Symbol(name) * x, x, name="", **{name: 1.0})


def test_an_x_that_is_not_the_input() -> None:
    with pytest.raises(ExpressionError, match="cannot be called 'x'"):
        from_sympy(t * x, t, x=1.0)


def test_parameters_that_do_nothing_or_are_no_numbers() -> None:
    with pytest.raises(ExpressionError, match="parameter 'b'"):
        from_sympy(a * x, a=1.0, b=2.0)
    with pytest.raises(DomainError, match="finite"):
        from_sympy(a * x, a=float("nan"))
