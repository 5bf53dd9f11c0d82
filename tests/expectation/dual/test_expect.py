import math

import numpy as np
import pytest

from propstats.activations import activation, activation_names
from propstats.activations.activation import Activation
from propstats.activations.own import from_expression
from propstats.errors import DomainError
from propstats.estimate import STANDARD_ERRORS, Quantity
from propstats.expectation import quadrature
from propstats.expectation.dual import difference, dual, dual_estimates, dual_slope

#: What is promised, of the root of E[phi(u)^2] E[psi(v)^2].
_ALLOWED = 1e-13


def _at(name: str, rho: float, mean: float, std: float) -> Quantity:
    return dual_estimates(activation(name), mean=mean, std=std, correlation=[rho])[0]


@pytest.mark.parametrize("rho", [0.0, 0.1, 0.3, 0.5, 0.9, 0.99, 0.9999, 1.0])
@pytest.mark.parametrize("std", [0.5, 1.0, 3.0])
def test_relu_is_the_arc_cosine_kernel(rho: float, std: float) -> None:
    """Cho & Saul 2009, Eq. 6: ((pi - theta) cos theta + sin theta)/(2 pi)."""
    theta = math.acos(rho)
    exact = std**2 * ((math.pi - theta) * rho + math.sin(theta)) / (2 * math.pi)
    assert abs(dual(activation("relu"), std=std, correlation=rho) - exact) <= _ALLOWED * std**2


@pytest.mark.parametrize("rho", [0.0, 0.1, 0.5, 0.9, 0.999, 1.0])
@pytest.mark.parametrize("std", [0.5, 1.0, 3.0])
def test_erf_is_an_arcsine(rho: float, std: float) -> None:
    """Williams 1997, Eq. 11: (2/pi) asin(2 k/(1 + 2 s^2))."""
    exact = 2 / math.pi * math.asin(2 * rho * std**2 / (1 + 2 * std**2))
    assert abs(dual(activation("erf"), std=std, correlation=rho) - exact) <= _ALLOWED


def test_published_values() -> None:
    """relu: Cho & Saul; tanh: deepmind/dks at q = 1, whose own integral is off in the twelfth digit."""
    second = quadrature.moments(activation("tanh"))["second_moment"].value
    found = dual(activation("tanh"), correlation=0.5) / second
    assert abs(found - 0.47255139937524283) <= _ALLOWED  # thirty-four digits: 0.472551399375242831003...
    assert abs(found - 0.47255139936884694) <= 1e-11
    assert abs(2 * dual(activation("relu"), correlation=0.5) - 0.608997781044229) <= _ALLOWED


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.3, 1.7), (-2.0, 0.5)])
@pytest.mark.parametrize("name", activation_names())
def test_ends(name: str, mean: float, std: float) -> None:
    """Independent inputs multiply their means; equal inputs give the second moment."""
    m = quadrature.moments(activation(name), mean=mean, std=std)
    apart, same = _at(name, 0.0, mean, std), _at(name, 1.0, mean, std)
    of_square = m["mean"].error * (2 * abs(m["mean"].value) + m["mean"].error)
    # A square is rounded once more.
    assert abs(apart.value - m["mean"].value ** 2) <= apart.error + of_square + 1e-16 * m["mean"].value ** 2
    assert abs(same.value - m["second_moment"].value) <= same.error + m["second_moment"].error


@pytest.mark.parametrize("name", activation_names())
def test_between_the_ends(name: str) -> None:
    """Hermite: the covariance is a power series in rho with coefficients that are not negative."""
    rho = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    values = np.asarray(dual(activation(name), mean=0.3, std=1.7, correlation=rho))
    assert np.all(np.diff(values) >= -2 * _ALLOWED * values[-1])
    assert np.all(np.diff(values, 2) >= -4 * _ALLOWED * values[-1])


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


def test_two_functions_change_places() -> None:
    tanh, elu = activation("tanh"), activation("elu")
    one = dual(tanh, elu, mean=(0.3, -1.0), std=(1.7, 0.5), correlation=0.6)
    other = dual(elu, tanh, mean=(-1.0, 0.3), std=(0.5, 1.7), correlation=0.6)
    assert abs(one - other) <= _ALLOWED


