"""The route as a whole: digits, tails, extremes, and bad input."""

import math

import mpmath
import numpy as np
import oracle
import pytest
from oracle import ORACLE_ERROR, oracle_moments

from propstats.activations import activation, activation_names
from propstats.errors import DomainError, UnknownNameError
from propstats.estimate import Route
from propstats.expectation import closed_form, quadrature
from propstats.expectation.moments import BASE, DERIVED

INPUTS = [(0.0, 1.0), (0.3, 1.7), (-8.0, 1.0), (10.0, 0.01), (50.0, 1.0), (0.0, 1e3), (1.0, 0.0)]


def _allowed(exact: float, size: float) -> float:
    """1e-14 of the size of what is averaged; 1e-9 of a moment below 1e-6, unless it is the rest of what cancels."""
    return 1e-9 * abs(exact) + 2.0**-51 * size if abs(exact) < 1e-6 else 1e-14 * max(size, 1.0)


@pytest.mark.parametrize(("mean", "std"), INPUTS)
@pytest.mark.parametrize("name", activation_names())
def test_fourteen_digits(name: str, mean: float, std: float) -> None:
    if name == "exp" and std > 100:
        pytest.skip("the moments overflow")
    exact = oracle_moments(name, mean, std)
    found = quadrature.values(activation(name), mean, std)
    root_second, root_energy = (math.sqrt(float(exact[key])) for key in ("second_moment", "slope_second_moment"))
    sizes = {
        "mean": root_second, "second_moment": root_second**2, "var": root_second**2, "mean_slope": root_energy,
        "slope_second_moment": root_energy**2, "linear_slope": root_energy, "var_rate": std * root_second * root_energy,
    }  # fmt: skip
    for key in BASE:
        gap = abs(mpmath.mpf(float(found[key])) - exact[key])
        # Waves see the rounding of their argument.
        waves = 2.0**-52 * (abs(mean) + 3 * std) * sizes[key] if name in ("sin", "cos", "snake") else 0.0
        assert gap <= _allowed(float(exact[key]), sizes[key]) + waves + ORACLE_ERROR, key


