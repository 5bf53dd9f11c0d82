import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from propstats.activations import activation, activation_names
from propstats.errors import DomainError
from propstats.theory.mean_field.correlation import CorrelationMap
from propstats.theory.mean_field.fixed_points import fixed_points
from propstats.theory.mean_field.second_moment import SecondMomentMap
from propstats.theory.mean_field.trajectory import Fate, Limit, limit, trajectory


def _limit(name: str, sigma_w: float, sigma_b: float = 0.0, q0: float = 1.0) -> Limit:
    layer = SecondMomentMap(activation(name), sigma_w, sigma_b)
    return limit(layer, fixed_points(layer), q0)


def test_relu_diverges_when_a_float_does() -> None:
    found = _limit("relu", 1.5)
    assert found.fate is Fate.DIVERGES
    # 1.125^k > (largest float32)^2
    assert found.layer == math.ceil(2 * math.log(3.4028234663852886e38) / math.log(1.125))


def test_relu_vanishes_when_a_float_does() -> None:
    found = _limit("relu", 1.0, q0=1.5)  # no power of two: where q only just vanishes, rounding decides
    assert found.fate is Fate.VANISHES
    assert found.layer == 2 * 126 + 1  # 1.5 * 2^-k < (2^-126)^2
    assert found.root is not None
    assert found.root.q == 0.0


def test_relu_stays_at_its_edge() -> None:
    found = _limit("relu", math.sqrt(2), q0=3.0)
    assert (found.fate, found.layer) == (Fate.STAYS, None)
    assert found.root is not None
    assert found.root.q == 3.0


def test_slow_divergence_needs_no_layer() -> None:
    assert _limit("relu", math.sqrt(2), 0.1) == Limit(Fate.DIVERGES, None, None)  # q grows by 0.01 a layer


def test_marginal_decay_needs_no_layer() -> None:
    found = _limit("tanh", 1.0)
    assert (found.fate, found.layer) == (Fate.VANISHES, None)


@pytest.mark.parametrize(("q0", "fate", "layer"), [(1.0, Fate.VANISHES, None), (1.4, Fate.DIVERGES, None)])
def test_the_start_decides(q0: float, fate: Fate, layer: int | None) -> None:
    found = _limit("square", 0.5, q0=q0)  # q = 4/3 repels
    assert found.fate is fate
    assert found.layer is not None
    assert found.layer < 20


def test_the_start_on_an_unstable_point_stays_there() -> None:
    layer = SecondMomentMap(activation("square"), 0.5, 0.0)
    roots = fixed_points(layer)
    found = limit(layer, roots, roots.points[1].q)
    assert (found.fate, found.root) == (Fate.CONVERGES, roots.points[1])


@pytest.mark.parametrize("name", ["gaussian", "exp(-x**2)*x**2"])
@pytest.mark.parametrize("sigma_w", [0.5, 30.0])
def test_maps_that_fall_overshoot_and_settle(name: str, sigma_w: float) -> None:
    for sigma_b, q0 in ((0.0, 3.0), (0.3, 0.1)):
        layer = SecondMomentMap(activation(name), sigma_w, sigma_b)
        found = limit(layer, fixed_points(layer), q0)
        assert found.fate in (Fate.CONVERGES, Fate.VANISHES)
        assert found.root is not None
        q = q0
        for _ in range(200):
            q = layer.at(q).value
        assert abs(q - found.root.q) <= 1e-9 * found.root.q + found.root.error + 1e-30


@given(
    name=st.sampled_from(activation_names()), beta=st.sampled_from([0.0, -1.0]), q=st.floats(-4, 2).map(lambda u: 10**u)
)
def test_nothing_falls_faster_than_the_root(name: str, beta: float, q: float) -> None:
    layer = SecondMomentMap(activation(name), 1.0, 0.0, beta)
    at = layer.at(q)
    if at.value > 0 and math.isfinite(at.error):
        slope = layer.slope(q)
        assert q * slope.value >= -0.5 * at.value - q * slope.error - at.error


def test_he_follows_cho_and_saul() -> None:
    layer = SecondMomentMap(activation("relu"), math.sqrt(2), 0.0)
    c = 0.3
    for state in trajectory(layer, q0=2.0, c0=0.3, depth=20):
        assert abs(state.q.value - 2.0) <= state.q.error + 1e-15
        assert abs(state.c.value - c) <= state.c.error + 1e-14
        c = (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / math.pi


def test_trajectories_end_in_the_fixed_points() -> None:
    layer = SecondMomentMap(activation("tanh"), 2.0, 0.5)
    *_, last = trajectory(layer, q0=3.0, c0=0.9, depth=200)
    (root,) = fixed_points(layer).points
    below, _ = CorrelationMap(layer, root.q, root.error).fixed_points(layer.chi_1(root.q, root.error))
    assert below.chi_c.value**200 < 1e-13
    assert abs(last.q.value - root.q) <= last.q.error + root.error
    assert abs(last.c.value - below.c.value) <= last.c.error + below.c.error + 1e-13


def test_two_equal_inputs_stay_equal() -> None:
    layer = SecondMomentMap(activation("tanh"), 2.0, 0.1)
    assert [state.c.value for state in trajectory(layer, q0=1.0, c0=1.0, depth=5)] == [1.0] * 6


def test_opposite_inputs_of_an_odd_activation_stay_opposite() -> None:
    layer = SecondMomentMap(activation("sin"), 1.2, 0.0)
    found = [state.c.value for state in trajectory(layer, q0=1.0, c0=-1.0, depth=5)]
    assert found == pytest.approx([-1.0] * 6, abs=1e-12)


def test_correlations_near_one_keep_their_digits() -> None:
    layer = SecondMomentMap(activation("tanh"), 1.1, 0.3)  # ordered
    gaps = np.array([1 - state.c.value for state in trajectory(layer, q0=1.0, c0=0.5, depth=60)])
    assert (np.diff(gaps) <= 0).all()
    chi = layer.chi_1(fixed_points(layer).points[0].q).value
    assert math.isclose(gaps[30] / gaps[29], chi, rel_tol=1e-2)


def test_a_trajectory_ends_where_floats_do() -> None:
    layer = SecondMomentMap(activation("square"), 5.0, 0.0)
    states = list(trajectory(layer, q0=1.0, c0=0.5, depth=50))
    assert len(states) < 12
    assert math.isinf(states[-1].q.value)
    assert math.isnan(states[-1].c.value)


def test_correlations_end_before_second_moments_do() -> None:
    """The second moment of exp is known by a formula where no quadrature follows."""
    states = list(trajectory(SecondMomentMap(activation("exp"), 1.4, 0.3), q0=1e-6, c0=0.5, depth=6))
    undefined = [math.isnan(state.c.value) for state in states]
    assert undefined == sorted(undefined)  # once lost, a correlation does not come back
    assert undefined[-1]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"depth": -1}, "depth"),
        ({"depth": 1_000_000}, "depth must be between 0 and 10000"),
        ({"q0": 0.0}, "q0"),
        ({"q0": math.nan}, "q0"),
        ({"c0": 1.1}, "c0"),
        ({"c0": math.nan}, "c0"),
    ],
)
def test_bad_input(changed: dict[str, float], what: str) -> None:
    arguments = {"q0": 1.0, "c0": 0.0, "depth": 1, **changed}
    with pytest.raises(DomainError, match=what):
        list(trajectory(SecondMomentMap(activation("tanh"), 1.0, 0.0), **arguments))  # type: ignore[arg-type]
