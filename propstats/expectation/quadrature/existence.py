"""Which moments do not exist under any Gaussian, because the activation or its slope is not integrable at a point."""

from collections.abc import Mapping

from propstats.activations.activation import Activation
from propstats.activations.expression import Call, Expr
from propstats.expectation.certified.growth import find_divergence
from propstats.expectation.certified.poles import find_pole
from propstats.expectation.moments import BASE

#: What does not exist if the integral on the left does not.
_ENDS_WITH = {
    "phi^2": frozenset({"second_moment", "var", "var_rate"}),
    "phi'": frozenset({"mean_slope", "slope_second_moment"}),
    "phi'^2": frozenset({"slope_second_moment"}),
}


def undefined_moments(activation: Activation) -> frozenset[str]:
    """Return the base moments that a pole of the activation or of its slope, or another such point, makes undefined.

    Such points are looked for as `propstats.expectation.certified` does; whatever it misses, the panels see if enough
    of the Gaussian is there.

    >>> from propstats.activations import activation
    >>> sorted(undefined_moments(activation("abs(x)**(-0.3)")))  # the slope is not integrable
    ['mean_slope', 'slope_second_moment']
    """
    phi, slope = activation.formula, activation.slope_formula
    if _diverges(phi, activation.params):
        return frozenset(BASE)
    squares = (Call("mul", (f, f)) for f in (phi, slope))
    found: frozenset[str] = frozenset()
    for which, formula in zip(_ENDS_WITH, (next(squares), slope, next(squares)), strict=True):
        if _diverges(formula, activation.params):
            found |= _ENDS_WITH[which]
    return found


def _diverges(formula: Expr, params: Mapping[str, float]) -> bool:
    # The width of the Gaussian does not matter close to a point.
    return find_pole(formula, params) is not None or find_divergence(formula, params, std=1.0) is not None
