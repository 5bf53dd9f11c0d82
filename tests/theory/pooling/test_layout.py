"""Windows over several axes, against torch's pooling in two and three dimensions."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from propstats.errors import DomainError
from propstats.theory.pooling.geometry import adaptive, bordered, interior
from propstats.theory.pooling.layout import Layout, Window, layout


def _spread(found: Layout, values: np.ndarray) -> np.ndarray:
    """Put the numbers of groups at all positions."""
    return np.asarray(values[np.ix_(*(axis.group for axis in found.axes))])


def test_cover_of_three_dimensions() -> None:
    size, kernel, stride, padding = (5, 6, 7), (3, 2, 3), (2, 1, 2), (1, 1, 0)
    found = layout([bordered(*numbers) for numbers in zip(size, kernel, stride, padding, strict=True)])
    x = torch.zeros(1, 1, *size, dtype=torch.float64, requires_grad=True)
    y = functional.max_pool3d(x, kernel, stride, padding)
    (first,) = torch.autograd.grad(y.sum(), x)
    assert first[0, 0].tolist() == _spread(found, found.first.sum(axis=0)).tolist()
    y = functional.avg_pool3d(x, kernel, stride, padding, divisor_override=1)
    (cover,) = torch.autograd.grad(y.sum(), x)
    assert cover[0, 0].tolist() == _spread(found, found.cover.sum(axis=0)).tolist()
    assert found.outputs == y.numel()
    assert found.size == x.numel()
    assert sum(found.shares) == 1


def test_kinds_of_windows() -> None:
    found = layout([bordered(4, 3, 1, 1), bordered(4, 3, 1, 1)])
    assert found.windows == (Window(4, 9), Window(6, 9), Window(9, 9))
    assert found.counts == (4, 8, 4)
    assert layout([adaptive(7, 3)] * 2).windows == (Window(9, 9),)


def test_examples_are_positions_of_their_group() -> None:
    found = layout([interior(3, 2), interior(5, 3)])
    values = np.arange(found.positions.size).reshape(found.positions.shape)
    spread = _spread(found, values)
    for group in np.ndindex(*found.positions.shape):
        assert spread[found.example(group)] == values[group]
        assert (spread == values[group]).sum() == found.positions[group]


def test_too_many_kinds() -> None:
    with pytest.raises(DomainError, match="kinds of windows"):
        layout([bordered(400, 300, 1, 150)] * 2)
