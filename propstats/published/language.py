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
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from propstats.activations import activation
from propstats.activations.expression import (
    ONE,
    ZERO,
    Expr,
    Number,
    Symbol,
    call,
    evaluate,
    parse,
    str_of,
    substitute,
    symbols_of,
)
from propstats.activations.functions import ARITY
from propstats.activations.namespaces import float_namespace
from propstats.errors import ExpressionError, unknown_name
from propstats.expectation.moments import BASE, DERIVED
from propstats.text import printable

#: What may be asked of an activation or a formula.
QUANTITIES = (*BASE, *DERIVED, "expect")
#: Quantities that contain slopes: a formula in `mu + s*x` has slopes that are `s` times as large.
_SLOPES = {"mean_slope": 1, "linear_slope": 1, "std": 1, "slope_second_moment": 2}
_CHOICES = ("max", "min")
_X = Symbol("x")
MAX_LENGTH = 2_000


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
    tree = reader.tree(text)
    used = symbols_of(tree)
    return Reading(tree, {name: integral for name, integral in reader.integrals.items() if name in used})


class _Reader:
    """Reads one expression and what it quotes, collecting the integrals."""

    def __init__(self, known: Mapping[str, Reading]) -> None:
        self.known = known
        self.integrals: dict[str, Integral] = {}

    def tree(self, text: str) -> Expr:
        """Read an expression without x."""
        return _Replacer(text, self, frozenset()).read()

    def formula(self, text: str, names: frozenset[str]) -> Expr:
        """Read a quoted formula in x and some names; constants defined before may occur in it."""
        return self.elementary(_Replacer(text, self, names | {"x"}).read(), text)

    def constant(self, name: str) -> Expr:
        """Return what a name stands for."""
        self.integrals |= self.known[name].integrals
        return self.known[name].tree

    def integral(self, node: ast.Call, quantity: str, text: str) -> Expr:
        """Read a call such as `gain(relu)`."""
        if len(node.args) != 1 or not all(keyword.arg for keyword in node.keywords):
            example = 'expect("x**2")' if quantity == "expect" else f"{quantity}(prelu, a=0.25)"
            raise _refusal(f"{quantity} takes one activation and named parameters", text, f"for example {example}")
        values = {str(k.arg): self.parameter(ast.get_source_segment(text, k.value) or "") for k in node.keywords}
        if "x" in values:
            raise _refusal("x is the input, not a parameter", text, "mu and s say how it is distributed")
        mu, s = values.pop("mu", ZERO), values.pop("s", ONE)
        match node.args[0]:
            case ast.Name(id=name):
                formula = _of_activation(name, values)
            case ast.Constant(value=str(quoted)):
                formula = substitute(self.formula(quoted, frozenset(values)), values)
            case _:
                raise _refusal(f"{quantity} takes an activation's name or a formula in quotes", text)
        _require_positive(s, text)
        if (mu, s) != (ZERO, ONE):
            formula = substitute(formula, {"x": call("add", mu, call("mul", s, _X))})
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
            raise _refusal(f"{printable(min(inside), limit=40)} cannot stand inside another expectation", text)
        return tree


class _Replacer(ast.NodeTransformer):
    """Replaces what the formula language does not have by names, and puts it back when the rest is read."""

    def __init__(self, text: str, reader: _Reader, names: frozenset[str]) -> None:
        self.text, self.reader, self.names = text.strip(), reader, names
        self.replaced: dict[str, Expr] = {}

    def read(self) -> Expr:
        """Read the text."""
        if len(self.text) > MAX_LENGTH:
            raise _refusal(f"more than {MAX_LENGTH} characters", self.text)
        try:
            found = ast.parse(self.text, mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            why = getattr(error, "msg", "") or "it is nested too deeply, or no text"
            raise ExpressionError(f"cannot read {printable(self.text, limit=80)!r}: {why}") from None
        try:
            changed = ast.unparse(self.visit(found))
        except RecursionError:
            raise _refusal("nested too deeply", self.text) from None
        try:
            tree = parse(changed, {*self.names, *self.replaced})
        except ExpressionError as error:
            inside, written = (repr(printable(text, limit=80)) for text in (changed, self.text))
            raise ExpressionError(error.message.replace(inside, written), error.hint) from None
        return substitute(tree, self.replaced)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Replace the quantities; leave the functions of the language."""
        match node.func:
            case ast.Name(id=name) if name in QUANTITIES:
                return self._stand_in(self.reader.integral(node, name, self.text))
            case ast.Name(id=name) if name not in ARITY and name not in _CHOICES:
                raise _unknown_function(name, self.text)
        node.args = [self.visit(arg) for arg in node.args]
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace the names of constants."""
        if node.id in self.names or node.id == "pi":
            return node
        if node.id in self.reader.known:
            return self._stand_in(self.reader.constant(node.id))
        if node.id == "x":
            raise _refusal("x stands outside quotes", self.text, 'write the formula in quotes: expect("x**2")')
        known = ", ".join(sorted(self.names | {"pi"}))
        hint = (
            f"known here: {known}, and the constants defined before; an activation stands inside gain(...) and the like"
        )
        raise _refusal(f"unknown name {node.id!r}", self.text, hint)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """Replace numbers that have more digits than a float."""
        if isinstance(node.value, float) and abs(node.value) < float("inf"):
            written = (ast.get_source_segment(self.text, node) or "").replace("_", "")
            if Fraction(written) != Fraction(repr(node.value)):
                return self._stand_in(Number(Fraction(written)))
        return node

    def _stand_in(self, tree: Expr) -> ast.Name:
        name = f"_{len(self.replaced)}"
        self.replaced[name] = tree
        return ast.Name(name, ast.Load())


def _of_activation(name: str, values: Mapping[str, Expr]) -> Expr:
    """Return the formula of an activation with its parameters put in."""
    entry = activation(name)
    for given in values:
        if given not in entry.params:
            raise unknown_name(f"parameter of {entry.name}:", given, [*sorted(entry.params), "mu", "s"])
    defaults = {key: Number(Fraction(repr(value))) for key, value in entry.params.items()}
    return substitute(entry.formula, {**defaults, **values})


def _require_positive(s: Expr, text: str) -> None:
    try:
        value = evaluate(s, {}, float_namespace())
    except (ArithmeticError, ValueError):
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise _refusal(f"s must be a positive number, got {printable(str_of(s), limit=40)}", text)


def _unknown_function(name: str, text: str) -> ExpressionError:
    """Build the error for a call of something that is no function."""
    known = sorted((*ARITY, *_CHOICES, *QUANTITIES))
    return _refusal(f"unknown function {name!r}", text, unknown_name("function", name, known).hint)


def _refusal(what: str, text: str, hint: str = "") -> ExpressionError:
    return ExpressionError(f"{what} in {printable(text, limit=80)!r}", hint)
