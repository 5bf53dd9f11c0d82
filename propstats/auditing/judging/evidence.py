"""What a rule may look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from propstats.auditing.judging.closer import Closer
from propstats.auditing.judging.remedy import Remedies, rescale_all
from propstats.auditing.judging.trend import Path, backward_path, forward_path
from propstats.auditing.measuring.call import Call
from propstats.auditing.measuring.probe import Probe
from propstats.auditing.records import Layer, Trend


@dataclass(frozen=True)
class Evidence:
    """All that was measured and is expected.

    Args:
        calls: What was measured, call by call.
        layers: The same with what theory expects, one for each call.
        trend: Rates over depth.
        probe: The measurement as a whole.
        network: The network itself, for rules that look again; None if it is gone.
        data: The inputs in the shape of a sample, also where the network wants them flat; None if they are gone.
        closer: A closer look at the layers of weights; None if the network is gone.
    """

    calls: Sequence[Call]
    layers: Sequence[Layer]
    trend: Trend
    probe: Probe
    network: nn.Module | None = None
    data: torch.Tensor | None = None
    closer: Closer | None = None

    @cached_property
    def rescaling(self) -> Remedies:
        """How to draw all weights anew; several rules ask, and theory takes its time."""
        return rescale_all(self.probe, self.layers)

    @cached_property
    def forward_path(self) -> Path:
        """The signal's way through the layers of weights."""
        return forward_path(self.layers, self.calls, self.probe.result)

    @cached_property
    def backward_path(self) -> Path:
        """The gradient's way back through them."""
        return backward_path(self.layers, self.calls, self.probe.result)

    @property
    def outputs(self) -> int:
        """How many units the network's last layer has."""
        return next((channels(layer.shape) for layer in reversed(self.layers) if layer.shape), 1)


def channels(shape: Sequence[int]) -> int:
    """Return how many units a layer has: channels of an image, features of a sequence or of a vector.

    >>> channels((16, 8, 8)), channels((64,)), channels((10, 32))
    (16, 64, 32)
    """
    if not shape:
        return 1
    return shape[0] if len(shape) > 2 else shape[-1]
