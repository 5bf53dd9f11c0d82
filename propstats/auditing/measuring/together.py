"""Several processes measure a share of the data each; merged in the order of their ranks, all get the same numbers."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import nn

from propstats.auditing.measuring.batches import Data
from propstats.auditing.measuring.probe import Probe, probe
from propstats.auditing.measuring.statistics import SquareMean, UnitStatistics

Statistics: TypeAlias = "UnitStatistics | SquareMean"


@dataclass(frozen=True, slots=True)
class Share:
    """What one process has measured, as it travels to the others.

    Args:
        samples: How many samples it ran.
        statistics: All statistics, each once, in the order in which calls make them.
        slopes: For each call, its flat pre-activations and its units with a slope.
    """

    samples: int
    statistics: Sequence[Statistics]
    slopes: Sequence[tuple[int, torch.Tensor | None]]


def probe_together(
    model: nn.Module, inputs: Data, *, seed: int = 0, progress: Callable[[int], None] | None = None
) -> Probe:
    """Measure a network on data, as `probe` does; in a process group (`torchrun`), each process takes its share.

    Batch `i` goes to the process whose rank is `i` modulo the number of processes. Its random direction depends on `i`
    alone, and states are merged in the order of ranks: all processes return the same numbers, to the last bit. With
    another number of processes, sums in float64 are taken in another order: relative differences are at most 2^-52 for
    each number in a sum. For the same bits there too, every process would have to keep the states of several shares,
    and one is several times as large as a sample's activations.

    Args:
        model: The network, the same in all processes.
        inputs: The data, the same in all processes.
        seed: Seed of the random directions.
        progress: Called with the number of samples of each finished batch of this process.

    Raises:
        ModelError: As `probe`.
        DataError: As `probe`.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return probe(model, inputs, seed=seed, progress=progress)
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    found = probe(model, inputs, seed=seed, progress=progress, rank=rank, world=world)
    shares: list[Share | None] = [None] * world
    torch.distributed.all_gather_object(shares, share_of(found))
    return with_shares(found, [share for share in shares if share is not None])


def share_of(found: Probe) -> Share:
    """Return a copy of what was measured, without the network."""
    slopes = [(call.flat, call.alive) for call in found.calls]
    return Share(found.samples, copy.deepcopy(_statistics(found)), slopes)


def with_shares(found: Probe, shares: Sequence[Share]) -> Probe:
    """Put what all processes have measured, in this order, in the place of what one of them has."""
    for number, own in enumerate(_statistics(found)):
        own.clear()
        for share in shares:
            own.merge(share.statistics[number])  # type: ignore[arg-type]
    for number, call in enumerate(found.calls):
        call.flat = sum(share.slopes[number][0] for share in shares)
        alive = [seen for share in shares if (seen := share.slopes[number][1]) is not None]
        call.alive = torch.stack(alive).any(dim=0) if alive else None
    return replace(found, samples=sum(share.samples for share in shares))


def _statistics(found: Probe) -> list[Statistics]:
    """Return all statistics, each once."""
    everything: list[Statistics] = list(found.all_inputs)
    for call in found.calls:
        everything += [*call.inputs, *call.outputs, *call.gradient_inputs, *call.gradient_outputs]
    return list({id(statistics): statistics for statistics in everything}.values())
