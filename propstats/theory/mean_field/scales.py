"""How many layers it takes to settle."""

import math

from propstats.estimate import Estimate


def depth_scale(slope: Estimate) -> Estimate:
    """Return `xi = -1/log|chi|`: the layers in which the distance to a fixed point of slope chi falls to 1/e.

    It is infinite where the slope is 1 within its error, and undefined where the fixed point repels.

    References:
        Schoenholz et al. 2017, arXiv:1611.01232, Eqs. 8 and 9.

    >>> from propstats.estimate import Route
    >>> round(depth_scale(Estimate(0.9, 0.0, Route.QUADRATURE)).value, 6)
    9.491222
    """
    size = abs(slope.value)
    if math.isinf(size) or size - slope.error > 1.0:
        return Estimate(math.nan, math.inf, slope.route)
    if size + slope.error >= 1.0:
        return Estimate(math.inf, math.inf, slope.route)
    if size == 0.0:
        return Estimate(0.0, -1.0 / math.log(slope.error) if slope.error else 0.0, slope.route)
    rate = math.log(size)
    value = -1.0 / rate
    upper = -1.0 / math.log(size + slope.error)
    return Estimate(value, (upper - value) + 4e-16 * value, slope.route)
