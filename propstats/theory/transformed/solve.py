"""Solving for the constants of a transformed activation."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from propstats.errors import DomainError

#: How far conditions of size 1 may be from being met.
_MET = 1e-11
#: Scale and shift to start from, where both are looked for.
STARTS = tuple((scale, shift) for scale in (1.0, 0.1) for shift in (0.0, 1.0, -1.0))


def solve(
    conditions: Callable[..., Sequence[float]],
    starts: Sequence[tuple[float, ...]],
    what: str,
    *,
    accepts: Callable[..., bool] = lambda *constants: True,
) -> tuple[float, ...]:
    """Return constants, of which the first is a positive scale, that meet conditions.

    Args:
        conditions: What must vanish, as many functions as constants.
        starts: Where to begin, in turn.
        what: What the constants are for, in words.
        accepts: Which solutions to take.

    Raises:
        DomainError: If no start leads to a solution.

    >>> solve(lambda x, y: (x * y - 2.0, x - 1.0), [(3.0, 3.0)], "solves this")
    (1.0, 2.0)
    """
    from scipy.optimize import root

    def residuals(unknown: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> list[float]:
        scale, *rest = unknown.tolist()
        try:
            # A scale and its negative are not the same where the shift is fixed: only one is a standard deviation.
            found = conditions(math.exp(scale), *rest)
        except (DomainError, OverflowError, ZeroDivisionError):
            found = [math.nan] * len(unknown)
        return [value if math.isfinite(value) else 1e6 for value in found]

    for first, *rest in starts:
        found = root(residuals, [math.log(first), *rest], method="hybr", options={"xtol": 1e-14})
        scale, *others = found.x.tolist()
        if scale < 20.0 and max(map(abs, residuals(found.x))) <= _MET:
            constants = (math.exp(scale), *others)
            if accepts(*constants):
                return constants
    raise DomainError(f"no scale and shift was found that {what} so", "ask for another slope or curvature")
