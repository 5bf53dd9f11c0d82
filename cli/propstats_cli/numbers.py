"""How numbers look to people."""

import math

from propstats.estimate import Estimate


def exact(value: float, error: float) -> str:
    """Write a number with all the digits that its error leaves, and the error.

    >>> exact(0.29920671030107454, 1.9e-16), exact(float("nan"), float("inf"))
    ('0.299206710301075 ±2e-16', 'undefined')
    """
    if math.isinf(value):
        return "infinite"
    if math.isnan(value):
        return "undefined"
    if error <= 0:
        return f"{value:.15g}"
    if not math.isfinite(error):
        return f"{value:.6g} ±?"
    # Logarithms one by one: the quotient of a large number and a small error may be none.
    known = math.log10(abs(value)) - math.log10(error) if value else 14
    digits = max(1, min(15, math.floor(known)))
    # A number below its own error is zero as far as anyone knows.
    shown = f"{value:.{digits}g}" if abs(value) >= error else "0"
    return f"{shown} ±{error:.0e}".replace("e-0", "e-").replace("e+0", "e+")


def sampled(estimate: Estimate) -> str:
    """Write a number with its standard error, both at the precision of the error.

    >>> from propstats.estimate import Route
    >>> sampled(Estimate(0.29951, 0.00042, Route.SAMPLING))
    '0.2995 ±0.0004'
    >>> sampled(Estimate(35.03, 6.2, Route.SAMPLING))
    '35 ±6'
    >>> sampled(Estimate(266.7, 31.0, Route.SAMPLING))
    '270 ±30'
    """
    if not estimate.is_defined:
        return "undefined"
    if not math.isfinite(estimate.error):
        return f"{estimate.value:.6g} ±?"
    if estimate.error <= 0:
        return f"{estimate.value:.6g}"
    places = -math.floor(math.log10(estimate.error))
    if -4 < places < 0:
        return f"{round(estimate.value, places):.0f} ±{round(estimate.error, places):.0f}"
    if not 0 <= places <= 12 or abs(estimate.value) < 1e-4:
        return f"{estimate.value:.4g} ±{estimate.error:.1g}"
    return f"{estimate.value:.{places}f} ±{estimate.error:.{places}f}"


def short(value: float | None) -> str:
    """Write a number in three significant digits, or a dash."""
    if value is None:
        return "-"
    return f"{value:.3g}" if math.isfinite(value) else str(value)