@pytest.mark.parametrize("names", [("tanh", "tanh"), ("relu", "relu"), ("tanh", "step")])
def test_a_constant_input_factors_out(names: tuple[str, str]) -> None:
    f, g = (activation(name) for name in names)
    mean = quadrature.moments(g, mean=-0.2, std=0.9)["mean"]
    for quantity in dual_estimates(f, g, mean=(0.7, -0.2), std=(0.0, 0.9), correlation=[-1.0, 0.0, 0.5, 1.0]):
        assert abs(quantity.value - f(0.7) * mean.value) <= quantity.error + f(0.7) * mean.error + 1e-16


def test_shapes() -> None:
    relu = activation("relu")
    assert isinstance(dual(relu, correlation=0.5), float)
    assert np.shape(dual(relu, correlation=np.zeros((2, 3)))) == (2, 3)
    assert np.shape(dual_slope(relu, correlation=[0.1, 0.2])) == (2,)
    assert np.shape(dual(relu, correlation=[])) == (0,)


@pytest.mark.parametrize("wrong", [1.5, -1.0001, math.nan])
def test_refused_correlations(wrong: float) -> None:
    for function in (dual, dual_slope, dual_estimates):
        with pytest.raises(DomainError, match=r"a correlation must lie in \[-1, 1\], got"):
            function(activation("relu"), correlation=[0.0, wrong])


@pytest.mark.parametrize(
    ("mean", "std", "said"),
    [(math.nan, 1.0, "the mean must be a finite number"), ((0.0, math.inf), 1.0, "the mean must be a finite number"),
     (0.0, -1.0, "the standard deviation must be"), (0.0, (1.0, math.nan), "the standard deviation must be")],
)  # fmt: skip
def test_refused_inputs(mean: float | tuple[float, float], std: float | tuple[float, float], said: str) -> None:
    with pytest.raises(DomainError, match=said):
        dual(activation("tanh"), mean=mean, std=std, correlation=0.5)


def test_parameters_are_not_mixed_up() -> None:
    """What is remembered of one activation must not answer for another with the same formula."""
    steep, flat = (activation("leaky_relu").with_params(negative_slope=a) for a in (0.5, 0.0))
    same = Activation("leaky_relu", "where(x > 0, x, negative_slope*x)", {"negative_slope": 0.5})
    values = [dual(f, correlation=0.5) for f in (steep, flat, same)]
    assert values[0] == values[2] != values[1]
    assert abs(values[1] - dual(activation("relu"), correlation=0.5)) <= _ALLOWED


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("name", activation_names())
def test_difference_is_what_the_dual_leaves(name: str, rho: float) -> None:
    """E[(phi(u) - phi(v))^2]/2 = E[phi^2] - E[phi(u) phi(v)]."""
    mean, std = 0.3, 1.7
    second = quadrature.moments(activation(name), mean=mean, std=std)["second_moment"].value
    left = difference(activation(name), mean=mean, common=std * math.sqrt(rho), own=std * math.sqrt(1 - rho))
    right = second - dual(activation(name), mean=mean, std=std, correlation=rho)
    assert abs(left - right) <= 2 * _ALLOWED * second


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
    assert difference(activation("tanh"), mean=0.3, common=1.0, own=0.0) == 0.0


@pytest.mark.parametrize("name", ["selu", "elu", "celu"])
def test_exponentials_that_overflow_on_the_way_are_left_to_quadrature(name: str) -> None:
    """At s = 40 the negative half is saturated: relu's kernel and a constant, up to E[exp] of order 1/s."""
    at = np.asarray(dual(name, correlation=[0.0, 0.5, 1.0], std=40.0))
    assert np.isfinite(at).all()
    second = activation(name)
    assert at[2] == pytest.approx(quadrature.moments(second, std=40.0)["second_moment"].value, rel=1e-12)


def test_what_diverges_is_not_made_finite() -> None:
    assert np.isnan(dual(from_expression("exp(x**2/4)"), correlation=[1.0], std=1.5)).all()
