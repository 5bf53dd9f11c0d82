"""Formulas as text: read against a fixed list of functions, never evaluated as Python, and written back."""

import ast
from fractions import Fraction

from propstats.activations.expression import Call, Expr, Number, Symbol, call
from propstats.activations.functions import ARITY
from propstats.errors import ExpressionError
from propstats.text import printable

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
