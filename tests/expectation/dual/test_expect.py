import math

import numpy as np
import pytest

from propstats.activations import activation, activation_names
from propstats.estimate import STANDARD_ERRORS
from propstats.expectation import quadrature
from propstats.expectation.dual import difference, dual

#: `expect` is good to 1e-12, and there are two of them, squared.
_EXPECT = 4e-12


@pytest.mark.parametrize("rho", [0.0, 0.1, 0.3, 0.5, 0.9, 0.99, 0.9999, 1.0])
@pytest.mark.parametrize("std", [0.5, 1.0, 3.0])
def test_relu_is_the_arc_cosine_kernel(rho: float, std: float) -> None:
    """Cho & Saul 2009, Eq. 6: ((pi - theta) cos theta + sin theta)/(2 pi)."""
    theta = math.acos(rho)
    exact = std**2 * ((math.pi - theta) * rho + math.sin(theta)) / (2 * math.pi)
    assert abs(dual(activation("relu"), mean=0.0, std=std, correlation=rho) - exact) <= _EXPECT * std**2


@pytest.mark.parametrize("rho", [0.0, 0.1, 0.5, 0.9, 0.999, 1.0])
@pytest.mark.parametrize("std", [0.5, 1.0, 3.0])
def test_erf_is_an_arcsine(rho: float, std: float) -> None:
    """Williams 1997, Eq. 11: (2/pi) asin(2 k/(1 + 2 s^2))."""
    exact = 2 / math.pi * math.asin(2 * rho * std**2 / (1 + 2 * std**2))
    assert abs(dual(activation("erf"), mean=0.0, std=std, correlation=rho) - exact) <= _EXPECT


def test_published_values() -> None:
    """relu: Cho & Saul; tanh: deepmind/dks at q = 1, C(0.5) = 0.47255139936884694."""
    second = quadrature.moments(activation("tanh"))["second_moment"].value
    found = dual(activation("tanh"), mean=0.0, std=1.0, correlation=0.5) / second
    assert abs(found - 0.47255139936884694) <= 2 * _EXPECT / second
    relu = 2 * dual(activation("relu"), mean=0.0, std=1.0, correlation=0.5)
    assert abs(relu - 0.608997781044229) <= 2 * _EXPECT


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.3, 1.7), (-2.0, 0.5)])
@pytest.mark.parametrize("name", activation_names())
def test_ends(name: str, mean: float, std: float) -> None:
    """Independent inputs multiply their means; equal inputs give the second moment."""
    m = quadrature.moments(activation(name), mean=mean, std=std)
    scale = 1 + m["second_moment"].value
    apart = dual(activation(name), mean=mean, std=std, correlation=0.0)
    same = dual(activation(name), mean=mean, std=std, correlation=1.0)
    assert abs(apart - m["mean"].value ** 2) <= _EXPECT * scale
    assert abs(same - m["second_moment"].value) <= _EXPECT * scale


@pytest.mark.parametrize("name", activation_names())
def test_between_the_ends(name: str) -> None:
    """Hermite: the covariance is a power series in rho with coefficients that are not negative."""
    rho = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    values = np.array([dual(activation(name), mean=0.3, std=1.7, correlation=float(r)) for r in rho])
    scale = _EXPECT * (1 + abs(values[-1]))
    assert np.all(np.diff(values) >= -scale)
    assert np.all(np.diff(values, 2) >= -4 * scale)


@pytest.mark.parametrize(("name", "rho"), [("mish", 0.7), ("gelu_tanh", 0.3), ("silu", 0.95)])
def test_against_sampling(name: str, rho: float) -> None:
    generator = np.random.default_rng(11)
    n = 200_000
    z = generator.standard_normal((3, n))
    common, own = math.sqrt(rho), math.sqrt(1 - rho)
    u, v = (0.3 + 1.7 * (common * z[0] + own * z[i]) for i in (1, 2))
    product = activation(name)(u) * activation(name)(v)
    error = float(product.std(ddof=1)) / math.sqrt(n)
    found = dual(activation(name), mean=0.3, std=1.7, correlation=rho)
    assert abs(found - float(product.mean())) <= STANDARD_ERRORS * error


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("name", activation_names())
def test_difference_is_what_the_dual_leaves(name: str, rho: float) -> None:
    """E[(phi(u) - phi(v))^2]/2 = E[phi^2] - E[phi(u) phi(v)]."""
    mean, std = 0.3, 1.7
    second = quadrature.moments(activation(name), mean=mean, std=std)["second_moment"].value
    left = difference(activation(name), mean=mean, common=std * math.sqrt(rho), own=std * math.sqrt(1 - rho))
    right = second - dual(activation(name), mean=mean, std=std, correlation=rho)
    assert abs(left - right) <= 2 * _EXPECT * (1 + second)


@pytest.mark.parametrize("name", ["tanh", "sin", "identity", "relu", "gelu"])
def test_difference_of_almost_equal_inputs(name: str) -> None:
    """E[phi'^2] own^2 to first order, with all its digits where the dual would have none."""
    own = 1e-7
    slope = quadrature.moments(activation(name), mean=0.3, std=1.0)["slope_second_moment"].value
    found = difference(activation(name), mean=0.3, common=1.0, own=own)
    # The next order is own for a kink (only inputs within own of it feel it) and own^2 elsewhere; phi(u) itself
    # carries 1e-16 of rounding against differences of 1e-7.
    assert abs(found / own**2 / slope - 1) <= 4 * own + 1e-8


def test_difference_of_equal_inputs_is_nothing() -> None:
    assert difference(activation("tanh"), mean=0.3, common=1.0, own=0.0) <= 1e-30
