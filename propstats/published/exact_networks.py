"""Statements about small networks, checked in exact rational arithmetic: "equal" means equal."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product

from propstats.published.claims import Finding
from propstats.published.exact_matrices import Matrix, Vector, dot, vector


def relu(u: Fraction) -> Fraction:
    """Return the larger of u and 0."""
    return max(u, Fraction(0))


def train(
    incoming: Matrix, outgoing: Vector, steps: int = 5, rate: Fraction = Fraction(1, 100)
) -> tuple[Matrix, Vector]:
    """Train two layers, `v . relu(W x)`, by gradient descent on the square loss of three examples."""
    data = ((vector(1, 2), 3), (vector(-1, 1), 1), (vector(2, -1), -2))
    for _ in range(steps):
        hidden = [tuple(dot(w, x) for w in incoming) for x, _ in data]
        errors = [dot(outgoing, tuple(map(relu, h))) - y for h, (_, y) in zip(hidden, data, strict=True)]
        # The slope of the square loss with respect to each hidden unit's input, example by example.
        signals = [
            tuple(e * v * (u > 0) for u, v in zip(h, outgoing, strict=True))
            for e, h in zip(errors, hidden, strict=True)
        ]
        incoming = tuple(
            tuple(
                w - rate * sum((s[j] * x[k] for s, (x, _) in zip(signals, data, strict=True)), Fraction(0))
                for k, w in enumerate(row)
            )
            for j, row in enumerate(incoming)
        )
        outgoing = tuple(
            v - rate * sum((e * relu(h[j]) for e, h in zip(errors, hidden, strict=True)), Fraction(0))
            for j, v in enumerate(outgoing)
        )
    return incoming, outgoing


def identical_units(outgoing: Vector, steps: int = 5) -> Finding:
    """Units that start with the same weights: are they still the same after some steps of gradient descent?"""
    (first, second), _ = train((vector(1, 1), vector(1, 1)), outgoing, steps)
    if first == second:
        return Finding(True, f"the same after {steps} steps")
    return Finding(
        False, f"different after {steps} step{'s' * (steps > 1)}: outgoing weights {outgoing[0]} and {outgoing[1]}"
    )


def update_signs(examples: Sequence[tuple[Vector, int]]) -> Finding:
    """Do the components of `-sum_i delta_i x_i`, the update of one unit's weights, all have the same sign?"""
    update = [-sum((d * x[k] for x, d in examples), Fraction(0)) for k in range(len(examples[0][0]))]
    same = all(u > 0 for u in update) or all(u < 0 for u in update)
    shown = ", ".join(map(str, update))
    return Finding(same, f"update ({shown})" + ("" if same else ": signs differ"))


def slope_is_input() -> Finding:
    """The slope of `relu(w . x)` in each weight, as a difference quotient that stays on one side of the kink."""
    x, step = vector(2, -3, 5), Fraction(1, 1000)
    for w in (vector(1, 1, 1), vector(-1, 1, -1)):
        slope = int(dot(w, x) > 0)
        for k, value in enumerate(x):
            moved = tuple(v + step * (j == k) for j, v in enumerate(w))
            if (relu(dot(moved, x)) - relu(dot(w, x))) / step != slope * value:
                return Finding(False, f"not for weights {w}")
    return Finding(True, "a' y")


def dot_product_variance(n: int, scale: Callable[[int], Fraction] = lambda n: Fraction(1)) -> Fraction:
    """Return the variance of the inner product of two vectors of n independent fair signs, squared scale in front."""
    outcomes = [sum(a * b for a, b in zip(u, w, strict=True)) for u in _signs(n) for w in _signs(n)]
    return scale(n) * Fraction(sum(o * o for o in outcomes), len(outcomes))


def _signs(n: int) -> list[tuple[int, ...]]:
    return list(product((-1, 1), repeat=n))


def variance_is(
    expected: Callable[[int], Fraction], scale: Callable[[int], Fraction] = lambda n: Fraction(1)
) -> Finding:
    """The variance of the inner product of n pairs, for n from 1 to 5."""
    found = [dot_product_variance(n, scale) for n in range(1, 6)]
    return Finding(found == [expected(n) for n in range(1, 6)], f"{', '.join(map(str, found))} for n = 1 to 5")


def variance_of_product() -> Finding:
    """`Var(XY) = E[X]^2 Var Y + E[Y]^2 Var X + Var X Var Y` for independent variables with few values."""
    laws = ((0, 1), (1, 2, 5), (-3, 0, 1, 7), (2, 2, -1))

    def moments(values: Sequence[int]) -> tuple[Fraction, Fraction]:
        mean = Fraction(sum(values), len(values))
        return mean, Fraction(sum(v * v for v in values), len(values)) - mean**2

    for x, y in product(laws, repeat=2):
        (mean_x, var_x), (mean_y, var_y) = moments(x), moments(y)
        if moments([a * b for a in x for b in y])[1] != mean_x**2 * var_y + mean_y**2 * var_x + var_x * var_y:
            return Finding(False, f"not for the values {x} and {y}")
    return Finding(True, f"equal for {len(laws) ** 2} pairs of laws")
