"""phi(x) - phi(mean) as the integral of the slope: no digits are lost where phi is almost constant."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.quadrature.branches import Branches
from propstats.expectation.quadrature.panels import COARSE, EPS, FINE, Panels
from propstats.expectation.quadrature.rule import Array, antiderivative, derivative, gauss_legendre, interpolation

#: By how much x may be rounded, in standard deviations, before nodes are no longer told apart.
_BLURRED = 1e-6


@dataclass(frozen=True, slots=True)
class Step:
    """A kink as the standard normal z sees it.

    Args:
        z: Where it is.
        error: How far that may be off by rounding.
        jump: phi(k+) - phi(k-).
        slopes: phi'(k-) and phi'(k+).
        y: phi - phi(mean), half way up the jump.
        y_error: A bound on its rounding.
    """

    z: float
    error: float
    jump: float
    slopes: tuple[float, float]
    y: float
    y_error: float


@dataclass(frozen=True, slots=True)
class Primitive:
    """phi(x) - phi(mean) at the nodes of panels, with what rounding can have done to it and to the slope.

    Args:
        y: phi(x) - phi(mean), shape (panels, FINE + COARSE); next to a jump at the mean, phi(mean) is the one above.
        error: A bound on the rounding of y, shape (panels, 1).
        slope_error: A bound on the rounding of phi', shape (panels, FINE).
        missed: A bound on what the slope's polynomial misses of y inside a panel, shape (panels,).
        is_smooth: Where that is rounding as well, shape (panels,).
        steps: The kinks inside.
    """

    y: Array
    error: Array
    slope_error: Array
    missed: Array
    is_smooth: NDArray[np.bool_]
    steps: tuple[Step, ...]


def primitive(panels: Panels, branches: Branches, mean: float, std: float) -> Primitive:
    """Integrate the slope over the panels, outwards from z = 0, and add the jumps at the kinks."""
    weights = gauss_legendre(FINE)[1]
    slope = panels.d[:, :FINE]
    length = (std * panels.width)[:, None]
    bend = np.abs(slope @ derivative(FINE)) / panels.width[:, None]
    blur = blur_of(branches, mean, std)
    bend += std * blur * (np.abs(slope) + blur * np.abs(panels.f[:, :FINE])).max(axis=1, keepdims=True)
    # x = mean + std z is rounded twice.
    x_error = EPS * (np.abs(mean + std * panels.z[:, :FINE]) / std + np.abs(panels.z[:, :FINE]))
    slope_error = 4 * EPS * np.abs(slope) + bend * x_error
    error = (length * (slope_error + 4 * EPS * np.abs(slope))) @ weights
    inside = (length * slope) @ weights
    middle = int(np.searchsorted(panels.left, 0.0))
    jumps, kinks = np.zeros(inside.size), []
    for kink in branches.kinks:
        z = (kink.at - mean) / std
        i = int(np.searchsorted(panels.left, z))
        if not 0 < i < inside.size:
            continue
        z_error = EPS * abs(z) + kink.error / std
        jumps[i] += kink.jump
        # Beyond a kink that is a little off, y is off by the change of the slope; around z = 0, on both sides.
        off = std * abs(kink.above[1] - kink.below[1]) * z_error + EPS * abs(kink.jump)
        for beyond in {i - (i < middle), i - (i <= middle)}:
            error[beyond] += off
        kinks.append((i, kink, z, z_error))
    offsets, bound = _offsets(inside, jumps, middle), _reach(error, middle)
    steps = tuple(
        Step(z, z_error, kink.jump, (kink.below[1], kink.above[1]), float(offsets[i]) - kink.jump / 2,
             float(bound[i - (i < middle)]))
        for i, kink, z, z_error in kinks
    )  # fmt: skip
    rough = np.abs(slope @ interpolation(FINE, COARSE) - panels.d[:, FINE:]).max(axis=1)
    noise = 64 * EPS * np.abs(slope).max(axis=1) + 4 * slope_error.max(axis=1)
    y = offsets[:, None] + length * (slope @ antiderivative(FINE, COARSE))
    return Primitive(y, bound[:, None], slope_error, length[:, 0] * rough, rough <= noise, steps)


def blur_of(branches: Branches, mean: float, std: float) -> float:
    """Return the inverse of the length on which phi changes where x is rounded so much that nodes do not show it, or 0.

    cos(x) under N(10^20, 1), say: all x are the same number, and so are all values of the cosine.
    """
    if EPS * abs(mean) <= _BLURRED * std:
        return 0.0
    return float(max(scale.rate for scale in branches.scales))


def _offsets(inside: Array, jumps: Array, middle: int) -> Array:
    """Sum over panels, and jumps at their left ends, outwards from the left end of panel `middle` to each left end."""
    total = np.zeros(inside.size)
    total[middle + 1 :] = np.cumsum(inside[middle:-1] + jumps[middle + 1 :])
    total[:middle] = -np.cumsum((inside[:middle] + jumps[1 : middle + 1])[::-1])[::-1]
    return total


def _reach(sizes: Array, middle: int) -> Array:
    """Sum sizes over panels, outwards from the left end of panel `middle`, each panel's own included."""
    return np.concatenate([np.cumsum(sizes[:middle][::-1])[::-1], np.cumsum(sizes[middle:])])
