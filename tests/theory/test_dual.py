"""What two activations leave of a correlation: published kernels, tiny numbers, and routes that must agree."""

import math
from collections.abc import Callable
from typing import Any

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propstats import DualMoments, Quantity, Route, dual_moments
from propstats.activations import activation_names
from propstats.errors import DomainError, UnknownNameError
from propstats.expectation.dual import routes
from propstats.expectation.dual.closed import closed_dual

mp: Any = mpmath.mp
RHO = [-1.0, -1 + 1e-9, -0.7, 0.0, 1e-9, 0.5, 0.99, 1 - 1e-9, 1.0]


def _points(name: str, rho: float | list[float], **law: Any) -> DualMoments:
    return dual_moments(name, correlation=rho, samples=0, **law)


def _holds(quantity: Quantity, exact: Any) -> None:
    for estimate in quantity.routes.values():
        assert abs(estimate.value - exact) <= estimate.error, (float(exact), estimate)


#: E[y z] and its derivative in rho, for N(0, 1).
KERNELS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    # Cho & Saul 2009, Eq. 6, and the kernel of order 0.
    "relu": (
        lambda r: (mp.sqrt((1 - r) * (1 + r)) + (mp.pi - mp.acos(r)) * r) / (2 * mp.pi),
        lambda r: (mp.pi - mp.acos(r)) / (2 * mp.pi),
    ),
    # Williams 1997, Eq. 11.
    "erf": (
        lambda r: 2 * mp.asin(2 * r / 3) / mp.pi,
        lambda r: 4 / (3 * mp.pi * mp.sqrt(1 - 4 * r * r / 9)),
    ),
    # Tsuchida et al. 2021, arXiv:2002.08517, the kernel of GELU networks, here by Stein's lemma.
    "gelu": (
        lambda r: 1 / (2 * mp.pi * mp.sqrt(4 - r * r)) + r / 4 + r * mp.asin(r / 2) / (2 * mp.pi),
        lambda r: (
            r / (2 * mp.pi * mp.sqrt(4 - r * r) ** 3)
            + mp.mpf(1) / 4
            + (mp.asin(r / 2) + r / mp.sqrt(4 - r * r)) / (2 * mp.pi)
        ),
    ),
}


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_published_kernels(name: str) -> None:
    kernel, slope = KERNELS[name]
    for rho, point in zip(RHO, _points(name, RHO).points, strict=True):
        assert point.input_correlation == rho
        assert point.agree
        with mpmath.workdps(40):
            r, second, square = mp.mpf(rho), kernel(mp.mpf(1)), kernel(mp.mpf(0))
            _holds(point.dual, kernel(r))
            _holds(point.slope, slope(r))
            _holds(point.cosine, kernel(r) / second)
            _holds(point.covariance, kernel(r) - square)
            _holds(point.correlation, (kernel(r) - square) / (second - square))
            _holds(point.difference, second - kernel(r))


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_tiny_numbers_keep_their_digits(name: str) -> None:
    """The covariance of inputs that are hardly correlated, and the difference of those that are hardly different."""
    kernel, _ = KERNELS[name]
    weak, near = _points(name, [1e-9, 1 - 1e-9]).points
    with mpmath.workdps(40):
        covariance, difference = kernel(mp.mpf(1e-9)) - kernel(mp.mpf(0)), kernel(mp.mpf(1)) - kernel(mp.mpf(1 - 1e-9))
        for quantity, exact in ((weak.covariance, covariance), (near.difference, difference)):
            assert quantity.route is Route.QUADRATURE
            assert quantity.error <= 1e-9 * quantity.value
            assert abs(quantity.value - exact) <= quantity.error


@pytest.mark.parametrize("name", activation_names())
def test_routes_agree(name: str) -> None:
    found = _points(name, [-1.0, -0.7, -1e-5, 1e-9, 0.5, 1 - 1e-9], mean=0.3, std=1.7)
    assert found.agree
    for point in found.points:
        for label, quantity in point.quantities().items():
            assert quantity.routes.keys() >= {Route.QUADRATURE}
            assert math.isfinite(quantity.value), label
            # Of the size of what it is made of.
            assert quantity.error <= 1e-11 * (1 + abs(quantity.value) + abs(point.dual.value)), label


