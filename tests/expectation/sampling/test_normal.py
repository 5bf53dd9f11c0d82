import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from propstats.errors import DomainError
from propstats.estimate import STANDARD_ERRORS
from propstats.expectation.sampling.draws import BLOCK
from propstats.expectation.sampling.normal import AT_ONCE, LARGEST, Normals, block_seed


def _draws(blocks: int, seed: int = 0) -> np.ndarray:
    z = torch.empty(blocks, BLOCK)
    for block in range(blocks):
        Normals(seed, block, torch.device("cpu")).fill(z[block])
    return z.double().numpy()


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


def test_radius_and_angle_are_what_box_and_muller_say() -> None:
    """The squared radius is twice an exponential number, the angle is uniform, and they are not correlated."""
    cosine, sine = _draws(1)[0, :AT_ONCE].reshape(2, -1)
    radius, angle = cosine**2 + sine**2, np.arctan2(sine, cosine)
    assert kstest(radius, "expon", args=(0, 2)).pvalue > 1e-6
    assert kstest(angle, "uniform", args=(-math.pi, 2 * math.pi)).pvalue > 1e-6
    assert abs(np.corrcoef(radius, angle)[0, 1]) <= STANDARD_ERRORS / math.sqrt(radius.size)


@pytest.mark.parametrize("integers", [0, -1, 1 << 31, (1 << 31) - 1])
def test_no_integer_is_out_of_bounds(monkeypatch: pytest.MonkeyPatch, integers: int) -> None:
    """The smallest radii and the largest, at all ends of the angles."""

    class Fixed:
        def __init__(self, seed: int) -> None:
            del seed

        def random_raw(self, size: int) -> np.ndarray:
            return np.full(2 * size, integers, np.int64).astype(np.uint32).view(np.uint64)

    monkeypatch.setattr(np.random, "SFC64", Fixed)
    z = torch.empty(64)
    Normals(0, 0, torch.device("cpu")).fill(z)
    assert torch.isfinite(z).all()
    assert float(z.abs().max()) <= LARGEST * (1 + 2.0**-22)
    if integers == 0:
        assert math.isclose(float(z.abs().max()), LARGEST, rel_tol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 1001, AT_ONCE + 1])
def test_odd_sizes_are_filled(size: int) -> None:
    z = torch.full((size,), math.nan)
    Normals(0, 0, torch.device("cpu")).fill(z)
    assert torch.isfinite(z).all()
    # Of n numbers of 24 bits, n^2/2^25 pairs are alike.
    assert torch.unique(z).numel() >= size - 2 - size**2 / 2**25 * 3


def test_block_seeds_differ() -> None:
    seeds = {block_seed(seed, block) for seed in range(30) for block in range(30)}
    assert len(seeds) == 900
    assert all(0 <= seed < 2**63 for seed in seeds)
    with pytest.raises(DomainError, match="a seed must be at least 0, got -1"):
        block_seed(-1, 0)
