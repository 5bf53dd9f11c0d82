import math

import numpy as np
import pytest

from propstats.activations import activation
from propstats.estimate import Estimate, Route
from propstats.expectation.dual import dual
from propstats.theory.mean_field.correlation import CorrelationMap, CorrelationPoint
from propstats.theory.mean_field.critical import critical_point
from propstats.theory.mean_field.fixed_points import fixed_points
from propstats.theory.mean_field.scales import depth_scale
from propstats.theory.mean_field.second_moment import SecondMomentMap


def _map(name: str, sigma_w: float, sigma_b: float) -> CorrelationMap:
    layer = SecondMomentMap(activation(name), sigma_w, sigma_b)
    root = fixed_points(layer).points[-1]
    return CorrelationMap(layer, root.q, root.error)


def _points(pairs: CorrelationMap) -> tuple[CorrelationPoint, ...]:
    return pairs.fixed_points(pairs.layer.chi_1(pairs.q, pairs.error))


@pytest.mark.parametrize("gap", [1e-10, 1e-4, 0.5, 1.0, 1.7])
def test_gap_of_exact_kernels(gap: float) -> None:
    c = 1.0 - gap
    he = CorrelationMap(SecondMomentMap(activation("relu"), math.sqrt(2), 0.0), 2.0)
    sine = CorrelationMap(SecondMomentMap(activation("sin"), 1.0, 0.0), 1.0)
    if gap >= 1e-4:
        relu = (math.sqrt(gap * (2 - gap)) + c * (math.pi - math.acos(c))) / math.pi  # Cho & Saul 2009
        assert math.isclose(he.gap(gap), 1 - relu, rel_tol=1e-11)
    # sinh(1) - sinh(c) = 2 cosh(1 - gap/2) sinh(gap/2)
    exact = math.exp(-1) * 2 * math.cosh(1 - gap / 2) * math.sinh(gap / 2)
    assert math.isclose(sine.gap(gap), exact, rel_tol=32 * 2.2e-16 + 2.2e-16 / math.sqrt(gap))


def test_tanh_in_the_chaotic_phase() -> None:
    pairs = _map("tanh", 1.5, 0.1)
    below, one = _points(pairs)
    assert one.c.value == 1.0
    assert math.isnan(one.xi_c.value)
    assert 0 < below.c.value < 1
    assert below.chi_c.value < 1 < one.chi_c.value
    layer = pairs.layer
    kept = layer.sigma_w**2 * dual(layer.activation, std=math.sqrt(pairs.q), correlation=below.c.value)
    residual = (kept + layer.sigma_b**2) / pairs.q - below.c.value
    assert abs(residual) <= (1 - below.chi_c.value) * below.c.error + 1e-14


@pytest.mark.parametrize(("name", "sigma_w", "sigma_b"), [("erf", 1.5, 0.1), ("cos", 3.0, 0.0), ("step", 1.0, 0.1)])
def test_routes_agree(name: str, sigma_w: float, sigma_b: float) -> None:
    below, _ = _points(_map(name, sigma_w, sigma_b))
    assert below.c.routes.keys() == {Route.QUADRATURE, Route.CLOSED_FORM}
    assert below.c.agree
    assert below.c.error < 1e-11


def test_odd_without_bias() -> None:
    opposite, independent, same = _points(_map("tanh", 2.0, 0.0))
    assert [point.c.value for point in (opposite, independent, same)] == pytest.approx([-1.0, 0.0, 1.0], abs=1e-12)
    assert opposite.chi_c.value == same.chi_c.value > 1 > independent.chi_c.value


def test_no_more_fixed_points_than_theory_allows() -> None:
    """Between -1 and 1, T_c(c) - c changes its sign nowhere else."""
    for name, sigma_w, sigma_b in (("tanh", 2.0, 0.0), ("cos", 3.0, 0.0), ("gelu", 1.2, 0.5), ("erf", 2.0, 0.2)):
        pairs = _map(name, sigma_w, sigma_b)
        known = [point.c.value for point in _points(pairs)]
        c = np.linspace(-0.999, 0.999, 1000)
        kept = pairs.layer.sigma_w**2 * np.asarray(dual(pairs.layer.activation, std=math.sqrt(pairs.q), correlation=c))
        signs = np.sign((kept + sigma_b**2) / pairs.q - c)
        changes = c[:-1][np.diff(signs) != 0]
        inside = [value for value in known if abs(value) < 0.999]
        assert len(changes) == len(inside)


@pytest.mark.parametrize("epsilon", [1e-3, 1e-6])
def test_close_to_the_edge(epsilon: float) -> None:
    """With chi_1 = 1 + e, the gap is 2 e/T_c''(1) to first order, and chi_c = 1 - e."""
    point = critical_point(activation("tanh"))
    layer = SecondMomentMap(activation("tanh"), point.sigma_w * math.sqrt(1 + epsilon), point.sigma_b)
    (root,) = fixed_points(layer).points
    chi = layer.chi_1(root.q, root.error)
    below, _ = CorrelationMap(layer, root.q, root.error).fixed_points(chi)
    h = 1e-3
    pairs = CorrelationMap(layer, root.q)
    curvature = (pairs.slope(1.0) - pairs.slope(1 - h)) / h
    excess = chi.value - 1
    assert math.isclose(1 - below.c.value, 2 * excess / curvature, rel_tol=10 * max(excess, h))
    assert math.isclose(1 - below.chi_c.value, excess, rel_tol=10 * max(excess, 1e-4))


def test_linear_networks_keep_every_correlation() -> None:
    layer = SecondMomentMap(activation("identity"), 1.0, 0.0)
    assert CorrelationMap(layer, 2.0).keeps_all(layer.chi_1(2.0))
    he = SecondMomentMap(activation("relu"), math.sqrt(2), 0.0)
    assert not CorrelationMap(he, 2.0).keeps_all(he.chi_1(2.0))


def test_depth_scales() -> None:
    def scale(value: float, error: float = 0.0) -> Estimate:
        return depth_scale(Estimate(value, error, Route.QUADRATURE))

    assert scale(math.exp(-1 / 7)).value == pytest.approx(7)
    assert scale(-math.exp(-1 / 7)).value == pytest.approx(7)
    assert scale(0.0).value == 0.0
    assert math.isinf(scale(1.0 + 1e-15, 1e-14).value)
    assert math.isnan(scale(1.1).value)
    assert math.isnan(scale(math.inf, math.inf).value)
    near = scale(0.999, 1e-6)
    assert near.error == pytest.approx(1e-6 / (0.999 * math.log(0.999) ** 2), rel=1e-2)
