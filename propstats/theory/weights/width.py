"""muP: how initial variances and learning rates move with the width, so that what was tuned on a narrow net holds."""

from dataclasses import dataclass
from enum import StrEnum

from propstats.errors import DomainError
from propstats.theory.weights.fans import Connections


class LayerKind(StrEnum):
    """Which of a layer's two sides grow with the width."""

    INPUT = "input"  # the output side only; biases count as input weights
    HIDDEN = "hidden"  # both
    OUTPUT = "output"  # the input side only


@dataclass(frozen=True, slots=True)
class WidthRule:
    """What muP gives one kind of layer.

    Args:
        kind: The kind of layer.
        variance: Variance of one weight, with the constant of LeCun's scheme at the base width.
        sgd: Factor on the base network's learning rate, for SGD.
        adam: The same for Adam.
    """

    kind: LayerKind
    variance: float
    sgd: float
    adam: float


def width_rule(kind: LayerKind, layer: Connections, base_width: int) -> WidthRule:
    """Return muP's variance and learning rates of a layer, relative to a network of another width.

    With m = width/base_width: variance `1/fan_in` (output layers `1/(m fan_in)`), learning rate of SGD times m, 1, 1/m
    and of Adam times 1, 1/m, 1/m for input, hidden and output layers.

    Args:
        kind: The kind of layer.
        layer: Its connections.
        base_width: Channels, in place of this layer's, in the network whose learning rate was tuned.

    Raises:
        DomainError: If the base width is less than 1.

    References:
        Yang & Hu 2022, arXiv:2203.03466, Table 3.

    >>> from propstats.theory.weights.fans import dense
    >>> width_rule(LayerKind.OUTPUT, dense(1024, 10), base_width=256)
    WidthRule(kind=<LayerKind.OUTPUT: 'output'>, variance=0.000244140625, sgd=0.25, adam=0.25)
    """
    if base_width < 1:
        raise DomainError(f"base_width must be at least 1, got {base_width}")
    wider_in, wider_out = layer.channels_in / base_width, layer.channels_out / base_width
    variance = 1.0 / layer.row_length
    if kind is LayerKind.INPUT:
        return WidthRule(kind, variance, wider_out, 1.0)
    if kind is LayerKind.HIDDEN:
        return WidthRule(kind, variance, 1.0, 1.0 / wider_in)
    return WidthRule(kind, variance / wider_in, 1.0 / wider_in, 1.0 / wider_in)
