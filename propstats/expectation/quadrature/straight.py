"""Inputs so narrow that phi is a straight line for them: the point mass, with what it does to first order.

There `x = mean + std z` cannot be told from the mean in floats, and `(kink - mean)/std` overflows: no nodes would do.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from propstats.activations.activation import Activation
from propstats.activations.derivative import differentiate
from propstats.activations.expression import Expr
from propstats.expectation.quadrature.branches import branches
from propstats.expectation.quadrature.panels import EPS, Z_MAX
from propstats.expectation.rounding import UNDEFINED, Rounded, evaluate_rounded, rounded_namespace

#: What bends by no more than this, relative to its slope, is straight to rounding.
_STRAIGHT = EPS / 16
#: Inputs that are wider than this, relative to their mean, or than that, have nodes enough.
_NARROW, _TINY = EPS, 1e-60
#: What underflow can hide.
_LOST = 5e-324


def is_narrow(mean: Any, std: Any) -> Any:
    """Whether inputs, numbers or arrays, are so narrow that `line` is worth asking."""
    return (std < _NARROW * abs(mean)) | (std < _TINY)


@lru_cache(maxsize=256)
def _formulas(text: str, params: tuple[tuple[str, float], ...]) -> tuple[Expr, Expr, Expr]:
    own = Activation("", text, dict(params))
    return own.formula, own.slope_formula, differentiate(own.slope_formula, "x")


class Line(NamedTuple):
    """What is known of phi on such an input.

    Args:
        base: The base moments.
        scales: What follows from them without the squares of the spread, which underflow.
    """

    base: Mapping[str, Rounded]
    scales: Mapping[str, Rounded]


def line(activation: Activation, mean: float, std: float) -> Line | None:
    """Return what is known of phi as a straight line; None where it bends or jumps within the reach of the input.

    With `e = phi''(mean)`: E[phi] = phi + s^2 e/2 + ..., Var[phi] = s^2 phi'^2 (1 + O((s e/phi')^2)), and so on.

    Args:
        activation: The activation.
        mean: Mean of the input.
        std: Standard deviation of the input; positive.

    >>> from propstats.activations import activation
    >>> found = line(activation("square"), 3.0, 1e-310)
    >>> found.base["mean"].value, found.base["mean_slope"].value, found.scales["jacobian_factor"].value
    (9.0, 6.0, 1.0)
    """
    own = branches(activation)
    near = any(abs(kink.at - mean) <= Z_MAX * std + kink.error for kink in own.kinks)
    if near or not own.is_settled or own.spans or own.undefined:
        return None
    symbols = {"x": Rounded(mean)} | {name: Rounded(value) for name, value in activation.params.items()}
    formulas = _formulas(activation.text, tuple(activation.params.items()))
    f, d, e = (evaluate_rounded(formula, symbols) for formula in formulas)
    bend = std * (abs(e.value) + e.error)
    if not (bend <= _STRAIGHT * abs(d.value) or (bend <= _LOST and d.value == 0.0)):
        return None
    slope = Rounded(d.value, d.error + bend)
    spread = Rounded(std * d.value, std * slope.error + _LOST)
    var = _square(spread)
    value = Rounded(f.value, f.error + std * bend + _LOST)
    square = _square(value)
    base = {
        "mean": value,
        "second_moment": Rounded(square.value + var.value, square.error + var.error + EPS * square.value),
        "var": var,
        "mean_slope": slope,
        "slope_second_moment": _square(slope),
        "linear_slope": slope,
        "var_rate": var,
    }
    # Everything here is a ratio in which s phi' cancels, or s phi' itself.
    size = Rounded(abs(spread.value), spread.error)
    scales = {"normprop_scale": size, "unit_variance_gain": rounded_namespace()["div"](Rounded(1.0), size)}
    if abs(d.value) > slope.error:
        off = 4 * EPS + 8 * bend / (abs(d.value) - slope.error)
        one, none = Rounded(1.0, off), Rounded(0.0, off)
        scales |= {"jacobian_factor": one, "stability_slope": one, "nonlinear_share": none}
    return Line({name: number if math.isfinite(number.value) else UNDEFINED for name, number in base.items()}, scales)


def _square(number: Rounded) -> Rounded:
    square = number.value * number.value
    error = number.error * (2 * abs(number.value) + number.error) + EPS * square + _LOST
    return Rounded(square, error)
