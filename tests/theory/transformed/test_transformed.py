"""Transformed activations meet the conditions they are made for, whatever route looks."""

import math

import numpy as np
import pytest

from propstats.activations import activation
from propstats.errors import DomainError
from propstats.estimate import Route
from propstats.expectation import quadrature
from propstats.expectation.dual import dual
from propstats.theory.mean_field.correlation import CorrelationMap
from propstats.theory.mean_field.second_moment import SecondMomentMap
from propstats.theory.transformed import (
    Transformed,
    chain,
    local_curvature,
    local_slope,
    negative_slope,
    residual,
    shape,
    shape_leaky,
    tailor,
    tailor_leaky,
)
from propstats.theory.unit import quantities

SMOOTH = ["tanh", "erf", "sin", "gelu", "silu", "softplus", "mish", "sigmoid", "atan", "elu"]


@pytest.mark.parametrize("name", SMOOTH)
def test_shaped(name: str) -> None:
    unit = shape(activation(name), 1.01).activation
    layer = SecondMomentMap(unit, 1.0, 0.0)
    found = quadrature.moments(unit)
    assert abs(found["mean"].value) < 1e-13  # C(0) = 0
    assert math.isclose(layer.at(1.0).value, 1.0, rel_tol=1e-11)
    assert math.isclose(layer.slope(1.0).value, 1.0, rel_tol=1e-9)
    assert math.isclose(layer.chi_1(1.0).value, 1.01, rel_tol=1e-9)


@pytest.mark.parametrize("name", [name for name in SMOOTH if name != "sigmoid"])
def test_tailored(name: str) -> None:
    unit = tailor(activation(name), 0.01).activation
    layer = SecondMomentMap(unit, 1.0, 0.0)
    assert math.isclose(layer.at(1.0).value, 1.0, rel_tol=1e-10)
    assert math.isclose(layer.slope(1.0).value, 1.0, rel_tol=1e-8)
    assert math.isclose(layer.chi_1(1.0).value, 1.0, rel_tol=1e-9)
    # C(1 - e) = 1 - e + 0.01 e^2/2 - O(e^3), by the dual, which knows nothing of the conditions.
    e = 0.01
    curvature = 2 * (e - CorrelationMap(layer, 1.0).gap(e)) / e**2
    assert math.isclose(curvature, 0.01, rel_tol=0.05)


def test_every_route_agrees_on_a_transformed_activation() -> None:
    unit = shape(activation("gelu"), 1.01).activation
    found, _ = quantities(unit, samples=100_000)
    assert found["var"].routes.keys() == {Route.CLOSED_FORM, Route.CERTIFIED, Route.QUADRATURE, Route.SAMPLING}
    assert all(quantity.agree for quantity in found.values())


def test_a_deep_leaky_relu_ends_where_it_should() -> None:
    for network in (chain(50), residual((8, 8), shortcut=0.5)):
        unit = tailor_leaky(negative_slope(network, 0.9)).activation
        ends = network(0.0, lambda c: dual(unit, correlation=min(c, 1.0)))  # noqa: B023
        assert math.isclose(ends, 0.9, rel_tol=1e-12)


def test_a_deep_shaped_network_keeps_inputs_apart() -> None:
    """DKS bounds how far C_f is from a line by zeta - 1 (Martens et al. 2021, section 8)."""
    network = chain(50)
    unit = shape(activation("tanh"), local_slope(network, 1.2)).activation
    for c in (0.0, 0.3, 0.9):
        deep = network(c, lambda c: dual(unit, correlation=min(c, 1.0)))
        assert abs(deep - c) <= 0.2 * 2


@pytest.mark.parametrize("slope", [1.0, 1.003, 1.2, 1.4669])
def test_leaky_relu_of_a_slope(slope: float) -> None:
    found = quadrature.moments(shape_leaky(slope).activation)
    assert abs(found["mean"].value) < 1e-15
    assert math.isclose(found["second_moment"].value, 1.0, rel_tol=1e-13)
    assert math.isclose(found["slope_second_moment"].value, slope, rel_tol=1e-13)


def test_slopes_multiply_and_curvatures_add() -> None:
    network = residual((2, 1), shortcut=0.6, layers=2)
    e = 1e-3

    def flat(c: float) -> float:
        return c + 0.005 * (c - 1) ** 2  # slope 1, curvature 0.01

    curvature = 2 * (network(1.0 - e, flat) - (1.0 - e)) / e**2
    assert math.isclose(curvature, network(0.0, lambda x: 0.01 + x), rel_tol=1e-2)
    slope = (1.0 - chain(5)(1.0 - e, lambda c: flat(1.0 + 1.01 * (c - 1.0)))) / e
    assert math.isclose(slope, chain(5)(1.0, lambda x: 1.01 * x), rel_tol=1e-3)
    assert local_curvature(chain(50), 0.3) == pytest.approx(0.006)


def test_a_transformed_activation_is_one() -> None:
    made = Transformed(activation("prelu", a=0.3), 2.0, -1.0, 0.5, 3.0)
    x = np.linspace(-2, 2, 7)
    y = 2 * x - 1
    assert made.activation(x).tolist() == pytest.approx((3 * (np.where(y > 0, y, 0.3 * y) + 0.5)).tolist())
    assert made.activation.kinks == (0.5,)
    with pytest.raises(DomainError, match="input_scale already"):
        _ = Transformed(made.activation, 1.0, 0.0, 0.0, 1.0).activation


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: shape(activation("tanh"), 1.0), "slope must be above 1"),
        (lambda: shape(activation("identity"), 1.5), "no scale and shift"),
        (lambda: shape(activation("relu"), 1.1), "no scale and shift"),
        (lambda: tailor(activation("relu"), 0.1), "a kink"),
        (lambda: tailor(activation("tanh"), -1.0), "curvature must be positive"),
        (lambda: shape_leaky(1.6), "between 1 and 1.4669"),
        (lambda: chain(0), "between 1 and 100000"),
        (lambda: residual((3, 0), shortcut=0.5), "between 1 and 100000"),
        (lambda: residual((3,), shortcut=1.5), "shortcut"),
        (lambda: local_slope(chain(3), 0.5), "zeta"),
        (lambda: local_slope(chain(3), math.nan), "zeta"),
        (lambda: local_curvature(chain(3), -1.0), "tau"),
        (lambda: negative_slope(chain(3), 1.0), "eta"),
        (lambda: negative_slope(chain(1), 0.9), "no local negative slope"),
    ],
)
def test_bad_input(call, what: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DomainError, match=what):
        call()
