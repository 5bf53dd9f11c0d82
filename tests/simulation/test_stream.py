import math

import pytest
import torch

from propstats.errors import DomainError
from propstats.estimate import STANDARD_ERRORS
from propstats.simulation.stream import Stream

_CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_moments(dtype: torch.dtype) -> None:
    n = 40_000
    stream = Stream(1, 0, _CPU, dtype)
    z, u = stream.normal(n).double(), stream.uniform(n).double()
    # Variances of z, z^2, u and u^2 are 1, 2, 1/3 and 4/45.
    for sample, mean, variance in ((z, 0, 1), (z * z, 1, 2), (u, 0, 1 / 3), (u * u, 1 / 3, 4 / 45)):
        assert abs(sample.mean().item() - mean) <= STANDARD_ERRORS * math.sqrt(variance / n)
    assert u.min() >= -1
    assert u.max() < 1 + 2.0**-23


def test_a_stream_is_its_seed_and_draw() -> None:
    one, same, other, later = (
        Stream(seed, draw, _CPU, torch.float64).normal(3, 2) for seed, draw in ((0, 0), (0, 0), (1, 0), (0, 1))
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert not torch.equal(one, later)


def test_global_generators_are_left_alone() -> None:
    before = torch.random.get_rng_state()
    Stream(0, 0, _CPU, torch.float32).uniform(5)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_refusal() -> None:
    with pytest.raises(DomainError, match="seed"):
        Stream(-1, 0, _CPU, torch.float64)
