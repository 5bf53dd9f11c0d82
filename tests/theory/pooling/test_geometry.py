"""Windows against torch's own layers: where a gradient lands is where a window is."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from propstats.errors import DomainError
from propstats.theory.pooling.geometry import PoolAxis, adaptive, bordered, interior

layers = st.tuples(
    st.integers(1, 20), st.integers(1, 5), st.integers(1, 4), st.integers(0, 2), st.integers(1, 3), st.booleans()
)


def _cover(axis: PoolAxis) -> np.ndarray:
    """For each position the number of windows that hold it."""
    return np.asarray(axis.cover.sum(axis=0)[axis.group])


def _has_empty_windows(size: int, kernel: int, stride: int, padding: int, dilation: int) -> bool:
    """Whether a dilated window steps over the whole input."""
    begins = range(-padding, size + padding, stride)
    return not all(any(0 <= b + a * dilation < size for a in range(kernel)) for b in begins if b < size)


@settings(max_examples=60)
@given(layers)
def test_windows_are_those_of_max_pooling(numbers: tuple[int, int, int, int, int, bool]) -> None:
    size, kernel, stride, padding, dilation, ceil_mode = numbers
    assume(dilation * (kernel - 1) + 1 <= size + 2 * padding)
    assume(2 * padding <= kernel)
    assume(not _has_empty_windows(size, kernel, stride, padding, dilation))
    axis = bordered(size, kernel, stride, padding, dilation, ceil_mode=ceil_mode)

    def pooled(x: torch.Tensor) -> torch.Tensor:
        return functional.max_pool1d(x, kernel, stride, padding, dilation, ceil_mode=ceil_mode)

    # Every input once the largest of all: the windows it wins are those that hold it.
    for position in range(size):
        x = torch.zeros(1, 1, size)
        x[..., position] = 1.0
        y = pooled(x)
        assert y.shape[-1] == axis.outputs
        assert int(y.sum()) == _cover(axis)[position]
    # All inputs the same: the first one wins.
    x = torch.zeros(1, 1, size, requires_grad=True)
    y = pooled(x)
    (first,) = torch.autograd.grad(y.sum(), x)
    assert first[0, 0].tolist() == axis.first.sum(axis=0)[axis.group].tolist()


@settings(max_examples=60)
@given(layers, st.booleans())
def test_divisors_are_those_of_average_pooling(
    numbers: tuple[int, int, int, int, int, bool], count_include_pad: bool
) -> None:
    size, kernel, stride, padding, _, ceil_mode = numbers
    assume(kernel <= size + 2 * padding and 2 * padding <= kernel)
    axis = bordered(size, kernel, stride, padding, ceil_mode=ceil_mode)
    x = torch.ones(1, 1, size, dtype=torch.float64, requires_grad=True)
    y = functional.avg_pool1d(x, kernel, stride, padding, ceil_mode, count_include_pad)
    divisors = axis.spans if count_include_pad else axis.inputs
    expected = [n / d for n, d, k in zip(axis.inputs, divisors, axis.windows, strict=True) for _ in range(k)]
    assert sorted(y[0, 0].tolist()) == pytest.approx(sorted(expected), abs=1e-12)
    (slope,) = torch.autograd.grad(y.sum(), x)
    by_group = (axis.cover / np.array(divisors)[:, None]).sum(axis=0)
    assert slope[0, 0].tolist() == pytest.approx(by_group[axis.group].tolist(), abs=1e-12)


@settings(max_examples=60)
@given(st.integers(1, 30), st.integers(1, 12))
def test_adaptive_windows_are_those_of_torch(size: int, output: int) -> None:
    axis = adaptive(size, output)
    x = torch.ones(1, 1, size, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(functional.adaptive_avg_pool1d(x, output).sum(), x)
    by_group = (axis.cover / np.array(axis.inputs)[:, None]).sum(axis=0)
    assert axis.outputs == output
    assert slope[0, 0].tolist() == pytest.approx(by_group[axis.group].tolist(), abs=1e-12)


@settings(max_examples=60)
@given(layers)
def test_interior_is_the_middle_of_a_large_input(numbers: tuple[int, int, int, int, int, bool]) -> None:
    _, kernel, stride, padding, dilation, _ = numbers
    assume(2 * padding <= kernel)
    inside = interior(kernel, stride, padding, dilation)
    reach = dilation * kernel
    size = stride * (2 * reach + 2)
    large = bordered(size, kernel, stride, padding, dilation)
    middle = slice(stride * reach, stride * (reach + 1))
    assert _cover(inside).tolist() == _cover(large)[middle].tolist()
    assert inside.first.sum(axis=0)[inside.group].tolist() == large.first.sum(axis=0)[large.group][middle].tolist()


@settings(max_examples=60)
@given(layers)
def test_counts_add_up(numbers: tuple[int, int, int, int, int, bool]) -> None:
    size, kernel, stride, padding, dilation, ceil_mode = numbers
    assume(2 * padding <= kernel and dilation * (kernel - 1) + 1 <= size + 2 * padding)
    assume(not _has_empty_windows(size, kernel, stride, padding, dilation))
    for axis in (
        interior(kernel, stride, padding, dilation),
        bordered(size, kernel, stride, padding, dilation, ceil_mode=ceil_mode),
    ):
        held = np.array(axis.inputs) * np.array(axis.windows)
        assert (axis.cover @ axis.positions).tolist() == held.tolist()
        assert (axis.first @ axis.positions).tolist() == list(axis.windows)
        assert axis.positions.sum() == axis.size
        assert [axis.group[place] for place in axis.examples] == list(range(len(axis.positions)))


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: interior(0, 1), "kernel must be between 1"),
        (lambda: interior(3, 0), "stride must be between 1"),
        (lambda: interior(3, 1, 0, 0), "dilation must be between 1"),
        (lambda: interior(3, 1, 2), "half of the kernel"),
        (lambda: interior(3, 1, -1), "between 0 and half"),
        (lambda: bordered(0, 3, 1), "input size must be between 1"),
        (lambda: bordered(4, 7, 1, 1), "kernel of 7 does not fit into 4 positions padded to 6"),
        (lambda: bordered(4, 2, 1, 1, 5), "padding alone"),
        (lambda: adaptive(4, 0), "output size must be between 1"),
        (lambda: adaptive(0, 4), "input size must be between 1"),
    ],
)
def test_bad_input(call: Callable[[], PoolAxis], word: str) -> None:
    with pytest.raises(DomainError, match=word):
        call()


def test_large_windows_take_no_more_room_than_their_size() -> None:
    found = interior(1_000_000, 1_000_000).merged()
    assert (found.inputs, found.cover.tolist(), found.positions.tolist()) == ((1_000_000,), [[1]], [1_000_000])


def test_what_torch_refuses_is_refused() -> None:
    for size, kernel, stride, padding in product((1, 2, 4), (1, 2, 5), (1, 3), (0, 1, 2, 3)):
        x = torch.zeros(1, 1, size)
        try:
            outputs = functional.max_pool1d(x, kernel, stride, padding).shape[-1]
        except RuntimeError:
            with pytest.raises(DomainError):
                bordered(size, kernel, stride, padding)
        else:
            assert bordered(size, kernel, stride, padding).outputs == outputs
