import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from propstats.auditing import spectrum as module
from propstats.auditing.spectrum import spectrum
from propstats.errors import DataError, DomainError, ModelError
from propstats.estimate import STANDARD_ERRORS


def _dense(widths: tuple[int, ...], seed: int = 0) -> nn.Sequential:
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = []
    for n, m in pairwise(widths):
        linear = nn.Linear(n, m)
        with torch.no_grad():
            linear.weight.normal_(0, math.sqrt(2 / n), generator=generator)
            linear.bias.zero_()
        layers += [linear, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])


def _data(count: int, *shape: int) -> torch.Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(9))


def _exact(model: nn.Module, data: torch.Tensor) -> torch.Tensor:
    """The singular values at every sample, by forming the Jacobians."""
    found = []
    for x in data:
        found.append(torch.linalg.svdvals(torch.func.jacrev(lambda one: model(one[None])[0].flatten())(x).flatten(1)))
    return torch.stack(found).detach().double()


@pytest.mark.parametrize("widths", [(20, 90, 30), (90, 70, 100), (150, 80, 70), (70, 70)])
def test_formed_or_not_the_numbers_are_those_of_the_jacobian(widths: tuple[int, ...]) -> None:
    model, data = _dense(widths), _data(5, widths[0])
    found = spectrum(model, data, inputs=5, top=4)
    exact = _exact(model.eval(), data)
    assert (found.rows, found.columns) == (widths[-1], widths[0])
    for rank in range(4):
        assert abs(found.top[rank].value - float(exact[:, rank].mean())) <= (found.residual + 1e-5) * float(exact.max())
    assert found.residual <= 2e-4
    square = exact.square().mean(dim=1)
    # Between-input spread is common to both; what is left is the noise of one direction for each of five inputs.
    assert abs(found.mean_square.value - float(square.mean())) <= STANDARD_ERRORS * found.mean_square.error + 1e-6
    widths_of_bins = np.diff(found.histogram.edges)
    assert float(np.array(found.histogram.density) @ widths_of_bins) == pytest.approx(1.0, rel=1e-9)


def test_the_mean_square_of_many_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hutchinson within its standard error, on an operator large enough not to be formed."""
    model, data = _dense((80, 80, 80)), _data(64, 80)
    monkeypatch.setattr(module, "_TOLERANCE", 1e-1)
    found = spectrum(model, data, inputs=64, top=1)
    exact = float(_exact(model, data).square().mean())
    assert abs(found.mean_square.value - exact) <= STANDARD_ERRORS * found.mean_square.error
    assert found.mean_square.error < 0.1 * exact


def test_a_convolutional_network() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.GELU(), nn.Conv2d(4, 2, 3, stride=2), nn.Flatten()
        )
    data = _data(3, 1, 11, 11)
    found = spectrum(model, data, inputs=3, top=3)
    exact = _exact(model.eval(), data)
    assert found.max.value == pytest.approx(float(exact[:, 0].mean()), rel=1e-4)
    assert found.columns == 121


def test_seeds_modes_and_parameters_are_left_alone() -> None:
    model, data = _dense((70, 70, 70)), _data(30, 70)
    model.train()
    before = torch.random.get_rng_state()
    a, b, c = (spectrum(model, data, inputs=4, top=2, seed=seed) for seed in (0, 0, 1))
    assert a == b
    assert a.mean_square != c.mean_square
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(part.training for part in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_one_input_has_no_standard_error() -> None:
    found = spectrum(_dense((8, 8)), _data(4, 8), inputs=1)
    assert math.isinf(found.max.error)


def test_refusals(tmp_path: Path) -> None:
    model, data = _dense((8, 8)), _data(4, 8)
    with pytest.raises(DomainError, match="inputs must be at least 1"):
        spectrum(model, data, inputs=0)
    with pytest.raises(DomainError, match="top must be at least 1"):
        spectrum(model, data, top=0)
    with pytest.raises(DataError, match="cannot be differentiated at inputs of shape 9"):
        spectrum(model, _data(4, 9))
    with pytest.raises(DataError, match="tokens"):
        spectrum(nn.Sequential(nn.Embedding(5, 3)), torch.zeros(4, 2, dtype=torch.int64))
    with pytest.raises(ModelError):
        spectrum(tmp_path / "missing.pt")
    broken = _dense((8, 8))
    with torch.no_grad():
        next(broken.parameters())[0, 0] = math.nan
    with pytest.raises(ModelError, match="not finite"):
        spectrum(broken, data)
