"""Series, panels and rotated integrals: each against what it is not made of."""

import math

import numpy as np
import pytest

from propstats.activations import activation, activation_names
from propstats.activations.activation import Activation
from propstats.estimate import Route
from propstats.expectation.dual import dual_estimates
from propstats.expectation.dual.input import inputs
from propstats.expectation.dual.nearby import strongly_correlated
from propstats.expectation.dual.panels import GRID, both_sides, hermite_rule, many_hermite, panel_nodes, rule
from propstats.expectation.dual.quadrature import mehler, quadrature_dual
from propstats.expectation.dual.resolved import resolve
from propstats.expectation.dual.rotated import rotated
from propstats.expectation.quadrature import moments

_EPS = float(np.finfo(float).eps)
RHO = np.array(
    [-1.0, -1 + 1e-9, -0.999, -0.97, -0.5, -1e-5, 0.0, 1e-9, 0.3, 0.9, 0.985, 0.9999, 1 - 1e-9, 1 - 1e-13, 1.0]
)


def _agree(name: str, mean: float, std: float) -> None:
    found = dual_estimates(activation(name), mean=mean, std=std, correlation=RHO)
    assert all(quantity.agree for quantity in found)
    if abs(mean) < std <= 2:
        # 1e-13 of E[f^2]; a formula may be preferred to a quadrature a digit better.
        assert max(min(e.error for e in quantity.routes.values()) for quantity in found) <= 1e-13 * found[-1].value


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.3, 1.7), (-8.0, 1.0), (10.0, 0.01), (50.0, 1.0)])
@pytest.mark.parametrize("name", activation_names())
def test_routes_agree_at_every_correlation(name: str, mean: float, std: float) -> None:
    _agree(name, mean, std)


@pytest.mark.slow
@pytest.mark.parametrize(("mean", "std"), [(0.0, 30.0), (1.0, 3.0), (0.0, 1e3)])
@pytest.mark.parametrize("name", activation_names())
def test_routes_agree_for_wide_inputs(name: str, mean: float, std: float) -> None:
    _agree(name, mean, std)


@pytest.mark.parametrize("name", ["gaussian", "sigmoid", "step"])
def test_wide_inputs(name: str) -> None:
    _agree(name, 0.0, 30.0)


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.3, 1.7)])
@pytest.mark.parametrize("name", ["softsign", "hardshrink", "elu", "relu6"])
def test_the_table_is_what_is_integrated(name: str, mean: float, std: float) -> None:
    first, _ = inputs(activation(name), None, mean, std)
    f, rho = first.resolved, 1.0 - np.logspace(-16, -1.5, 30)
    for g in (f, f.mirrored):
        value, error = strongly_correlated(f, g, rho)
        few = np.concatenate([strongly_correlated(f, g, part)[0] for part in np.split(rho, 6)])
        assert np.all(np.abs(value - few) <= error + 2 * f.norm * f.noise + 16 * _EPS * f.norm**2)


@pytest.mark.parametrize("name", ["relu", "hardtanh", "softsign", "elu", "hardshrink"])
def test_an_undeclared_kink_shows(name: str) -> None:
    """Without its kinks a function is resolved by ever smaller panels, and what they miss is in the error."""
    first, _ = inputs(activation(name), None, 0.3, 1.7)
    f = first.resolved
    blind, finer = (resolve(f.f, np.empty(0), 0.3 / 1.7, nodes) for nodes in (20, 26))
    exact, bound = quadrature_dual(f, f, RHO)
    value, error = quadrature_dual(blind, blind, RHO)
    better, _ = quadrature_dual(finer, finer, RHO)
    assert np.all(np.abs(better - exact) <= bound + error + np.abs(better - value))


@pytest.mark.parametrize("text", ["exp(x**2)", "exp(x**2/3)*tanh(x)"])
def test_what_does_not_exist(text: str) -> None:
    for quantity in dual_estimates(Activation("own", text), correlation=[-1.0, 0.9, 1.0]):
        assert math.isnan(quantity.value)
        assert quantity.error == math.inf


