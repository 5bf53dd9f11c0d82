"""What data have shown of a network."""

from collections.abc import Sequence
from dataclasses import dataclass

from propstats.auditing.measuring.call import Call
from propstats.auditing.measuring.statistics import UnitStatistics


@dataclass(frozen=True, slots=True)
class Probe:
    """Everything that was measured.

    Args:
        calls: All calls, in order.
        inputs: Statistics of the data: of the first tensor.
        never_called: Names of layers that the forward pass does not use as modules.
        result: Position of the call that made the network's output, `OUTSIDE` if that is unknown.
        all_inputs: Statistics of each tensor of the data.
        samples: How many samples ran.
    """

    calls: Sequence[Call]
    inputs: UnitStatistics
    never_called: tuple[str, ...]
    result: int
    all_inputs: Sequence[UnitStatistics] = ()
    samples: int = 0
