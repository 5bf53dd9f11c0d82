import pytest
import torch

from propstats.simulation.gram_schmidt import gram_schmidt


def _matrix(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(1, 1), (40, 40), (64, 64), (65, 65), (200, 130), (129, 129), (5, 0)])
def test_the_product_is_the_matrix(shape: tuple[int, int]) -> None:
    a = _matrix(*shape)
    found = gram_schmidt(a.T)
    assert found is not None
    q, r = found[0].T, found[1]
    # Each block is a substitution and each update a product: |A - QR| <= c n eps |Q||R|.
    bound = 4 * max(shape) * torch.finfo(torch.float64).eps
    assert bool(((a - q @ r).abs() <= bound * (q.abs() @ r.abs()) + bound).all())
    assert torch.equal(r, r.triu())
    # 1e-3 is what it promises; of a Gaussian matrix it is far less.
    assert float((q.T @ q - torch.eye(shape[1]).to(q)).abs().sum()) < 1e-3


def test_near_singular_and_wide_matrices_are_refused() -> None:
    a = _matrix(80, 80)
    a[:, 70] = a[:, 3] + 1e-8 * a[:, 71]
    assert gram_schmidt(a.T) is None
    assert gram_schmidt(torch.zeros(4, 4, dtype=torch.float64)) is None
    assert gram_schmidt(torch.full((2, 2), torch.nan, dtype=torch.float64)) is None
    assert gram_schmidt(_matrix(3, 5).T) is None


def test_what_is_given_stays() -> None:
    a = _matrix(70, 70)
    before = a.clone()
    gram_schmidt(a.T)
    gram_schmidt(a)
    assert torch.equal(a, before)
