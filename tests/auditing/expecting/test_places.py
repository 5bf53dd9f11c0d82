"""Where units are after tensors are rearranged, against torch: units are marked by their values."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from propstats.auditing.expecting.places import Place, reshaped
from propstats.auditing.expecting.products import products, products_within
from propstats.rules.from_torch import NoRuleError


def _marked(place: Place) -> torch.Tensor:
    """A tensor with one sample that holds the number of each unit; positions hold the same."""
    sizes = [size if axis in place.axes else 1 for axis, size in enumerate(place.shape)]
    numbers = torch.arange(math.prod(sizes), dtype=torch.float64).reshape(sizes)
    return numbers.expand(place.shape).unsqueeze(0).clone()


def _is_there(tensor: torch.Tensor, place: Place) -> bool:
    """Whether a tensor holds the same number at all positions of a unit."""
    rows = tensor.movedim(place.batch, 0)[0]
    assert tuple(rows.shape) == place.shape
    others = [axis for axis in range(rows.ndim) if axis not in place.axes]
    return not others or bool((rows.amax(dim=others) == rows.amin(dim=others)).all())


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(4)), st.sets(st.integers(0, 2), min_size=1))
def test_permuted_dimensions(order: list[int], axes: set[int]) -> None:
    place = Place((2, 3, 4), frozenset(axes))
    after = place.permuted(order)
    moved = _marked(place).permute(order)
    assert _is_there(moved, after)
    assert after.units == place.units
    back = after.permuted([order.index(dim) for dim in range(4)])
    assert back == place


@pytest.mark.parametrize(
    ("place", "shape", "mixed"),
    [
        (Place.first((6, 4, 4)), (6, 16), False),
        (Place.first((6, 16)), (6, 4, 4), False),
        (Place.last((16, 6)), (4, 4, 6), False),
        (Place.last((5, 6)), (5, 2, 3), False),  # heads
        (Place((5, 2, 3), frozenset({1, 2})), (5, 6), False),
        (Place.first((6, 4, 4)), (96,), True),
        (Place.first((6, 1, 1)), (6,), False),
    ],
)
def test_reshaped(place: Place, shape: tuple[int, ...], mixed: bool) -> None:
    after, became_one = reshaped(place, shape)
    assert became_one is mixed
    assert after.shape == shape
    if not mixed:
        assert _is_there(_marked(place).reshape(1, *shape), after)
        assert after.units == place.units


def test_the_batch_is_no_axis() -> None:
    assert Place.last((4, 5)).axis(-1) == 1
    assert Place.last((4, 5)).permuted([1, 0, 2]).axis(0) == 0
    with pytest.raises(NoRuleError, match="across the batch"):
        Place.last((4, 5)).axis(0)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 5), st.integers(2, 4), st.integers(1, 3), st.integers(0, 10))
def test_products_of_positions(samples: int, positions: int, units: int, seed: int) -> None:
    x = torch.randn(samples, units, positions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    same: list[float] = []
    other: list[float] = []
    for i in range(samples):
        for j in range(samples):
            for p in range(positions):
                for q in range(positions):
                    if p != q:
                        (same if i == j else other).append(float((x[i, :, p] * x[j, :, q]).mean()))
    found = products(x, Place.first((units, positions)))
    assert math.isclose(found.same, sum(same) / len(same), abs_tol=1e-12)
    assert math.isclose(found.other, sum(other) / len(other), abs_tol=1e-12)
    turned = products(x.transpose(1, 2), Place.last((positions, units)))
    assert math.isclose(found.other, turned.other, abs_tol=1e-12)


def test_parts_of_samples_lie_with_the_samples() -> None:
    """Windows of an image: the tensor has one dimension for samples and windows, the place an axis for windows."""
    place = Place((4, 9, 2, 8), frozenset([2, 3]), folded=True)
    assert (place.dims, place.axis(1), place.axis(-1)) == (4, 1, 3)
    assert place.permuted([0, 2, 1, 3]) == Place((4, 2, 9, 8), frozenset([1, 3]), folded=True)
    with pytest.raises(NoRuleError, match="samples"):
        place.permuted([1, 0, 2, 3])


def test_tokens_meet_those_of_their_own_window() -> None:
    """Two windows of two tokens: each window has a number of its own, the same for both tokens."""
    windows = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    rows = windows[:, :, None, None].expand(500, 2, 2, 3)
    place = Place((2, 2, 3), frozenset([2]))
    within, everywhere = products_within(rows, place, 1), products(rows, place)
    square = float(windows.square().mean())
    assert within.same == pytest.approx(square)
    # One pair in three lies in one window; windows are independent but for chance.
    assert everywhere.same == pytest.approx(square / 3, abs=5 * square / 500**0.5)
    assert within.other == everywhere.other
