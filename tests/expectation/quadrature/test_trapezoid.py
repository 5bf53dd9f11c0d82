"""The trapezoidal rule: exponentially good for smooth activations, and aware of when it is not."""

import math

import numpy as np
import pytest
from oracle import oracle_moments

from propstats.activations import Activation, activation, activation_names
from propstats.expectation.quadrature import trapezoid
from propstats.expectation.quadrature.branches import branches
from propstats.expectation.quadrature.sums import PROBES, Gaussians, Sums

EPS = 2.0**-52
_SMOOTH = [name for name in activation_names() if len(branches(activation(name)).parts) == 1]


def _sums(entry: Activation, mean: float, std: float, level: int, reach: float = 9.0) -> Sums:
    own = branches(entry)
    inputs = Gaussians(mean, std, tuple(own.params.values()), (False, False))
    averages = trapezoid.averages(own, 0, level, reach, inputs)
    assert averages is not None
    return trapezoid.sums(averages, std, own.scales[0])


def test_weights_are_those_of_the_normal_distribution() -> None:
    z, weights = trapezoid.nodes(0, 9.0)
    assert (z[0], z[-1]) == (-27.0, 27.0)
    assert math.isclose(weights[:, 0].sum(), 1.0, rel_tol=4 * EPS)
    assert math.isclose(weights[:, 1].sum(), 1.0, rel_tol=16 * EPS)
    assert abs(weights[:, 4].sum()) < 4 * EPS
    assert not weights[:PROBES, :3].any()
    # Half the nodes miss twice exp(-w^2/2), w = 5: of the density's Fourier transform.
    assert abs(weights[:, 2].sum()) <= 2.01 * math.exp(-(trapezoid._LOWEST**2) / 8)


@pytest.mark.parametrize("name", _SMOOTH)
def test_the_level_that_the_scale_asks_for_is_enough(name: str) -> None:
    entry = activation(name)
    if branches(entry).is_steep:
        pytest.skip("reaches further than 9")
    exact = oracle_moments(name, 0.3, 1.7)
    level = int(trapezoid.level_of(branches(entry).scales[0], 1.7, 1))
    found = _sums(entry, 0.3, 1.7, level)
    size = math.sqrt(float(exact["second_moment"]))
    assert max(found.missed) < 1e-13 * max(size * size, 2.0)
    for value, key, scale in (
        (found.mean, "mean", size),
        (found.yy, "var", size**2),
        (found.d, "mean_slope", 1.0),
        (found.dd, "slope_second_moment", 1.0),
    ):
        assert abs(value - float(exact[key])) <= 24 * EPS * max(scale, 1.0), key


@pytest.mark.parametrize("name", [name for name in _SMOOTH if branches(activation(name)).degrees[0] == math.inf])
def test_no_level_is_trusted_that_is_too_low(name: str) -> None:
    """From level to level: as long as the rule is wrong by more than 1e-12, its bound is above 1e-13."""
    std = 0.5 if name == "exp" else 2.0
    finest = _sums(activation(name), 0.3, std, trapezoid.MAX_LEVEL, 13.0)
    sizes = (finest.yy**0.5, finest.dd**0.5, finest.dd, finest.yy, math.sqrt(finest.yy * finest.dzdz))
    exact = (finest.mean, finest.d, finest.dd, finest.yy, finest.ydz)
    noticed = False
    for level in range(0, trapezoid.MAX_LEVEL, 2):
        found = _sums(activation(name), 0.3, std, level, 13.0)
        values = (found.mean, found.d, found.dd, found.yy, found.ydz)
        for value, truth, size, missed in zip(values, exact, sizes, found.missed, strict=True):
            if abs(value - truth) > 1e-12 * size:
                noticed = True
                assert missed > 1e-13 * size, level
    assert noticed or name == "exp"


def test_a_constant_has_no_level() -> None:
    own = branches(activation("relu"))
    inputs = Gaussians(-50.0, 1.0, (), (False, False))
    assert trapezoid.averages(own, 0, 0, 9.0, inputs) is None


def test_more_levels_for_wider_inputs_and_poles() -> None:
    tanh, sine = (branches(activation(name)).scales[0] for name in ("tanh", "sin"))
    for scale in (tanh, sine):
        levels = trapezoid.level_of(scale, np.array([1e-9, 0.1, 1.0, 10.0]), 1)
        assert (np.diff(levels) >= 0).all()
        assert levels[0] == 0
        assert levels[-1] > 12


def test_a_spacing_in_x_has_exact_multiples() -> None:
    (scale,) = branches(activation("tanh")).scales
    for std in (1e-3, 0.7, 40.0):
        spacing = trapezoid.spacing(scale, std, 1)
        mantissa, _ = math.frexp(spacing)
        assert mantissa * 2**30 == round(mantissa * 2**30)
        # As fine as the levels in z, and wider for no wider input.
        frequency = 2 * math.pi * std / spacing
        assert 0 <= trapezoid.level_of(scale, std, 1) - 6 * math.log2(frequency / 10.0) + 1 <= 1.6
        assert trapezoid.spacing(scale, 1.5 * std, 1) >= spacing
    assert trapezoid.spacing(scale, 1e-310, 1) == 0.0


def test_what_may_be_missed_grows_with_either_sign_of_it() -> None:
    (scale,) = branches(activation("tanh")).scales
    small, by_stein, by_coarse = (
        trapezoid.missed_by(scale, 1.0, 30.0, *signs) for signs in ((1e-16, 1e-9), (1e-6, 1e-9), (1e-16, 1e-3))
    )
    assert small < 1e-15 < 1e-6 <= min(by_stein, 30 * by_coarse)
