import itertools
import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from propstats.estimate import STANDARD_ERRORS
from propstats.simulation.stream import Stream
from propstats.simulation.weights import draw_weights
from propstats.theory.spectra.finite_width import product_moments, rank_deficiency
from propstats.theory.weights.schemes import Law

_SLOPES = (0.0, 1.5)  # equally likely, independent of everything: what the formula assumes


def _weights(law: Law, draws: int, units: int, inputs: int, seed: int = 0) -> torch.Tensor:
    streams = (Stream(seed, k, torch.device("cpu"), torch.float64) for k in range(draws))
    return torch.stack([draw_weights(law, units, inputs, stream) for stream in streams])


def _simulated(law: Law, widths: Sequence[int], draws: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Traces of M and M^2 for each draw, divided by the smaller of the outer widths."""
    generator = torch.Generator().manual_seed(5)
    product = torch.eye(widths[0], dtype=torch.float64).expand(draws, widths[0], widths[0])
    for layer, (n, m) in enumerate(pairwise(widths)):
        signs = torch.randint(0, 2, (draws, m, 1), generator=generator)
        slopes = torch.tensor(_SLOPES, dtype=torch.float64)[signs]
        product = slopes * (_weights(law, draws, m, n, seed=layer) @ product)
    gram = product @ product.transpose(1, 2)
    k = min(widths[0], widths[-1])
    trace = torch.diagonal(gram, dim1=1, dim2=2).sum(dim=1) / k
    return trace.numpy(), (gram.square().sum(dim=(1, 2)) / k).numpy()


_SHAPES = [(2, 2), (3, 3, 3), (5, 5, 5, 5, 5), (8, 8), (8, 8, 8, 8), (6, 3), (3, 6), (4, 9, 2, 5), (7, 1, 7)]


@pytest.mark.parametrize("law", [Law.GAUSSIAN, Law.UNIT_ROWS, Law.ORTHOGONAL])
@pytest.mark.parametrize("widths", _SHAPES)
def test_product_moments_are_exact_at_any_width(law: Law, widths: tuple[int, ...]) -> None:
    draws = 4_000
    traces, squares = _simulated(law, widths, draws)
    first = float(np.mean(np.square(_SLOPES)))
    second = float(np.mean(np.power(_SLOPES, 4)))
    found = product_moments([(first, second)] * (len(widths) - 1), widths, law)
    for value, sample in zip(found, (traces, squares), strict=True):
        assert abs(value - sample.mean()) <= STANDARD_ERRORS * sample.std(ddof=1) / math.sqrt(draws), (
            value,
            sample.mean(),
        )


@pytest.mark.parametrize("n", [4, 16])
def test_product_moments_of_uniform_weights_are_close(n: int) -> None:
    """Their fourth moment is 9/5 of a squared variance, not 3: one part in the width, which theory owns up to."""
    draws = 4_000
    traces, squares = _simulated(Law.UNIFORM, (n, n), draws)
    found = product_moments([(1.125, 2.53125)], (n, n), Law.UNIFORM)
    assert abs(found[0] - traces.mean()) <= STANDARD_ERRORS * traces.std(ddof=1) / math.sqrt(draws)
    allowed = STANDARD_ERRORS * squares.std(ddof=1) / math.sqrt(draws) + found[1] * (3 - 9 / 5) / n
    assert abs(found[1] - squares.mean()) <= allowed


@pytest.mark.parametrize(("law", "variance"), [(Law.GAUSSIAN, 2.0), (Law.UNIT_ROWS, 2.0), (Law.ORTHOGONAL, 1.0)])
@pytest.mark.parametrize("depth", [1, 4, 9])
def test_infinite_width(law: Law, variance: float, depth: int) -> None:
    """Pennington et al. 2017: L/p and L (1 - p)/p with p = 1/2; the deviation is of order L^2/width."""
    width = 10**7
    mean, fourth = product_moments([(1.0, 2.0)] * depth, [width] * (depth + 1), law)
    assert math.isclose(mean, 1.0, rel_tol=1e-12)
    assert abs(fourth - 1 - variance * depth) <= 10 * depth**3 / width


def _expected_deficiency(probabilities: list[float], widths: Sequence[int]) -> float:
    """By going through every pattern of zeros."""
    total = 0.0
    layers = [list(itertools.product((0, 1), repeat=width)) for width in widths[1:]]
    k = min(widths[0], widths[-1])
    for patterns in itertools.product(*layers):
        alive = [len(pattern) - sum(pattern) for pattern in patterns]
        weight = math.prod(
            (1 - p) ** up * p ** (n - up) for p, up, n in zip(probabilities, alive, widths[1:], strict=True)
        )
        total += weight * (k - min(k, *alive))
    return total / k


@pytest.mark.parametrize(
    ("probabilities", "widths"),
    [
        ([0.5], (1, 1)),
        ([0.5], (6, 6)),
        ([0.3, 0.7], (4, 4, 4)),
        ([0.5, 0.5, 0.5], (3, 3, 3, 3)),
        ([0.1, 0.0, 0.9], (3, 3, 3, 3)),
        ([1.0], (3, 3)),
        ([1.0, 0.2], (3, 3, 3)),
        ([0.0, 0.0], (4, 4, 4)),
        ([0.5, 0.2], (5, 2, 4)),
        ([0.5, 0.2], (2, 6, 4)),
        ([0.0], (2, 6)),
    ],
)
def test_rank_deficiency_against_enumeration(probabilities: list[float], widths: tuple[int, ...]) -> None:
    found = rank_deficiency(probabilities, widths)
    # Some hundred terms of at most one.
    assert abs(found - _expected_deficiency(probabilities, widths)) <= 1e-13


def test_rank_deficiency_grows_with_depth_towards_one_half() -> None:
    values = [rank_deficiency([0.5] * depth, [64] * (depth + 1)) for depth in (1, 2, 9, 50)]
    assert values == sorted(values)
    # The maximum of d binomials is at most sqrt(2 log d) standard deviations above a half, in the mean.
    assert values[-1] <= 0.5 + math.sqrt(2 * math.log(50)) * 0.5 / math.sqrt(64)


def test_rank_is_what_generic_matrices_have() -> None:
    """The claim behind it: the product loses no more rank than its poorest layer."""
    n, draws, depth = 12, 200, 3
    generator = torch.Generator().manual_seed(3)
    product, fewest = torch.eye(n, dtype=torch.float64).expand(draws, n, n), torch.full((draws,), n)
    for layer in range(depth):
        keep = torch.rand(draws, n, 1, generator=generator, dtype=torch.float64) < 0.5
        product = keep * (_weights(Law.GAUSSIAN, draws, n, n, seed=layer) @ product)
        fewest = torch.minimum(fewest, keep.sum(dim=(1, 2)))
    assert torch.equal(torch.linalg.matrix_rank(product), fewest)
