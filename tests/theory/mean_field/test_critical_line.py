import math

import pytest

from propstats.activations import activation
from propstats.errors import DomainError
from propstats.theory.mean_field.critical_line import Biases, critical_weights
from propstats.theory.mean_field.second_moment import SecondMomentMap


@pytest.mark.parametrize("name", ["relu", "prelu", "identity", "abs", "leaky_relu"])
def test_homogeneous_activations_have_one_point(name: str) -> None:
    unit = activation(name)
    ((point,),) = Biases(unit, 0.0, 3.0).line()
    assert point.sigma_b == 0.0
    slope = (float(unit.slope(1.0)) ** 2 + float(unit.slope(-1.0)) ** 2) / 2
    assert math.isclose(point.sigma_w, 1 / math.sqrt(slope), rel_tol=1e-14)
    assert critical_weights(unit, 0.1) == ()
    assert len(critical_weights(unit, 0.0)) == 1


@pytest.mark.parametrize("name", ["softplus", "log_sigmoid"])
def test_where_there_is_none(name: str) -> None:
    assert Biases(activation(name), 0.0, 3.0).line() == ()
    assert critical_weights(activation(name), 0.3) == ()


@pytest.mark.parametrize("name", ["tanh", "sin", "gelu", "gaussian", "cube", "selu"])
@pytest.mark.parametrize("sigma_b", [0.05, 0.7])
def test_every_point_is_critical(name: str, sigma_b: float) -> None:
    points = critical_weights(activation(name), sigma_b)
    assert points
    for point in points:
        layer = SecondMomentMap(activation(name), point.sigma_w, sigma_b)
        assert math.isclose(layer.chi_1(point.q).value, 1.0, rel_tol=1e-12)
        at = layer.at(point.q)
        assert abs(at.value - point.q) <= at.error + 1e-11 * point.q
        assert math.isclose(point.sigma_b, sigma_b, rel_tol=1e-8)


def test_exact_critical_points() -> None:
    # x^3: chi_1 = 27 w q^2, T = 15 w q^3 + b. exp: both are w exp(2 q).
    (cube,) = critical_weights(activation("cube"), 0.2)
    assert math.isclose(cube.q, 9 / 4 * 0.04, rel_tol=1e-12)
    (exp,) = critical_weights(activation("exp"), 0.3)
    assert math.isclose(exp.q, 1 + 0.09, rel_tol=1e-12)
    assert math.isclose(exp.sigma_w, math.exp(-1.09), rel_tol=1e-12)


def test_lines_begin_at_no_biases() -> None:
    for name, start in (("tanh", 1.0), ("gelu", 2.0), ("selu", 0.6904860), ("erf", math.sqrt(math.pi) / 2)):
        zero, *_ = critical_weights(activation(name), 0.0)
        assert (zero.q, zero.sigma_b) == (0.0, 0.0)
        assert math.isclose(zero.sigma_w, start, rel_tol=1e-6)
        (branch,) = Biases(activation(name), 0.0, 1.0).line()
        assert math.isclose(branch[0].sigma_w, start, rel_tol=1e-4)
        assert math.isclose(branch[-1].sigma_b, 1.0, rel_tol=1e-9)
        q = [point.q for point in branch]
        assert q == sorted(q)


def test_a_gap_at_small_q() -> None:
    start = Biases(activation("cos"), 0.0, 1.0).line()[0][0]
    assert math.isclose(start.q * math.tanh(start.q), 1.0, rel_tol=1e-9)  # q E[sin^2] = E[cos^2]
    assert start.sigma_b < 1e-6


@pytest.mark.parametrize("name", ["step", "sign", "hardshrink"])
def test_jumps_have_no_line(name: str) -> None:
    with pytest.raises(DomainError, match="it jumps"):
        Biases(activation(name), 0.0, 3.0)


def test_bad_input() -> None:
    for value in (-1.0, math.nan, math.inf):
        with pytest.raises(DomainError, match="sigma_b"):
            critical_weights(activation("tanh"), value)