@given(
    names=st.tuples(
        st.sampled_from(["tanh", "relu", "step", "gelu", "cube"]), st.sampled_from(["relu", "sin", "sign"])
    ),
    rho=st.floats(-1, 1),
    mean=st.floats(-2, 2),
    std=st.floats(0.2, 3),
)
@settings(max_examples=25, deadline=None)
def test_no_function_correlates_more(names: tuple[str, str], rho: float, mean: float, std: float) -> None:
    """Gebelein 1941: |Corr(phi(u), psi(v))| <= |Corr(u, v)|; and the functions may change places."""
    [there], [back] = (
        dual_moments(*pair, correlation=rho, mean=means, std=stds, samples=0).points
        for pair, means, stds in (
            (names, (mean, 0.5), (std, 1.0)),
            (names[::-1], (0.5, mean), (1.0, std)),
        )
    )
    assert abs(there.correlation.value) <= abs(rho) + there.correlation.error
    assert there.agree
    assert back.agree
    for name, quantity in there.quantities().items():
        assert quantity.routes[Route.QUADRATURE].agrees_with(back.quantities()[name].routes[Route.QUADRATURE])


@pytest.mark.parametrize("name", ["relu", "tanh", "hardshrink", "sign", "elu"])
def test_sampling_agrees(name: str) -> None:
    found = dual_moments(name, correlation=[-0.7, 1e-9, 0.5, 1.0], mean=0.3, std=1.2, samples=50_000, seed=3)
    assert found.agree
    for point in found.points[:3]:
        assert all(Route.SAMPLING in quantity.routes for quantity in point.quantities().values())


def test_two_functions_at_two_laws() -> None:
    found = dual_moments("tanh", "relu", mean=(0.0, 0.5), std=(1.0, 2.0), correlation=0.5, samples=20_000)
    assert found.agree
    assert (found.first.activation, found.second.activation) == ("tanh", "relu")
    assert (found.first.input.std, found.second.input.mean) == (1.0, 0.5)


def test_an_input_without_spread_leaves_nothing() -> None:
    [point] = _points("tanh", 0.5, std=(0.0, 1.0), mean=(1.0, 0.2)).points
    assert abs(point.covariance.value) <= point.covariance.error <= 1e-15
    assert point.slope.value == 0.0
    assert math.isnan(point.correlation.value)
    assert point.agree


def test_coinciding_jumps_are_infinitely_dense() -> None:
    [point] = _points("step", 1.0).points
    assert point.slope.value == math.inf
    assert point.dual.value == 0.5
    assert point.agree


def test_a_planted_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    true = closed_dual

    def wrong(*args: Any, **options: Any) -> Any:
        value, error = true(*args, **options)
        return value * (1 + 1e-11), error

    monkeypatch.setattr(routes, "closed_dual", wrong)
    [point] = _points("relu", 0.5).points
    assert not point.agree
    assert not point.dual.agree
    assert point.cosine.agree  # what is off by a factor cancels there
    assert point.slope.agree


def test_refusals() -> None:
    for rho in (1.5, [0.0, -1.1], math.nan):
        with pytest.raises(DomainError, match=r"a correlation must lie in \[-1, 1\]"):
            _points("relu", rho)
    with pytest.raises(DomainError, match="not negative"):
        _points("relu", 0.5, std=-1.0)
    with pytest.raises(DomainError, match="does not exist"):
        _points("1/x", 0.5)
    with pytest.raises(UnknownNameError):
        dual_moments("relu", "reluu", correlation=0.5)
    with pytest.raises(DomainError, match="at least 2 samples"):
        dual_moments("relu", correlation=0.5, samples=-1)
    with pytest.raises(DomainError, match="at least 2"):
        dual_moments("relu", correlation=0.5, samples=1)
