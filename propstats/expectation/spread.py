"""Which moments samples can tell with a standard error: those of which the average has a variance."""

from collections.abc import Mapping

from propstats.activations.activation import Activation
from propstats.activations.expression import substitute
from propstats.activations.syntax import parse
from propstats.expectation.certified.growth import exists
from propstats.expectation.moments import BASE

#: The squares of what is averaged for each moment, in f = phi(x) and d = phi'(x); a factor of x - mu changes nothing.
_SQUARES: Mapping[str, str] = {
    "mean": "f**2",
    "second_moment": "f**2*f**2",
    "var": "f**2*f**2",
    "mean_slope": "d**2",
    "slope_second_moment": "d**2*d**2",
    "linear_slope": "d**2",
    "var_rate": "f**2*d**2",
}
assert _SQUARES.keys() == BASE.keys()


def without_variance(activation: Activation, *, mean: float, std: float) -> tuple[str, ...]:
    """Return the base moments of which samples have certainly no variance, and so no standard error.

    Args:
        activation: The activation.
        mean: Mean of the input.
        std: Standard deviation of the input.

    >>> from propstats.activations.own import from_expression
    >>> without_variance(from_expression("abs(x)**(-0.3)"), mean=0.0, std=1.0)[:2]  # E|x|^-1.2 is infinite
    ('second_moment', 'var')
    """
    pair = {"f": activation.formula, "d": activation.slope_formula}
    found = {}
    for text in set(_SQUARES.values()):
        square = substitute(parse(text, set(pair)), pair)
        found[text] = exists(square, activation.params, mean=mean, std=std) is False
    return tuple(name for name, text in _SQUARES.items() if found[text])
