"""What is asked of complex boxes, and boxes that are often needed."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flint import acb


def is_negative(u: "acb") -> bool:
    """Whether u is certainly to the left of 0 and may be real."""
    return bool(u.real < 0 and u.imag.contains(0))


def meets_the_negative_axis(u: "acb") -> bool:
    """Whether u may touch the negative real axis or 0."""
    return bool(u.imag.contains(0) and not u.real > 0)


def meets_the_imaginary_cuts(u: "acb") -> bool:
    """Whether u may touch the imaginary axis from i or -i outwards."""
    return bool(u.real.contains(0) and not abs(u.imag) < 1)


def minus_root_half() -> "acb":
    """Return `-1/sqrt(2)` with the present precision."""
    from flint import acb

    return -acb(2).rsqrt()


def density_at_0() -> "acb":
    """Return `1/sqrt(2 pi)` with the present precision."""
    from flint import acb

    return (2 * acb.pi()).rsqrt()


@cache
def indeterminate() -> "acb":
    """Return the box that says nothing."""
    from flint import acb, arb

    return acb(arb.nan(), arb.nan())
