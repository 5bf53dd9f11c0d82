"""Lengths, angles and singular values, against the whole singular value decomposition."""

import pytest
import torch
from torch import nn

from propstats.auditing.static.geometry import exact_law, random_edge, spectral_norm
from propstats.auditing.static.sums import sums
from propstats.theory.weights.schemes import Law


@pytest.mark.parametrize("shape", [(5, 7), (300, 140), (140, 500), (1, 9)])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_spectral_norm(shape: tuple[int, int], dtype: torch.dtype) -> None:
    rows = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)
    found, exact = spectral_norm(rows), float(torch.linalg.svdvals(rows.double())[0])
    assert abs(found.value - exact) <= found.error + 1e-13 * exact
    assert found.error <= 1e-4 * exact


def test_of_groups_the_largest() -> None:
    rows = torch.randn(6, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    exact = max(float(torch.linalg.svdvals(block)[0]) for block in rows.chunk(3))
    assert spectral_norm(rows, 3).value == pytest.approx(exact, rel=1e-14)


def test_random_matrices_end_at_the_edge() -> None:
    rows = torch.randn(800, 400, generator=torch.Generator().manual_seed(1)) * 0.1
    # Tracy-Widom: of order n^(-2/3) below the edge.
    assert abs(spectral_norm(rows).value / random_edge(800, 400, 0.01) - 1) < 2 * 400 ** (-2 / 3)


def test_laws_that_are_exact() -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        square = nn.init.orthogonal_(torch.empty(200, 200))
        tall = 3 * nn.init.orthogonal_(torch.empty(200, 50))
    gauss = torch.randn(100, 200, generator=generator)
    unit = gauss / gauss.norm(dim=1, keepdim=True)
    almost = square.clone()
    almost[7] += 0.01 * gauss[0]
    for rows, law in (
        (square, Law.ORTHOGONAL),
        (tall, Law.ORTHOGONAL),
        (tall.T.half(), Law.ORTHOGONAL),
        (unit, Law.UNIT_ROWS),
        (gauss, None),
        (almost, None),
        (torch.zeros(4, 4), None),
        (torch.ones(1, 1), None),
    ):
        assert exact_law(rows, sums(rows).lengths) is law


def test_sums_do_not_overflow() -> None:
    rows = torch.randn(50, 60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    plain, huge = sums(rows), sums(rows * 2.0**400)
    assert huge.kurtosis == plain.kurtosis
    assert huge.mean_square == plain.mean_square * 2.0**800
    assert abs(plain.mean - float(rows.mean())) < 1e-16
