"""Averages from one evaluation of an activation, and the moments and error bounds that follow from them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from propstats.expectation.quadrature.branches import Both
from propstats.expectation.quadrature.panels import EPS, SQRT_2PI
from propstats.expectation.quadrature.rule import Array

#: The base moments by name, in the order of BASE, and bounds on their errors; floats for one input, arrays for many.
Moments = tuple[Mapping[str, Any], Mapping[str, Any]]

#: Beyond the nodes a few probes tell whether these reach far enough: how far beyond, with the width each stands for.
_PROBES = ((0.0, 1.5), (2.5, 4.0), (8.0, 8.0), (18.0, 13.0))
PROBES = len(_PROBES)
#: The probability of |z| > 9, where the nodes end at the earliest.
_OUTSIDE = 2.3e-19
#: What may be lost of a sum whose terms underflow, each by the smallest double.
UNDERFLOW = 1e-320
#: What that makes of a standard deviation's inverse, at most: no error that is worth another try.
_NOTHING = 1e-300
#: How exact, relative to the size of what is averaged, a result must be to be left as it is; where y = phi - E[phi]
#: is small against phi, rounding may take another digit, for y is a difference.
_GOOD, _GOOD_DIFFERENCE = 1e-13, 1e-12


def probes(reach: float) -> tuple[Array, Array]:
    """Return the probes to the right of nodes that end at `reach`, and the widths they stand for."""
    z, width = (np.array(column) for column in zip(*_PROBES, strict=True))
    return reach + z, width


def root(number: Any) -> Any:
    """Return the square root, in the arithmetic of its argument: floats are faster than arrays of one number."""
    if isinstance(number, float):
        return math.sqrt(number) if number >= 0.0 else math.nan
    return np.sqrt(number)


def least(first: Any, second: Any) -> Any:
    """Return the smaller of two, or NaN if one is, in the arithmetic of its arguments."""
    if isinstance(first, float) and isinstance(second, float):
        return first if first < second or first != first else second
    return np.minimum(first, second)


def most(first: Any, second: Any) -> Any:
    """Return the larger of two, likewise."""
    if isinstance(first, float) and isinstance(second, float):
        return first if first > second or first != first else second
    return np.maximum(first, second)


def column(number: Any) -> Any:
    """Return a number as it is, and numbers of shape (batch,) so that they go with arrays of shape (batch, nodes)."""
    return number[:, None] if isinstance(number, np.ndarray) else number


def any_of(what: Any) -> bool:
    """Return whether anything is not 0; numpy is slow with single numbers."""
    return bool(what.any()) if isinstance(what, np.ndarray) else bool(what)


class Gaussians(NamedTuple):
    """The inputs.

    Args:
        mean: Means, a number or shape (batch,).
        std: Standard deviations, the same.
        params: The activation's parameters, numbers or of shape (batch, 1).
        kinked_beyond: Whether there are kinks beyond the nodes, on the left and on the right.
    """

    mean: Any
    std: Any
    params: Sequence[Any]
    kinked_beyond: tuple[bool, bool]

    def beyond(self, whole: Both, x: Array, f: Array, d: Any) -> tuple[Array, Any]:
        """Return phi and phi' with their values at the probes by whatever branch these lie on."""
        for is_kinked, side in zip(self.kinked_beyond, (slice(PROBES), slice(-PROBES, None)), strict=True):
            if is_kinked:
                d = d if isinstance(d, np.ndarray) else np.full_like(f, d)
                f[..., side], d[..., side] = whole(x[..., side], *self.params)
        return f, d