@pytest.mark.parametrize("mean", [-8.0, -12.0])
def test_tails_keep_their_relative_digits(mean: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """To 1e-13 where 1e-10 is asked for: from the variance 1.5e-10 of tanh at -8 to that of relu at -12, 2.4e-35."""
    monkeypatch.setattr(oracle, "_Z_MAX", 20)  # 13 is too near for a kink at 12
    for name in activation_names():
        exact = oracle_moments.__wrapped__(name, mean, 1.0, 1.0625)  # past the cache, with nodes of its own
        found = quadrature.values(activation(name), mean, 1.0)
        for key in BASE:
            assert abs(mpmath.mpf(float(found[key])) - exact[key]) <= 1e-13 * abs(exact[key]), (name, key)


@pytest.mark.parametrize("name", activation_names())
def test_extreme_inputs_agree_with_the_closed_form(name: str) -> None:
    """From std 1e-12 to 1e6 at means up to 1e6, each route within its own error; none is undefined without need."""
    entry = activation(name)
    for mean in (0.0, -30.0, 1e6, -1e6):
        for std in (1e-12, 1e-6, 1.0, 1e6):
            if name in ("sin", "cos", "snake", "exp") and std == 1e6:
                continue  # millions of periods: the error says how little is known; exp overflows
            closed, found = (route.moments(entry, mean=mean, std=std) for route in (closed_form, quadrature))
            for key in BASE:
                estimate = found[key]
                assert estimate.is_defined or (name == "exp" and mean > 0), (mean, std, key)
                if key in closed:
                    assert estimate.agrees_with(closed[key]), (mean, std, key, estimate, closed[key])


def test_the_error_of_too_many_waves_is_honest() -> None:
    found = quadrature.moments(activation("cos"), std=1e6)
    assert abs(found["second_moment"].value - 0.5) <= found["second_moment"].error
    assert found["second_moment"].error > 1e-3


def test_all_quantities_as_estimates() -> None:
    found = quadrature.moments(activation("silu"), mean=0.3, std=1.7)
    assert found.keys() == {*BASE, *DERIVED}
    assert {estimate.route for estimate in found.values()} == {Route.QUADRATURE}


def test_shapes() -> None:
    relu = activation("relu")
    assert quadrature.values(relu, 0.0, 1.0).moments.shape == (7,)
    assert quadrature.values(relu, np.zeros((2, 1)), np.ones(3)).moments.shape == (7, 2, 3)
    assert quadrature.values(relu, [], []).errors.shape == (7, 0)
    assert quadrature.values(activation("prelu"), 0.0, [1.0, 2.0], a=[[0.1], [0.2]])["var"].shape == (2, 2)
    assert quadrature.values(relu, 1, 2)["mean"].shape == ()


@pytest.mark.parametrize(
    ("mean", "std"), [(math.nan, 1.0), (math.inf, 1.0), (0.0, -1.0), (0.0, math.inf), (0.0, math.nan)]
)
def test_bad_inputs(mean: float, std: float) -> None:
    for call in (
        lambda: quadrature.values(activation("relu"), mean, std),
        lambda: quadrature.values(activation("relu"), [0.0, mean], [1.0, std]),
        lambda: quadrature.moments(activation("relu"), mean=mean, std=std),
    ):
        with pytest.raises(DomainError, match="finite number"):
            call()


def test_bad_parameters() -> None:
    with pytest.raises(DomainError, match="parameter a of an input is nan"):
        quadrature.values(activation("prelu"), 0.0, 1.0, a=[0.1, math.nan])
    with pytest.raises(UnknownNameError, match="slope"):
        quadrature.values(activation("prelu"), 0.0, 1.0, slope=[0.1])


@pytest.mark.slow
@pytest.mark.parametrize("std", [1e-310, 1e-300, 1e140, 1e160, 1e300, 1e308])
def test_inputs_at_the_ends_of_the_floats(std: float) -> None:
    """What overflows is undefined or unbounded, never a crash; what has a value has the right one."""
    for name in activation_names():
        found = quadrature.moments(activation(name), mean=1.0, std=std)
        assert all(estimate.error >= 0.0 for estimate in found.values()), name
    relu = quadrature.moments(activation("relu"), std=std)
    for quantity, exact in closed_form.moments(activation("relu"), std=std).items():
        assert relu[quantity].agrees_with(exact), quantity


def test_a_square_that_almost_overflows() -> None:
    found = quadrature.moments(activation("square"), std=1e140)
    assert math.isclose(found["mean"].value, 1e280, rel_tol=1e-13)
    assert not found["var"].is_defined  # 2e560


@pytest.mark.parametrize("name", activation_names())
def test_fewer_moments_of_many_inputs(name: str) -> None:
    """The same numbers within the sum of their bounds, which are hardly larger; beside a point, and far out."""
    random = np.random.default_rng(0)
    means = np.concatenate([random.uniform(-2, 2, 200), [-8.0, 50.0, 0.3]])
    stds = np.concatenate([random.uniform(0.5, 2, 200), [1.0, 1.0, 0.0]])
    names = ("slope_second_moment", "mean", "var", "mean_slope")
    every, some = (
        quadrature.values(activation(name), means, stds),
        quadrature.values(activation(name), means, stds, names=names),
    )
    assert (some.names, some.moments.shape) == (names, (4, 203))
    for moment in names:
        allowed = every.error(moment) + some.error(moment)
        same = np.isclose(some[moment], every[moment], rtol=0, atol=np.nan_to_num(allowed), equal_nan=True)
        assert (same | np.isinf(allowed)).all(), moment
        assert np.array_equal(np.isnan(some[moment]), np.isnan(every[moment]))
        scale = 1.0 + np.abs(every[moment])
        usual = every.error(moment) < 1e-12 * scale
        assert (some.error(moment) < 1e-12 * scale)[usual].all(), moment


def test_fewer_moments_of_one_input() -> None:
    every = quadrature.values(activation("gelu"), 0.3, 1.7)
    some = quadrature.values(activation("gelu"), 0.3, 1.7, names=("var_rate", "mean"))
    assert some.moments.tolist() == [every["var_rate"], every["mean"]]
    with pytest.raises(UnknownNameError, match="unknown moment 'gain'"):
        quadrature.values(activation("gelu"), 0.3, 1.7, names=("gain",))
