"""Independent samples in seeded blocks: what comes out depends on the seed and the number of samples alone."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from queue import SimpleQueue
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from propstats.errors import DomainError
from propstats.expectation.sampling.delta import AVERAGED
from propstats.expectation.sampling.integrand import Integrand, Rows
from propstats.expectation.sampling.running import RunningMoments

Array = NDArray[np.float64]
Result = TypeVar("Result")

#: A block is worked through in pieces: small enough for their rows to stay in a core's cache and for torch not to split
#: them among threads of its own, large enough for the threads here not to wait for one another's Python.
PIECE = 1 << 14
#: Samples are drawn in blocks of this size, each with a seed of its own.
BLOCK = 6 * PIECE
#: How many tasks are queued at a time.
_QUEUE = 512


def block_seed(seed: int, block: int) -> int:
    """Return the seed of one block: any two (seed, block) give unrelated streams.

    Raises:
        DomainError: If the seed is negative.
    """
    if seed < 0:
        raise DomainError(f"a seed must be at least 0, got {seed}")
    return int(np.random.SeedSequence((seed, block)).generate_state(1, np.uint64)[0] >> 1)


def generator(seed: int, block: int) -> np.random.Generator:
    """Return numpy's generator for one block."""
    return np.random.Generator(np.random.SFC64(block_seed(seed, block)))


def resolve_device(name: str) -> torch.device:
    """Turn `cpu`, `cuda`, `cuda:1` or `auto` into a torch device that is really there.

    Raises:
        DomainError: If torch does not know the device or cannot use it here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, dtype=torch.float64, device=device)
    except (RuntimeError, AssertionError, TypeError):
        raise DomainError(f"device {name!r} is not available here", "use cpu, cuda or auto") from None
    return device


def workers_for(device: torch.device) -> int:
    """Return how many blocks to work on at once: as many as torch may use threads; an accelerator takes one."""
    return torch.get_num_threads() if device.type == "cpu" else 1


def in_order(task: Callable[[int], Result], count: int, workers: int) -> Iterator[Result]:
    """Yield `task(0), task(1), ...` in this order, computed by so many threads."""
    if min(count, workers) < 2:
        yield from map(task, range(count))
        return
    with ThreadPoolExecutor(min(count, workers)) as pool:
        for first in range(0, count, _QUEUE):
            yield from pool.map(task, range(first, min(first + _QUEUE, count)))


def fill_normal(out: torch.Tensor, seed: int, block: int) -> None:
    """Fill a tensor with the standard normal numbers of one block.

    On the CPU they come from numpy's ziggurat, twice as fast in float64 as torch's Box-Muller; an accelerator
    draws its own.
    """
    if out.device.type == "cpu":
        generator(seed, block).standard_normal(out=out.numpy())
    else:
        out.normal_(generator=torch.Generator(out.device).manual_seed(block_seed(seed, block)))


def _normal_pieces(room: torch.Tensor, count: int, seed: int, block: int) -> Iterator[torch.Tensor]:
    """Yield the standard normal numbers of one block piece by piece, each in the same memory, which stays in cache.

    An accelerator, whose memory holds a whole block, gets it whole.
    """
    if room.device.type != "cpu":
        fill_normal(room[:count], seed, block)
        yield room[:count]
        return
    random = generator(seed, block)
    for start in range(0, count, room.numel()):
        piece = room[: count - start]
        random.standard_normal(out=piece.numpy())
        yield piece


def independent(
    integrand: Integrand, samples: int, seed: int, device: torch.device, workers: int, *, slopes: bool = True
) -> RunningMoments:
    """Return the moments of the six rows over independent samples, the same for any number of workers.

    Without slopes, the rows that need them are 0, and are not computed.
    """
    rooms: SimpleQueue[_Room] = SimpleQueue()
    for _ in range(workers):
        rooms.put(_Room(min(samples, BLOCK), device, slopes))

    def one_block(block: int) -> RunningMoments:
        room = rooms.get()
        count = min(BLOCK, samples - block * BLOCK)
        sums = np.zeros((len(AVERAGED), len(AVERAGED) + 1))
        for piece in _normal_pieces(room.z, count, seed, block):
            rows = room.rows if piece.numel() == room.rows.size else Rows(piece.numel(), device, slopes=slopes)
            sums[room.which] += integrand.fill(piece, rows).gram()
        rooms.put(room)
        return RunningMoments.of_sums(count, sums[:, -1], sums[:, :-1])

    blocks = in_order(one_block, math.ceil(samples / BLOCK), workers)
    return reduce(RunningMoments.merge, blocks, RunningMoments.empty(len(AVERAGED)))


class _Room:
    """What one worker writes to, again and again: fresh memory costs as much as the numbers in it."""

    def __init__(self, size: int, device: torch.device, slopes: bool) -> None:
        size = min(size, PIECE) if device.type == "cpu" else size
        self.z = torch.empty(size, dtype=torch.float64, device=device)
        self.rows = Rows(size, device, slopes=slopes)
        which = [AVERAGED.index(name) for name in self.rows.names]
        self.which = np.ix_(which, [*which, len(AVERAGED)])
