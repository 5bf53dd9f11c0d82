"""QR by blocks of Gram-Schmidt: nearly all of it matrix products, which run faster than Householder's reflections.

What a product of many factors needs of each `A = Q R` is not that Q is orthogonal to the last digit, but that `Q R` is
A to the last digit and that Q is well conditioned. Gram-Schmidt in blocks, each made orthonormal through the Cholesky
factor of its Gram matrix, has the first always and the second where A is not too badly conditioned, which shows.
"""

import torch

#: Columns that are made orthonormal together.
_COLUMNS = 64
#: How far from orthogonal Q may be: nearer, and most matrices were refused; farther, and digits were lost.
_LOSS = 1e-3


def gram_schmidt(transposed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return the transpose of Q, and R, for a matrix that is given as its transpose; None if it is too near singular.

    A block's Cholesky factor C stands for what is left of its columns after the blocks before it. Rounding that was
    small beside A is large beside them by `|A| |C^-1|`, and squared in the Gram matrix: `eps (|A| |C^-1|)^2` bounds,
    in order of magnitude, how far Q is from orthogonal.

    Args:
        transposed: `A^T`, of shape (columns, rows), with no more columns than rows.

    References:
        Stathopoulos & Wu 2002, SIAM J. Sci. Comput. 23(6) (Cholesky QR); Jalby & Philippe 1991, SIAM J. Sci. Stat.
        Comput. 12(5) (Gram-Schmidt by blocks).

    >>> found = gram_schmidt(torch.tensor([[3.0, 4.0], [0.0, 5.0]], dtype=torch.float64))
    >>> found[1].tolist()
    [[5.0, 4.0], [0.0, 3.0]]
    """
    columns, rows = transposed.shape
    if columns > rows:
        return None
    size = float(torch.linalg.vector_norm(transposed))
    eps = torch.finfo(transposed.dtype).eps
    q, r = transposed.clone(memory_format=torch.contiguous_format), transposed.new_zeros(columns, columns)
    for start in range(0, columns, _COLUMNS):
        stop = min(start + _COLUMNS, columns)
        block = q[start:stop]
        cholesky, failed = torch.linalg.cholesky_ex(block @ block.T)
        if int(failed):
            return None
        inverse = torch.linalg.solve_triangular(cholesky, torch.eye(stop - start).to(cholesky), upper=False)
        # Not-a-number fails, too.
        if not eps * (size * float(torch.linalg.vector_norm(inverse))) ** 2 < _LOSS:
            return None
        # By substitution: with the inverse, the product with C would be off by the condition of C.
        block.copy_(torch.linalg.solve_triangular(cholesky, block, upper=False))
        r[start:stop, start:stop] = cholesky.T
        if stop < columns:
            along = q[stop:] @ block.T
            r[start:stop, stop:] = along.T
            q[stop:].addmm_(along, block, alpha=-1)
    return q, r