class Sums(NamedTuple):
    """Averages under the standard normal: each a float for one input, an array for many.

    Args:
        mean: E[phi].
        d: E[phi'].
        dd: E[phi'^2].
        yy: E[y^2] for y = phi - E[phi].
        ydz: E[y phi' z].
        dzdz: E[(phi' z)^2].
        missed: What the rule may miss of `mean`, `d`, `dd`, `yy` and `ydz`.
        beyond_yy: About what lies beyond the nodes of `yy`.
        beyond_dd: About what lies beyond the nodes of `dd`.
    """

    mean: Any
    d: Any
    dd: Any
    yy: Any
    ydz: Any
    dzdz: Any
    missed: tuple[Any, ...]
    beyond_yy: Any
    beyond_dd: Any

    def moments(self, mean: Any, std: Any, rate: Any, rates: bool = True) -> tuple[dict[str, Any], dict[str, Any], Any]:
        """Return the moments, bounds on their errors, and whether these are as good as they can be made.

        Args:
            mean: Mean of the input.
            std: Standard deviation of the input.
            rate: The inverse of the length on which the activation changes: what rounding of x does to the slope.
            rates: Whether to return `linear_slope` and `var_rate`, too.
        """
        m, var, dd, dzdz = self.mean, self.yy, self.dd, self.dzdz
        mean_missed, d_missed, dd_missed, yy_missed, ydz_missed = (number + UNDERFLOW for number in self.missed)
        second = var + m * m
        size, spread, slope, lever = root(second), root(var), root(dd), root(dzdz)
        # phi is rounded (a few operations, one sum), and so is x = mean + std z: in z, the product and the sum.
        f_error = EPS * (5 * size + 0.5 * abs(mean) * slope + 1.5 * std * lever)
        d_error = EPS * (4 + rate * (abs(mean) + 3 * std)) * slope
        # Probes are some nodes among many: four times what they see.
        far_yy, far_dd = 4 * self.beyond_yy, 4 * self.beyond_dd
        mean_error = mean_missed + f_error + root(_OUTSIDE * far_yy)
        # The density magnifies the rounding of z by z; E[y^2 z^2] = E[y^2] + 2 s E[y y' z] by Stein's lemma.
        zzyy = var + 2 * std * abs(self.ydz)
        var_rounding = EPS * (5 * var + zzyy) + 2 * spread * f_error
        var_error = yy_missed + far_yy + var_rounding + mean_error * mean_error
        d_bound = d_missed + d_error + 2 * EPS * lever + root(_OUTSIDE * far_dd)
        values = {
            "mean": m,
            "second_moment": second,
            "var": var,
            "mean_slope": self.d,
            "slope_second_moment": dd,
        }
        errors = {
            "mean": mean_error,
            "second_moment": var_error + mean_error * (2 * abs(m) + mean_error) + 2 * EPS * second,
            "var": var_error,
            "mean_slope": d_bound,
            "slope_second_moment": dd_missed + far_dd + 2 * slope * d_error + EPS * (4 * dd + dzdz),
        }
        good = (
            (mean_error <= _GOOD * size + _NOTHING)
            & (yy_missed + far_yy <= _GOOD * var + _NOTHING)
            & (var_error <= _GOOD_DIFFERENCE * var + _NOTHING)
            & (d_bound <= _GOOD * slope + _NOTHING)
            & (errors["slope_second_moment"] <= _GOOD * dd + _NOTHING)
        )
        if rates:
            lever_error = ydz_missed + f_error * lever + 2 * root(zzyy) * d_error + 8 * EPS * spread * lever
            values |= {"linear_slope": self.d, "var_rate": std * self.ydz}
            # What lies beyond is a product of the two, at z no larger than 38.
            errors |= {"linear_slope": d_bound, "var_rate": std * (lever_error + 38 * root(far_yy * far_dd))}
            good &= ydz_missed <= _GOOD * spread * lever + _NOTHING
            good &= errors["var_rate"] <= _GOOD_DIFFERENCE * std * spread * lever + _NOTHING * (1 + std)
        return values, errors, good


def add_kink(
    values: dict[str, Any], errors: dict[str, Any], z: Any, std: Any, jump: Any, middle: tuple[Any, Any],
    slopes: tuple[Any, Any], z_error: Any,
) -> None:  # fmt: skip
    """Add what derivatives of the expectations see of a jump, and what a kink that is a little off changes.

    `d E[phi]/d mu` gains `J p(k)`, and `d Var/d log s` gains `2 J ((phi(k-) + phi(k+))/2 - m) (k - mu) p(k)`, with p
    the density of x.

    Args:
        values: The moments, which change; without the rates, if these are not wanted.
        errors: Their errors, which grow.
        z: The kink, in standard deviations from the mean.
        std: Standard deviation of the input.
        jump: J.
        middle: Half way up the jump, from the mean of phi, and how far that may be off.
        slopes: phi' on either side.
        z_error: How far z may be off.
    """
    density = (np.exp if isinstance(z, np.ndarray) else math.exp)(-0.5 * z * z) / SQRT_2PI
    off = density * z_error
    relative = 4 * EPS + abs(z) * z_error
    height, height_error = middle
    low, high = slopes
    bend = abs(high - low)
    linear, rate = jump * density / std, jump * height * z * density
    if "var_rate" in values:
        values["linear_slope"] = values["linear_slope"] + linear
        values["var_rate"] = values["var_rate"] + rate
    for name, error in (
        ("mean", abs(jump) * off),
        ("var", 2 * abs(jump * height) * off),
        ("second_moment", 2 * abs(jump) * (abs(height) + abs(values["mean"])) * off),
        ("mean_slope", bend * off),
        ("slope_second_moment", abs(high * high - low * low) * off),
        ("linear_slope", bend * off + abs(linear) * relative),
        (
            "var_rate",
            abs(rate) * relative + abs(jump * height) * off + abs(jump * z) * density * height_error,
        ),
    ):
        if name in errors:
            errors[name] = errors[name] + error
