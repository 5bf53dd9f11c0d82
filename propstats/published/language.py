"""Expressions of constants: the formula language without x, with moments of activations and names defined before.

    sqrt(1/2*(1 - 1/pi))                     a closed form
    jacobian_factor(prelu, a=1/4)            a moment, or what follows from moments, of an activation
    var(gelu, mu=0.5, s=2)                   the same for an input x ~ N(0.5, 2^2)
    gain("x*tanh(x)")                        of a formula in x
    expect("3*x*Phi(x)**2")                  the expectation of a formula
    1/jacobian_factor_of_relu**2             a constant that was defined before

Numbers mean what they are written as: 0.01 is one hundredth, however many digits a number has.
"""

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from propstats.activations import activation
from propstats.activations.expression import ONE, ZERO, Expr, Number, Symbol, call, evaluate, symbols_of
from propstats.activations.namespaces import float_namespace
from propstats.activations.syntax import str_of
from propstats.errors import unknown_name
from propstats.expectation.moments import BASE, DERIVED
from propstats.published.syntax import put_in, read_tree, refusal
from propstats.text import printable

#: What may be asked of an activation or a formula.
QUANTITIES = (*BASE, *DERIVED, "expect")
#: Quantities that contain slopes: a formula in `mu + s*x` has slopes that are `s` times as large.
_SLOPES = {"mean_slope": 1, "linear_slope": 1, "std": 1, "slope_second_moment": 2}
_X = Symbol("x")


@dataclass(frozen=True, slots=True)
class Integral:
    """A quantity of a formula in x, for `x ~ N(0, 1)`.

    Args:
        quantity: One of `QUANTITIES`.
        formula: The formula, in x alone.
    """

    quantity: str
    formula: Expr

    @property
    def symbol(self) -> str:
        """The name under which it stands in a tree."""
        return f"{self.quantity}[{str_of(self.formula)}]"


@dataclass(frozen=True, slots=True)
class Reading:
    """An expression as a tree, in which integrals stand as symbols.

    Args:
        tree: The expression.
        integrals: What the symbols stand for.
    """

    tree: Expr
    integrals: Mapping[str, Integral] = field(default_factory=dict)


def read(text: str, known: Mapping[str, Reading] | None = None) -> Reading:
    """Read an expression.

    Args:
        text: The expression.
        known: Names defined before, with what they stand for.

    Raises:
        ExpressionError: If it is none; the message says where.
        UnknownNameError: If there is no such activation or parameter.

    >>> reading = read("1/gain(prelu, a=1/4)**2")
    >>> str_of(reading.tree), [integral.quantity for integral in reading.integrals.values()]
    ('1/gain[where(x > 0, x, 1/4*x)]**2', ['gain'])
    """
    reader = _Reader(known or {})
    try:
        tree = reader.tree(text)
        used = symbols_of(tree)
    except RecursionError:
        raise refusal("too deep a nesting, with what its names stand for,", text) from None
    return Reading(tree, {name: integral for name, integral in reader.integrals.items() if name in used})


class _Reader:
    """Reads one expression and what it quotes, collecting the integrals."""

    def __init__(self, known: Mapping[str, Reading]) -> None:
        self.known = known
        self.integrals: dict[str, Integral] = {}

    @property
    def quantities(self) -> Collection[str]:
        """The functions that stand for integrals."""
        return QUANTITIES

    @property
    def constants(self) -> Collection[str]:
        """The constants that were defined before."""
        return self.known

    def tree(self, text: str) -> Expr:
        """Read an expression without x."""
        return read_tree(text, self, frozenset())

    def formula(self, text: str, names: frozenset[str]) -> Expr:
        """Read a quoted formula in x and some names; constants defined before may occur in it."""
        return self.elementary(read_tree(text, self, names | {"x"}), text)

    def constant(self, name: str) -> Expr:
        """Return what a name stands for."""
        self.integrals |= self.known[name].integrals
        return self.known[name].tree

    def integral(self, node: ast.Call, quantity: str, text: str) -> Expr:
        """Read a call such as `gain(relu)`."""
        if len(node.args) != 1 or not all(keyword.arg for keyword in node.keywords):
            example = 'expect("x**2")' if quantity == "expect" else f"{quantity}(prelu, a=0.25)"
            raise refusal(f"{quantity} takes one activation and named parameters", text, f"for example {example}")
        values = {str(k.arg): self.parameter(ast.get_source_segment(text, k.value) or "") for k in node.keywords}
        if "x" in values:
            raise refusal("x is the input, not a parameter", text, "mu and s say how it is distributed")
        if "pi" in values:
            raise refusal("pi is a number, not a parameter", text)
        mu, s = values.pop("mu", ZERO), values.pop("s", ONE)
        match node.args[0]:
            case ast.Name(id=name):
                formula = _of_activation(name, values, text)
            case ast.Constant(value=str(quoted)):
                formula = put_in(self.formula(quoted, frozenset(values)), values, text)
            case _:
                raise refusal(f"{quantity} takes an activation's name or a formula in quotes", text)
        _require_positive(s, text)
        if (mu, s) != (ZERO, ONE):
            formula = put_in(formula, {"x": call("add", mu, call("mul", s, _X))}, text)
        found = Integral(quantity, formula)
        self.integrals[found.symbol] = found
        power = Number(Fraction(_SLOPES.get(quantity, 0)))
        return (
            Symbol(found.symbol)
            if power == ZERO or s == ONE
            else call("div", Symbol(found.symbol), call("pow", s, power))
        )

    def parameter(self, text: str) -> Expr:
        """Read the value of a parameter."""
        return self.elementary(self.tree(text), text)

    def elementary(self, tree: Expr, text: str) -> Expr:
        """Insist on a tree without integrals: nothing that is integrated may be made of them."""
        inside = symbols_of(tree) & self.integrals.keys()
        if inside:
            raise refusal(f"{printable(min(inside), limit=40)} cannot stand inside another expectation", text)
        return tree


def _of_activation(name: str, values: Mapping[str, Expr], text: str) -> Expr:
    """Return the formula of an activation with its parameters put in."""
    entry = activation(name)
    for given in values:
        if given not in entry.params:
            raise unknown_name(f"parameter of {entry.name}:", given, [*sorted(entry.params), "mu", "s"])
    defaults = {key: Number(Fraction(repr(value))) for key, value in entry.params.items()}
    return put_in(entry.formula, {**defaults, **values}, text)


def _require_positive(s: Expr, text: str) -> None:
    try:
        value = evaluate(s, {}, float_namespace())
    except (ArithmeticError, ValueError):
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise refusal(f"s must be a positive number, got {printable(str_of(s), limit=40)}", text)
