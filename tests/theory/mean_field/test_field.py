import math

import pytest

from propstats.errors import DomainError, UnknownNameError
from propstats.estimate import Route
from propstats.theory.mean_field.field import mean_field
from propstats.theory.mean_field.records import Phase, Stability
from propstats.theory.mean_field.trajectory import Fate


def test_published_tanh() -> None:
    # sigma_w^2 = 4, sigma_b^2 = 0.09, by mpmath.
    found = mean_field("tanh", sigma_w=2.0, sigma_b=0.3)
    assert found.q_star is not None
    assert found.chi_1 is not None
    assert abs(found.q_star.value - 2.25375337622789) <= found.q_star.error + 5e-15
    assert abs(found.chi_1.value - 1.32707039101543) <= found.chi_1.error + 5e-15
    assert (found.phase, found.fate) == (Phase.CHAOTIC, Fate.CONVERGES)
    assert found.q_star.routes.keys() == {Route.QUADRATURE, Route.CERTIFIED}
    assert found.agree


def test_relu_below_its_edge() -> None:
    found = mean_field("relu", sigma_w=1.2, sigma_b=0.1)
    assert found.q_star is not None
    assert found.c_star is not None
    assert found.xi_q is not None
    assert found.xi_c is not None
    assert found.q_star.routes.keys() == {Route.QUADRATURE, Route.CLOSED_FORM, Route.CERTIFIED}
    assert math.isclose(found.q_star.value, 0.01 / (1 - 0.72), rel_tol=1e-13)
    assert found.c_star.value == 1.0
    assert math.isclose(found.xi_c.value, -1 / math.log(0.72), rel_tol=1e-13)
    assert math.isclose(found.xi_q.value, -1 / math.log(0.72), rel_tol=1e-13)
    assert found.phase is Phase.ORDERED


def test_relu_at_its_edge() -> None:
    found = mean_field("relu", sigma_w=math.sqrt(2), q0=2.5)
    assert found.q_star is not None
    assert found.xi_c is not None
    assert (found.fate, found.phase) == (Fate.STAYS, Phase.CRITICAL)
    assert found.q_star.value == 2.5
    assert found.every_q == (0.0, math.inf)
    assert math.isinf(found.xi_c.value)


def test_none_is_none() -> None:
    found = mean_field("relu", sigma_w=1.5, sigma_b=0.1)
    assert found.fixed_points == ()
    assert (found.q_star, found.c_star, found.chi_1, found.xi_q, found.xi_c, found.phase) == (None,) * 6
    assert (found.fate, found.grows) == (Fate.DIVERGES, True)
    assert found.layer is not None


@pytest.mark.parametrize("name", ["exp", "square", "cube"])
def test_steep_activations_diverge(name: str) -> None:
    found = mean_field(name, sigma_w=2.0, sigma_b=0.0, depth=30, digits=None)
    assert found.fate is Fate.DIVERGES
    assert found.layer is not None
    assert found.layer < 12
    assert math.isinf(found.trajectory[-1].q.value)


def test_several() -> None:
    low = mean_field("square", sigma_w=0.5, sigma_b=0.1, q0=0.5)
    assert [point.stability for point in low.fixed_points] == [Stability.STABLE, Stability.UNSTABLE]
    assert low.q_star is not None
    assert low.q_star.value == low.fixed_points[0].q.value
    high = mean_field("square", sigma_w=0.5, sigma_b=0.1, q0=2.0, digits=None)
    assert (high.q_star, high.fate) == (None, Fate.DIVERGES)
    assert len(high.fixed_points) == 2


def test_linear() -> None:
    found = mean_field("identity", sigma_w=1.0)
    assert (found.fate, found.c_star, found.xi_c) == (Fate.STAYS, None, None)


def test_marginal_zero_is_noted() -> None:
    found = mean_field("hardtanh", sigma_w=1.0)
    assert found.fate is Fate.VANISHES
    assert found.phase is Phase.CRITICAL
    assert "to within rounding" in found.notes[0]


def test_a_mean_of_the_biases() -> None:
    # T(q) = w E[(b + sqrt(q) z)^2 +...]: for the identity, w (q + b^2).
    found = mean_field("identity", sigma_w=0.5, sigma_b=0.2, beta=2.0, digits=None)
    assert found.q_star is not None
    assert math.isclose(found.q_star.value, (0.25 * 4 + 0.04) / 0.75, rel_tol=1e-13)


def test_the_critical_line_is_critical() -> None:
    from propstats.activations import activation
    from propstats.theory.mean_field.critical import critical_point

    for name in ("tanh", "hardtanh", "erf", "sin"):
        point = critical_point(activation(name), 0.5)
        found = mean_field(name, sigma_w=point.sigma_w, sigma_b=point.sigma_b, digits=None)
        assert found.q_star is not None
        assert found.chi_1 is not None
        assert abs(found.chi_1.value - 1) <= 1e-13
        assert math.isclose(found.q_star.value, 0.5, rel_tol=1e-13)


def test_the_route_is_named() -> None:
    """exp at large q: no quadrature gets there, and the formula does."""
    small, large = mean_field("exp", sigma_w=1e-60, digits=None).fixed_points
    assert math.isclose(small.q.value, 1e-120, rel_tol=1e-12)
    assert large.q.value > 100
    assert large.q.routes.keys() == {Route.CLOSED_FORM}
    assert math.isclose(2 * large.q.value, math.log(large.q.value) + 120 * math.log(10), rel_tol=1e-12)


def test_bad_input() -> None:
    for given in ({"sigma_w": -1.0}, {"sigma_w": 1.0, "depth": 10**9}, {"sigma_w": 1.0, "digits": 99}):
        with pytest.raises(DomainError):
            mean_field("tanh", **given)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError):
        mean_field("tahn", sigma_w=1.0)
