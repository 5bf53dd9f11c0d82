import math

import numpy as np
import pytest

from propstats.estimate import STANDARD_ERRORS
from propstats.rules.dense import Weights
from propstats.signals import Gradient, Signal


def _layer(units: int = 40, fan_in: int = 25) -> Weights:
    return Weights(0.05, 0.09, 0.1, 0.2, fan_in=fan_in, fan_out=units, units=units)


def test_formulas() -> None:
    after = _layer().forward(Signal(0.5, 2.0, 1.5, 0.1))
    assert math.isclose(after.mean, 25 * 0.05 * 0.5 + 0.1)
    # The last two: what shared means of weights and biases give in every unit.
    assert math.isclose(after.q, 25 * 0.09 * 2.0 + 0.2 + 25 * 24 * (0.05 * 0.5) ** 2 + 2 * 25 * 0.05 * 0.5 * 0.1)
    assert math.isclose(after.var, 25 * 0.09 * 1.5)
    # Biases, and what comes of means, have no error.
    assert math.isclose(after.error, math.hypot(0.1 * 25 * 0.09 * 2.0 / after.q, math.sqrt(2 / 40)))
    assert math.isclose(_layer().backward(Gradient(3.0), after).q, 40 * 0.09 * 3.0)
    assert math.isclose(_layer().sigma_w, math.sqrt(25 * 0.09))


def test_biases_are_shared_by_all_data() -> None:
    """The overlap of two inputs grows by the bias, what tells them apart does not."""
    before = Signal(0.0, 1.0, 0.25)
    with_bias, without = (Weights(0, 0.1, 0, b, 10, 10, 10).forward(before) for b in (0.7, 0.0))
    assert with_bias.var == without.var
    assert with_bias.c > without.c
    assert math.isclose(without.c, before.c)


@pytest.mark.parametrize("units", [5, 50])
def test_stated_error_bounds_the_spread_over_draws(units: int) -> None:
    """The relative standard deviation of q over draws is at most sqrt(2/units), and reaches it for one input."""
    generator = np.random.default_rng(0)
    draws, n = 4_000, 12
    x = generator.standard_normal(n)
    weights = generator.standard_normal((draws, units, n)) / math.sqrt(n)
    q = np.square(weights @ x).mean(axis=1)
    spread = float(q.std(ddof=1) / q.mean())
    stated = Weights(0.0, 1 / n, 0.0, 0.0, n, units, units).forward(Signal(0.0, 1.0, 0.0)).error
    # Standard error of a standard deviation: half of that of the variance, from the fourth moment.
    fourth = float(((q - q.mean()) ** 4).mean() / q.var() ** 2)
    error = spread * math.sqrt((fourth - 1) / draws) / 2 + spread * spread / math.sqrt(draws)
    assert abs(spread - stated) <= STANDARD_ERRORS * error


def test_nothing_in_nothing_out() -> None:
    after = Weights(0.0, 0.0, 0.0, 0.0, 4, 4, 4).forward(Signal(0.0, 1.0, 0.5))
    assert (after.mean, after.q, after.var, after.c) == (0.0, 0.0, 0.0, 1.0)
