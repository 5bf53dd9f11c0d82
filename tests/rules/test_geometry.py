import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

from propstats.errors import DomainError
from propstats.rules.geometry import Window

_WINDOWS = [
    (Window((3,), (1,), (0,), (1,)), (7,)),
    (Window((3,), (2,), (1,), (1,)), (8,)),
    (Window((2,), (1,), (0,), (3,)), (9,)),
    (Window((3, 2), (2, 1), (1, 1), (1, 2)), (6, 7)),
    (Window((1, 1), (1, 1), (0, 0), (1, 1)), (2, 3)),
]


def _by_tap(window: Window, sizes: tuple[int, ...]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Which output meets which input at which tap, by torch's own convolution: shape (taps, outputs, inputs)."""
    inputs = int(np.prod(sizes))
    images = torch.eye(inputs).reshape(inputs, 1, *sizes)
    found = []
    for tap in itertools.product(*(range(size) for size in window.kernel)):
        kernel = torch.zeros(1, 1, *window.kernel)
        kernel[(0, 0, *tap)] = 1.0
        convolve = getattr(functional, f"conv{len(sizes)}d")
        out = convolve(images, kernel, stride=window.stride, padding=window.padding, dilation=window.dilation)
        found.append(out.reshape(inputs, -1).T.double().numpy())
    return np.stack(found)


@pytest.mark.parametrize(("window", "sizes"), _WINDOWS)
def test_counts_against_torch(window: Window, sizes: tuple[int, ...]) -> None:
    met, found = _by_tap(window, sizes), window.meetings(sizes)
    assert (found.outputs, found.inputs) == met.shape[1:]
    assert found.pairs == met.sum()
    assert found.squared_by_output == np.square(met.sum(axis=(0, 2))).sum()
    assert found.squared_by_input == np.square(met.sum(axis=(0, 1))).sum()
    assert found.squared_by_tap == np.square(met.sum(axis=(1, 2))).sum()
    if found.outputs > 1:
        taps = met.sum(axis=2)  # which taps each output has
        shared = taps.T @ taps
        apart = shared.sum() - np.trace(shared)
        expected = apart / (found.outputs * (found.outputs - 1)) / (found.pairs / found.outputs)
        assert np.isclose(found.shared_by_outputs, expected)


def test_the_reverse_of_the_reverse() -> None:
    found = _WINDOWS[3][0].meetings((6, 7))
    assert found.reversed.reversed == found
    assert found.reversed.shared_by_inputs == found.shared_by_outputs


def test_a_window_that_does_not_fit() -> None:
    with pytest.raises(DomainError, match="reaches over 5 is larger than its input of 3 positions"):
        Window((3,), (1,), (0,), (2,)).outputs((3,))
