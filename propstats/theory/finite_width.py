"""Moments of a network's Jacobian at finite width.

With `M = J J^T` and rows `w_i` of the next weights that are independent of M, the traces `T = tr M` and
`S = tr M^2` of the next product have expectations that are linear in `E[T^2]` and `E[S]`:

    E[(w^T M w)^2] = (T^2 + 2 S)/(N (N + 2)) for a unit row, and the same times (N + 2)/N for a Gaussian one,
    E[(w_i^T M w_j)^2] = S/N^2 for independent rows; for orthogonal ones, the rest of sum_ij (..)^2 = S.

The slopes enter by the first two moments of their squares. They are independent of these forms exactly where the
squared slope depends on the sign of `w_i x` alone (positively homogeneous activations, no bias), because the forms
do not change when a row changes its sign.
"""

from collections.abc import Sequence

from propstats.theory.weights.schemes import Law


def product_moments(slopes: Sequence[tuple[float, float]], width: int, law: Law) -> tuple[float, float]:
    """Return `E[tr(J J^T)]/N` and `E[tr((J J^T)^2)]/N`.

    Args:
        slopes: For each layer, the first and second moment of the squared slopes, with the weights' scale in them.
        width: Width N of all layers.
        law: The law of the standardised weights (variance 1/N).

    >>> one_layer = product_moments([(0.5, 0.5)], 1000, Law.GAUSSIAN)
    >>> one_layer[0], round(one_layer[1] / one_layer[0] ** 2 - 1, 3)  # L/p at infinite width: 2
    (0.5, 2.003)
    """
    n = float(width)
    trace, trace_squared, square = n, n * n, n
    for first, second in slopes:
        form = (trace_squared + 2 * square) / (n + 2)  # N E[(w^T M w)^2] of a unit row
        diagonal = form if law in (Law.UNIT_ROWS, Law.ORTHOGONAL) else form * (n + 2) / n
        if law is Law.ORTHOGONAL:
            apart, apart_squared = square - form, trace_squared - form
        else:
            apart, apart_squared = (1 - 1 / n) * square, (1 - 1 / n) * trace_squared
        square = first**2 * apart + second * diagonal
        trace_squared = first**2 * apart_squared + second * diagonal
        trace *= first
    return trace / n, square / n


def rank_deficiency(zero_probabilities: Sequence[float], width: int) -> float:
    """Return the expected share of vanishing singular values.

    Generic weights lose no more rank than the layer with the most vanishing slopes, and slopes vanish independently
    of each other: the expected maximum of binomial counts, divided by the width.

    >>> rank_deficiency([0.0], 10), round(rank_deficiency([0.5], 10), 12)
    (0.0, 0.5)
    """
    from math import exp, lgamma, log

    def log_choose(k: int) -> float:
        return lgamma(width + 1) - lgamma(k + 1) - lgamma(width - k + 1)

    below = [0.0] * len(zero_probabilities)
    expected = 0.0
    for k in range(width):
        at_most = 1.0
        for i, p in enumerate(zero_probabilities):
            if p <= 0.0:
                below[i] = 1.0
            elif p < 1.0:
                below[i] += exp(log_choose(k) + k * log(p) + (width - k) * log(1 - p))
            at_most *= min(below[i], 1.0)
        expected += 1.0 - at_most
    return expected / width
