"""Moments that do not exist, and those that samples cannot tell."""

import numpy as np
import pytest

from propstats.activations import activation, activation_names
from propstats.activations.own import from_expression
from propstats.errors import DomainError
from propstats.estimate import Route
from propstats.expectation.spread import missing, without_variance
from propstats.theory.unit import moments


@pytest.mark.parametrize("name", activation_names())
def test_the_catalog_has_all_moments(name: str) -> None:
    for mean, std in ((0.0, 1.0), (-3.0, 20.0)):
        assert without_variance(activation(name), mean=mean, std=std) == ()
        assert missing(activation(name), mean=mean, std=std) == ()


@pytest.mark.parametrize(
    ("text", "gone", "lost"),
    [
        ("log(abs(x))", {"mean_slope", "slope_second_moment"}, {"linear_slope", "var_rate"}),
        ("abs(x)**(-0.2)", {"mean_slope", "slope_second_moment"}, {"linear_slope", "var_rate"}),
        ("abs(x)**0.6", set(), {"slope_second_moment"}),
        ("exp(0.2*x**2)", set(), {"second_moment", "var", "slope_second_moment", "var_rate"}),
    ],
)
def test_what_is_left_out(text: str, gone: set[str], lost: set[str]) -> None:
    unit = from_expression(text)
    assert {line.split()[0] for line in missing(unit, mean=0.0, std=1.0)} == gone
    assert set(without_variance(unit, mean=0.0, std=1.0)) == gone | lost


def test_samples_of_infinite_variance_would_be_wrong() -> None:
    """Half of the samples of |x|^-0.9 lie below its median; their average is far off by its own standard error."""
    rng = np.random.default_rng(0)
    averages = [(abs(x) ** -0.9).mean() for x in rng.standard_normal((200, 1000))]
    errors = [(abs(x) ** -0.9).std() / np.sqrt(1000) for x in rng.standard_normal((200, 1000))]
    exact = 8.041358421966
    assert np.mean(np.abs(np.array(averages) - exact) > 5 * np.array(errors)) > 0.05
    assert "mean" in without_variance(from_expression("abs(x)**(-0.9)"), mean=0.0, std=1.0)


def test_the_moments_of_a_unit_say_so() -> None:
    found = moments(from_expression("abs(x)**(-0.4)"), samples=1000, digits=None)
    assert found.agree
    assert set(found.forward.mean.routes) == {Route.QUADRATURE, Route.SAMPLING}
    assert set(found.forward.var.routes) == {Route.QUADRATURE}
    assert not found.backward.mean_slope.routes[Route.QUADRATURE].is_defined
    assert any(note.startswith("mean_slope does not exist: phi'(x) has a pole at x = 0") for note in found.notes)
    assert any("no standard error of samples for second_moment, var, " in note for note in found.notes)


def test_an_odd_function_without_a_mean_has_no_closed_form() -> None:
    found = moments(from_expression("log(abs(x))"), samples=0, digits=None)
    assert Route.CLOSED_FORM not in found.backward.mean_slope.routes


def test_what_has_no_mean_is_refused() -> None:
    with pytest.raises(DomainError, match="it is not integrable at x = 0"):
        moments(from_expression("log(abs(x))/abs(x)"), samples=0, digits=None)
