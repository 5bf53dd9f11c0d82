"""What a window of power-average pooling, `(sum x^p)^(1/p)`, does: torch's LPPool."""

from fractions import Fraction

from propstats.errors import DomainError
from propstats.theory.pooling.average import RELU, RELU_FORMS, RELU_FORMS_CENTRED, average
from propstats.theory.pooling.dark import dark_window
from propstats.theory.pooling.inputs import PoolInput
from propstats.theory.pooling.laplace import length, power_sums
from propstats.theory.pooling.law import Law, Parameter

#: Powers for which the integrals are good; closer to 1 and beyond they take too many nodes.
LEAST_POWER, LARGEST_POWER = 1.1, 16.0
_MOMENTS = {"var": "second_moment - mean**2", "std": "sqrt(var)"}
#: Of one Gaussian: E|x|.
_SIZE = "m*(2*Phi(m/s) - 1) + 2*s*phi(m/s)"


def power_mean(inputs: int, power: float, given: PoolInput, *, scale: Fraction = Fraction(1)) -> Law:
    """Return the law of `(c sum(x^p))^(1/p)` over n inputs.

    The squared slope in one input is `c^(2/p) x^(2p-2) S^-(2-2/p)` with `S = sum(x^p)`, and 0 where S is 0, as in
    torch. For p = 2 it is c/n in the mean, for p = 1 the window is a sum.

    Args:
        inputs: n.
        power: p: 1, or from 1.1 to 16; for Gaussian inputs 1 or an even number, because torch takes the p-th root of
            `sum(x^p)`, which is NaN where an odd power makes it negative.
        given: The law of the inputs.
        scale: c; in `ceil_mode` torch makes up for places that a window at the border lacks.

    Raises:
        DomainError: If the power is out of range, or there is neither formula nor integral for such inputs.

    >>> power_mean(9, 2, PoolInput()).forms["root"]  # the mean length of nine Gaussians
    '128/35*sqrt(2/pi)'
    """
    _check(power, given)
    factor = "1" if scale == 1 else "(c**(1/p))"
    params: dict[str, Parameter] = {
        "n": float(inputs),
        "p": Fraction(power),
        "c": scale,
        "m": given.mean,
        "s": given.std,
    }
    if power == 1.0:
        return _sum(inputs, given, scale)
    if inputs == 1 or given.ties:
        return _of_equals(inputs, factor, params, given)
    if given.correlation < 0.0 and (given.rectified or power != 2.0):
        raise DomainError(
            "power-average pooling of negatively correlated inputs is known for p = 2 and Gaussian inputs alone",
            "use a correlation of 0 or more",
        )
    params["r"] = given.correlation
    mean = {"mean": f"{factor}*s*root"}
    if power == 2.0 and not given.rectified:
        results = mean | {"second_moment": "c*n*(m**2 + s**2)"} | _MOMENTS | {"first": "c/n", "other": "c/n"}
        if given.mean == 0.0 and given.correlation == 0.0:
            return Law(results, params, forms={"root": _mean_length(inputs)})
        return Law(results, params, known={"root": length(inputs, given.mean / given.std, given.correlation)})
    known = power_sums(inputs, power, given.mean / given.std, given.correlation, rectified=given.rectified)
    if power == 2.0:
        dark = dark_window(inputs, given)
        slopes = {"first": f"c*(1 - {dark.formula})/n", "other": "first", "alive": "first"}
        return Law(
            mean | {"second_moment": "c*n*yy"} | _MOMENTS | slopes,
            params,
            {"yy": RELU["yy"], **dark.integrals},
            {"yy": _relu_forms(given)["yy"], **dark.forms},
            {"root": known["root"]},
        )
    slopes = {"first": f"{factor}**2*share", "other": "first"} | ({"alive": "first"} if given.rectified else {})
    return Law(mean | {"second_moment": f"({factor}*s)**2*square"} | _MOMENTS | slopes, params, known=known)


def _check(power: float, given: PoolInput) -> None:
    if not (power == 1.0 or LEAST_POWER <= power <= LARGEST_POWER):
        raise DomainError(
            f"the power must be 1 or between {LEAST_POWER:g} and {LARGEST_POWER:g}, got {power:g}",
            "large powers are max pooling",
        )
    if not given.rectified and power != 1.0 and power % 2:
        raise DomainError(
            f"x^{power:g} of a Gaussian has sums without a root: torch returns NaN",
            "use an even power, or rectified inputs",
        )


def _relu_forms(given: PoolInput) -> dict[str, str]:
    return RELU_FORMS if given.mean else RELU_FORMS_CENTRED


def _sum(inputs: int, given: PoolInput, scale: Fraction) -> Law:
    """Return the law of `c sum(x)`; torch has no gradient where the sum is exactly 0, as it may be after a ReLU."""
    law = average(inputs, float(1 / scale), given)
    if given.is_constant and law.params["m"] == 0.0:
        return Law({**law.results, **dict.fromkeys(("first", "other"), "0")}, law.params)
    if not given.rectified or given.is_constant:
        return law
    dark = dark_window(inputs, given)
    return Law(
        {**law.results, "first": f"(1 - {dark.formula})/d**2", "other": "first"},
        law.params,
        {**law.integrals, **dark.integrals},
        {**law.forms, **dark.forms},
        dark.known,
        law.sizes,
    )


def _of_equals(inputs: int, factor: str, params: dict[str, Parameter], given: PoolInput) -> Law:
    """Return the law of a window whose inputs are one and the same: `(c n)^(1/p) |x|`."""
    size = f"{factor}*n**(1/p)"
    slope = f"({size}/n)**2"
    if given.is_constant:
        value = max(0.0, given.mean) if given.rectified else abs(given.mean)
        slopes = {"first": slope if value else "0", "other": "first"} | ({"alive": "first"} if given.rectified else {})
        return Law(
            {"mean": f"{size}*m", "second_moment": "mean**2", "var": "0", "std": "0"} | slopes, params | {"m": value}
        )
    if given.rectified:
        slopes = {"first": f"{slope}*Phi(m/s)", "other": "first", "alive": "first"}
        results = {"mean": f"{size}*y", "second_moment": f"({size})**2*yy"} | _MOMENTS | slopes
        return Law(results, params, RELU, _relu_forms(given))
    results = {"mean": f"{size}*({_SIZE})", "second_moment": f"({size})**2*(m**2 + s**2)"} | _MOMENTS
    return Law(results | {"first": slope, "other": "first"}, params)


def _mean_length(inputs: int) -> str:
    """Return `E[chi_n] = sqrt(2) Gamma((n + 1)/2)/Gamma(n/2)`, from `E[chi_n] E[chi_{n+1}] = n`."""
    ratio = Fraction(1)
    for n in range(1, inputs):
        ratio = n / ratio
    return f"{ratio}*sqrt({'2/pi' if inputs % 2 else 'pi/2'})"
