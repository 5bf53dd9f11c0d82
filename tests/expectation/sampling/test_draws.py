import math
import threading
import time

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from propstats.activations import activation
from propstats.errors import DomainError
from propstats.estimate import STANDARD_ERRORS
from propstats.expectation.sampling import draws
from propstats.expectation.sampling.draws import (
    BLOCK,
    PIECE,
    block_seed,
    fill_normal,
    in_order,
    independent,
    resolve_device,
)
from propstats.expectation.sampling.integrand import Integrand

_CPU = torch.device("cpu")


def _draws(blocks: int, seed: int = 0) -> np.ndarray:
    z = torch.empty(blocks, BLOCK, dtype=torch.float64)
    for block in range(blocks):
        fill_normal(z[block], seed, block)
    return z.numpy()


def test_the_numbers_are_normal() -> None:
    """Mean, variance, skewness, kurtosis and tails within five standard errors; the whole law by Kolmogorov-Smirnov."""
    z = _draws(8).ravel()
    n = z.size
    # E z^k and the variance of z^k: E z^2k - (E z^k)^2, with E z^2k = (2k - 1)!!.
    for power, expected, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)):
        assert abs((z**power).mean() - expected) <= STANDARD_ERRORS * math.sqrt(variance / n), power
    for edge in (1.0, 3.0, 4.0):
        p = math.erfc(edge / math.sqrt(2))
        assert abs((np.abs(z) > edge).mean() - p) <= STANDARD_ERRORS * math.sqrt(p / n), edge
    assert kstest(z[:200_000], "norm").pvalue > 1e-6


def test_neighbours_and_blocks_are_not_correlated() -> None:
    z = _draws(6)
    for first, second in (
        (z[:, :-1], z[:, 1:]),
        (z[:-1], z[1:]),
        (z[:, : BLOCK // 2], z[:, BLOCK // 2 :]),
        (z, _draws(6, 1)),
    ):
        for power in (1, 2):
            a, b = first**power, second**power
            correlation = ((a - a.mean()) * (b - b.mean())).mean() / (a.std() * b.std())
            assert abs(correlation) <= STANDARD_ERRORS / math.sqrt(a.size)


def test_the_numbers_have_all_their_digits() -> None:
    """Normal numbers made of 24 bits would repeat hundreds of times in so many, and end at 5.8."""
    z = _draws(8).ravel()
    assert np.unique(z).size >= z.size - 2
    assert np.count_nonzero(z.astype(np.float32) == z) <= 2


@pytest.mark.parametrize("samples", [100, PIECE + 1, 3 * BLOCK + PIECE + 77])
def test_as_many_workers_as_you_like(samples: int) -> None:
    integrand = Integrand(activation("gelu"), 0.3, 1.7)
    alone = independent(integrand, samples, 5, _CPU, 1)
    for workers in (2, 3, 7):
        together = independent(integrand, samples, 5, _CPU, workers)
        assert together.count == alone.count == samples
        assert np.array_equal(together.mean, alone.mean)
        assert np.array_equal(together.scatter, alone.scatter)


def test_torchs_own_threads_change_nothing() -> None:
    integrand = Integrand(activation("tanh"), 0.0, 1.0)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(independent(integrand, BLOCK + 5, 0, _CPU, 2))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert np.array_equal(other.scatter, found[0].scatter)


def test_in_order_keeps_the_order_and_works_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "_QUEUE", 4)
    threads = set()

    def task(k: int) -> int:
        threads.add(threading.get_ident())
        time.sleep(0.002 * (k % 3))
        return k

    assert list(in_order(task, 11, 3)) == list(range(11))
    assert len(threads) > 1
    threads.clear()
    assert list(in_order(task, 3, 1)) == [0, 1, 2]
    assert threads == {threading.get_ident()}


def test_what_a_worker_raises_arrives() -> None:
    def task(k: int) -> int:
        raise DomainError(f"task {k}")

    with pytest.raises(DomainError, match="task 0"):
        list(in_order(task, 4, 2))


@pytest.mark.parametrize("device", ["nonsense", "cuda:99", "meta:x", ""])
def test_unknown_devices(device: str) -> None:
    with pytest.raises(DomainError, match="not available") as caught:
        resolve_device(device)
    assert len(str(caught.value).splitlines()) == 1


def test_known_devices() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in ("cpu", "cuda")


def test_block_seeds_differ() -> None:
    seeds = {block_seed(seed, block) for seed in range(30) for block in range(30)}
    assert len(seeds) == 900
    assert all(0 <= seed < 2**63 for seed in seeds)
    with pytest.raises(DomainError, match="a seed must be at least 0, got -1"):
        block_seed(-1, 0)
