import math

import numpy as np
import pytest

from propstats.activations import activation
from propstats.errors import DomainError
from propstats.estimate import STANDARD_ERRORS
from propstats.simulation.lengths import draw_lengths
from propstats.theory.design.breaking import breaking_depth, has_broken
from propstats.theory.design.unit import NormalisedUnit


def _unit(name: str, beta: float = 0.0) -> NormalisedUnit:
    return NormalisedUnit.matched(activation(name), 1.0, beta)


def _share_broken(unit: NormalisedUnit, width: int, depth: int, draws: int) -> float:
    """How many random networks have left [1/2, 2] in standard deviation by a depth."""
    q = draw_lengths(unit, width=width, depth=depth, draws=draws, seed=1)
    return float(has_broken(q).mean())


@pytest.mark.parametrize(("name", "width"), [("relu", 256), ("relu", 512), ("gelu", 512), ("silu", 512)])
def test_one_in_ten_has_broken_at_the_predicted_depth(name: str, width: int) -> None:
    """By simulation, at 0.75 and 1.35 times the depth: fewer than a tenth before it and more after it."""
    predicted = breaking_depth(_unit(name), width).first
    assert predicted is not None
    draws = 250
    error = STANDARD_ERRORS * math.sqrt(0.1 * 0.9 / draws)
    assert _share_broken(_unit(name), width, round(0.75 * predicted), draws) <= 0.1 + error / 2
    assert _share_broken(_unit(name), width, round(1.35 * predicted), draws) >= 0.1 - error / 2


@pytest.mark.slow
def test_half_has_broken_at_the_predicted_depth() -> None:
    for width in (256, 1024):
        predicted = breaking_depth(_unit("relu"), width).half
        assert predicted is not None
        draws = 400
        # The grid's law leaves out skewness, of relative order 1/sqrt(width).
        allowed = STANDARD_ERRORS * 0.5 / math.sqrt(draws) + 1 / math.sqrt(width)
        assert abs(_share_broken(_unit("relu"), width, predicted, draws) - 0.5) <= allowed


@pytest.mark.slow
@pytest.mark.parametrize("name", ["relu", "leaky_relu", "abs"])
def test_a_marginal_unit_breaks_after_the_cube_root_of_the_width(name: str) -> None:
    unit = _unit(name)
    assert unit.quantities["stability_slope"].value == pytest.approx(1.0, abs=1e-12)
    widths = np.array([10**4, 10**5])
    depths = [breaking_depth(unit, int(width)).first for width in widths]
    assert None not in depths
    slopes = np.diff(np.log(np.array(depths, dtype=float))) / np.diff(np.log(widths))
    # Whole layers, and corrections that fall with the width themselves.
    assert np.all(np.abs(slopes - 1 / 3) <= 0.03)


def _saddle_node_scale(unit: NormalisedUnit, width: int) -> float:
    """`(N/(D f''^2))^(1/3)`, the layers in which `dq = f'' q^2/2 dl + sqrt(D/N) dW` crosses its saddle-node."""
    step = 1e-2
    f, fourth = unit.length_map(np.array([1.0 - step, 1.0, 1.0 + step]))
    bend = float(f[0] - 2 * f[1] + f[2]) / step**2
    return float((width / (float(fourth[1] - f[1] ** 2) * bend**2)) ** (1 / 3))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["leaky_relu", "abs", "prelu"])
def test_marginal_units_break_alike_in_units_of_their_saddle_node(name: str) -> None:
    width = 10**5
    relu, other = _unit("relu"), _unit(name)
    first, second = breaking_depth(relu, width).first, breaking_depth(other, width).first
    assert first is not None
    assert second is not None
    # Whole layers: either depth is up to one too large.
    expected = first / _saddle_node_scale(relu, width) * _saddle_node_scale(other, width)
    assert abs(second - expected) <= 1.0 + expected / first


def test_the_constant_for_relu_is_about_three_and_a_half() -> None:
    """Simulated elsewhere: about 3.4 width^(1/3) layers for widths 64 to 2048."""
    for width in (256, 512, 1024, 2048):
        first = breaking_depth(_unit("relu"), width).first
        assert first is not None
        assert 3.3 <= first / width ** (1 / 3) <= 4.0


@pytest.mark.parametrize(("name", "beta"), [("tanh", 0.0), ("erf", 0.0), ("relu", 0.5), ("relu", 1.0), ("sin", 0.0)])
def test_stable_units_do_not_break(name: str, beta: float) -> None:
    unit = _unit(name, beta)
    assert unit.quantities["stability_slope"].value < 1
    assert breaking_depth(unit, 512).first is None
    assert _share_broken(unit, 512, 200, 40) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gelu", "silu", "softplus"])
def test_unstable_units_break_early_at_any_width(name: str) -> None:
    unit = _unit(name)
    assert unit.quantities["stability_slope"].value > 1
    first = breaking_depth(unit, 10**5).first
    assert first is not None
    assert first < 200


def test_narrow_networks_break_at_once() -> None:
    first = breaking_depth(_unit("relu"), 2).first
    assert first is not None
    assert first <= 3
    with pytest.raises(DomainError, match="width must be at least 2"):
        breaking_depth(_unit("relu"), 1)
