"""What a window of an average, or a sum, does."""

from propstats.theory.pooling.inputs import PoolInput
from propstats.theory.pooling.law import Law

#: E[max(0, u) max(0, v)], v averaged for a given u: N(m + r (u - m), (1 - r^2) s^2).
_PRODUCT = (
    "where(m + s*x > 0, (m + s*x)*((m + r*s*x)*Phi((m + r*s*x)/(s*sqrt(1 - r**2)))"
    " + s*sqrt(1 - r**2)*phi((m + r*s*x)/(s*sqrt(1 - r**2)))), 0)"
)
#: Its terms, which cancel far below 0; the density at z is as uncertain there as z^2 roundings.
_PRODUCT_SIZE = "(1 + where(m + r*s*x > 0, 0, (m + r*s*x)/(s*sqrt(1 - r**2)))**2)*" + _PRODUCT.replace(
    "((m + r*s*x)*Phi", "(abs(m + r*s*x)*Phi"
)
_OPPOSITE = "where(m + s*x > 0, (m + s*x)*where(m - s*x > 0, m - s*x, 0), 0)"
#: Cho & Saul 2009, for m = 0.
_PRODUCT_CENTRED = "s**2/(2*pi)*(sqrt(1 - r**2) + r*(pi/2 + atan(r/sqrt(1 - r**2))))"

RELU = {"y": "where(m + s*x > 0, m + s*x, 0)", "yy": "where(m + s*x > 0, (m + s*x)**2, 0)"}
RELU_FORMS = {"y": "m*Phi(m/s) + s*phi(m/s)", "yy": "(m**2 + s**2)*Phi(m/s) + m*s*phi(m/s)"}
RELU_FORMS_CENTRED = {"y": "s/sqrt(2*pi)", "yy": "s**2/2"}


def average(inputs: int, divisor: float, given: PoolInput) -> Law:
    """Return the law of `sum(x)/d` over n inputs.

    For Gaussian inputs the mean is `n m/d` and the variance `s^2 n (1 + (n - 1) rho)/d^2`; the slope is `1/d` in each
    input. For rectified ones the variance is `(n v + n (n - 1) c)/d^2`, with v the variance of one and c the
    covariance of two.

    Args:
        inputs: n, how many real inputs the window holds.
        divisor: d; more than n where padding counts.
        given: The law of the inputs.

    >>> average(4, 4, PoolInput()).results["var"]
    's**2*n*(1 + (n - 1)*r)/d**2'
    """
    slopes = {"first": "1/d**2", "other": "1/d**2"}
    moments = {"second_moment": "mean**2 + var", "std": "sqrt(var)"}
    params = {"n": float(inputs), "d": float(divisor), "m": given.mean, "s": given.std}
    if given.is_constant or not given.rectified:
        alive = slopes | {"alive": "1/d**2" if given.mean > 0 else "0"} if given.rectified else slopes
        mean = max(0.0, given.mean) if given.rectified else given.mean
        results = {"mean": "n*m/d", "var": "s**2*n*(1 + (n - 1)*r)/d**2"} | moments | alive
        return Law(results, params | {"m": mean, "r": given.exact_correlation(inputs)})
    integrals, forms = dict(RELU), dict(RELU_FORMS if given.mean else RELU_FORMS_CENTRED)
    covariance = "0"
    if inputs > 1 and given.correlation != 0.0:
        covariance = "yv - y**2"
        integrals["yv"], form = product_of_two(given)
        forms |= {"yv": form} if form else {}
    results = {"mean": "n*y/d", "var": f"(n*(yy - y**2) + n*(n - 1)*({covariance}))/d**2"} | moments | slopes
    sizes = {"yv": _PRODUCT_SIZE} if integrals.get("yv") == _PRODUCT else {}
    params["r"] = given.correlation
    return Law(results | {"alive": "Phi(m/s)/d**2"}, params, integrals, forms, sizes=sizes)


def product_of_two(given: PoolInput) -> tuple[str, str]:
    """Return the integrand of `E[max(0, u) max(0, v)]` in m, s and r, and its closed form, or an empty text."""
    if given.correlation == 1.0:
        return RELU["yy"], RELU_FORMS["yy"]
    if given.correlation == -1.0:
        return _OPPOSITE, "" if given.mean else "0"
    return _PRODUCT, "" if given.mean else _PRODUCT_CENTRED
