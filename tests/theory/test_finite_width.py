import itertools
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from propstats.estimate import STANDARD_ERRORS
from propstats.simulation.network import _weights
from propstats.theory.finite_width import product_moments, rank_deficiency
from propstats.theory.weights.schemes import Law

_SLOPES = (0.0, 1.5)  # equally likely, independent of everything: what the formula assumes


def draw_weights(law: Law, draws: int, n: int, seed: int = 0) -> torch.Tensor:
    generators = [torch.Generator().manual_seed(seed * 100_003 + k) for k in range(draws)]

    def normal(*shape: int) -> torch.Tensor:
        return torch.stack([torch.randn(shape, generator=g, dtype=torch.float64) for g in generators])

    return _weights(law, generators, normal, n)


def _simulated(law: Law, n: int, depth: int, draws: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Normalised traces of M and M^2 for each draw."""
    generator = torch.Generator().manual_seed(5)
    product = torch.eye(n, dtype=torch.float64).expand(draws, n, n)
    for layer in range(depth):
        signs = torch.randint(0, 2, (draws, n, 1), generator=generator)
        slopes = torch.tensor(_SLOPES, dtype=torch.float64)[signs]
        product = slopes * (draw_weights(law, draws, n, seed=layer) @ product)
    gram = product @ product.transpose(1, 2)
    trace = torch.diagonal(gram, dim1=1, dim2=2).sum(dim=1) / n
    return trace.numpy(), (gram.square().sum(dim=(1, 2)) / n).numpy()


@pytest.mark.parametrize("law", [Law.GAUSSIAN, Law.UNIT_ROWS, Law.ORTHOGONAL])
@pytest.mark.parametrize(("n", "depth"), [(2, 1), (3, 2), (5, 4), (8, 1), (8, 3)])
def test_product_moments_are_exact_at_any_width(law: Law, n: int, depth: int) -> None:
    draws = 4_000
    traces, squares = _simulated(law, n, depth, draws)
    first = float(np.mean(np.square(_SLOPES)))
    second = float(np.mean(np.power(_SLOPES, 4)))
    found = product_moments([(first, second)] * depth, n, law)
    for value, sample in zip(found, (traces, squares), strict=True):
        assert abs(value - sample.mean()) <= STANDARD_ERRORS * sample.std(ddof=1) / math.sqrt(draws), (
            value,
            sample.mean(),
        )


@pytest.mark.parametrize("n", [4, 16])
def test_product_moments_of_uniform_weights_are_close(n: int) -> None:
    """Their fourth moment is 9/5 of a squared variance, not 3: one part in the width, which theory owns up to."""
    draws = 4_000
    traces, squares = _simulated(Law.UNIFORM, n, 1, draws)
    found = product_moments([(1.125, 2.53125)], n, Law.UNIFORM)
    assert abs(found[0] - traces.mean()) <= STANDARD_ERRORS * traces.std(ddof=1) / math.sqrt(draws)
    allowed = STANDARD_ERRORS * squares.std(ddof=1) / math.sqrt(draws) + found[1] * (3 - 9 / 5) / n
    assert abs(found[1] - squares.mean()) <= allowed


@pytest.mark.parametrize(("law", "variance"), [(Law.GAUSSIAN, 2.0), (Law.UNIT_ROWS, 2.0), (Law.ORTHOGONAL, 1.0)])
@pytest.mark.parametrize("depth", [1, 4, 9])
def test_infinite_width(law: Law, variance: float, depth: int) -> None:
    """Pennington et al. 2017: L/p and L (1 - p)/p with p = 1/2; the deviation is of order L^2/width."""
    width = 10**7
    mean, fourth = product_moments([(1.0, 2.0)] * depth, width, law)
    assert math.isclose(mean, 1.0, rel_tol=1e-12)
    assert abs(fourth - 1 - variance * depth) <= 10 * depth**3 / width


def _expected_maximum(probabilities: list[float], width: int) -> float:
    """By going through every pattern of zeros."""
    total = 0.0
    layers = [list(itertools.product((0, 1), repeat=width)) for _ in probabilities]
    for patterns in itertools.product(*layers):
        counts = [sum(pattern) for pattern in patterns]
        weight = math.prod(p**k * (1 - p) ** (width - k) for p, k in zip(probabilities, counts, strict=True))
        total += weight * max(counts)
    return total / width


@pytest.mark.parametrize(
    ("probabilities", "width"),
    [
        ([0.5], 1),
        ([0.5], 6),
        ([0.3, 0.7], 4),
        ([0.5, 0.5, 0.5], 3),
        ([0.1, 0.0, 0.9], 3),
        ([1.0], 3),
        ([1.0, 0.2], 3),
        ([0.0, 0.0], 4),
    ],
)
def test_rank_deficiency_against_enumeration(probabilities: list[float], width: int) -> None:
    found = rank_deficiency(probabilities, width)
    # Some hundred terms of at most one.
    assert abs(found - _expected_maximum(probabilities, width)) <= 1e-13


def test_rank_deficiency_grows_with_depth_towards_one_half() -> None:
    values = [rank_deficiency([0.5] * depth, 64) for depth in (1, 2, 9, 50)]
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
        product = keep * (draw_weights(Law.GAUSSIAN, draws, n, seed=layer) @ product)
        fewest = torch.minimum(fewest, keep.sum(dim=(1, 2)))
    assert torch.equal(torch.linalg.matrix_rank(product), fewest)
