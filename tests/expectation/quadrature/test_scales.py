"""How fast an activation changes, as read off its formula."""

import math

import numpy as np
import pytest

from propstats.activations import Activation, activation, activation_names
from propstats.activations.syntax import parse
from propstats.expectation.quadrature.branches import branches
from propstats.expectation.quadrature.scales import degree_of, value_of


def _strip(text: str) -> float:
    (scale,) = branches(Activation("own", text)).scales
    return float(scale.strip)


@pytest.mark.parametrize(
    ("text", "strip"),
    [
        ("tanh(x)", math.pi / 2),
        ("tanh(3*x + 1)", math.pi / 6),
        ("x*sigmoid(2*x)", math.pi / 2),
        ("atan(x/4)", 4.0),
        ("x**3 - 2*x", math.inf),
        ("erf(x) + exp(x)", math.inf),
    ],
)
def test_the_nearest_pole_of_a_function_of_something_linear(text: str, strip: float) -> None:
    assert math.isclose(_strip(text), strip, rel_tol=1e-15)


@pytest.mark.parametrize("k", [1.0, 5.0])
def test_a_function_of_something_curved_is_at_least_as_sharp_as_at_0(k: float) -> None:
    """1/(1 + k^2 x^2) has poles at a distance 1/k."""
    assert 0.5 / k <= _strip(f"1/(1 + {k}**2*x**2)") <= 1 / k


def test_a_singularity_beside_a_branch() -> None:
    """Both branches of softsign end at 0, at a distance of 1 from where they would have a pole."""
    for scale in branches(activation("softsign")).scales:
        assert 2.0 < scale.strip < 4.0
    assert _strip("log(x)") == 1e-100  # as good as none, and it can be divided by


def test_entire_functions_are_as_narrow_as_their_squares() -> None:
    for text, k in (("erf(x)", 2.0), ("x*Phi(x)", 1.0), ("sin(3*x)", 9.0), ("exp(-4*x**2)", 8.0)):
        (scale,) = branches(Activation("own", text)).scales
        assert k <= scale.narrow <= 1.01 * k, text


@pytest.mark.parametrize("name", activation_names())
def test_degrees_are_those_of_finite_differences(name: str) -> None:
    """Differences of a polynomial of degree n vanish from order n + 1 on, and not before."""
    own = branches(activation(name))
    ends = [-8.0, *(kink.at for kink in own.kinks), 8.0]
    for i, degree in enumerate(own.degrees):
        x = np.linspace(max(ends[i], -8.0), min(ends[i + 1], 8.0), 12)[1:-1] if ends[i] < ends[i + 1] else np.zeros(0)
        values = own.parts[i](x, *own.params.values())[0] + 0.0 * x
        if not x.size:
            continue
        if degree < math.inf:
            assert np.abs(np.diff(values, int(degree) + 1)).max() < 1e-9
            assert degree == 0 or np.abs(np.diff(values, int(degree))).max() > 1e-6
        else:
            assert np.abs(np.diff(values, 4)).max() > 1e-9 * np.abs(values).max()


def test_parameters_do_not_count() -> None:
    assert degree_of(parse("a**2*x/exp(a)", {"a", "x"})) == 1.0
    assert degree_of(parse("x**a", {"a", "x"})) == math.inf


def test_formulas_without_a_value_are_infinite_or_nan() -> None:
    assert value_of(parse("1/a", {"a"}), {"a": 0.0}) == math.inf
