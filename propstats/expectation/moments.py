"""What every route computes for one activation under one Gaussian, and what follows from it."""

from collections.abc import Mapping
from functools import cache

from propstats.activations.expression import Expr, symbols_of
from propstats.activations.syntax import parse

#: The moments that each route computes, for `x ~ N(mu, s^2)` and `m = E[phi(x)]`. The derivative is that between the
#: kinks, which is what gradients see; where phi itself jumps, `linear_slope` and `var_rate` count the jumps as well.
BASE: Mapping[str, str] = {
    "mean": "E[phi(x)]",
    "second_moment": "E[phi(x)^2]",
    "var": "E[(phi(x) - m)^2]",
    "mean_slope": "E[phi'(x)]",
    "slope_second_moment": "E[phi'(x)^2]",
    "linear_slope": "E[phi(x) (x - mu)]/s^2",  # the same as mean_slope by Stein's lemma, if phi does not jump
    "var_rate": "(1/2) d var/d log s",  # E[(phi(x) - m) phi'(x) (x - mu)], if phi does not jump
}

#: What follows from them, as formulas: stated once, for every route.
DERIVED: Mapping[str, str] = {
    "std": "sqrt(slope_second_moment)",
    "gain": "1/sqrt(second_moment)",
    "unit_variance_gain": "1/sqrt(var)",
    "jacobian_factor": "s*sqrt(slope_second_moment/var)",
    "normprop_shift": "mean",
    "normprop_scale": "sqrt(var)",
    "stability_slope": "var_rate/var",
    "nonlinear_share": "1 - s**2*linear_slope**2/var",
}


@cache
def derived_formulas() -> Mapping[str, Expr]:
    """Return the derived quantities as trees in the base moments and `s`."""
    return {name: parse(text, {"s", *BASE}) for name, text in DERIVED.items()}


def needs(name: str) -> set[str]:
    """Return the base moments that a quantity is made of.

    >>> sorted(needs("jacobian_factor")), needs("var")
    (['slope_second_moment', 'var'], {'var'})
    """
    return {name} if name in BASE else symbols_of(derived_formulas()[name]) - {"s"}
