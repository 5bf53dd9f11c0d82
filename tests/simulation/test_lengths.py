import math

import numpy as np
import pytest
import torch

from propstats.activations import activation
from propstats.errors import DomainError
from propstats.estimate import STANDARD_ERRORS
from propstats.simulation.lengths import draw_lengths
from propstats.simulation.network import draw_jacobians
from propstats.theory.design.unit import NormalisedUnit
from propstats.theory.network import DenseNetwork
from propstats.theory.weights.schemes import weight_scheme


@pytest.mark.parametrize("name", ["relu", pytest.param("tanh", marks=pytest.mark.slow)])
def test_the_law_is_that_of_networks_with_weights(name: str) -> None:
    """Means and variances of the logarithm after three layers, of both ways to draw."""
    act, width, draws = activation(name), 12, 1500
    network = DenseNetwork(act, weight_scheme("normprop"), (width,) * 4)
    drawn = np.stack([draw.second_moments for draw in draw_jacobians(network, draws=draws, seed=1)])
    short = draw_lengths(NormalisedUnit.matched(act), width=width, depth=3, draws=draws, seed=2)
    for layer in range(4):
        a, b = np.log(drawn[:, layer]), np.log(short[:, layer])
        assert abs(a.mean() - b.mean()) <= STANDARD_ERRORS * math.sqrt((a.var() + b.var()) / draws)
        squares = (a - a.mean()) ** 2, (b - b.mean()) ** 2
        spread = math.sqrt(sum(square.var() for square in squares) / draws)
        assert abs(squares[0].mean() - squares[1].mean()) <= STANDARD_ERRORS * spread


def test_draw_k_is_the_same_whatever_the_number_of_draws() -> None:
    unit = NormalisedUnit.matched(activation("relu"))
    before = torch.random.get_rng_state()
    few, many = (draw_lengths(unit, width=8, depth=4, draws=draws, seed=3) for draws in (2, 5))
    assert np.array_equal(few, many[:2])
    assert not np.array_equal(few, draw_lengths(unit, width=8, depth=4, draws=2, seed=4))
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_signal_that_leaves_the_floats_stays_where_it_left() -> None:
    unit = NormalisedUnit(activation("square"), 5.0, 0.0, 0.0, 1.0)
    q = draw_lengths(unit, width=4, depth=40, draws=2)
    assert np.isfinite(q).all()
    assert q[0, -1] > 1e100


def test_refusals() -> None:
    unit = NormalisedUnit.matched(activation("relu"))
    with pytest.raises(DomainError, match="width must be at least 2"):
        draw_lengths(unit, width=1, depth=2, draws=2)
    with pytest.raises(DomainError, match="draws must be at least 1"):
        draw_lengths(unit, width=4, depth=2, draws=0)
