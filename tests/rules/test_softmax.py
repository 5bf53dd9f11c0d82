import math

import pytest
import torch

from propstats.estimate import STANDARD_ERRORS
from propstats.rules.softmax import SoftmaxMoments, common_moments, softmax_moments


def _moments(count: int, std: float) -> SoftmaxMoments:
    return softmax_moments(((count, 1.0),), std)


@pytest.mark.parametrize(("count", "std"), [(2, 1.0), (3, 0.01), (8, 3.0), (64, 0.7), (500, 1.5)])
def test_moments_against_sampling(count: int, std: float) -> None:
    _check(_moments(count, std), torch.zeros(count, dtype=torch.float64), std)


@pytest.mark.parametrize("std", [0.3, 1.0, 3.0, 12.0])
@pytest.mark.parametrize("bias", [[0.0, 4.0, 0.0, 0.0], [-0.5 * n for n in range(24)], [0.0, 1.0, -math.inf]])
def test_moments_of_biased_logits(bias: list[float], std: float) -> None:
    biases = torch.tensor(bias, dtype=torch.float64)
    row = tuple(torch.softmax(biases, dim=0).tolist())
    _check(softmax_moments((((row, row), 1.0),), std), biases, std)


def test_equal_shares_are_as_many_keys() -> None:
    row = (1 / 32,) * 32
    for std in (0.0, 0.5, 2.0, 20.0):
        one, other = softmax_moments((((row, row), 1.0),), std), _moments(32, std)
        for name in ("squares", "slope", "trace", "aligned"):
            assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-6)


def test_pairs_of_queries_with_the_same_logits_are_one() -> None:
    row, other = (0.7, 0.2, 0.1), (0.7, 0.2, 0.1 - 1e-12)
    drawn = common_moments((((row, other), 1.0),), 1.0, 1.0)[0]
    assert drawn == pytest.approx(softmax_moments((((row, row), 1.0),), 1.0).squares, rel=5e-3)


def _check(found: SoftmaxMoments, bias: torch.Tensor, std: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = std * torch.randn(400_000 // len(bias), len(bias), generator=generator, dtype=torch.float64)
    a = torch.softmax(bias + logits, dim=1)
    squares = a.square().sum(dim=1)
    slope = squares - 2 * a.pow(3).sum(dim=1) + squares.square()
    aligned = ((a * logits).sum(dim=1).square() / std**2 - squares) / std**2
    pairs = [(found.squares, squares), (found.slope, slope), (found.aligned, aligned)]
    for theory, sample in [*pairs, (found.trace, (1 - squares).square())]:
        error = float(sample.std()) / math.sqrt(len(sample))
        assert abs(theory - float(sample.mean())) <= STANDARD_ERRORS * error


def test_two_logits_by_an_integral_of_one_variable() -> None:
    """`a_1 = sigmoid(l_1 - l_2)`, by a fine trapezoid rule."""
    z = torch.linspace(-10, 10, 20_001, dtype=torch.float64)
    density = torch.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    for std in (0.1, 1.0, 4.0):
        a = torch.sigmoid(math.sqrt(2) * std * z)
        exact = float((density * (a.square() + (1 - a).square())).sum())
        slope = float((density * 4 * (a * (1 - a)).square()).sum())
        found = _moments(2, std)
        assert abs(found.squares - exact) <= 1e-12
        assert abs(found.slope - slope) <= 1e-11


def test_limits() -> None:
    assert _moments(5, 0.0).squares == 0.2
    assert abs(_moments(5, 1e-5).squares - 0.2) <= 1e-9
    assert abs(_moments(5, 1e-5).aligned - 0.8) <= 1e-8
    assert _moments(1, 2.0).slope == 0.0
    wide = [_moments(50, std).squares for std in (10.0, 30.0, 60.0)]
    assert sorted(wide) == wide  # one has nearly all
    assert 0.95 < wide[-1] < 1.0
