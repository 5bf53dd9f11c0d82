"""Batches measured one by one, here or by several processes, and added up in the order of the batches."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

import torch

from propstats.auditing.measuring.call import Call
from propstats.auditing.measuring.statistics import SquareMean, UnitStatistics
from propstats.errors import ModelError, PropstatsError

Statistics: TypeAlias = "UnitStatistics | SquareMean"


@dataclass(frozen=True, slots=True)
class Share:
    """What one batch has shown.

    Args:
        samples: How many samples it held.
        statistics: All statistics, each once, in the order in which calls make them.
        slopes: For each call, its flat pre-activations and its units with a slope.
    """

    samples: int
    statistics: Sequence[Statistics]
    slopes: Sequence[tuple[int, torch.Tensor | None]]


#: A batch, or why it could not be measured; None for a process that had none to measure.
Outcome: TypeAlias = "Share | PropstatsError | None"


class Exchange(Protocol):
    """How processes that measure different batches tell each other of them, batch by batch.

    Attributes:
        rank: Which one this is: batch `i` is its own if `i % world == rank`.
        world: How many there are.
    """

    @property
    def rank(self) -> int: ...  # noqa: D102
    @property
    def world(self) -> int: ...  # noqa: D102

    def __call__(self, mine: Outcome) -> Sequence[Outcome]:
        """Give what this process has measured of `world` batches, and get all of it, in the order of the batches."""
        ...


@dataclass(frozen=True, slots=True)
class Alone:
    """One process measures all batches."""

    rank: int = 0
    world: int = 1

    def __call__(self, mine: Outcome) -> Sequence[Outcome]:
        """Return what was measured."""
        return [mine]


ALONE: Final = Alone()


@dataclass(slots=True)
class Totals:
    """Adds up what batches have shown.

    A sum of rounded numbers depends on their order. So each batch is measured by itself, whoever does it, and batches
    are added in their order: however many processes there are, the same operations give the same bits.

    Args:
        calls: The calls of the network, whose statistics hold one batch while it runs, and everything at the end.
        inputs: The statistics of the data, likewise.
    """

    calls: Sequence[Call]
    inputs: Sequence[UnitStatistics]
    samples: int = 0
    _names: list[str] = field(init=False)
    _batch: list[Statistics] = field(init=False)
    _total: list[Statistics] = field(init=False)
    _slopes: list[tuple[int, torch.Tensor | None]] = field(init=False)

    def __post_init__(self) -> None:
        named: list[tuple[str, Statistics]] = [("the data", statistics) for statistics in self.inputs]
        for call in self.calls:
            of_call: tuple[Statistics, ...] = (
                *call.inputs, *call.outputs, *call.gradient_inputs, *call.gradient_outputs,
            )  # fmt: skip
            named += [(f"layer {call.name}", statistics) for statistics in of_call]
        # What one call gives and the next one gets is counted once.
        each = {id(statistics): (name, statistics) for name, statistics in reversed(named)}
        self._names = [name for name, _ in reversed(each.values())]
        self._batch = [statistics for _, statistics in reversed(each.values())]
        self._total = list(map(copy.copy, self._batch))
        for statistics in self._total:
            statistics.clear()
        self._slopes = [(0, None) for _ in self.calls]

    def take(self, samples: int) -> Share:
        """Return what the batch has shown that ran last, and make room for the next."""
        share = Share(samples, list(map(copy.copy, self._batch)), [(call.flat, call.alive) for call in self.calls])
        for statistics in self._batch:
            statistics.clear()
        for call in self.calls:
            call.flat, call.alive = 0, None
        return share

    def add(self, outcomes: Sequence[Outcome]) -> int:
        """Add batches, in this order, and return how many samples were in them.

        Raises:
            PropstatsError: What any of the processes met.
            ModelError: If a layer's units differ from those that it had before.
        """
        before = self.samples
        for outcome in outcomes:
            if isinstance(outcome, PropstatsError):
                raise outcome
            if outcome is not None:
                self._add(outcome)
        return self.samples - before

    def _add(self, share: Share) -> None:
        self.samples += share.samples
        for name, total, statistics in zip(self._names, self._total, share.statistics, strict=True):
            try:
                total.merge(statistics)  # type: ignore[arg-type]
            except ValueError as error:
                message = f"{name} changes its shape between batches: {error}"
                raise ModelError(message, "it cannot be audited yet") from None
        self._slopes = [
            (flat + more, alive if seen is None else seen if alive is None else alive | seen)
            for (flat, alive), (more, seen) in zip(self._slopes, share.slopes, strict=True)
        ]

    def settle(self) -> None:
        """Put what all batches have shown into the calls and the statistics of the data."""
        for statistics, total in zip(self._batch, self._total, strict=True):
            statistics.clear()
            statistics.merge(total)  # type: ignore[arg-type]
        for call, (flat, alive) in zip(self.calls, self._slopes, strict=True):
            call.flat, call.alive = flat, alive
