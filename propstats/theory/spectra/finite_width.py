"""Moments of a network's Jacobian at finite width.

With `M = J J^T` of n rows and m rows `w_i` of the next weights, of variance 1/n and independent of M, the traces
`T = tr M` and `S = tr M^2` of the next product have expectations that are linear in `E[T^2]` and `E[S]`:

    E[(w^T M w)^2] = (T^2 + 2 S)/n^2 for a Gaussian row, and the same times n/(n + 2) for a unit one,
    E[(w_i^T M w_j)^2] = S/n^2 and E[w_i^T M w_i w_j^T M w_j] = T^2/n^2 for independent rows;
    for rows of an orthogonal matrix, what is left of sum_ij (w_i^T M w_j)^2 = S and of (sum_i w_i^T M w_i)^2 = T^2.

The slopes enter by the first two moments of their squares. They are independent of these forms exactly where the
squared slope depends on the sign of `w_i x` alone (positively homogeneous activations, no bias), because the forms
do not change when a row changes its sign.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from propstats.theory.weights.schemes import Law


def product_moments(slopes: Sequence[tuple[float, float]], widths: Sequence[int], law: Law) -> tuple[float, float]:
    """Return `E[tr(J J^T)]/k` and `E[tr((J J^T)^2)]/k`, with k the smaller of the first and the last width.

    Args:
        slopes: For each layer, the first and second moment of the squared slopes, with the weights' scale in them.
        widths: Units of the input and of each layer.
        law: The law of the standardised weights (variance 1/fan_in).

    >>> one_layer = product_moments([(0.5, 0.5)], [1000, 1000], Law.GAUSSIAN)
    >>> one_layer[0], round(one_layer[1] / one_layer[0] ** 2 - 1, 3)  # L/p at infinite width: 2
    (0.5, 2.003)
    """
    n = float(widths[0])
    trace, trace_squared, square = n, n * n, n
    for (first, second), (inputs, units) in zip(slopes, pairwise(widths), strict=True):
        if law is Law.ORTHOGONAL:
            # Rows of a square orthogonal matrix, of which the larger width says the size, and some of whose columns.
            n = float(max(inputs, units))
            scale = (n / inputs) ** 2
            form = scale * (trace_squared + 2 * square) / (n * (n + 2))
            apart, apart_squared = (
                (scale * whole / n - form) / (n - 1) if n > 1 else 0.0 for whole in (square, trace_squared)
            )
        else:
            n = float(inputs)
            form = (trace_squared + 2 * square) / n**2
            if law is Law.UNIT_ROWS:
                form *= n / (n + 2)
            apart, apart_squared = square / n**2, trace_squared / n**2
        pairs = units * (units - 1)
        square = second * units * form + first**2 * pairs * apart
        trace_squared = second * units * form + first**2 * pairs * apart_squared
        trace *= first * units / inputs
    k = min(widths[0], widths[-1])
    return trace / k, square / k


def rank_deficiency(zero_probabilities: Sequence[float], widths: Sequence[int]) -> float:
    """Return the expected share of singular values that vanish, of as many as the first and last width allow.

    Generic weights lose no more rank than the layer with the fewest slopes that do not vanish, and slopes vanish
    independently of each other: the expected minimum of binomial counts.

    >>> rank_deficiency([0.0], [10, 10]), round(rank_deficiency([0.5], [10, 10]), 12)
    (0.0, 0.5)
    """
    import numpy as np
    from scipy.stats import binom

    k = min(widths[0], widths[-1])
    counts = np.arange(k)  # P(rank > count), summed, is the mean
    exceed = np.ones(k)
    for zero, units in zip(zero_probabilities, widths[1:], strict=True):
        exceed *= binom.sf(counts, units, 1.0 - zero)
    return math.fsum(1.0 - exceed) / k
