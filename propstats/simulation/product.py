"""Singular values of a deep network's Jacobian `D_L W_L ... D_1 W_1`, from its weights and the slopes of its units.

A unit whose slope vanishes is a row of zeros in one factor and a column that meets only zeros in the next: neither
enters the product. Orthogonal factors on either side do not change singular values: where fewer rows than columns are
left, a QR of the transpose makes the product square, and all that follows is smaller.
"""

from collections.abc import Iterable

import torch

#: Smaller triangles are multiplied whole.
_BLOCK = 64
#: So many more rows than columns, or the other way round, are worth a QR that makes them equal.
_OBLONG = 1.2


def singular_values(
    layers: Iterable[tuple[torch.Tensor, torch.Tensor]], *, accurate: bool = False
) -> tuple[torch.Tensor, int]:
    """Return the singular values of the product, and its rank for generic weights.

    Generic weights lose no more rank than the layer with the fewest slopes that do not vanish; counting small singular
    values would count rounding as well. The values beyond that rank are exactly zero.

    The plain product is right to some roundings of the *largest* value. The accurate one is right to some roundings of
    each value, down to the smallest: every step multiplies an orthogonal matrix only, and the triangles that it leaves
    are multiplied apart. Units are taken in the order of their slopes, so that rows of small ones keep their digits.

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
    product = triangle = previous = turned = None
    ends: list[int] = []
    rank = 0
    for weights, slopes in layers:
        ends = [*ends[:1], *weights.shape[::-1]] if not ends else [ends[0], weights.shape[0]]
        active = torch.nonzero(slopes)[:, 0]
        rank = min(rank if previous is not None else ends[0], active.numel())
        if accurate:
            active = active[slopes[active].abs().argsort(descending=True)]
        factor = _part(weights, active, previous)
        if turned is not None:
            product = slopes[active, None] * _times(factor, turned)
        else:
            product = slopes[active, None] * (factor if product is None else factor @ product)
        rows, columns = product.shape
        # Once there is a triangle, the columns are its rows, and no longer free to turn.
        if triangle is None and columns > _OBLONG * rows:
            product = torch.linalg.qr(product.T, mode="r")[1].T
        if accurate:
            turned = torch.geqrf(product)
            step = turned.a[: min(rows, columns)].triu()
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


def _times(factor: torch.Tensor, turned: torch.return_types.geqrf) -> torch.Tensor:
    """Return a factor times the orthogonal matrix of a QR, which is never formed."""
    count = turned.tau.numel()
    return torch.ormqr(turned.a[:, :count], turned.tau, factor, left=False)[:, :count]


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
