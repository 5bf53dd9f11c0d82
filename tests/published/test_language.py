"""What an expression means: each construct against a closed form."""

import pytest

from propstats.activations.expression import symbols_of
from propstats.activations.syntax import str_of
from propstats.errors import ExpressionError
from propstats.expectation.moments import BASE, DERIVED
from propstats.published.comparison import same_number
from propstats.published.evaluation import value_of
from propstats.published.language import QUANTITIES, Reading, read


@pytest.mark.parametrize(
    ("expression", "closed"),
    [
        ("mean(relu)", "1/sqrt(2*pi)"),
        ("var(prelu, a=1/4)", "1/2*(1 + 1/16 - (3/4)**2/pi)"),
        ("var(prelu, a=0.25)", "var(prelu)"),
        ('gain("max(x, 0)")', "sqrt(2)"),
        ('expect("x**2")', "1"),
        ('expect("a*x**2 + b", a=3, b=1/2)', "7/2"),
        ('expect("3*x*Phi(x)**2")', "3/(2*sqrt(pi))"),
        ("expect(relu)", "mean(relu)"),
        # N(mu, s^2)
        ('expect("x", mu=1/3, s=7)', "1/3"),
        ('expect("x**2", mu=1/3, s=7)', "49 + 1/9"),
        ("mean(relu, s=2)", "2/sqrt(2*pi)"),
        ("var(relu, mu=1/2)", "5/4*Phi(1/2) + phi(1/2)/2 - (Phi(1/2)/2 + phi(1/2))**2"),
        # slopes are those in x, not in z = (x - mu)/s
        ("mean_slope(relu, s=3)", "1/2"),
        ("slope_second_moment(square, s=3)", "36"),
        ("std(square, s=3)", "6"),
        ("linear_slope(square, mu=1, s=3)", "2"),
        # scales without a unit
        ("jacobian_factor(relu, s=5)", "1/sqrt(1 - 1/pi)"),
        ("stability_slope(relu, s=5)", "1"),
        ("nonlinear_share(identity, mu=2, s=5)", "0"),
        ("nonlinear_share(square, s=5)", "1"),
        ("gain(relu, s=5)", "sqrt(2)/5"),
        ("unit_variance_gain(identity, s=5)", "1/5"),
        ("var_rate(identity, s=5)", "25"),
        ("normprop_shift(relu)", "1/sqrt(2*pi)"),
        ("normprop_scale(relu)**2", "1/2 - 1/(2*pi)"),
        # negative and computed parameters
        ("mean(prelu, a=-1)", "sqrt(2/pi)"),
        ("mean(prelu, a=1 - sqrt(2))", "1/sqrt(pi)"),
        ('expect("exp(a*x)", a=1/2)', "exp(1/8)"),
    ],
)
def test_values(expression: str, closed: str) -> None:
    assert same_number(expression, closed)


def test_every_quantity_can_be_asked_for() -> None:
    assert set(QUANTITIES) == {*BASE, *DERIVED, "expect"}
    for quantity in QUANTITIES:
        assert value_of(read(f"{quantity}(gelu, mu=1/2)"), 10).digits


def test_scaled_slopes_agree_with_the_formula_in_x() -> None:
    """Two ways to say N(1/3, 2^2): parameters, and a formula. Slopes with respect to x differ by s."""
    for quantity in QUANTITIES:
        power = {"mean_slope": 1, "linear_slope": 1, "std": 1, "slope_second_moment": 2}.get(quantity, 0)
        said = f"{quantity}(tanh, mu=1/3, s=2)"
        assert same_number(said, f'{quantity}("tanh(1/3 + 2*x)")/2**{power}'), quantity


def test_names_stand_for_what_was_defined_before() -> None:
    known = {"c": read("1/pi"), "g": read("gain(relu)")}
    assert str_of(read("1 - c", known).tree) == "1 - 1/pi"
    assert value_of(read("g**2", known), 12).digits == "2.00000000000"
    assert value_of(read('expect("c*x**2")', known), 12).digits == "0.318309886184"
    # A parameter hides a constant, inside its formula only.
    assert value_of(read('expect("c*x**2", c=2) + c', known), 12).digits == "2.31830988618"


def test_parameters_may_have_any_name() -> None:
    """Even those that we put in for numbers with many digits."""
    assert same_number('expect("_0*0.1234567890123456789*x**2", _0=2)', "2*0.1234567890123456789")
    assert same_number('expect("exp*exp(0*x)", exp=2)', "2")


def test_only_what_is_used_is_integrated() -> None:
    assert read("0*gain(tanh) + 1") == Reading(read("1").tree)
    reading = read("gain(tanh) + gain(tanh)**2 + mean(tanh)")
    assert len(reading.integrals) == 2
    assert symbols_of(reading.tree) == reading.integrals.keys()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gain()", "gain takes one activation and named parameters"),
        ("gain(relu, relu)", "gain takes one activation and named parameters"),
        ("gain(relu, **{})", "named parameters"),
        ("gain(*relu)", "an activation's name or a formula in quotes"),
        ("expect(x**2)", "an activation's name or a formula in quotes"),
        ('expect("x*" + "x")', "an activation's name or a formula in quotes"),
        ("gain(gain(relu))", "an activation's name or a formula in quotes"),
        ("gain(1)", "an activation's name or a formula in quotes"),
        ('gain("x", x=2)', "x is the input"),
        ('gain("pi*x", pi=3)', "pi is a number"),
        ("gain(relu, s=(-8)**(1/3))", "s must be a positive number"),
        ("gain(relu, s=exp(1e9))", "s must be a positive number"),
        ("gain(prelu, a=gain(relu))", "cannot stand inside another expectation"),
        ("expect(\"expect('x')\")", "cannot stand inside another expectation"),
        ('expect("y*x")', "unknown name 'y'"),
        ("gain(relu, s=0)", "s must be a positive number, got 0"),
        ("gain(relu, s=-1)", "s must be a positive number, got -1"),
        ("gain(relu, s=log(-1))", "s must be a positive number"),
        ("gain(relu, s=1/0)", "s must be a positive number"),
        ("gain(relu, mu=1 < 2)", "a comparison outside where"),
    ],
)
def test_what_cannot_be_asked(text: str, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        read(text)
    assert words in str(caught.value)


def test_definitions_that_double_one_another_end() -> None:
    known = {"c": read("pi")}
    for _ in range(9):
        known["c"] = read("c + c", known)
    with pytest.raises(ExpressionError, match="too large a formula, with what its names stand for"):
        read("c + c", known)


def test_numbers_that_square_one_another_end() -> None:
    known = {"c": read("1/3")}
    for _ in range(13):
        known["c"] = read("c*c", known)
    with pytest.raises(ExpressionError, match="too large a formula"):
        read("c*c", known)
