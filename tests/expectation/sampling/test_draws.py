import math
import threading
import time

import numpy as np
import pytest
import torch

from propstats.activations import Activation, activation
from propstats.errors import DomainError
from propstats.expectation.sampling import draws
from propstats.expectation.sampling.delta import AVERAGED, OF_VALUES
from propstats.expectation.sampling.draws import BLOCK, PIECE, in_order, in_single, independent, resolve_device
from propstats.expectation.sampling.integrand import Integrand

_CPU = torch.device("cpu")


@pytest.mark.parametrize("samples", [100, PIECE[6] + 1, 3 * BLOCK + PIECE[2] + 77])
@pytest.mark.parametrize("averaged", [OF_VALUES, AVERAGED])
def test_as_many_workers_as_you_like(samples: int, averaged: tuple[str, ...]) -> None:
    integrand = Integrand(activation("gelu"), 0.3, 1.7, averaged)
    alone, _ = independent(integrand, samples, 5, _CPU, 1)
    for workers in (2, 3, 7):
        together, _ = independent(integrand, samples, 5, _CPU, workers)
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
            found.append(independent(integrand, BLOCK + 5, 0, _CPU, 2)[0])
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


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "selu", "tanh", "gelu", "silu", "hardtanh", "mish", "snake"])
@pytest.mark.parametrize("averaged", [OF_VALUES, AVERAGED])
def test_single_precision_is_no_further_off_than_it_says(
    monkeypatch: pytest.MonkeyPatch, name: str, averaged: tuple[str, ...]
) -> None:
    """The same samples in both precisions: the averages differ by less than what the comparison has found."""
    integrand = Integrand(activation(name), 0.3, 1.7, averaged)
    single, rounding = independent(integrand, 3 * BLOCK, 1, _CPU, 1)
    assert rounding is not None
    assert rounding.any()
    monkeypatch.setattr(draws, "in_single", lambda *arguments: None)
    exact, none = independent(integrand, 3 * BLOCK, 1, _CPU, 1)
    assert none is None
    # Pairwise sums of 2^15 numbers are rounded some 15 times.
    assert (abs(single.mean - exact.mean) <= rounding + 15 * 2.0**-24 * abs(exact.mean)).all()
    deviation = np.sqrt(exact.covariance.diagonal())
    assert (abs(single.mean - exact.mean) <= 0.01 * deviation / math.sqrt(exact.count)).all()
    # Of 2^15 products, added one by one, the sum is rounded by 2^15 half units in the last place at the very worst.
    size = np.sqrt(deviation**2 + exact.mean**2)
    bound = 2.0**15 * 2.0**-24 * exact.count * np.outer(size, size)
    assert (abs(single.scatter - exact.scatter) <= bound).all()


_DIFFERENCE = Activation("difference", "(exp(x) - 1 - x)/(x**2 + 1e-12)")


@pytest.mark.parametrize(
    ("entry", "mean", "std", "samples"),
    [
        (activation("relu"), 0.0, 1.0, BLOCK - 1),  # too few to be worth it
        (activation("relu"), 0.0, 1.0, 10**13),  # so many that the rounding shows
        (activation("gelu"), -12.0, 1.0, BLOCK),  # products of four vanish
        (activation("exp"), 0.0, 9.0, BLOCK),  # or overflow
        (activation("identity"), 10.0, 1e-5, BLOCK),  # all digits are those of mu
        (activation("sigmoid"), 50.0, 1.0, BLOCK),
        (activation("tanh"), 1.0, 0.0, BLOCK),
        (_DIFFERENCE, 0.0, 0.1, BLOCK),  # cancels around 0
    ],
    ids=str,
)
def test_double_precision_where_single_is_not_enough(entry: Activation, mean: float, std: float, samples: int) -> None:
    assert in_single(Integrand(entry, mean, std), samples, 0, _CPU) is None
