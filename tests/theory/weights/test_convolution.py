from typing import Any

import pytest

from propstats.errors import DomainError
from propstats.theory.geometry import Axis
from propstats.theory.weights.convolution import convolution


def test_one_number_is_for_all_axes() -> None:
    layer = convolution(2, 3, size=8, kernel=3)
    assert layer.axes == (Axis(8, 3), Axis(8, 3))
    assert convolution(2, 3, size=8, kernel=3, dimensions=1).axes == (Axis(8, 3),)


def test_numbers_by_axis() -> None:
    layer = convolution(2, 3, size=(8, 9, 10), kernel=(1, 2, 3), padding=1, stride=2)
    assert [(axis.size, axis.kernel, axis.stride, axis.padding) for axis in layer.axes] == [
        (8, 1, 2, (1, 1)), (9, 2, 2, (1, 1)), (10, 3, 2, (1, 1)),
    ]  # fmt: skip


def test_same_and_valid() -> None:
    assert convolution(2, 3, size=8, kernel=(3, 4), padding="same").axes[1].padding == (1, 2)
    assert convolution(2, 3, size=8, kernel=3, padding="valid").axes[0].padding == (0, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": (8, 8), "kernel": (3, 3, 3)}, "size 8x8, kernel 3x3x3"),
        ({"size": (8, 8), "kernel": 3, "dimensions": 3}, "a convolution of 3 dimensions"),
        ({"size": 8, "kernel": 3, "dimensions": 0}, "a convolution of 0 dimensions"),
        ({"size": 8, "kernel": 3, "padding": "full"}, "padding must be a number, same or valid, got 'full'"),
        ({"size": 8, "kernel": 3, "padding": "same", "stride": 2}, "for stride 1"),
        ({"size": 8, "kernel": 3, "padding": "same", "transposed": True}, "not for transposed"),
        ({"size": 8, "kernel": 9}, "a kernel of 9 does not fit into 8 positions"),
    ],
)
def test_impossible_convolutions(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DomainError) as caught:
        convolution(2, 3, **arguments)
    assert message in str(caught.value)
