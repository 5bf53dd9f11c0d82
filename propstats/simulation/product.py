"""Singular values of a deep network's Jacobian `D_L W_L ... D_1 W_1`, from its weights and the slopes of its units.

A unit whose slope vanishes is a row of zeros in one factor and a column that meets only zeros in the next: neither
enters the product. Orthogonal factors on either side do not change singular values: where fewer rows than columns are
left, a QR of the transpose makes the product square, and all that follows is smaller.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch

from propstats.simulation.gram_schmidt import gram_schmidt
from propstats.simulation.workers import in_order

_Layer = tuple[torch.Tensor, torch.Tensor]
#: Q of a QR: its transpose, or the reflections that make it.
_Basis = torch.Tensor | torch.return_types.geqrf

#: Smaller triangles are multiplied whole.
_BLOCK = 64
#: So many more rows than columns, or the other way round, are worth a QR that makes them equal.
_OBLONG = 1.2


def singular_values(layers: Iterable[_Layer], *, accurate: bool = False) -> tuple[torch.Tensor, int]:
    """Return the singular values of the product, and its rank for generic weights.

    Generic weights lose no more rank than the layer with the fewest slopes that do not vanish; counting small singular
    values would count rounding as well. The values beyond that rank are exactly zero.

    The plain product is right to some roundings of the *largest* value. The accurate one is right to some roundings of
    each value, down to the smallest: every step multiplies a matrix only that is orthogonal, nearly so before the last
    step, and the triangles that it leaves are multiplied apart. Units are taken in the order of their slopes, so that
    rows of small ones keep their digits.

    Args:
        layers: Weights, of shape (units, inputs), and slopes, of shape (units,), of each layer; first layer first.
        accurate: Whether small singular values matter.

    Returns:
        As many values as the network has inputs or outputs, whichever are fewer, in descending order; and the rank.

    References:
        Stewart 1997, On graded QR decompositions of products of matrices; Cox & Higham 1998, Stability of Householder
        QR factorization for weighted least squares problems (rows in the order of their size).

    >>> w = torch.tensor([[3.0, 0.0], [0.0, 2.0]])
    >>> singular_values([(w, torch.tensor([1.0, 0.0])), (w, torch.tensor([0.5, 1.0]))])
    (tensor([4.5000, 0.0000]), 1)
    """
    product = triangle = previous = basis = None
    ends: list[int] = []
    rank = 0
    for weights, slopes, is_last in _ahead(layers):
        ends = [*ends[:1], *weights.shape[::-1]] if not ends else [ends[0], weights.shape[0]]
        active = torch.nonzero(slopes)[:, 0]
        rank = min(rank if previous is not None else ends[0], active.numel())
        if accurate:
            active = active[slopes[active].abs().argsort(descending=True)]
        factor = _part(weights, active, previous)
        if product is not None:
            factor = factor @ product if basis is None else _times(factor, basis)
        product = slopes[active, None] * factor
        rows, columns = product.shape
        # Once there is a triangle, the columns are its rows, and no longer free to turn.
        if triangle is None and columns > _OBLONG * rows:
            product = torch.linalg.qr(product.T, mode="r")[1].T
        if accurate:
            # Nothing is multiplied with the last basis, which therefore must be orthogonal to the last digit.
            basis, step = _orthogonalised(product, exactly=is_last)
            triangle = step if triangle is None else triangular_product(step, triangle)
        previous = active
    core = product if triangle is None else triangle
    if core is None:
        raise ValueError("a network has at least one layer")
    if core.shape[0] > _OBLONG * core.shape[1]:
        core = torch.linalg.qr(core, mode="r")[1]
    values = core.new_zeros(min(ends))
    if rank:
        values[:rank] = torch.linalg.svdvals(core)[:rank]
    return values, rank


def singular_values_at(
    weights: Sequence[torch.Tensor], slopes: Sequence[torch.Tensor], *, accurate: bool = False
) -> tuple[torch.Tensor, list[int]]:
    """Return the singular values, of shape (count, fewer of inputs and outputs), and ranks of one network's Jacobians.

    Each input has units of its own that are off, and is worked on by a thread of its own.

    Args:
        weights: Of each layer, of shape (units, inputs).
        slopes: Of each layer, of shape (count, units).
        accurate: Whether small singular values matter.
    """

    def one(k: int) -> tuple[torch.Tensor, int]:
        return singular_values(zip(weights, (slope[k] for slope in slopes), strict=True), accurate=accurate)

    values, ranks = zip(*in_order(one, len(slopes[0]), weights[0].device), strict=True)
    return torch.stack(values), list(ranks)


def triangular_product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return the product of two upper triangles, or trapezia, by halves: what is known to be 0 is not multiplied.

    >>> triangular_product(torch.tensor([[1.0, 2.0], [0.0, 3.0]]), torch.tensor([[1.0, 1.0], [0.0, 1.0]])).tolist()
    [[1.0, 3.0], [0.0, 3.0]]
    """
    half = min(*left.shape, *right.shape) // 2
    if half < _BLOCK:
        return left @ right
    product = left.new_zeros(left.shape[0], right.shape[1])
    product[:half, :half] = triangular_product(left[:half, :half], right[:half, :half])
    torch.addmm(
        left[:half, :half] @ right[:half, half:], left[:half, half:], right[half:, half:], out=product[:half, half:]
    )
    product[half:, half:] = triangular_product(left[half:, half:], right[half:, half:])
    return product


def _ahead(layers: Iterable[_Layer]) -> Iterator[tuple[torch.Tensor, torch.Tensor, bool]]:
    """Yield each layer with whether it is the last one, looking no further than to the next."""
    before: _Layer | None = None
    for layer in layers:
        if before is not None:
            yield *before, False
        before = layer
    if before is not None:
        yield *before, True


def _orthogonalised(product: torch.Tensor, *, exactly: bool) -> tuple[_Basis, torch.Tensor]:
    """Return Q, in a form that `_times` knows, and the triangle R of a product `Q R`."""
    found = None if exactly else gram_schmidt(product.T)
    if found is not None:
        return found
    turned = torch.geqrf(product)
    return turned, turned.a[: min(product.shape)].triu()


def _times(factor: torch.Tensor, basis: _Basis) -> torch.Tensor:
    """Return a factor times Q: the transpose of a matrix, or reflections, from which it is never formed."""
    if isinstance(basis, torch.Tensor):
        # Written as a transpose, as the next QR wants its columns one after the other.
        return (basis @ factor.T).T
    count = basis.tau.numel()
    return torch.ormqr(basis.a[:, :count], basis.tau, factor, left=False)[:, :count]


def _part(weights: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor | None) -> torch.Tensor:
    """Return some rows and columns, without a copy where these are all in their order."""
    if columns is not None and not _is_all(columns, weights.shape[1]):
        # The smaller copy first.
        if rows.numel() * weights.shape[1] <= columns.numel() * weights.shape[0]:
            return weights.index_select(0, rows).index_select(1, columns)
        return weights.index_select(1, columns).index_select(0, rows)
    return weights if _is_all(rows, weights.shape[0]) else weights.index_select(0, rows)


def _is_all(index: torch.Tensor, size: int) -> bool:
    return index.numel() == size and bool((index[1:] > index[:-1]).all())
