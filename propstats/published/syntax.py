"""How an expression of a constant is read: what the formula language does not have is replaced by a name, and put back.

Python's parser finds the quantities, the names and the numbers; nothing of what it finds is ever executed.
"""

import ast
from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import Protocol

from propstats.activations.expression import Call, Expr, Number, Symbol, substitute
from propstats.activations.functions import ARITY
from propstats.activations.syntax import parse
from propstats.errors import DataError, ExpressionError, unknown_name
from propstats.published.printed import Printed
from propstats.text import printable

MAX_LENGTH = 2_000
#: The most symbols, functions and 64-bit words in a tree: definitions that double one another would fill the memory.
MAX_WEIGHT = 2_000
#: Python writes no whole number of more than 4300 digits.
_MAX_BITS = 14_000
_CHOICES = ("max", "min")


class Names(Protocol):
    """What the names in an expression mean."""

    @property
    def quantities(self) -> Collection[str]:
        """The functions that stand for integrals."""
        ...

    @property
    def constants(self) -> Collection[str]:
        """The constants that were defined before."""
        ...

    def integral(self, node: ast.Call, quantity: str, text: str) -> Expr:
        """Return what stands for a call such as `gain(relu)`."""
        ...

    def constant(self, name: str) -> Expr:
        """Return what a constant stands for."""
        ...


def read_tree(text: str, names: Names, symbols: frozenset[str]) -> Expr:
    """Read an expression.

    Args:
        text: The expression.
        names: What the names in it mean.
        symbols: Symbols that may occur besides.

    Raises:
        ExpressionError: If it is none, too long or nested too deeply.
        UnknownNameError: If it asks for an activation or a parameter that there is not.
    """
    text = text.strip()
    if len(text) > MAX_LENGTH:
        raise refusal(f"{len(text)} characters, more than {MAX_LENGTH},", text)
    try:
        found = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = getattr(error, "msg", "") or "it is nested too deeply, or no text"
        raise ExpressionError(f"cannot read {printable(text, limit=80)!r}: {why}") from None
    replacer = _Replacer(text, names, symbols)
    try:
        changed = ast.unparse(replacer.visit(found))
    except RecursionError:
        raise refusal("too deep a nesting", text) from None
    try:
        tree = parse(changed, {*symbols, *replacer.replaced})
    except ExpressionError as error:
        # The names put in are ours: show what was written.
        inside, written = (repr(printable(shown, limit=80)) for shown in (changed, text))
        raise ExpressionError(error.message.replace(inside, written), error.hint) from None
    return put_in(tree, replacer.replaced, text)


def put_in(tree: Expr, values: Mapping[str, Expr], text: str) -> Expr:
    """Replace symbols by trees.

    Raises:
        ExpressionError: If too large a tree would come of it.
    """
    weights = {name: _weight(value, {}) for name, value in values.items()}
    if _weight(tree, weights) <= MAX_WEIGHT:
        found = substitute(tree, values)
        # Numbers that meet are multiplied out.
        if _weight(found, {}) <= MAX_WEIGHT:
            return found
    raise refusal("too large a formula, with what its names stand for,", text)


def refusal(what: str, text: str, hint: str = "") -> ExpressionError:
    """Build the error for something in an expression."""
    return ExpressionError(f"{what} in {printable(text, limit=80)!r}", hint)


def _weight(tree: Expr, weights: Mapping[str, int]) -> int:
    """Return how many symbols, functions and words a tree has, counted until they are too many.

    Args:
        tree: The tree.
        weights: What its symbols weigh, if that is not 1.
    """
    total, todo = 0, [tree]
    while todo and total <= MAX_WEIGHT:
        match todo.pop():
            case Number(value=value):
                bits = max(value.numerator.bit_length(), value.denominator.bit_length())
                total += 1 + bits // 64 if bits < _MAX_BITS else MAX_WEIGHT + 1
            case Symbol(name=name):
                total += weights.get(name, 1)
            case Call(args=args):
                total += 1
                todo += args
    return total


class _Replacer(ast.NodeTransformer):
    """Replaces what the formula language does not have by names."""

    def __init__(self, text: str, names: Names, symbols: frozenset[str]) -> None:
        self.text, self.names, self.symbols = text, names, symbols
        self.replaced: dict[str, Expr] = {}

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Replace the quantities; leave the functions of the language."""
        match node.func:
            case ast.Name(id=name) if name in self.names.quantities:
                return self._stand_in(self.names.integral(node, name, self.text))
            case ast.Name(id=name) if name not in ARITY and name not in _CHOICES:
                known = sorted((*ARITY, *_CHOICES, *self.names.quantities))
                shown = unknown_name("function", name, known)
                raise refusal(shown.message, self.text, shown.hint)
        node.args = [self.visit(arg) for arg in node.args]
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Replace the names of constants."""
        if node.id in self.symbols or node.id == "pi":
            return node
        if node.id in self.names.constants:
            return self._stand_in(self.names.constant(node.id))
        if node.id == "x":
            raise refusal("x stands outside quotes", self.text, 'write the formula in quotes: expect("x**2")')
        known = ", ".join(sorted(self.symbols | {"pi"}))
        hint = f"known: {known}, and constants defined before; an activation stands inside gain(...) and the like"
        raise refusal(f"unknown name {node.id!r}", self.text, hint)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """Replace numbers that have more digits than a float."""
        if isinstance(node.value, float) and abs(node.value) < float("inf"):
            written = (ast.get_source_segment(self.text, node) or "").replace("_", "")
            try:
                number = Printed.read(written).value
            except DataError:
                raise refusal("a number that is too long", self.text) from None
            if number != Fraction(repr(node.value)):
                return self._stand_in(Number(number))
        return node

    def _stand_in(self, tree: Expr) -> ast.Name:
        name = f"_{len(self.replaced)}"
        while name in self.symbols:
            name += "_"
        self.replaced[name] = tree
        return ast.Name(name, ast.Load())
