"""Closed forms as formulas and as fast functions; their numbers are tested with the routes."""

import math

import pytest

from propstats.activations import activation, activation_names
from propstats.activations.expression import symbols_of
from propstats.activations.syntax import str_of
from propstats.errors import ExpressionError
from propstats.expectation import closed_form
from propstats.expectation.moments import BASE

_FOUR = ("mean", "second_moment", "mean_slope", "slope_second_moment")
_CLOSED = [n for n in activation_names() if set(_FOUR) <= closed_form.formulas(activation(n), mean=0.3).keys()]

#: Theory's list: all that have closed forms at every mu and s.
_EXPECTED = {
    "identity", "relu", "leaky_relu", "prelu", "rrelu", "abs", "relu6", "hardtanh", "hardsigmoid", "hardswish",
    "softshrink", "hardshrink", "threshold", "step", "sign", "square", "cube", "relu_squared", "elu", "celu", "selu",
    "gelu", "erf", "sin", "cos", "snake", "gaussian", "rbf", "exp",
}  # fmt: skip


def test_which_have_closed_forms() -> None:
    assert set(_CLOSED) == _EXPECTED


@pytest.mark.parametrize("name", _CLOSED)
def test_symbols_are_the_input_and_the_parameters(name: str) -> None:
    unit = activation(name)
    for formula in closed_form.formulas(unit, mean=0.3, std=1.7).values():
        assert symbols_of(formula) <= {"mu", "s", *unit.params}
    for formula in closed_form.formulas(unit).values():
        assert symbols_of(formula) <= set(unit.params)


@pytest.mark.parametrize("name", _CLOSED)
def test_the_fast_function_is_the_formula(name: str) -> None:
    unit = activation(name)
    exact = closed_form.moments(unit, mean=0.3, std=0.9)
    found = closed_form.function(unit)(0.3, 0.9)
    # Moments of size one: a hundred roundings at most, of terms of that size.
    for moment, value in zip(BASE, found, strict=True):
        assert abs(value - exact[moment].value) <= 100 * 2.0**-52 * (1 + abs(value)), moment


def test_parameters_are_bound() -> None:
    run = closed_form.function(activation("prelu", a=0.25), ("mean",))
    assert run(0.0, 1.0)[0] == pytest.approx(0.75 / math.sqrt(2 * math.pi), abs=1e-15)


def test_without_a_closed_form() -> None:
    with pytest.raises(ExpressionError, match="no closed form for mean") as caught:
        closed_form.function(activation("silu"))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "moment", "formula"),
    [
        ("gelu", "second_moment", "1/(2*sqrt(3)*pi) + 1/3"),
        ("relu", "jacobian_factor", "sqrt(1/2/(1/2 - 1/(2*pi)))"),
        ("sigmoid", "mean", "1/2"),  # by symmetry, although there is none for other means
        ("tanh", "mean", "0"),
        ("step", "linear_slope", "1/sqrt(2*pi)"),
    ],
)
def test_known_forms_at_the_standard_normal(name: str, moment: str, formula: str) -> None:
    assert str_of(closed_form.formulas(activation(name))[moment]) == formula


def test_what_exists_in_part() -> None:
    """exp(0.4 x^2) has a mean under N(0, 1) and no second moment."""
    found = closed_form.formulas(activation("exp(0.4*x**2)"))
    assert str_of(found["mean"]) == "sqrt(5)"
    assert not {"second_moment", "var", "slope_second_moment"} & found.keys()


def test_what_has_no_value_at_its_kink() -> None:
    assert math.isnan(activation("log(abs(x))").jumps[0][1])
    assert "mean" not in closed_form.formulas(activation("log(abs(x))"))
