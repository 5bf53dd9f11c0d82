"""Several processes measure a share of the batches each, and all get the same numbers as one process alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from propstats.auditing.measuring.batches import Data
from propstats.auditing.measuring.probe import Probe
from propstats.auditing.measuring.shares import Outcome
from propstats.auditing.probing import probe


@dataclass(frozen=True, slots=True)
class Group:
    """The processes of a group (`torchrun`), one of which this is."""

    rank: int
    world: int

    def __call__(self, mine: Outcome) -> Sequence[Outcome]:
        """Send what was measured to all others."""
        outcomes: list[Outcome] = [None] * self.world
        torch.distributed.all_gather_object(outcomes, mine)
        return outcomes


def probe_together(
    model: nn.Module, inputs: Data, *, seed: int = 0, progress: Callable[[int], None] | None = None
) -> Probe:
    """Measure a network on data, as `probe` does; in a process group (`torchrun`), each process takes its share.

    Batch `i` goes to the process whose rank is `i` modulo the number of processes. Its random direction depends on `i`
    alone, and what batches have shown is added up in their order by all: every process returns the numbers that one
    alone would return, to the last bit.

    Args:
        model: The network, the same in all processes.
        inputs: The data, the same in all processes.
        seed: Seed of the random directions.
        progress: Called with the number of samples of the batches that all processes have finished.

    Raises:
        ModelError: As `probe`; what one process meets, all raise.
        DataError: As `probe`, likewise.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return probe(model, inputs, seed=seed, progress=progress)
    group = Group(torch.distributed.get_rank(), torch.distributed.get_world_size())
    return probe(model, inputs, seed=seed, progress=progress, exchange=group)
