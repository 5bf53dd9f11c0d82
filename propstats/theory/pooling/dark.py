"""How likely it is that no input of a window is positive: after a ReLU all of them are 0 then."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from propstats.expectation.rounding import Rounded
from propstats.theory.pooling.deviates import rectified_maximum
from propstats.theory.pooling.inputs import PoolInput

#: For independent inputs, and for a given value x of what correlated ones have in common.
_INDEPENDENT = "Phi(-m/s)**n"
_GIVEN = "Phi((-m - s*sqrt(r)*x)/(s*sqrt(1 - r)))**n"
#: Orthant probabilities, for m = 0 (Sheppard 1899).
_ORTHANTS = {
    2: "1/4 + atan(r/sqrt(1 - r**2))/(2*pi)",
    3: "1/8 + 3*atan(r/sqrt(1 - r**2))/(4*pi)",
}


@dataclass(frozen=True, slots=True)
class Dark:
    """The probability that all inputs of a window are at most 0, as parts of a law in m, s, r and n.

    Args:
        formula: The probability.
        integrals: What occurs in it that is an integral.
        forms: The closed form of that, if there is one.
        known: Its value, where it is no integral of a formula.
    """

    formula: str
    integrals: Mapping[str, str] = field(default_factory=dict)
    forms: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, Rounded] = field(default_factory=dict)


def dark_window(inputs: int, given: PoolInput) -> Dark:
    """Return how likely no input of a window of n inputs is positive; the inputs vary.

    >>> dark_window(2, PoolInput(correlation=0.5)).forms["dark"]  # 1/3 at rho = 1/2
    '1/4 + atan(r/sqrt(1 - r**2))/(2*pi)'
    """
    if inputs == 1 or given.correlation == 1.0:
        return Dark("Phi(-m/s)")
    if given.correlation == 0.0:
        return Dark(_INDEPENDENT)
    if given.correlation < 0.0:
        return Dark("dark", known={"dark": rectified_maximum(inputs, given)["dark"]})
    forms = {"dark": _ORTHANTS[inputs]} if given.mean == 0.0 and inputs in _ORTHANTS else {}
    return Dark("dark", {"dark": _GIVEN}, forms)
