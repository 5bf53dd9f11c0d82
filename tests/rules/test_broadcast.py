"""Signals of different sizes that meet: sums and products, against sums over random signals."""

import math

import pytest
import torch

from propstats.estimate import STANDARD_ERRORS
from propstats.rules.broadcast import Broadcast
from propstats.rules.join import Add
from propstats.rules.product import Product
from propstats.signals import Gradient, Positions, Signal


@pytest.mark.parametrize("together", [Add(), Product()])
@pytest.mark.parametrize("shape", [(8, 1), (1, 6)])
def test_what_is_repeated_gets_the_gradients_of_all_its_copies(together: Add | Product, shape: tuple[int, int]) -> None:
    """A gate for each of 8 channels, and a map of 6 positions for all channels."""
    draws, units, positions = 20_000, 8, 6
    generator = torch.Generator().manual_seed(0)

    def draw(*sizes: int, alike: float) -> torch.Tensor:
        common = torch.randn(draws, sizes[0], 1, generator=generator, dtype=torch.float64)
        own = torch.randn(draws, *sizes, generator=generator, dtype=torch.float64)
        return math.sqrt(alike) * common + math.sqrt(1.0 - alike) * own

    x, z = draw(units, positions, alike=0.3), 1.5 * draw(*shape, alike=0.0)
    given = draw(units, positions, alike=0.4)
    z.requires_grad_()
    y = x + z if isinstance(together, Add) else x * z
    (back,) = torch.autograd.grad(y, z, given)
    rule = Broadcast(together, (1, positions // shape[1]), (1, units // shape[0]))
    one = Signal(0.0, 1.0, 1.0, positions=Positions(0.3, 0.0))
    other = Signal(0.0, 2.25, 2.25, positions=Positions(0.0, 0.0) if shape[1] > 1 else None)
    after = rule.join([one, other])
    assert after.positions is not None
    y = y.detach()
    pairs = (y.sum(dim=2).square() - y.square().sum(dim=2)).mean(dim=1) / (positions * (positions - 1))
    for theory, sample in (
        (after.q, y.square().mean(dim=(1, 2))),
        (after.positions.same, pairs),
        (rule.split(Gradient(1.0, positions=0.4), [one, other])[1].q, back.square().mean(dim=(1, 2))),
    ):
        error = float(sample.std()) / math.sqrt(draws)
        assert abs(theory - float(sample.mean())) <= STANDARD_ERRORS * error
