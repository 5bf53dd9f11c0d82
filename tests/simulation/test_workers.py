import json
import subprocess
import sys

import pytest
import torch

from propstats.simulation.workers import in_order

_CPU = torch.device("cpu")


@pytest.mark.parametrize("count", [0, 1, 2, 3, 20, 33])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_come_in_order(count: int, threads: int) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        assert list(in_order(lambda k: k * k, count, _CPU)) == [k * k for k in range(count)]
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_what_goes_wrong_is_raised_and_threads_are_given_back() -> None:
    before = torch.get_num_threads()

    def fail(k: int) -> int:
        raise ZeroDivisionError(k)

    try:
        torch.set_num_threads(2)
        with pytest.raises(ZeroDivisionError):
            list(in_order(fail, 9, _CPU))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_torchrun_gives_the_same_numbers_for_any_number_of_workers() -> None:
    command = ["-m", "propstats", "jacobian", "--depth", "3", "--width", "12", "--draws", "17", "--json"]
    alone = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True).stdout
    for workers in (2, 5):  # three rounds, in the last of which one has nothing to do; one round of uneven shares
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={workers}"]
        found = subprocess.run([*launch, *command], capture_output=True, text=True, check=True, timeout=300).stdout
        assert json.loads(found) == json.loads(alone)
