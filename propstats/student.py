"""Student's t: how rare a distance is whose standard error rests on few samples."""

import math

#: From so many degrees of freedom on, five standard errors are right to 1e-5 by Wallace's formula, without scipy.
_MANY = 200
#: Beyond this, probabilities leave the floats.
_FAR = 35.0


def normal_deviate(t: float, freedom: float) -> float:
    """Return the normal deviate that is as rare as a Student's t.

    Args:
        t: A distance in standard errors.
        freedom: Degrees of freedom of the standard error; infinite if it is known.

    References:
        Wallace 1959, Annals of Mathematical Statistics 30, 1121.

    >>> round(normal_deviate(1110441.8, 1.0), 6), round(normal_deviate(5.1671915, 200), 4)
    (5.0, 4.9999)
    """
    if math.isinf(freedom):
        return t
    size = (8 * freedom + 1) / (8 * freedom + 3) * math.sqrt(freedom * math.log1p(t * t / freedom))
    if freedom < _MANY and size < _FAR:
        from scipy.special import ndtri, stdtr

        size = -float(ndtri(stdtr(freedom, -abs(t))))
    return math.copysign(size, t)
