"""Independent tasks, spread over the threads of this machine and over the processes that torchrun started."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist

Result = TypeVar("Result")

#: Tasks of one worker between two times that results are handed on: few, so that progress shows and Ctrl-C is heard.
_ROUND = 4


def in_order(task: Callable[[int], Result], count: int, device: torch.device) -> Iterator[Result]:
    """Yield `task(0), task(1), ..., task(count - 1)` in this order, in every process.

    On the CPU each task gets a thread of its own, and torch computes in that one thread alone; where there are fewer
    tasks than threads they run one after the other, with all threads each. Under torchrun (`RANK` and `WORLD_SIZE` are
    set), each process works on its share and all get all results. A task that depends on its number only gives the
    same result however many work, to the last bit if there are at least as many tasks as threads.

    Args:
        task: What to do; its result must be picklable under torchrun.
        count: How many times.
        device: Where the tasks compute.
    """
    rank, size = join()
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    together = threads if count >= threads * size else 1
    step = _ROUND * together * size
    for start in range(0, count, step):
        numbers = range(start, min(start + step, count))
        mine = _here(task, numbers[rank::size], together)
        if size == 1:
            yield from mine
            continue
        shares: list[list[Result]] = [[] for _ in range(size)]
        dist.all_gather_object(shares, mine)
        for position in range(len(numbers)):
            yield shares[position % size][position // size]


def join() -> tuple[int, int]:
    """Return this process's rank and how many there are, and meet the others the first time it is asked."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return 0, 1
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return dist.get_rank(), dist.get_world_size()


def _here(task: Callable[[int], Result], numbers: range, together: int) -> list[Result]:
    if together == 1:
        return [task(number) for number in numbers]
    with _single_threaded(), ThreadPoolExecutor(together) as pool:
        return list(pool.map(task, numbers))


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Keep torch to one thread: independent tasks side by side beat any of them spread thin."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
