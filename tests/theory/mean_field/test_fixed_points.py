import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propstats.activations import activation
from propstats.theory.mean_field.fixed_points import Roots, fixed_points
from propstats.theory.mean_field.second_moment import SecondMomentMap


def _roots(name: str, sigma_w: float, sigma_b: float, beta: float = 0.0) -> Roots:
    return fixed_points(SecondMomentMap(activation(name), sigma_w, sigma_b, beta))


def test_published_tanh() -> None:
    # 15 digits by mpmath.
    for sigma_w, sigma_b, exact in ((1.5, 0.05**0.5, 0.889424917282491), (2.0, 0.3, 2.25375337622789)):
        (root,) = _roots("tanh", sigma_w, sigma_b).points
        assert abs(root.q - exact) <= root.error + 5e-15
        assert root.error < 1e-13


@pytest.mark.parametrize("sigma_b", [0.0, 0.1, 3.0])
@pytest.mark.parametrize("sigma_w", [0.5, 1.0, 1.41])
def test_relu_is_a_geometric_series(sigma_w: float, sigma_b: float) -> None:
    (root,) = _roots("relu", sigma_w, sigma_b).points
    exact = sigma_b**2 / (1 - sigma_w**2 / 2)
    # sigma_w^2 is rounded, which the sum magnifies.
    assert abs(root.q - exact) <= root.error + 4e-16 * exact / (1 - sigma_w**2 / 2)


def test_relu_at_and_above_the_edge() -> None:
    found = _roots("relu", math.sqrt(2), 0.0)
    assert (found.points, found.stretch, found.grows) == ((), (0.0, math.inf), False)
    for sigma_w, sigma_b in ((math.sqrt(2), 0.1), (1.5, 0.1)):
        found = _roots("relu", sigma_w, sigma_b)
        assert (found.points, found.grows) == ((), True)
    found = _roots("relu", 1.5, 0.0)
    assert [root.q for root in found.points] == [0.0]
    assert found.grows


@pytest.mark.parametrize(
    ("name", "sigma_w", "exact"),
    [("square", 0.5, [0.0, 4 / 3]), ("cube", 0.2, [0.0, math.sqrt(25 / 15)]), ("sign", 1.3, [0.0, 1.69])],
)
def test_powers(name: str, sigma_w: float, exact: list[float]) -> None:
    found = _roots(name, sigma_w, 0.0)
    assert [root.q for root in found.points] == pytest.approx(exact, rel=1e-14)
    assert found.grows == (name != "sign")


def test_square_with_a_bias_has_two_or_none() -> None:
    # 3 w q^2 - q + b = 0
    w, b = 0.25, 0.01
    exact = [(1 + side * math.sqrt(1 - 12 * w * b)) / (6 * w) for side in (-1, 1)]
    assert [root.q for root in _roots("square", 0.5, 0.1).points] == pytest.approx(exact, rel=1e-13)
    none = _roots("square", 0.5, 0.6)  # 12 w b = 1.08
    assert (none.points, none.grows) == ((), True)


def test_a_pair_between_two_points_of_the_scan() -> None:
    # w exp(2 q) = q touches at q = 1/2, w = 1/(2 e); just below, there are two.
    touching = math.sqrt(1 / (2 * math.e))
    d = 1e-9
    near = _roots("exp", touching * (1 - d), 0.0).points
    assert len(near) == 2
    for root, side in zip(near, (-1, 1), strict=True):
        # With q = 1/2 + x: 2 x^2 - 8/3 x^3 + O(x^4) = -2 log(1 - d).
        assert abs(root.q - (0.5 + side * math.sqrt(d) + 2 / 3 * d)) <= root.error + 10 * d**1.5
    assert _roots("exp", touching * (1 + 1e-9), 0.0).points == ()
    (double,) = _roots("exp", touching, 0.0).points
    assert abs(double.q - 0.5) <= double.error
    assert double.touches


