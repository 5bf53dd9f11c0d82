"""Operations of sympy and torch that are no functions of the language, written in it; and conditions as choices."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from propstats.activations.expression import ONE, ZERO, Call, Expr, Number, call, substitute
from propstats.activations.functions import ARITY
from propstats.activations.syntax import parse
from propstats.errors import ExpressionError

#: Signature and formula, by the name that sympy (in lower case) or torch uses.
_OPERATIONS: Mapping[str, tuple[str, str]] = {
    "add": ("x, y, alpha=1", "x + alpha*y"),
    "sub": ("x, y, alpha=1", "x - alpha*y"),
    "rsub": ("x, y, alpha=1", "y - alpha*x"),
    "mul": ("x, y", "x*y"),
    "div": ("x, y", "x/y"),
    "pow": ("x, y", "x**y"),
    "neg": ("x", "-x"),
    "pos": ("x", "x"),
    "reciprocal": ("x", "1/x"),
    "square": ("x", "x**2"),
    "rsqrt": ("x", "1/sqrt(x)"),
    "exp2": ("x", "2**x"),
    "log2": ("x", "log(x)/log(2)"),
    "log10": ("x", "log(x)/log(10)"),
    "logaddexp": ("x, y", "x + softplus(y - x)"),
    "tan": ("x", "sin(x)/cos(x)"),
    "sinh": ("x", "(expm1(x) - expm1(-x))/2"),
    "cosh": ("x", "(exp(x) + exp(-x))/2"),
    "sech": ("x", "2*exp(x - softplus(2*x))"),
    "erfc": ("x", "1 - erf(x)"),
    "ndtr": ("x", "Phi(x)"),
    "max": ("x, y", "max(x, y)"),
    "min": ("x, y", "min(x, y)"),
    "clamp_min": ("x, min", "max(x, min)"),
    "clamp_max": ("x, max", "min(x, max)"),
    "heaviside": ("x, y", "where(x > 0, 1, where(x < 0, 0, y))"),
    "zeros_like": ("x", "0*x"),
    "ones_like": ("x", "0*x + 1"),
    "full_like": ("x, fill_value", "0*x + fill_value"),
    **{name: ("x", f"{name}(x)") for name, arity in ARITY.items() if arity == 1},
}
_SYNONYMS: Mapping[str, str] = {
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "true_divide": "div",
    "truediv": "div",
    "negative": "neg",
    "positive": "pos",
    "absolute": "abs",
    "fabs": "abs",
    "sgn": "sign",
    "arctan": "atan",
    "arcsinh": "asinh",
    "expit": "sigmoid",
    "maximum": "max",
    "minimum": "min",
    "fmax": "max",
    "fmin": "min",
}


@cache
def _operation(name: str) -> tuple[tuple[str, ...], Mapping[str, Expr], Expr]:
    """Return the arguments, their defaults and the formula of an operation."""
    signature, text = _OPERATIONS[name]
    names, defaults = [], {}
    for part in signature.split(", "):
        argument, equals, default = part.partition("=")
        names.append(argument)
        if equals:
            defaults[argument] = parse(default, set())
    return tuple(names), defaults, parse(text, set(names))


def function_names() -> list[str]:
    """Return the names of the operations that are functions of one number, sorted: what an error suggests."""
    plumbing = {"pos", "neg", "zeros_like", "ones_like"}
    return sorted(name for name, (signature, _) in _OPERATIONS.items() if signature == "x" and name not in plumbing)


def operate(name: str, *args: Expr, **named: Expr) -> Expr | None:
    """Apply an operation to trees; None if it is not known with such arguments.

    >>> from propstats.activations.expression import Symbol
    >>> from propstats.activations.syntax import str_of
    >>> str_of(operate("rsqrt", Symbol("x")))
    '1/sqrt(x)'
    """
    name = _SYNONYMS.get(name, name)
    if name not in _OPERATIONS:
        return None
    names, defaults, formula = _operation(name)
    given = dict(zip(names, args, strict=False))
    if len(args) > len(names) or given.keys() & named.keys() or not named.keys() <= set(names):
        return None
    bound = {**defaults, **given, **named}
    return substitute(formula, bound) if bound.keys() == set(names) else None


def number(value: float) -> Number:
    """Return a constant, read as `parse` reads it: 0.1 is one tenth until a back end rounds it.

    Raises:
        ExpressionError: If it is infinite or not a number.
    """
    if not abs(value) < float("inf"):
        raise ExpressionError(f"the constant {value} has no place in a formula")
    return Number(Fraction(value) if isinstance(value, int) else Fraction(repr(float(value))))


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition, as the choice that it makes between two trees.

    >>> from propstats.activations.expression import Symbol
    >>> from propstats.activations.syntax import str_of
    >>> x = Symbol("x")
    >>> inside = greater(x, ZERO) & ~greater(x, ONE)
    >>> str_of(inside.choose(x, ZERO))
    'where(x > 0, where(x > 1, 0, x), 0)'
    """

    choose: Callable[[Expr, Expr], Expr]

    def __and__(self, other: "Condition") -> "Condition":
        return Condition(lambda then, otherwise: self.choose(other.choose(then, otherwise), otherwise))

    def __or__(self, other: "Condition") -> "Condition":
        return Condition(lambda then, otherwise: self.choose(then, other.choose(then, otherwise)))

    def __xor__(self, other: "Condition") -> "Condition":
        return (self & ~other) | (~self & other)

    def __invert__(self) -> "Condition":
        return Condition(lambda then, otherwise: self.choose(otherwise, then))

    def as_number(self) -> Expr:
        """Return 1 where it holds and 0 elsewhere."""
        return self.choose(ONE, ZERO)


def greater(left: Expr, right: Expr) -> Condition:
    """Return the condition `left > right`."""
    return Condition(lambda then, otherwise: call("where", Call("gt", (left, right)), then, otherwise))


def compare(name: str, left: Expr, right: Expr) -> Condition | None:
    """Return a comparison by its name in Python's `operator`; at ties it is exactly what it says."""
    match name:
        case "gt" | "greater":
            return greater(left, right)
        case "lt" | "less":
            return greater(right, left)
        case "ge" | "greater_equal":
            return ~greater(right, left)
        case "le" | "less_equal":
            return ~greater(left, right)
        case "eq":
            return ~greater(left, right) & ~greater(right, left)
        case "ne" | "not_equal":
            return greater(left, right) | greater(right, left)
        case _:
            return None
