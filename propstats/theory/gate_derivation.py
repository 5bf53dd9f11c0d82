"""The derivation of a gated unit's moments: independence takes them apart, then those of the gate are derived."""

from collections.abc import Mapping

from propstats.activations.expression import ONE, ZERO, Expr, Symbol, substitute, symbols_of
from propstats.activations.gates import Gate
from propstats.activations.polynomial import shorter
from propstats.activations.syntax import parse
from propstats.errors import unknown_name
from propstats.expectation.symbolic.constants import named
from propstats.expectation.symbolic.derivation import Derivation
from propstats.expectation.symbolic.notebook import Notebook

#: Each quantity of `y = a g(b)` by its definition, and taken apart, in the expectations below.
_DEFINITIONS: Mapping[str, tuple[str, str]] = {
    "mean": ("y1", "a1*g1"),
    "second_moment": ("y2", "a2*g2"),
    "var": ("y2 - y1**2", "a2*g2 - (a1*g1)**2"),
    "value_slope": ("g2", "g2"),
    "gate_slope": ("v2", "a2*d2"),
    "slope": ("g2 + v2", "g2 + a2*d2"),
}
_EXPECTATIONS: Mapping[str, Expr] = {
    "y1": Symbol("E[a g(b)]"),
    "y2": Symbol("E[a^2 g(b)^2]"),
    "v2": Symbol("E[a^2 g'(b)^2]"),
    "a1": Symbol("E[a]"),
    "a2": Symbol("E[a^2]"),
    "g1": Symbol("E[g(b)]"),
    "g2": Symbol("E[g(b)^2]"),
    "d2": Symbol("E[g'(b)^2]"),
}
#: The moments of the gate, as they are called for activations.
_PARTS: Mapping[str, str] = {"g1": "mean", "g2": "second_moment", "d2": "slope_second_moment"}
_MOMENTS_OF_A: Mapping[str, Expr] = {"a1": Symbol("mu"), "a2": parse("mu**2 + s**2", {"mu", "s"})}
_INDEPENDENT = "a and b are independent: the expectation of a product is the product of the expectations"


def derive_gate(gate: Gate, quantity: str) -> Derivation:
    """Derive a quantity of `y = a g(b)` for independent a and b ~ N(mu, s^2), step by step.

    Args:
        gate: The unit.
        quantity: `mean`, `second_moment`, `var`, `value_slope`, `gate_slope` or `slope`.

    Raises:
        UnknownNameError: If there is no such quantity.

    References:
        Shazeer 2020, arXiv:2002.05202.

    >>> from propstats.activations.gates import gate
    >>> from propstats.activations.syntax import str_of
    >>> str_of(derive_gate(gate("geglu"), "second_moment").standard)  # that of gelu, as E[a^2] = 1
    '1/(2*sqrt(3)*pi) + 1/3'
    """
    if quantity not in _DEFINITIONS:
        raise unknown_name("quantity of a gated unit:", quantity, list(_DEFINITIONS))
    unit, constants = named(gate.gate)
    work, name = Notebook(unit), Symbol(quantity)
    for constant, number in constants.items():
        work.write("a name for a constant", Symbol(constant), number)
    definition, apart = (parse(text, set(_EXPECTATIONS)) for text in _DEFINITIONS[quantity])
    formula = substitute(apart, _MOMENTS_OF_A)
    work.write("definition, with dy/da = g(b) and dy/db = a g'(b)", name, substitute(definition, _EXPECTATIONS))
    if apart != definition:
        work.write(_INDEPENDENT, name, substitute(apart, _EXPECTATIONS))
        work.write("moments of a ~ N(mu, s^2)", name, substitute(formula, _EXPECTATIONS))
    work.write("what is left are moments of g: call it f, and b x", Symbol("f(x)"), unit.formula)
    parts = {key: work.quantity(_PARTS[key]) for key in _PARTS if key in symbols_of(formula)}
    general = shorter(substitute(formula, {key: part.general for key, part in parts.items()}))
    work.write("put in", name, general)
    known: dict[str, Expr] = {key: part.standard for key, part in parts.items() if part.standard is not None}
    is_known = len(known) == len(parts)
    standard = shorter(substitute(formula, {"mu": ZERO, "s": ONE, **known})) if is_known else None
    if standard is not None and standard != general:
        work.write("for mu = 0 and s = 1", name, standard)
    return Derivation(tuple(work.lines), general, standard, work.open_nodes(), constants)