def test_three_fixed_points() -> None:
    # T/q rises from 0.81 to 1.44 and falls again: a flat start, a steep middle, saturation.
    found = _roots("tanhshrink(x)/(1 + 0.01*x**2)", 3.0, 0.1)
    assert len(found.points) == 3
    layer = SecondMomentMap(activation("tanhshrink(x)/(1 + 0.01*x**2)"), 3.0, 0.1)
    slopes = [layer.slope(root.q).value for root in found.points]
    assert slopes[0] < 1 < slopes[1]
    assert slopes[2] < 1
    assert not found.grows


@pytest.mark.parametrize(
    ("name", "sigma_w", "exact"),
    [("square", 1e20, 1e-40 / 3), ("sign", 1e-20, 1e-40), ("cos", 1e-20, 1e-40), ("cube", 1e35, 1e-35 / math.sqrt(15))],
)
def test_tiny_fixed_points(name: str, sigma_w: float, exact: float) -> None:
    tiny = next(root.q for root in _roots(name, sigma_w, 0.0).points if root.q > 0)
    assert math.isclose(tiny, exact, rel_tol=1e-12)


def test_biases_whose_variance_underflows() -> None:
    for sigma_w, size in ((0.5, 1e-100), (1.0, 1e-6), (2.0, 3.0)):
        found = _roots("tanh", sigma_w, 1e-308).points
        assert found[0].q == 0.0 < found[0].error
        assert found[-1].q - found[-1].error < size


def test_marginal_zero() -> None:
    for name, hidden in (("tanh", 1e-13), ("hardtanh", 0.05)):
        (root,) = _roots(name, 1.0, 0.0).points
        assert root.q == 0.0
        assert root.error < hidden  # up to there rounding hides whether q stays


def test_no_weights() -> None:
    (root,) = _roots("tanh", 0.0, 0.3).points
    assert root.q == 0.3**2


@settings(max_examples=20)
@given(
    name=st.sampled_from(["tanh", "erf", "sin", "hardtanh", "softsign", "relu", "elu", "gelu", "sigmoid", "gaussian"]),
    sigma_w=st.floats(0.2, 3.0),
    sigma_b=st.floats(0.0, 1.0),
    beta=st.sampled_from([0.0, 0.3]),
)
def test_every_fixed_point_satisfies_the_map(name: str, sigma_w: float, sigma_b: float, beta: float) -> None:
    layer = SecondMomentMap(activation(name), sigma_w, sigma_b, beta)
    found = fixed_points(layer)
    for root in found.points:
        if root.q == 0.0:
            assert layer.starts_at_zero
            continue
        at = layer.at(root.q)
        slope = layer.slope(root.q)
        assert abs(at.value - root.q) <= at.error + 2 * abs(1 - slope.value) * root.error + 1e-14 * root.q
    # Slopes at neighbours are on different sides of 1: the map crosses the diagonal down and up in turns.
    sides = [layer.slope(root.q).value < 1 for root in found.points if root.q > 0 and not root.touches]
    assert all(a != b for a, b in pairwise(sides))


@pytest.mark.parametrize("name", ["tanh", "erf", "relu", "gelu", "selu", "softplus"])
@pytest.mark.parametrize(("sigma_w", "sigma_b"), [(0.8, 0.3), (1.3, 0.1)])
def test_against_iteration(name: str, sigma_w: float, sigma_b: float) -> None:
    layer = SecondMomentMap(activation(name), sigma_w, sigma_b)
    q = before = error = np.ones(1)
    for _ in range(3000):
        before, (q, error) = q, layer.values(q)
        if abs(q - before)[0] <= 1e-15 * q[0]:
            break
    nearest = min(fixed_points(layer).points, key=lambda root: abs(root.q - q[0]))
    slope = layer.slope(nearest.q).value
    assert abs(nearest.q - q[0]) <= nearest.error + (error[0] + abs(q - before)[0]) / (1 - slope)
