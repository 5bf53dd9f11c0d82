"""A small language of formulas: one tree, read by numpy, torch, sympy and plain floats, and differentiated.

Formulas are written as text (`"where(x > 0, x, a*x)"`), parsed against a fixed list of functions, and
never evaluated as Python. Everything else is done on the tree.
"""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

from propstats.activations.functions import ARITY, DERIVATIVES
from propstats.errors import ExpressionError
from propstats.text import printable


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


#: Functions whose derivative can be infinite.
_SINGULAR = {"pow", "div", "sqrt", "log", "log1p"}


def differentiate(expr: Expr, variable: str) -> Expr:
    """Differentiate with respect to a symbol, piece by piece (no delta at a jump).

    >>> str_of(differentiate(parse("x*Phi(x)", {"x"}), "x"))
    'Phi(x) + x*phi(x)'
    """
    if isinstance(expr, Number):
        return ZERO
    if isinstance(expr, Symbol):
        return ONE if expr.name == variable else ZERO
    if expr.function == "where":
        condition, then, otherwise = expr.args
        return call("where", condition, differentiate(then, variable), differentiate(otherwise, variable))
    choice = next((arg for arg in expr.args if isinstance(arg, Call) and arg.function == "where"), None)
    if choice is not None and expr.function in _SINGULAR:
        # Choose first, differentiate then: the slope of max(x, 0)**0.5 is no 0 times infinity below 0.
        condition, *branches = choice.args
        whole = (call(expr.function, *(b if arg is choice else arg for arg in expr.args)) for b in branches)
        return differentiate(Call("where", (condition, *whole)), variable)
    total: Expr = ZERO
    for position, arg in enumerate(expr.args):
        inner = differentiate(arg, variable)
        if inner != ZERO:
            total = call("add", total, call("mul", _partial(expr, position), inner))
    return total


def _partial(expr: Call, position: int) -> Expr:
    """Return the derivative of a call with respect to one of its arguments."""
    return substitute(partial_derivative(expr.function, position), dict(zip("uv", expr.args, strict=False)))


@cache
def partial_derivative(function: str, position: int) -> Expr:
    """Return the derivative of a function with respect to one of its arguments, which are `u` and `v`."""
    return parse(DERIVATIVES[function][position], {"u", "v"})


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
            return parse("1/sqrt(2*pi)", set())
        case _:
            return None


def _is_small_power(base: Fraction, exponent: Fraction) -> bool:
    """Whether an exact power is worth having: towers of powers would fill the memory."""
    digits = max(base.numerator.bit_length(), base.denominator.bit_length()) * abs(exponent)
    return exponent.denominator == 1 and (base != 0 or exponent > 0) and digits < 4096


_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.Pow: "pow",
}
_ORDER = (ast.Gt, ast.GtE, ast.Lt, ast.LtE)
_MAX_LENGTH = 10_000
_MAX_EXPONENT = 64
_LARGEST = 1e300
#: Products of a few long decimals are still written as decimals, not as fractions.
_MAX_PLACES = 100


def parse(text: str, symbols: set[str]) -> Expr:
    """Read a formula.

    Args:
        text: The formula, in Python's syntax: `+ - * / **`, comparisons inside `where`, and the functions
            of `propstats.activations.functions`.
        symbols: The names that may occur, besides `pi`.

    Raises:
        ExpressionError: If the text is not such a formula; the message says where.

    >>> str_of(parse("max(x, 0.25*x)", {"x"}))
    'where(x > 1/4*x, x, 1/4*x)'
    """
    if len(text) > _MAX_LENGTH:
        raise ExpressionError(f"the formula has {len(text)} characters", f"at most {_MAX_LENGTH} are read")
    if not text.strip():
        raise ExpressionError("the formula is empty", 'write one in x, for example "x*sigmoid(a*x)"')
    try:
        tree = ast.parse(text.strip(), mode="eval")
        return _convert(tree.body, text.strip(), symbols)
    except SyntaxError as error:
        raise ExpressionError(f"cannot read the formula {printable(text, limit=80)!r}: {error.msg}") from None
    except (RecursionError, MemoryError):
        hint = "a sum of hundreds of terms counts as nested; write it as the sum of a few in parentheses"
        raise ExpressionError("the formula is nested too deeply", hint) from None


