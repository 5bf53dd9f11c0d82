"""Gaussian integrals over the whole line by the trapezoidal rule, with a proven error.

If g is analytic in `|Im z| <= a`, real on the real line, and `Z = (n + 1/2) h`, then by the theorem of residues

    |int_{-Z}^{Z} g - h sum_{|j| <= n} g(j h)| <= 2 top/(exp(2 pi a/h) - 1) + ends,

with `top` the integral of |g| along `Im z = a`, and `ends` that of `2 |g|/(1 + exp(2 pi y/h))` along the two verticals
from `Z` to `Z + ia` and from `-Z` to `-Z + ia`. (Trefethen & Weideman 2014, "The exponentially convergent trapezoidal
rule", section 5.)
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from propstats.expectation.certified.balls import precision

if TYPE_CHECKING:
    from flint import acb, arb

#: The integrands at a complex z, without the density.
Integrands = Callable[["acb"], Sequence["acb"]]

#: For bounds, of which the first digits count.
_BITS = 32
#: The first height that is tried, and how many are; each is at most 2^(-1/2) of the one before.
_HIGHEST, _HEIGHTS = 4.0, 10
#: How finely a box is cut, and how many are looked at, before a singularity is suspected in it.
_MAX_HALVINGS, _MAX_BOXES = 9, 400
#: Along the top, the size of the integrand is bounded on intervals of this length.
_WIDTH = 0.5
#: The verticals are cut into intervals on which `2 pi y/h` grows by at most this.
_STEEPNESS = 8
#: Then the last interval, of half a spacing, lies within the reach.
_MIN_POINTS = 16
#: With more points than this, intervals that adapt themselves are faster: there is a singularity near the real line.
_MAX_POINTS = 1500
#: An integrand without singularities nearby that needs so many oscillates, and nothing is faster.
_MAX_POINTS_ENTIRE = 60_000


@dataclass(frozen=True, slots=True)
class Strip:
    """Where the integrands are analytic, and how large they are along its upper edge.

    Args:
        height: a.
        extent: How far out the sum has to go.
        reach: The strip was looked at for `|Re z| <= reach`.
        top: For each integral a bound on the integral of |g| along the top.
    """

    height: float
    extent: float
    reach: int
    top: "tuple[arb, ...]"

    def points(self, exponents: Sequence[int]) -> int | None:
        """Return n, for errors of about `2**exponents[k]`; None if that takes too many points."""
        steepest = max(
            float(top.log()) - exponent * math.log(2) if top > 0 else 0.0
            for top, exponent in zip(self.top, exponents, strict=True)
        )
        # 2 exp(-2 pi a/h) top = 2^exponent/32
        spacing = 2 * math.pi * self.height / (steepest + math.log(64))
        n = max(math.ceil(self.extent / spacing), _MIN_POINTS)
        most = _MAX_POINTS_ENTIRE if self.height == _HIGHEST else _MAX_POINTS
        return n if 2 * n + 1 <= most else None


def find_strip(integrands: Integrands, cut: Fraction) -> Strip | None:
    """Find a strip around the real line in which all integrands are analytic; None if all that were tried are not.

    Args:
        integrands: The integrands; not finite on a box where one of them is not analytic.
        cut: How far out the integral is needed.
    """
    # What an interval of the verticals may add at its lower end is made up for by the density.
    extent = math.sqrt(float(cut) ** 2 + 2 * _STEEPNESS)
    reach = math.ceil(extent) + 1
    with precision(_BITS):
        height = _HIGHEST
        for _ in range(_HEIGHTS):
            obstacle = _obstacle(integrands, reach, height)
            if obstacle is None:
                top = _along_the_top(integrands, reach, height)
                if top is not None:
                    return Strip(height, extent, reach, top)
            # Short numbers, here and below, so that floats are exact.
            height = round(min(obstacle or height, height * 2**-0.5) * 2**10) / 2**10
    return None


def _obstacle(integrands: Integrands, reach: int, height: float) -> float | None:
    """Return the height of something that looks like a singularity below a height; None if there is none."""
    waiting = [(float(x), x + 2.0, 0.0, height, 0) for x in range(-reach, reach, 2)]
    looked = 0
    while waiting:
        left, right, low, high, halvings = waiting.pop()
        looked += 1
        if all(value.is_finite() for value in integrands(_box(left, right, low, high))):
            continue
        if halvings == _MAX_HALVINGS or looked > _MAX_BOXES:
            return low
        if right - left > high - low:
            middle = (left + right) / 2
            waiting += [(left, middle, low, high, halvings + 1), (middle, right, low, high, halvings + 1)]
        else:
            middle = (low + high) / 2
            waiting += [(left, right, middle, high, halvings + 1), (left, right, low, middle, halvings + 1)]
    return None


def _along_the_top(integrands: Integrands, reach: int, height: float) -> "tuple[arb, ...] | None":
    """Bound the integrals of |g| along the top."""
    totals: list[arb] = []
    waiting = [(x * _WIDTH, (x + 1) * _WIDTH, 0) for x in range(-math.ceil(reach / _WIDTH), math.ceil(reach / _WIDTH))]
    while waiting:
        left, right, halvings = waiting.pop()
        sizes = _sizes(integrands, _box(left, right, height, height), right - left)
        if all(size.is_finite() for size in sizes):
            totals = [total + size for total, size in zip(totals, sizes, strict=True)] if totals else sizes
        elif halvings == _MAX_HALVINGS:
            return None
        else:
            middle = (left + right) / 2
            waiting += [(left, middle, halvings + 1), (middle, right, halvings + 1)]
    return tuple(total.upper() for total in totals)


def _sizes(integrands: Integrands, box: "acb", length: float) -> "list[arb]":
    """Bound the integrals of |g| along a line of some length in a box."""
    import flint

    weight = (box * box / -2).exp() * length / (2 * flint.arb.pi()).sqrt()
    return [abs(value * weight).upper() for value in integrands(box)]


def _box(left: float, right: float, low: float, high: float) -> "acb":
    import flint

    return flint.acb(
        flint.arb((left + right) / 2, (right - left) / 2),
        flint.arb((low + high) / 2, (high - low) / 2),
    )


def trapezoid(integrands: Integrands, strip: Strip, n: int, is_over: Callable[[], bool]) -> "list[arb] | None":
    """Return the integrals from -Z to Z as balls, for the Z that belongs to n; None if time runs out.

    Args:
        integrands: The integrands.
        strip: Where they are analytic.
        n: How many points there are on each side of 0.
        is_over: Whether time has run out.
    """
    from flint import acb, arb

    spacing = (math.floor(strip.extent / n * 2**24) + 1) / 2**24
    h = arb(spacing)
    totals = [arb(0)] * len(strip.top)
    for j in range(-n, n + 1):
        if j % 256 == 0 and is_over():
            return None
        z = h * j
        weight = (z * z / -2).exp()
        totals = [total + value.real * weight for total, value in zip(totals, integrands(acb(z)), strict=True)]
    root = h / (2 * arb.pi()).sqrt()
    errors = _errors(integrands, strip, spacing, n)
    return [total * root + arb(0, error) for total, error in zip(totals, errors, strict=True)]


def _errors(integrands: Integrands, strip: Strip, spacing: float, n: int) -> "list[arb]":
    from flint import arb

    edge = (n + 0.5) * spacing
    assert edge <= strip.reach
    # A power of 2, so that the intervals meet exactly.
    steps = 1 << math.ceil(math.log2(2 * math.pi * strip.height / spacing / _STEEPNESS))
    step = strip.height / steps
    with precision(_BITS):
        rate = 2 * arb.pi() / spacing
        damping = 2 / ((rate * strip.height).exp() - 1)
        errors = [top * damping for top in strip.top]
        for k in range(steps):
            damping = 2 / (1 + (rate * (k * step)).exp())
            for side in (edge, -edge):
                ends = _sizes(integrands, _box(side, side, k * step, (k + 1) * step), step)
                errors = [error + end * damping for error, end in zip(errors, ends, strict=True)]
        return [error.upper() for error in errors]
