import math
from itertools import pairwise

import numpy as np
import pytest

from propstats.activations import activation
from propstats.errors import DomainError
from propstats.expectation import quadrature
from propstats.theory.design.unit import NormalisedUnit


@pytest.mark.parametrize("name", ["relu", "prelu", "gelu", "tanh", "hardtanh", "softplus", "step"])
@pytest.mark.parametrize(("gamma", "beta"), [(1.0, 0.0), (0.5, 1.0), (2.0, -0.7)])
def test_matched_constants_keep_variance_one(name: str, gamma: float, beta: float) -> None:
    unit = NormalisedUnit.matched(activation(name), gamma, beta)
    f, fourth = unit.length_map(np.array([1.0]))
    assert f[0] == pytest.approx(1.0, abs=1e-10)
    assert fourth[0] >= f[0] ** 2
    # f'(1), by a difference of second order, is the stability slope.
    step = 1e-3
    low, high = unit.length_map(np.array([1 - step, 1 + step]))[0]
    slope = (high - low) / (2 * step)
    # E[(y - c2) phi' gamma z]/Var phi: the mean stays c2 to first order in nothing but the variance's own change.
    assert slope == pytest.approx(_slope(unit), abs=1e-4)


def _slope(unit: NormalisedUnit) -> float:
    return unit.quantities["stability_slope"].value


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 1.5])
def test_relu_with_a_bias(beta: float) -> None:
    """s = 1, 0.81, 0.77, 0.83 and J^2 = 1.467, 1.25, 1.12, 1.05."""
    printed = {0.0: (1.0, 1.467), 0.5: (0.81, 1.25), 1.0: (0.77, 1.12), 1.5: (0.83, 1.05)}[beta]
    found = NormalisedUnit.matched(activation("relu"), 1.0, beta).quantities
    assert round(found["stability_slope"].value, 2) == printed[0]
    assert abs(found["jacobian_factor"].value ** 2 - printed[1]) <= 0.005


def test_trajectory_of_a_matched_unit_stays() -> None:
    unit = NormalisedUnit.matched(activation("tanh"))
    q, growth = unit.trajectory(30)
    assert len(q) == 31
    assert max(abs(value - 1) for value in q) <= 1e-12
    assert growth == pytest.approx(60 * math.log(unit.quantities["jacobian_factor"].value), rel=1e-12)


def test_trajectory_of_the_papers_gamma_shrinks_and_keeps_gradients() -> None:
    relu = activation("relu")
    plain = NormalisedUnit.matched(relu)
    factor = plain.quantities["jacobian_factor"].value
    q, growth = NormalisedUnit(relu, 1 / factor, 0.0, plain.shift, plain.scale).trajectory(9)
    assert growth == pytest.approx(0.0, abs=1e-12)
    assert q[-1] == pytest.approx(0.3667, abs=1e-3)
    assert all(later < earlier for earlier, later in pairwise(q))


def test_length_map_against_thirty_panels() -> None:
    """E[y^4] of the fourth power expanded in moments of the activation's powers, for ReLU, whose moments are known."""
    unit = NormalisedUnit.matched(activation("relu"), 1.3, 0.2)
    f, fourth = unit.length_map(np.array([0.5, 2.0]))
    for q, second, found in zip((0.5, 2.0), f, fourth, strict=True):
        grid = np.linspace(-40.0, 40.0, 2_000_001)
        std = 1.3 * math.sqrt(q)
        density = np.exp(-0.5 * ((grid - 0.2) / std) ** 2) / std / math.sqrt(2 * math.pi) * (grid[1] - grid[0])
        y = (np.maximum(grid, 0) - unit.shift) / unit.scale
        assert second == pytest.approx(float(density @ y**2), rel=1e-8)
        assert found == pytest.approx(float(density @ y**4), rel=1e-8)


def test_refusals() -> None:
    relu = activation("relu")
    for gamma, beta in ((0.0, 0.0), (-1.0, 0.0), (math.nan, 0.0), (1.0, math.inf)):
        with pytest.raises(DomainError, match="gamma must be positive"):
            NormalisedUnit.matched(relu, gamma, beta)
    with pytest.raises(DomainError, match="constant"):
        NormalisedUnit.matched(activation("threshold", threshold=0.0, value=0.0), 1.0, -1e6)
    growing = NormalisedUnit(relu, 100.0, 0.0, 0.0, 1.0)
    with pytest.raises(DomainError, match="diverges at layer"):
        growing.trajectory(50)
    assert quadrature.moments(relu)["var"].value > 0
