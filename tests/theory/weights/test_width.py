"""muP against the table of its paper, and against what it is for."""

import math
from collections.abc import Callable

import pytest
import torch
from torch_schemes import seeded

from propstats.errors import DomainError
from propstats.estimate import STANDARD_ERRORS
from propstats.theory.weights.fans import Connections, dense
from propstats.theory.weights.width import LayerKind, width_rule


@pytest.mark.parametrize(
    ("kind", "layer", "variance", "sgd", "adam"),
    [
        (LayerKind.INPUT, lambda n: dense(10, n), 1 / 10, 4.0, 1.0),
        (LayerKind.HIDDEN, lambda n: dense(n, n), 1 / 512, 1.0, 1 / 4),
        (LayerKind.OUTPUT, lambda n: dense(n, 10), 1 / 512 / 4, 1 / 4, 1 / 4),
    ],
)
def test_table_3(
    kind: LayerKind, layer: Callable[[int], Connections], variance: float, sgd: float, adam: float
) -> None:
    rule = width_rule(kind, layer(512), 128)
    assert (rule.variance, rule.sgd, rule.adam) == (variance, sgd, adam)
    same = width_rule(kind, layer(128), 128)
    assert (same.sgd, same.adam) == (1.0, 1.0)
    assert same.variance == 1 / layer(128).row_length


def test_convolutions_count_their_taps() -> None:
    from propstats.theory.weights.convolution import convolution

    layer: Connections = convolution(64, 64, size=8, kernel=3)
    assert width_rule(LayerKind.HIDDEN, layer, 16).variance == 1 / 576
    assert width_rule(LayerKind.HIDDEN, layer, 16).adam == 1 / 4


def test_a_step_of_adam_moves_the_output_by_the_same_at_every_width() -> None:
    """sign(g) steps of the output layer: |change of the output| is a learning rate times a sum over the width."""
    moves = []
    for width in (256, 4096):
        rule = width_rule(LayerKind.OUTPUT, dense(width, 1), 256)
        with seeded(0):
            x = torch.randn(200, width).abs()  # hidden units with entries of order 1
        moves.append(x.sum(dim=1) * rule.adam)  # sign steps all add up
    narrow, wide = moves
    error = math.hypot(*(float(move.std()) / math.sqrt(len(move)) for move in moves))
    assert abs(float(narrow.mean() - wide.mean())) <= STANDARD_ERRORS * error


def test_base_width() -> None:
    with pytest.raises(DomainError, match="base_width must be at least 1, got 0"):
        width_rule(LayerKind.INPUT, dense(3, 4), 0)
