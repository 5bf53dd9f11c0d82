"""Derivatives of formulas."""

from functools import cache

from propstats.activations.expression import ONE, ZERO, Call, Expr, Number, Symbol, call, substitute
from propstats.activations.functions import DERIVATIVES
from propstats.activations.syntax import parse

#: Functions whose derivative can be infinite.
_SINGULAR = {"pow", "div", "sqrt", "log", "log1p"}


def differentiate(expr: Expr, variable: str) -> Expr:
    """Differentiate with respect to a symbol, piece by piece (no delta at a jump).

    >>> from propstats.activations.syntax import str_of
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
