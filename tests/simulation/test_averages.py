import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from propstats.estimate import Estimate, Route
from propstats.simulation.averages import mean_of, mean_of_products, normalised_variance_of
from propstats.simulation.jacobian import jacobian

Array = NDArray[np.float64]


def _products(runs: int, draws: int, layers: int, width: int) -> Array:
    """Squared lengths after layers of He's rectifiers: `2/width chi^2_K` with `K ~ Binomial(width, 1/2)`; mean 1."""
    random = np.random.default_rng(3)
    alive = random.binomial(width, 0.5, (layers, runs, draws))
    return np.asarray((random.chisquare(np.maximum(alive, 1)) * 2 / width).prod(axis=0))


@pytest.mark.parametrize(("draws", "layers"), [(10, 9), (30, 9), (10, 20), (100, 20)])
def test_heavy_tails_raise_no_alarm(draws: int, layers: int) -> None:
    """Deep narrow networks: the mean square is 1, the fourth power's mean is that of one layer to the depth."""
    width = 16
    square = _products(300, draws, layers, width)
    # K units are alive: E[chi^4] = K^2 + 2K, whose mean is w/4 + w^2/4 + w.
    fourth = ((width / 4 + width**2 / 4 + width) * 4 / width**2) ** layers
    one, ratio = (Estimate(value, 0.0, Route.CLOSED_FORM) for value in (1.0, fourth - 1.0))
    z_of_mean = [abs(one.z(mean_of_products(run))) for run in square]
    z_of_ratio = [abs(ratio.z(normalised_variance_of(run, run**2, products=True))) for run in square]
    assert max(*z_of_mean, *z_of_ratio) < 5
    # What a spread alone says of them.
    assert max(abs(one.z(mean_of(run))) for run in square) > 5


def test_light_tails_keep_their_error() -> None:
    random = np.random.default_rng(0)
    draws = random.normal(1.0, 0.05, 200)
    assert mean_of_products(draws).error == pytest.approx(mean_of(draws).error, rel=0.02)


def test_draws_of_which_hardly_any_live_say_nothing() -> None:
    found = mean_of_products(np.array([0.0, 0.0, 3.0]))
    assert (found.value, found.error) == pytest.approx((1.0, 1.0), rel=1e-12)
    assert math.isinf(mean_of_products(np.array([1e-100, 1.0, 1e100])).error)


@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_a_wrong_factor_is_found(factor: float) -> None:
    """In the theory of a network that is wide for its depth, where draws are able to tell."""
    result = jacobian("relu", depth=3, width=64, draws=250)
    assert result.agree
    for name in ("mean_square", "normalised_variance"):
        right = getattr(result.theory, name)
        assert not replace(right, value=factor * right.value).agrees_with(getattr(result.simulation, name))
