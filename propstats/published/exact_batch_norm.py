"""Statements about batch normalisation, checked in exact rational arithmetic: squares of square roots stay rational."""

from collections.abc import Callable
from fractions import Fraction

from propstats.published.claims import Finding
from propstats.published.exact_matrices import Vector, vector

#: A mini-batch of one feature.
BATCH = vector(1, 2, 4, 9)


def mean_and_var(batch: Vector) -> tuple[Fraction, Fraction]:
    """Return the mean of some values and their variance, with the number of values as divisor."""
    mean = sum(batch, Fraction(0)) / len(batch)
    return mean, sum(((x - mean) ** 2 for x in batch), Fraction(0)) / len(batch)


def standardised(batch: Vector, eps: Fraction = Fraction(0)) -> list[tuple[int, Fraction]]:
    """Return sign and square of each `(x - mean)/sqrt(var + eps)`, which are rational."""
    mean, var = mean_and_var(batch)
    return [((x > mean) - (x < mean), (x - mean) ** 2 / (var + eps)) for x in batch]


def batch_norm_ignores(change: Callable[[Fraction], Fraction]) -> Finding:
    """A change of all values of a feature that batch normalisation (eps = 0) undoes."""
    same = standardised(BATCH) == standardised(tuple(map(change, BATCH)))
    return Finding(same, "unchanged" if same else "changed")


def batch_norm_variance(eps: Fraction) -> Finding:
    """The variance of a standardised feature."""
    squares = [square for _, square in standardised(BATCH, eps)]
    variance = sum(squares) / len(squares)
    return Finding(
        variance == 1,
        "1" if variance == 1 else f"{float(variance):.10g} for values of variance {mean_and_var(BATCH)[1]}",
    )


def batch_of_one() -> Finding:
    """What batch normalisation makes of a batch of size 1, whatever is in it (eps > 0)."""
    outcomes = {tuple(standardised(vector(x), Fraction(1, 10**5))) for x in (-3, 0, 1, 8)}
    return Finding(len(outcomes) == 1, "0, whatever the input" if len(outcomes) == 1 else "depends on the input")


def batch_norm_mean() -> Finding:
    """The mean of a standardised feature: its values are `d/sqrt(var)`, and the `d` are rational."""
    mean, _ = mean_and_var(BATCH)
    total = sum(x - mean for x in BATCH)
    return Finding(total == 0, str(total))


def batch_norm_identity() -> Finding:
    """With `gamma = sqrt(var + eps)` and `beta = mean`, values come out as they went in."""
    eps = Fraction(1, 10**5)
    mean, var = mean_and_var(BATCH)
    back = all(
        square * (var + eps) == (x - mean) ** 2 for x, (_, square) in zip(BATCH, standardised(BATCH, eps), strict=True)
    )
    return Finding(back, "gamma^2 = var + eps, beta = mean" if back else "none")
