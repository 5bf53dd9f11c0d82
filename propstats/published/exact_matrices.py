"""Statements about weight matrices, checked in exact rational arithmetic: "equal" means equal.

Each check looks for a counterexample among cases that cover what the statement speaks of.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import combinations, product

from propstats.published.claims import Finding

Vector = tuple[Fraction, ...]
Matrix = tuple[Vector, ...]


def vector(*values: int | Fraction) -> Vector:
    """Return a vector of exact numbers."""
    return tuple(map(Fraction, values))


def dot(u: Vector, v: Vector) -> Fraction:
    """Return the inner product."""
    return sum((a * b for a, b in zip(u, v, strict=True)), Fraction(0))


def matrices(count: int = 50) -> Iterator[Matrix]:
    """Yield small matrices of small whole numbers, the same every time, without zero rows."""
    rng = random.Random(0)
    for _ in range(count):
        rows, columns = rng.randint(2, 5), rng.randint(2, 6)
        yield tuple(vector(rng.randint(1, 9), *(rng.randint(-9, 9) for _ in range(columns - 1))) for _ in range(rows))


def off_diagonal(matrix: Matrix) -> Fraction:
    """Return the square of the Frobenius norm of what is off the diagonal of `W W^T`."""
    return 2 * sum((dot(u, v) ** 2 for u, v in combinations(matrix, 2)), Fraction(0))


def canonical_error_bound(matrix: Matrix, power: int = 2) -> Fraction:
    """Return the square of Proposition 1's bound for sigma = 1: `mu^2 sum_{i != j} |W_i|^power |W_j|^power`.

    Only powers divisible by 2 stay rational.
    """
    coherence = max(dot(u, v) ** 2 / (dot(u, u) * dot(v, v)) for u, v in combinations(matrix, 2))
    half = power // 2
    return coherence * 2 * sum((dot(u, u) ** half * dot(v, v) ** half for u, v in combinations(matrix, 2)), Fraction(0))


def bound_holds(bound: Callable[[Matrix], Fraction] = canonical_error_bound) -> Finding:
    """Proposition 1: what is off the diagonal of `W W^T` is not larger than the bound."""
    ratios = [off_diagonal(m) / bound(m) for m in matrices() if bound(m)]
    exact = f"largest ratio {float(max(ratios)) ** 0.5:.4g} in {len(ratios)} matrices"
    return Finding(max(ratios) <= 1, exact)


def diagonal_is_best(shift: Fraction = Fraction(0)) -> Finding:
    """Proposition 1: `alpha_i = |W_i|^2` is the nearest diagonal; moving away from it in any entry is worse."""
    step = Fraction(1, 10)

    def distance(matrix: Matrix, alpha: Sequence[Fraction]) -> Fraction:
        return off_diagonal(matrix) + sum((dot(w, w) - a) ** 2 for w, a in zip(matrix, alpha, strict=True))

    for matrix in matrices(20):
        best = [dot(w, w) + shift for w in matrix]
        for i, change in product(range(len(best)), (step, -step)):
            moved = [a + change * (j == i) for j, a in enumerate(best)]
            if distance(matrix, moved) < distance(matrix, best):
                return Finding(False, "another diagonal is nearer")
    return Finding(True, "no diagonal is nearer")


def row_scale_is_free(normalise: bool = True) -> Finding:
    """Whether `W x/|W|` stays the same if a row of weights is multiplied by a positive number."""

    def output(w: Vector, x: Vector) -> tuple[bool, Fraction]:
        return dot(w, x) > 0, dot(w, x) ** 2 / (dot(w, w) if normalise else 1)

    rows = [row for matrix in matrices(10) for row in matrix]
    same = all(
        output(row, row[::-1]) == output(tuple(factor * w for w in row), row[::-1])
        for row in rows
        for factor in (Fraction(1, 3), Fraction(7))
    )
    return Finding(same, "unchanged" if same else "changed")
