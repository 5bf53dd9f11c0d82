"""Which moments do not exist under any Gaussian, because the activation has a pole."""

from propstats.activations.activation import Activation
from propstats.activations.expression import Call
from propstats.expectation.certified.poles import find_pole
from propstats.expectation.moments import BASE

#: What does not exist if the integral on the left does not.
_ENDS_WITH = {
    "phi^2": frozenset({"second_moment", "var", "var_rate"}),
    "phi'": frozenset({"mean_slope", "slope_second_moment"}),
    "phi'^2": frozenset({"slope_second_moment"}),
}


def undefined_moments(activation: Activation) -> frozenset[str]:
    """Return the base moments that a pole of the activation or of its slope makes undefined.

    Poles are looked for as `propstats.expectation.certified.poles` does; whatever it misses, the panels see if enough
    of the Gaussian is there.

    >>> from propstats.activations import activation
    >>> sorted(undefined_moments(activation("abs(x)**(-0.3)")))  # the slope is not integrable
    ['mean_slope', 'slope_second_moment']
    """
    phi, slope = activation.formula, activation.slope_formula
    if find_pole(phi, activation.params) is not None:
        return frozenset(BASE)
    squares = (Call("mul", (f, f)) for f in (phi, slope))
    found: frozenset[str] = frozenset()
    for which, formula in zip(_ENDS_WITH, (next(squares), slope, next(squares)), strict=True):
        if find_pole(formula, activation.params) is not None:
            found |= _ENDS_WITH[which]
    return found
