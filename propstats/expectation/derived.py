"""What follows from the base moments, with its error: the same for every route that knows its errors as bounds."""

from collections.abc import Callable, Mapping
from functools import cache

from propstats.activations.compile import compiled
from propstats.activations.expression import symbols_of
from propstats.estimate import Estimate, Route
from propstats.expectation.moments import BASE, derived_formulas
from propstats.expectation.rounding import Rounded, rounded_namespace


def complete(base: Mapping[str, Rounded], std: float, route: Route) -> dict[str, Estimate]:
    """Return the base moments and the derived quantities as estimates.

    Args:
        base: Some of the base moments; what needs a missing one is left out.
        std: Standard deviation of the input.
        route: Where the numbers come from.

    >>> half = Rounded(0.5)
    >>> round(complete({"second_moment": half}, 1.0, Route.CLOSED_FORM)["gain"].value, 12)  # He et al. 2015
    1.414213562373
    """
    found = dict(base)
    for name, (needed, function) in _functions().items():
        if needed <= base.keys():
            (found[name],) = function(Rounded(std), *(base.get(key, Rounded(0.0)) for key in BASE))
    return {name: Estimate(number.value, number.error, route) for name, number in found.items()}


@cache
def _functions() -> dict[str, tuple[frozenset[str], Callable[..., tuple[Rounded, ...]]]]:
    """Return for each derived quantity which base moments it needs, and its function of `s` and all of them."""
    return {
        name: (frozenset(symbols_of(formula) - {"s"}), compiled([formula], ["s", *BASE], rounded_namespace()))
        for name, formula in derived_formulas().items()
    }
