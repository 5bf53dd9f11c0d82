"""The slope of the dual: its integral gives back the dual, with jumps as Price's theorem counts them."""

import math

import numpy as np
import pytest

from propstats.activations import activation, activation_names
from propstats.activations.activation import Activation
from propstats.expectation.dual import dual, dual_estimates, dual_slope, slope

_LAW = {"mean": (0.3, -0.2), "std": (1.7, 0.9)}
#: What is promised, of the root of E[f^2] E[g^2].
_ALLOWED = 1e-13


def _surplus(phi: Activation, psi: Activation, low: float, high: float) -> tuple[float, float]:
    """Return how far the integral of the slope is from the difference of the dual, and how far it may be.

    The dual is `sum f_n g_n rho^n`: analytic, and at most the product of the norms M in the disk |rho| < 1, so that
    its slope is at most `M/(1 - |rho|)^2` (Cauchy). For a function of at most B on an ellipse with foci at the ends,
    whose half axes add up to e (half lengths of the interval), Gauss-Legendre with n nodes is off by
    `64/15 B e^(-2n)/(1 - e^-2)` half lengths.
    """
    nodes = 24
    x, w = np.polynomial.legendre.leggauss(nodes)
    middle, half = (low + high) / 2, (high - low) / 2
    axis = (1 + (1 - abs(middle)) / half) / 2  # half way to the circle
    e = axis + math.sqrt(axis**2 - 1)
    norms = [
        math.sqrt(float(dual(f, mean=mean, std=std, correlation=1.0)))
        for f, mean, std in zip((phi, psi), _LAW["mean"], _LAW["std"], strict=True)
    ]
    norm = norms[0] * norms[1]
    bound = norm / (1 - abs(middle) - axis * half) ** 2
    slopes = np.asarray(dual_slope(phi, psi, correlation=middle + half * x, **_LAW))
    ends = dual_estimates(phi, psi, correlation=[low, high], **_LAW)
    found = half * float(w @ slopes) - (ends[1].value - ends[0].value)
    # The slopes are as good as the duals that they are, of norms that are at most some times the slope's own size.
    allowed = ends[0].error + ends[1].error + half * 64 / 15 * bound * e ** (-2 * nodes) / (1 - e**-2)
    return abs(found), allowed + _ALLOWED * (norm + float(np.abs(slopes).max()))


@pytest.mark.parametrize(("low", "high"), [(-0.5, 0.5), (0.8, 0.95), (-0.95, -0.8)])
@pytest.mark.parametrize("name", activation_names())
def test_its_integral_is_the_dual(name: str, low: float, high: float) -> None:
    found, allowed = _surplus(activation(name), activation(name), low, high)
    assert found <= allowed


@pytest.mark.parametrize("pair", [("step", "relu"), ("hardshrink", "tanh"), ("sign", "softsign"), ("gelu", "step")])
def test_of_two_functions(pair: tuple[str, str]) -> None:
    found, allowed = _surplus(activation(pair[0]), activation(pair[1]), 0.8, 0.95)
    assert found <= allowed


@pytest.mark.parametrize(("name", "forgotten"), [("step", "_joint_density"), ("hardshrink", "_by_panels")])
def test_a_forgotten_jump_is_found(name: str, forgotten: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slope, forgotten, lambda *_: (0.0, 0.0))
    found, allowed = _surplus(activation(name), activation(name), 0.8, 0.95)
    assert found > 1e3 * allowed


@pytest.mark.parametrize("rho", [-1.0, -0.9, 0.0, 0.5, 1 - 1e-9, 1.0])
def test_relu(rho: float) -> None:
    """Cho & Saul 2009: the slope of the arc-cosine kernel is that of order 0."""
    exact = (math.pi - math.acos(rho)) / (2 * math.pi)
    # acos magnifies the rounding of its argument near 1, at most by the root of it.
    assert abs(dual_slope(activation("relu"), correlation=rho) - exact) <= 1e-13


@pytest.mark.parametrize("rho", [-0.999, -0.5, 0.0, 0.5, 0.999])
def test_steps(rho: float) -> None:
    """Price 1958: two deltas leave the joint density, 1/(2 pi sqrt(1 - rho^2)) at the origin."""
    exact = 1 / (2 * math.pi * math.sqrt((1 - rho) * (1 + rho)))
    assert abs(dual_slope(activation("step"), correlation=rho) - exact) <= 4e-16 * exact
    assert abs(dual_slope(activation("sign"), correlation=rho) - 4 * exact) <= 16e-16 * exact


def test_steps_at_perfect_correlation() -> None:
    assert dual_slope(activation("step"), correlation=1.0) == math.inf
    # Apart from each other, two steps do not meet.
    shifted = Activation("shifted", "where(x > 1, 1, 0)")
    assert dual_slope(activation("step"), shifted, correlation=1.0) == 0.0


@pytest.mark.parametrize("name", ["tanh", "relu", "step"])
def test_of_a_constant_input(name: str) -> None:
    assert dual_slope(activation(name), std=(0.0, 1.0), correlation=0.5) == 0.0


def test_at_no_correlation_it_is_the_product_of_linear_slopes() -> None:
    """K'(0) = E[f(u) u] E[g(v) v]; for tanh and relu both by Stein's lemma: E[tanh'] E[relu'] = 0.605705.../2."""
    found = dual_slope(activation("tanh"), activation("relu"), correlation=0.0)
    half = dual_slope(activation("tanh"), activation("identity"), correlation=0.3) / 2
    assert abs(found - half) <= 1e-15
