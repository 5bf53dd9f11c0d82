"""Rows of weights: lengths, the constraint, as a step and as a parametrisation."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from propstats.nn import UnitRows
from propstats.nn.rows import Weighted, row_lengths, rows_first, scale_rows

_LAYERS = [
    nn.Linear(6, 4),
    nn.Conv1d(6, 4, 3),
    nn.Conv2d(6, 4, 3, groups=2),
    nn.ConvTranspose1d(6, 4, 3),
    nn.ConvTranspose2d(6, 4, (3, 2), groups=2),
    nn.ConvTranspose3d(4, 8, 2, groups=4),
]


def _touched(layer: nn.Module, unit: int) -> torch.Tensor:
    """The weights that an output unit depends on, found by asking autograd."""
    inputs = 6 if not isinstance(layer, nn.ConvTranspose3d) else 4
    shape = (1, inputs, *(4,) * (layer.get_parameter("weight").dim() - 2))
    out = layer(torch.ones(shape))[:, unit].sum()
    (gradient,) = torch.autograd.grad(out, [layer.get_parameter("weight")])
    return gradient != 0


@pytest.mark.parametrize("layer", _LAYERS, ids=lambda layer: str(layer))
def test_a_row_is_what_a_unit_depends_on(layer: Weighted) -> None:
    assert isinstance(layer, nn.Module)
    rows = rows_first(layer, layer.weight)
    for unit in range(len(rows)):
        own = layer.weight.detach()[_touched(layer, unit)]
        assert sorted(own.tolist()) == sorted(rows[unit].tolist())
    factor = torch.arange(1.0, len(rows) + 1)
    scaled = rows_first(layer, scale_rows(layer, layer.weight, factor))
    torch.testing.assert_close(scaled, rows * factor[:, None])


def test_as_a_parametrisation() -> None:
    layer = nn.ConvTranspose2d(4, 6, 3, groups=2)
    parametrize.register_parametrization(layer, "weight", UnitRows(layer))
    torch.testing.assert_close(row_lengths(layer), torch.ones(6))
    layer(torch.randn(1, 4, 5, 5)).sum().backward()
    assert layer.get_parameter("parametrizations.weight.original").grad is not None
