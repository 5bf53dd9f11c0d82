"""Fixup: the first pass is the identity on branches, scales are the paper's, biases are where they belong."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from propstats.errors import ModelError
from propstats.estimate import STANDARD_ERRORS
from propstats.nn.init import Residual, fixup_
from propstats.nn.init.fixup import ScalarBias, ScalarMultiplier


def _block(width: int, layers: int) -> Residual:
    parts: list[nn.Module] = []
    for _ in range(layers):
        parts += [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.ReLU()]
    return Residual(nn.Sequential(*parts[:-1]))


def _model(blocks: int, layers: int, width: int = 32) -> Any:
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), *(_block(width, layers) for _ in range(blocks)),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10),
    )  # fmt: skip


@pytest.mark.parametrize(("blocks", "layers"), [(4, 2), (9, 3), (2, 1)])
def test_weights(blocks: int, layers: int) -> None:
    model = _model(blocks, layers)
    state = torch.get_rng_state()
    assert fixup_(model, generator=torch.Generator().manual_seed(1)) == blocks
    assert torch.equal(torch.get_rng_state(), state)
    found = [m for m in model.modules() if isinstance(m, Residual)]
    for block in found:
        convolutions = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
        assert not convolutions[-1].weight.any()
        for convolution in convolutions[:-1]:
            variance = 2 / (32 * 9) * blocks ** (-2 / (2 * layers - 2))
            n = convolution.weight.numel()
            measured = float(convolution.weight.detach().double().square().mean())
            assert abs(measured / variance - 1) <= STANDARD_ERRORS * math.sqrt(2 / n)
    assert not model[-1].weight.any()
    x = torch.randn(2, 32, 5, 5)
    assert torch.equal(found[0](x), x)


def test_biases_and_multipliers() -> None:
    model = _model(2, 2)
    fixup_(model)
    kinds = [type(m).__name__ for m in model[4].branch.modules()][1:]
    assert kinds == ["Sequential", "ScalarBias", "Conv2d", "ScalarBias", "ReLU", "ScalarBias", "Conv2d",
                     "ScalarMultiplier"]  # fmt: skip
    # Three in each branch; before the stem, its activation and the classifier.
    assert sum(isinstance(m, ScalarBias) for m in model.modules()) == 2 * 3 + 3
    assert sum(isinstance(m, ScalarMultiplier) for m in model.modules()) == 2
    x = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), torch.arange(4))
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(10))
    assert losses[-1] < losses[0]
    assert all(p.grad is not None and bool(p.grad.any()) for p in model.parameters())


def test_a_deep_network_has_gradients_of_order_one_in_every_block() -> None:
    model = _model(20, 2, width=16)
    fixup_(model)
    nn.init.normal_(model[-1].weight, 0.0, 0.25, generator=torch.Generator().manual_seed(0))
    x = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    model(x).square().sum().backward()
    last = [[m for m in block.modules() if isinstance(m, nn.Conv2d)][-1].weight.grad for block in model
            if isinstance(block, Residual)]  # fmt: skip
    norms = [float(g.norm()) for g in last if g is not None]
    assert len(norms) == 20
    assert max(norms) / min(norms) < 20  # the blocks differ by their draw, not by their depth


def test_refusals() -> None:
    with pytest.raises(ModelError, match="no residual branches"):
        fixup_(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(ModelError, match=r"0\.branch\.1 \(BatchNorm1d\) normalises"):
        fixup_(nn.Sequential(Residual(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))))
    with pytest.raises(ModelError, match="no layers of weights"):
        fixup_(nn.Sequential(nn.Linear(2, 2), Residual(nn.Sequential(nn.ReLU())), nn.Linear(2, 2)))
    model = _model(1, 2)
    fixup_(model)
    with pytest.raises(ModelError, match="initialised by it before"):
        fixup_(model)
