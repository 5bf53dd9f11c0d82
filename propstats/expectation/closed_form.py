"""The closed-form route: symbolic formulas, evaluated with a bound on their rounding."""

from collections.abc import Mapping

from propstats.activations.activation import Activation
from propstats.activations.expression import ONE, ZERO, Expr, call, differentiate, parse, substitute
from propstats.estimate import Estimate, Route
from propstats.expectation.moments import BASE, derived_formulas
from propstats.expectation.point_mass import point_mass
from propstats.expectation.rounding import Rounded, evaluate_rounded


def formulas(activation: Activation, *, mean: float = 0.0, std: float = 1.0) -> dict[str, Expr]:
    """Return the closed forms that exist, as trees in `mu`, `s` and the parameters.

    A mean of 0 and a standard deviation of 1 are put in, which shortens the formulas. Two of the base
    moments are derived: `E[phi'] = dE[phi]/dmu`, and `E[(phi - m) phi' (x - mu)] = (s/2) dVar/ds`.

    >>> from propstats.activations import activation
    >>> from propstats.activations.expression import str_of
    >>> str_of(formulas(activation("prelu"))["mean"])
    '(1 - a)/sqrt(2*pi)'
    """
    names = {"mu", "s", *activation.params}
    found = {name: parse(text, names) for name, text in activation.closed_forms.items()}
    if "mean" in found:
        found["mean_slope"] = differentiate(found["mean"], "mu")
    if {"mean", "second_moment"} <= found.keys():
        square = call("pow", found["mean"], parse("2", set()))
        found.setdefault("var", call("sub", found["second_moment"], square))
        rate = differentiate(found["var"], "s")
        found["var_rate"] = call("mul", parse("s/2", {"s"}), rate)
    if mean == 0.0:
        found |= {name: parse(text, names) for name, text in activation.centred_forms.items()}
    values = {name: value for name, value, given in (("mu", ZERO, mean == 0.0), ("s", ONE, std == 1.0)) if given}
    found = {name: substitute(formula, values) for name, formula in found.items()}
    for name, formula in derived_formulas().items():
        needed = {base for base in BASE if differentiate(formula, base) != ZERO}
        if needed <= found.keys():
            found[name] = substitute(formula, {**found, **values})
    return found


def moments(activation: Activation, *, mean: float = 0.0, std: float = 1.0) -> Mapping[str, Estimate]:
    """Return the base moments and the derived quantities that have a closed form.

    Args:
        activation: The activation.
        mean: Mean of the input.
        std: Standard deviation of the input; at 0 the input is the number `mean`.
    """
    if std == 0.0:
        return point_mass(activation, mean, Route.CLOSED_FORM)
    symbols = {"mu": Rounded(mean), "s": Rounded(std)}
    symbols |= {name: Rounded(value) for name, value in activation.params.items()}
    found = {
        name: evaluate_rounded(formula, symbols) for name, formula in formulas(activation, mean=mean, std=std).items()
    }
    return {name: Estimate(r.value, r.error, Route.CLOSED_FORM) for name, r in found.items()}