def test_what_exists_up_to_a_correlation() -> None:
    """E[exp(u^2/4) exp(v^2/4)] is 1/sqrt((1/2)^2 - rho^2/4) = 2/sqrt(1 - rho^2), and infinite at rho = 1."""
    found = dual_estimates(Activation("own", "exp(x**2/4)"), correlation=[0.6, 1.0])
    assert found[0].route is Route.CLOSED_FORM
    assert abs(found[0].value - 2.5) <= found[0].error
    assert math.isnan(found[1].value)


def test_too_rough_to_follow() -> None:
    """The stated error then is as large as the value can be."""
    found = dual_estimates(activation("sin"), std=1000.0, correlation=[0.5, 1 - 1e-7])
    for quantity in found:
        assert quantity.routes[Route.QUADRATURE].error >= 0.5
        assert quantity.route is Route.CLOSED_FORM


@pytest.mark.parametrize("nodes", [8, 16, 20, 26])
def test_rule(nodes: int) -> None:
    x, w = rule(nodes)
    for power in (0, 1, 2 * nodes - 1):
        assert abs(w @ x**power - 1 / (power + 1)) <= 4 * _EPS


def test_hermite_coefficients_of_a_wave() -> None:
    """E[exp(i k z) h_n] = (i k)^n exp(-k^2/2)/sqrt(n!)."""
    edges, k = tuple(both_sides(GRID).tolist()), 2.5
    z, _, _ = panel_nodes(edges, 20)
    few = hermite_rule(edges, 20) @ np.cos(k * z)
    many = many_hermite(lambda z: np.cos(k * z), edges, 20)
    exact = [
        (-1) ** (n // 2) * math.exp(n * math.log(k) - k * k / 2 - math.lgamma(n + 1) / 2) if n % 2 == 0 else 0.0
        for n in range(few.size)
    ]
    assert np.all(np.abs(few - exact) <= 16 * _EPS)
    assert np.all(np.abs(many[: few.size] - exact) <= 16 * _EPS)


@pytest.mark.parametrize("rho", [-1.0, -0.999, 0.5, 0.9999, 1.0])
def test_series_of_high_orders(rho: float) -> None:
    """A geometric series, far into the powers where rounding could add up."""
    powers = [rho**n for n in range(1024)]
    found = float(mehler(np.ones(1024), np.ones(1024), np.array([rho]))[0])
    assert abs(found - math.fsum(powers)) <= 12 * _EPS * math.fsum(map(abs, powers))


@pytest.mark.parametrize("name", ["tanh", "softplus", "bent_identity"])
def test_rotation_and_series_meet(name: str) -> None:
    first, _ = inputs(activation(name), None, 0.3, 1.7)
    f, rho = first.resolved, np.array([0.2, 0.7, 0.9])
    found = rotated(f, f, np.sqrt(rho), np.sqrt(1 - rho))
    mirrored = rotated(f, f.mirrored, np.sqrt(rho), np.sqrt(1 - rho))
    for value, side in ((found, rho), (mirrored, -rho)):
        series, bound = quadrature_dual(f, f, side)
        assert np.all(np.abs(value - series) <= 2 * bound + 16 * _EPS * f.norm**2)


@pytest.mark.parametrize("name", ["erf", "gaussian", "tanh", "sigmoid", "softsign"])
def test_what_happens_between_two_nodes_is_seen(name: str) -> None:
    """At a standard deviation of a million, all that these do happens within 1e-6 of the middle."""
    second = moments(activation(name), std=1e6)["second_moment"]
    [found] = dual_estimates(activation(name), std=1e6, correlation=[1.0])
    assert found.agree
    assert (
        abs(found.routes[Route.QUADRATURE].value - second.value) <= found.routes[Route.QUADRATURE].error + second.error
    )
