"""Independent samples in seeded blocks: what comes out depends on the seed and the number of samples alone."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from propstats.errors import DomainError
from propstats.expectation.sampling.delta import AVERAGED, OF_VALUES
from propstats.expectation.sampling.integrand import Integrand, Rows
from propstats.expectation.sampling.normal import AT_ONCE, LARGEST, Normals
from propstats.expectation.sampling.running import RunningMoments

Array = NDArray[np.float64]
Result = TypeVar("Result")

#: Samples are drawn in blocks of this size, each with a seed of its own.
BLOCK = 8 * AT_ONCE
#: As many as are drawn at a time are evaluated at once, for slopes half of them: of up to 2^14 numbers in six rows BLAS
#: has a quick way. More would not stay in a core's cache; with fewer, threads would wait for one another's Python.
PIECE = {len(OF_VALUES): AT_ONCE, len(AVERAGED): AT_ONCE // 2}
#: How many samples single precision is tried on.
_COMPARED = 1 << 12
#: How many tasks are queued at a time.
_QUEUE = 512


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


def independent(
    integrand: Integrand, samples: int, seed: int, device: torch.device, workers: int
) -> tuple[RunningMoments, Array | None]:
    """Return the moments of the rows over independent samples, the same for any number of workers.

    Single precision is used where it is enough; what it does to each average is returned as well.
    """
    rounding = in_single(integrand, samples, seed, device)
    dtype = torch.float64 if rounding is None else torch.float32
    at_once = min(samples, AT_ONCE if device.type == "cpu" else BLOCK)
    rooms: SimpleQueue[_Room] = SimpleQueue()
    for _ in range(workers):
        rooms.put(_Room(at_once, integrand.size, dtype, device))

    def one_block(block: int) -> Array:
        kept, normals = rooms.get(), Normals(seed, block, device)
        size = min(BLOCK, samples - block * BLOCK)
        sums = np.zeros((integrand.size, integrand.size + 1))
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, size, at_once):
                room = kept if size - start >= at_once else _Room(size - start, integrand.size, dtype, device)
                normals.fill(room.z)
                for z, rows in room.places:
                    sums += integrand.fill(z.to(dtype), rows).gram()
        rooms.put(kept)
        return sums

    blocks = in_order(one_block, math.ceil(samples / BLOCK), workers)
    sums = sum(blocks, np.zeros((integrand.size, integrand.size + 1)))
    return RunningMoments.of_sums(samples, sums[:, -1], sums[:, :-1]), rounding


def in_single(integrand: Integrand, samples: int, seed: int, device: torch.device) -> Array | None:
    """Return what single precision does to the average of each row, or None where double precision is called for.

    Both are compared on the first samples and at the ends of what can be drawn.
    """
    if samples < BLOCK:
        return None
    z = Normals(seed, 0, device).fill(torch.empty(_COMPARED, device=device))
    z[0], z[1] = -LARGEST, LARGEST
    exact, single = (integrand.at(points).cpu().numpy() for points in (z.double(), z))
    with np.errstate(over="ignore", invalid="ignore"):
        apart, spread = np.abs(single - exact)[:, 2:].mean(1), exact[:, 2:].std(1)
        enough = (
            (apart <= 0.01 * spread / math.sqrt(samples))  # a hundredth of the standard error
            & (np.abs(exact[:, 2:].mean(1)) <= 32 * spread)  # sums of squares keep their digits when they are centred
            & (np.abs(exact).max(1) <= 2.0**50)  # products of two rows do not overflow
            & (spread >= 2.0**-50)  # nor vanish
        )
    return np.asarray(apart) if enough.all() else None


class _Room:
    """What one worker writes to, again and again: fresh memory costs as much as the numbers in it."""

    def __init__(self, size: int, count: int, dtype: torch.dtype, device: torch.device) -> None:
        self.z = torch.empty(size, device=device)
        pieces = torch.split(self.z, PIECE[count] if device.type == "cpu" else size)
        rows = {piece.numel(): Rows(count, piece.to(dtype)) for piece in pieces}
        self.places = [(piece, rows[piece.numel()]) for piece in pieces]
