"""Real roots of a boundary that is not linear: searched for, so never certainly all of them."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from propstats.activations.expression import Expr, evaluate
from propstats.activations.namespaces import numpy_namespace

if TYPE_CHECKING:
    import numpy as np

#: Where roots are searched for, and how finely; two roots between neighbouring points are missed.
LIMIT = 64.0
_POINTS = (1 << 15) + 1
_MAX_ROOTS = 64


def real_roots(boundary: Expr, params: Mapping[str, float]) -> tuple[list[float], bool]:
    """Return where a formula in x changes its sign between -64 and 64, and whether these are all its roots.

    A search on a grid cannot know that, so the answer to the second question is always no: integrals
    over such a formula refine themselves instead of relying on its kinks.

    >>> from propstats.activations.syntax import parse
    >>> roots, complete = real_roots(parse("x**2 - 2", {"x"}), {})
    >>> [round(root, 12) for root in roots], complete
    ([-1.414213562373, 1.414213562373], False)
    """
    import numpy as np

    def value(x: "np.ndarray") -> "np.ndarray":
        with np.errstate(all="ignore"):
            return np.asarray(evaluate(boundary, {"x": x, **params}, numpy_namespace())) + 0.0 * x

    grid = np.linspace(-LIMIT, LIMIT, _POINTS)
    sign = np.sign(value(grid))
    exact = grid[sign == 0.0]
    changes = np.flatnonzero(sign[:-1] * sign[1:] < 0)
    if exact.size + changes.size > _MAX_ROOTS:
        return [], False

    def sign_at(x: float) -> float:
        return float(np.sign(value(np.array([x]))[0]))

    between = [_bisect(sign_at, float(grid[i]), float(grid[i + 1]), float(sign[i])) for i in changes]
    return sorted([*map(float, exact), *between]), False


def _bisect(sign_at: Callable[[float], float], low: float, high: float, sign: float) -> float:
    """Close in on a change of sign until no number lies between."""
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return low
        if sign_at(middle) == sign:
            low = middle
        else:
            high = middle
