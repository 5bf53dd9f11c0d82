"""Readings of a tensor at a bounded cost, kept on its device until somebody wants the numbers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import nn

from propstats.auditing.watching.tap import Gradient

#: What is measured of a tensor looks at so many samples and so many numbers of each, whatever its size.
SAMPLES = 64
NUMBERS = 8192

#: By call: mean, second moment, variance over the batch, whether something is not finite.
Table: TypeAlias = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was measured of one tensor, still on its device.

    Args:
        step: The step it belongs to.
        call: Name of the call.
        is_gradient: Whether it is the gradient at the call's output instead of the output.
        numbers: What `measured` gives.
    """

    step: int
    call: str
    is_gradient: bool
    numbers: torch.Tensor


class Sampling:
    """A meter that takes a few numbers of each tensor.

    Args:
        start: Called when a forward pass begins; gives its step, or None to leave it out.
        unseen: Called when a forward pass has ended in which there was nothing to measure.
        failed: Called with what went wrong.
    """

    def __init__(
        self, start: Callable[[], int | None], unseen: Callable[[], None], failed: Callable[[Exception], None]
    ) -> None:
        self._start, self._unseen, self.failed = start, unseen, failed
        self._step: int | None = None
        self._readings: list[Reading] = []

    def begin(self) -> bool:
        """Begin a step, if it is to be measured."""
        self._step = self._start()
        return self._step is not None

    def output(self, call: str, module: nn.Module, tensor: torch.Tensor) -> Gradient:
        """Take a reading of an output, and later of the gradient there."""
        step = self._step or 0
        self._readings.append(Reading(step, call, False, measured(tensor)))
        return lambda gradient: self._readings.append(Reading(step, call, True, measured(gradient)))

    def end(self) -> None:
        """Notice that nothing was seen."""
        if not self._readings:
            self._unseen()

    def fetch(self) -> Iterator[tuple[int, Table, Table]]:
        """Fetch all readings from the device at once, and yield step by step what was read of outputs and gradients.

        They come in the order of the run: of outputs from the input on, of gradients from the output back.
        """
        readings, self._readings = self._readings, []
        if not readings:
            return
        rows = torch.stack([reading.numbers.cpu() for reading in readings]).double().tolist()
        steps: dict[int, tuple[Table, Table]] = {}
        for reading, row in zip(readings, rows, strict=True):
            steps.setdefault(reading.step, ({}, {}))[reading.is_gradient][reading.call] = row
        for step, (forward, gradient) in steps.items():
            yield step, forward, gradient


@torch.no_grad()
def measured(tensor: torch.Tensor) -> torch.Tensor:
    """Measure a tensor at a bounded cost, on its device.

    Returns:
        Mean, second moment, variance over the batch in the mean over units, and 1 if any number of the whole tensor is
        not finite, else 0; shape (4,).

    >>> measured(torch.tensor([[1.0, 2.0], [3.0, 2.0]])).tolist()
    [2.0, 4.5, 0.5, 0.0]
    """
    values = tensor.detach()
    ends = torch.stack(torch.aminmax(values))  # of all numbers: NaN takes both ends, and no memory is needed
    rows = values[:SAMPLES] if values.ndim > 1 else values.reshape(1, -1)
    rows = rows.reshape(len(rows), -1)
    rows = rows[:, :: max(1, -(-rows.shape[1] // NUMBERS))].float()
    spread = (rows - rows.mean(dim=0)).square().mean()
    return torch.stack([rows.mean(), rows.square().mean(), spread, (~ends.isfinite()).any().float()])
