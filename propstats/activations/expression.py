"""Formulas as trees, evaluated by numpy, torch, sympy and plain floats; `syntax` reads and writes them as text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True, slots=True)
class Number:
    """An exact rational constant."""

    value: Fraction

    @classmethod
    def of(cls, value: float) -> "Number":
        """Return exactly this integer or binary number.

        >>> Number.of(0.5)
        Number(value=Fraction(1, 2))
        """
        return cls(Fraction(value))


@dataclass(frozen=True, slots=True)
class Symbol:
    """A variable, a parameter or `pi`."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator applied to arguments."""

    function: str
    args: "tuple[Expr, ...]"


Expr = Number | Symbol | Call

ZERO = Number(Fraction(0))
ONE = Number(Fraction(1))
MINUS_ONE = Number(Fraction(-1))

#: The namespaces are mappings from function names to callables; see `propstats.activations.namespaces`.
Namespace = Mapping[str, Callable[..., Any]]


def evaluate(expr: Expr, symbols: Mapping[str, Any], namespace: Namespace) -> Any:
    """Evaluate a tree: the one interpreter behind numpy, torch, sympy and float arithmetic.

    Args:
        expr: The formula.
        symbols: A value for every symbol but `pi`.
        namespace: What each function name means, with `number` for constants and `pi`.
    """
    # Derivatives share subtrees with what they came from; each is evaluated once.
    memo: dict[int, Any] = {}

    def visit(node: Expr) -> Any:
        if isinstance(node, Symbol):
            return namespace["pi"]() if node.name == "pi" else symbols[node.name]
        key = id(node)
        if key not in memo:
            if isinstance(node, Number):
                memo[key] = namespace["number"](node.value)
            else:
                memo[key] = namespace[node.function](*(visit(arg) for arg in node.args))
        return memo[key]

    return visit(expr)


def map_args(change: "Callable[[Expr], Expr]", expr: Expr) -> Expr:
    """Apply a change to the arguments of a call, folding constants on the way; anything else stays as it is."""
    if not isinstance(expr, Call):
        return expr
    args = tuple(map(change, expr.args))
    return expr if all(new is old for new, old in zip(args, expr.args, strict=True)) else call(expr.function, *args)


def substitute(expr: Expr, symbols: Mapping[str, Expr]) -> Expr:
    """Replace symbols by trees, folding constants on the way.

    >>> from propstats.activations.syntax import parse, str_of
    >>> str_of(substitute(parse("a*x + s", {"a", "x", "s"}), {"a": ZERO}))
    's'
    """
    if isinstance(expr, Symbol):
        return symbols.get(expr.name, expr)
    return map_args(lambda arg: substitute(arg, symbols), expr)


def symbols_of(expr: Expr) -> set[str]:
    """Return the names of all symbols in the tree, without `pi`."""
    if isinstance(expr, Call):
        return set().union(*(symbols_of(arg) for arg in expr.args))
    return {expr.name} - {"pi"} if isinstance(expr, Symbol) else set()


def size_of(expr: Expr) -> int:
    """Return how many numbers, symbols and functions a formula is written with."""
    return 1 + sum(map(size_of, expr.args)) if isinstance(expr, Call) else 1


def call(function: str, *args: Expr) -> Expr:
    """Build a call, folding what is constant and dropping what does nothing."""
    folded = _fold(function, args)
    return folded if folded is not None else Call(function, args)


def _fold(function: str, args: tuple[Expr, ...]) -> Expr | None:
    match function, args:
        case "add", (Number(value=a), Number(value=b)):
            return Number(a + b)
        case ("add", (a, b)) if a == ZERO or b == ZERO:
            return b if a == ZERO else a
        case "sub", (Number(value=a), Number(value=b)):
            return Number(a - b)
        case "sub", (a, b) if b == ZERO:
            return a
        case "sub", (a, b) if a == ZERO:
            return call("neg", b)
        case "mul", (Number(value=a), Number(value=b)):
            return Number(a * b)
        case "mul", (a, b) if a == ZERO or b == ZERO:
            return ZERO
        case "mul", (a, b) if a == ONE or b == ONE:
            return b if a == ONE else a
        case "add", (a, Call(function="neg", args=(b,))):
            return call("sub", a, b)
        case "sub", (a, Call(function="neg", args=(b,))):
            return call("add", a, b)
        case (("mul" | "div"), (a, b)) if b == MINUS_ONE:
            return call("neg", a)
        case "mul", (a, b) if a == MINUS_ONE:
            return call("neg", b)
        case "mul", (a, Call(function="div", args=(one, b))) if one == ONE:
            return call("div", a, b)
        case "mul", (a, Number() as b) if not isinstance(a, Number):
            return call("mul", b, a)
        case "div", (Number(value=a), Number(value=b)) if b != 0:
            return Number(a / b)
        case "div", (a, b) if a == ZERO and b != ZERO:
            return ZERO
        case "div", (a, b) if b == ONE:
            return a
        case "neg", (Number(value=a),):
            return Number(-a)
        case "neg", (Call(function="neg", args=(a,)),):
            return a
        case "pow", (Number(value=a), Number(value=b)) if _is_small_power(a, b):
            return Number(a ** int(b))
        case "pow", (a, b) if b == ONE:
            return a
        case "where", (_, a, b) if a == b:
            return a
        case (("exp" | "cos"), (a,)) if a == ZERO:
            return ONE
        case "sqrt", (a,) if a == ONE:
            return ONE
        case (("sin" | "tanh" | "erf" | "expm1" | "atan" | "asinh"), (a,)) if a == ZERO:
            return ZERO
        case "Phi", (a,) if a == ZERO:
            return Number(Fraction(1, 2))
        case "phi", (a,) if a == ZERO:
            return Call("div", (ONE, Call("sqrt", (Call("mul", (Number.of(2.0), Symbol("pi"))),))))
        case _:
            return None


def _is_small_power(base: Fraction, exponent: Fraction) -> bool:
    """Whether an exact power is worth having: towers of powers would fill the memory."""
    digits = max(base.numerator.bit_length(), base.denominator.bit_length()) * abs(exponent)
    return exponent.denominator == 1 and (base != 0 or exponent > 0) and digits < 4096
