"""Who meets whom in a convolution, against torch's own convolutions tap by tap."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from propstats.errors import DomainError
from propstats.rules.meetings import meetings
from propstats.theory.geometry import Axis

_LAYERS: list[list[Axis]] = [
    [Axis(7, 3)],
    [Axis(8, 3, 2, (1, 1))],
    [Axis(9, 2, dilation=3)],
    [Axis(6, 3, 2, (1, 1)), Axis(7, 2, 1, (1, 1), 2)],
    [Axis(2), Axis(3)],
    [Axis(6, 3, 1, (1, 1), mode="circular")],
    [Axis(6, 3, 1, (2, 2), mode="reflect"), Axis(5, 3, 2, (1, 1), mode="reflect")],
    [Axis(6, 4, 1, (1, 1), mode="replicate")],
    [Axis(5, 3, 2, (1, 1), transposed=True, output_padding=1)],
]


def _by_tap(axes: list[Axis]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Which output meets which input at which tap, by torch's own convolution: shape (taps, outputs, inputs)."""
    sizes = tuple(axis.size for axis in axes)
    inputs = int(np.prod(sizes))
    images = torch.eye(inputs).reshape(inputs, 1, *sizes)
    options: dict[str, Any] = {
        "kernel_size": tuple(axis.kernel for axis in axes),
        "stride": tuple(axis.stride for axis in axes),
        "padding": tuple(axis.padding[0] for axis in axes),
        "dilation": tuple(axis.dilation for axis in axes),
        "bias": False,
    }
    if axes[0].transposed:
        kind: Any = nn.ConvTranspose1d
        options["output_padding"] = tuple(axis.output_padding for axis in axes)
    else:
        kind = (nn.Conv1d, nn.Conv2d)[len(axes) - 1]
        options["padding_mode"] = axes[0].mode
    found = []
    for tap in itertools.product(*(range(axis.kernel) for axis in axes)):
        module = kind(1, 1, **options)
        nn.init.zeros_(module.weight)
        with torch.no_grad():
            module.weight[(0, 0, *tap)] = 1.0
            found.append(module(images).reshape(inputs, -1).T.double().numpy())
    return np.stack(found)


@pytest.mark.parametrize("axes", _LAYERS)
def test_counts_against_torch(axes: list[Axis]) -> None:
    met, found = _by_tap(axes), meetings(axes)
    assert (found.outputs, found.inputs) == met.shape[1:]
    assert found.pairs == met.sum()
    assert found.squared_by_tap == np.square(met.sum(axis=(1, 2))).sum()
    for share, axis, count in ((found.shared_by_outputs, 2, found.outputs), (found.shared_by_inputs, 1, found.inputs)):
        taps = met.sum(axis=axis)  # which taps each output (input) has
        shared = taps.T @ taps
        same = met.sum(axis=(1, 2)).sum()  # a pair with itself
        expected = (shared.sum() - same) / ((count - 1) * found.pairs) if count > 1 else 1.0
        assert np.isclose(share, expected)


def test_a_window_that_does_not_fit() -> None:
    with pytest.raises(DomainError, match="kernel of 3 dilated by 2 does not fit into 3 positions"):
        meetings([Axis(3, 3, dilation=2)])
