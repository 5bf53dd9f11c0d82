"""A derivation that a reader can follow: definition, pieces, rules, values, result."""

from collections.abc import Mapping
from dataclasses import dataclass

from propstats.activations.activation import Activation
from propstats.activations.expression import Expr, Number, Symbol, symbols_of
from propstats.errors import unknown_name
from propstats.expectation.moments import BASE, DERIVED
from propstats.expectation.symbolic.constants import named
from propstats.expectation.symbolic.line import Line
from propstats.expectation.symbolic.notebook import Notebook


@dataclass(frozen=True, slots=True)
class Derivation:
    """How a quantity of an activation follows from its formula.

    Args:
        lines: The steps.
        formula: The result, in `mu`, `s`, the parameters, the constants and, where it is not closed, `E1`, `E2`, ...
        standard: The result for `x ~ N(0, 1)`; None if it does not exist there.
        open: `E1`, `E2`, ...: expectations that no rule fits, as `Call("E", ...)`.
        constants: `c1`, `c2`, ...: long decimals of the formula.
    """

    lines: tuple[Line, ...]
    formula: Expr
    standard: Expr | None
    open: tuple[Expr, ...]
    constants: Mapping[str, Number]

    @property
    def is_closed(self) -> bool:
        """Whether the result is a closed form."""
        return not self.open

    @property
    def is_closed_at_standard(self) -> bool:
        """Whether it is one for `x ~ N(0, 1)`."""
        names = symbols_of(self.standard) if self.standard is not None else {"E1"}
        return not any(name.startswith("E") and name[1:].isdigit() for name in names)


def derive(activation: Activation, quantity: str) -> Derivation:
    """Derive a quantity of an activation under `x ~ N(mu, s^2)`, step by step.

    Args:
        activation: phi.
        quantity: A base moment or a derived quantity of `propstats.expectation.moments`.

    Raises:
        UnknownNameError: If there is no such quantity.
        ExpressionError: If the kinks of the activation are not certainly all known.

    >>> from propstats.activations import activation
    >>> from propstats.activations.syntax import str_of
    >>> str_of(derive(activation("gelu"), "second_moment").standard)  # 0.4252214825702
    '1/(2*sqrt(3)*pi) + 1/3'
    """
    if quantity not in {**BASE, **DERIVED}:
        raise unknown_name("quantity", quantity, [*BASE, *DERIVED])
    unit, constants = named(activation)
    work = Notebook(unit)
    for name, number in constants.items():
        work.write("a name for a constant", Symbol(name), number)
    result = work.quantity(quantity)
    return Derivation(tuple(work.lines), result.general, result.standard, work.open_nodes(), constants)