def _convert(node: ast.expr, text: str, symbols: set[str]) -> Expr:
    def refuse(what: str, hint: str = "") -> ExpressionError:
        return ExpressionError(f"{what} in the formula {printable(text, limit=80)!r}", hint)

    match node:
        case ast.Constant(value=int() | float() as value) if value is not True and value is not False:
            if abs(value) > _LARGEST:
                raise refuse("a number too large")
            return Number(_as_written(node, value, text))
        case ast.Name(id=name):
            if name not in symbols and name != "pi":
                raise refuse(f"unknown name {name!r}", f"known: {', '.join(sorted(symbols | {'pi'}))}")
            return Symbol(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return call("neg", _convert(operand, text, symbols))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _convert(operand, text, symbols)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            args = (_convert(left, text, symbols), _convert(right, text, symbols))
            if isinstance(op, ast.Pow) and isinstance(args[1], Number) and abs(args[1].value) > _MAX_EXPONENT:
                raise refuse(f"exponent {args[1].value}", f"exponents go up to {_MAX_EXPONENT}")
            return call(_BINARY[type(op)], *args)
        case ast.BinOp(op=ast.BitXor()):
            raise refuse("^ is not allowed", "a power is written x**2")
        case ast.Call(func=ast.Name(id=("max" | "min") as name), args=[_, _] as args, keywords=[]):
            first, second = (_convert(arg, text, symbols) for arg in args)
            larger = Call("gt", (first, second) if name == "max" else (second, first))
            return call("where", larger, first, second)
        case ast.Call(func=ast.Name(id="where"), args=[condition, then, otherwise], keywords=[]):
            if not (
                isinstance(condition, ast.Compare) and len(condition.ops) == 1 and type(condition.ops[0]) in _ORDER
            ):
                raise refuse("where needs one comparison", "for example where(x > 0, x, a*x)")
            sides = (_convert(condition.left, text, symbols), _convert(condition.comparators[0], text, symbols))
            larger = Call("gt", sides if isinstance(condition.ops[0], ast.Gt | ast.GtE) else sides[::-1])
            return call("where", larger, _convert(then, text, symbols), _convert(otherwise, text, symbols))
        case ast.Compare():
            raise refuse("a comparison outside where", "for a step write where(x > 0, 1, 0)")
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if ARITY.get(name) == len(args):
            return call(name, *(_convert(arg, text, symbols) for arg in args))
        case ast.Call(func=ast.Name(id=name)) if name in ARITY:
            raise refuse(f"{name} takes {ARITY[name]} argument(s)")
        case ast.Call(func=ast.Name(id=name)):
            raise refuse(f"unknown function {name!r}", f"known: {', '.join(sorted(ARITY))}, max, min")
        case _:
            raise refuse(f"{type(node).__name__} is not allowed", "use numbers, + - * / **, where and functions")


def _as_written(node: ast.Constant, value: float, text: str) -> Fraction:
    """Return a literal exactly: 0.1 is one tenth, and no digit is lost, until a back end rounds it."""
    written = ast.get_source_segment(text, node) if isinstance(value, float) and abs(value) > 1 / _LARGEST else None
    return Fraction(written or repr(value))


_OPERATORS = {"add": (" + ", 1), "sub": (" - ", 1), "mul": ("*", 2), "div": ("/", 2), "pow": ("**", 4)}


def str_of(expr: Expr) -> str:
    """Write a tree as text that `parse` reads back."""
    return _text(expr)[0]


def _text(expr: Expr) -> tuple[str, int]:
    """Return the text and how tightly its outermost operator binds."""
    if isinstance(expr, Symbol):
        return expr.name, 9
    if isinstance(expr, Number):
        return _number_text(expr.value)
    if expr.function == "neg":
        inner, binding = _text(expr.args[0])
        return f"-{inner if binding >= 2 else f'({inner})'}", 1
    if expr.function == "gt":
        return f"{str_of(expr.args[0])} > {str_of(expr.args[1])}", 0
    if expr.function not in _OPERATORS:
        return f"{expr.function}({', '.join(str_of(arg) for arg in expr.args)})", 9
    sign, binding = _OPERATORS[expr.function]
    (left, left_binding), (right, right_binding) = (_text(arg) for arg in expr.args)
    # Left-associative, except for powers; a - (b + c) and a/(b*c) keep their parentheses.
    strict_right = expr.function in ("sub", "div")
    if left_binding < binding or (expr.function == "pow" and left_binding == binding):
        left = f"({left})"
    if right_binding < binding or (strict_right and right_binding == binding) or right.startswith("-"):
        right = f"({right})"
    return f"{left}{sign}{right}", binding


def _number_text(value: Fraction) -> tuple[str, int]:
    """Write a constant as an integer, a decimal or a fraction, whichever a person would write."""
    tight = 9 if value >= 0 else 1
    decimal = repr(float(value)) if value.denominator > 12 else ""
    if decimal and Fraction(decimal) == value:
        return decimal, tight
    places = _places(value.denominator) if decimal else 0
    if places:
        digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
        return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}", tight
    return str(value), tight if value.denominator == 1 else 2 if value >= 0 else 1


def _places(denominator: int) -> int:
    """Return how many decimals a fraction has, 0 if they never end or are too many to read."""
    return next((places for places in range(1, _MAX_PLACES) if 10**places % denominator == 0), 0)
