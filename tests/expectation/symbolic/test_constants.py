"""Long decimals have names while formulas are worked on, and nothing is lost by it."""

from fractions import Fraction

from propstats.activations import activation
from propstats.activations.expression import Number, evaluate
from propstats.activations.namespaces import float_namespace
from propstats.activations.syntax import parse, str_of
from propstats.expectation.closed_form import formulas
from propstats.expectation.symbolic.constants import named, unnamed
from propstats.expectation.symbolic.derivation import derive

_SCALE, _ALPHA = "1.0507009873554804934193349852946", "1.6732632423543772848170429916717"


def test_selu() -> None:
    unit, values = named(activation("selu"))
    assert unit.text == "c1*where(x > 0, x, c2*expm1(x))"
    assert {name: str_of(value) for name, value in values.items()} == {"c1": _SCALE, "c2": _ALPHA}


def test_short_numbers_stay() -> None:
    for name in ("relu6", "quick_gelu", "hardswish", "gelu"):
        unit = activation(name)
        assert named(unit) == (unit, {})


def test_names_that_are_taken() -> None:
    unit, values = named(activation("c1*x + 1.234567*x**2", c1=2.0))
    assert unit.text == "c1*x + c2*x**2"
    assert values == {"c2": Number(Fraction("1.234567"))}
    assert unit.params == {"c1": 2.0, "c2": 1.234567}


def test_there_and_back() -> None:
    entry = activation("selu")
    unit, values = named(entry)
    assert unnamed(unit.formula, values) == entry.formula


def test_closed_forms_print_decimals() -> None:
    """No products of decimals as fractions of thirty digits."""
    for formula in formulas(activation("selu")).values():
        text = str_of(formula)
        assert max(map(len, text.replace("(", " ").replace("*", " ").split())) < 60, text
        symbols = {"mu": 0.0, "s": 1.0}
        again = evaluate(parse(text, set(symbols)), symbols, float_namespace())
        assert abs(again - evaluate(formula, symbols, float_namespace())) <= 2.0**-48 * (1 + abs(again))


def test_a_derivation_says_what_they_are() -> None:
    found = derive(activation("selu"), "mean")
    assert [str_of(line.left) for line in found.lines[:2]] == ["c1", "c2"]
    assert [str_of(line.right) for line in found.lines[:2]] == [_SCALE, _ALPHA]
    assert found.constants.keys() == {"c1", "c2"}
    assert found.standard is not None
    assert str_of(found.standard) == "c1*(sqrt(2/pi) - c2)/2 + c1*c2*expPhi(1/2, -1)"
