"""Which moments exist, and which samples can tell with a standard error: those of which the average has a variance."""

from collections.abc import Callable, Mapping

from propstats.activations.activation import Activation
from propstats.activations.expression import substitute
from propstats.activations.syntax import parse
from propstats.expectation.certified.growth import cause, growth
from propstats.expectation.moments import BASE
from propstats.expectation.singularities import parts_of

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
    why = _cause(activation)
    found = {
        text: why(substitute(parse(text, set(pair)), pair), activation.params, mean=mean, std=std) is not None
        for text in set(_SQUARES.values())
    }
    return tuple(name for name, text in _SQUARES.items() if found[text])


def missing(activation: Activation, *, mean: float, std: float) -> tuple[str, ...]:
    """Say in one line each which moments certainly do not exist, and why, if the mean does.

    Args:
        activation: The activation.
        mean: Mean of the input.
        std: Standard deviation of the input.

    >>> from propstats.activations.own import from_expression
    >>> missing(from_expression("log(abs(x))"), mean=0.0, std=1.0)[0]
    "mean_slope does not exist: phi'(x) has a pole at x = 0, which N(0, 1) reaches"
    """
    pair = {"f": activation.formula, "d": activation.slope_formula}
    found = []
    for name, text in {"second_moment": "f**2", "mean_slope": "d", "slope_second_moment": "d**2"}.items():
        formula = substitute(parse(text, set(pair)), pair)
        why = _cause(activation)(formula, activation.params, mean=mean, std=std)
        if why is not None:
            found.append(f"{name} does not exist: {BASE[name][2:-1]} {why}")
    return tuple(found)


def _cause(activation: Activation) -> Callable[..., str | None]:
    """Return what says why an expectation does not exist; where nothing is infinite, only growth can be why."""
    is_finite = activation.is_settled and not any(p.ends for p in parts_of(activation.pieces, activation.params))
    return growth if is_finite else cause
