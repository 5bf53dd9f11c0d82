"""How large Gaussian integrals are, roughly: the errors to aim at are relative to that."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from propstats.expectation.certified.balls import exact, precision

if TYPE_CHECKING:
    from flint import arb

BITS = 64
#: Up to which z the integrands are looked at, as long as something may be hidden there.
_REACHES = (8, 40, 200, 1000, 5000)
#: Up to here even a density of 2^-1150 is worth a look, for integrands that are 0 before.
_FAINT = 40
#: The binary exponent of an integral that nothing was seen of.
_SMALLEST = -1000


def rough_exponents(
    count: int,
    inside: "Callable[[Fraction], list[tuple[int, arb, arb]]]",
    program: Callable[[int], Any],
    params: Mapping[str, float],
    *,
    mean: float,
    std: float,
) -> list[int]:
    """Return the binary exponents of coarse sums of the absolute integrands times the density.

    Args:
        count: How many integrals there are.
        inside: Returns the segments within `|z| <= Z`, each with its index, as intervals of z.
        program: Returns the integrands of a segment as one function of x and the parameters.
        params: The parameters.
        mean: Mean of x.
        std: Standard deviation of x.
    """
    from flint import acb, arb

    with precision(BITS):
        totals = [arb(0)] * count
        numbers = [acb(value) for value in params.values()]
        for near, far in pairwise((0, *_REACHES)):
            outermost = [arb(0)] * count
            for index, low, high in inside(Fraction(far)):
                integrands = program(index)
                for z, width in _points(float(low), float(high), near, far, mean, std):
                    weight = (arb(z) * z / -2).exp() * width
                    values = integrands(acb(exact(mean) + exact(std) * z), *numbers)
                    for k, value in enumerate(values):
                        size = abs(value.real) * weight
                        if size.is_finite():
                            totals[k] = totals[k] + size
                            outermost[k] = outermost[k].max(size) if abs(z) > far - (far - near) / 10 else outermost[k]
            is_faint = far < _FAINT and not all(total > 2.0**-40 for total in totals)
            is_growing = any(last > total * 2.0**-30 for last, total in zip(outermost, totals, strict=True))
            if not is_faint and not is_growing:
                break
        return [_exponent(total) for total in totals]


def _points(low: float, high: float, near: int, far: int, mean: float, std: float) -> list[tuple[float, float]]:
    """Return points of an interval of z and the widths that they stand for: even, and finer around x = 0."""
    step = (far - near) / 32 if near else 0.5
    marks = [side * (near + k * step) for k in range(round((far - near) / step) + 1) for side in (1.0, -1.0)]
    if std > 1.0 and not near:
        powers = [2.0**k for k in range(-3, min(math.ceil(math.log2(std)) + 4, 1024))]
        marks += [(x - mean) / std for power in powers for x in (power, -power)]
    inside = sorted({low, high, *(z for z in marks if low < z < high)})
    return [((a + b) / 2, b - a) for a, b in pairwise(inside) if abs(a + b) / 2 >= near]


def _exponent(total: "arb") -> int:
    """Return the binary exponent of a number, or that of the smallest that counts."""
    if not total > 0:
        return _SMALLEST
    return max(_SMALLEST, math.ceil(float(total.log()) / math.log(2)))
