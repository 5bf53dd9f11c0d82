"""Activations from sympy expressions."""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

from propstats.activations.activation import Activation
from propstats.activations.conversion.checks import activation_of, refuse_if_large
from propstats.activations.conversion.operations import Condition, compare, function_names, number, operate
from propstats.activations.expression import ONE, Call, Expr, Symbol, call
from propstats.activations.polynomial.products import times
from propstats.errors import ExpressionError

_ALWAYS = Condition(lambda then, otherwise: then)


def from_sympy(expr: Any, symbol: Any = None, *, name: str = "", **params: float) -> Activation:
    """Make an activation from a sympy expression, function or Lambda.

    Args:
        expr: The expression; Piecewise, Max, Min, Abs, Heaviside and comparisons are understood.
        symbol: Which symbol is the input; by default the only one, or the one called x.
        name: What to call the activation; its formula if empty.
        **params: A value for every other symbol.

    Raises:
        ExpressionError: If something in the expression has no meaning in a formula, or it is not clear which
            symbol is the input or what value another one has.
        DomainError: If a parameter is not a finite number, or does not occur.

    >>> import sympy
    >>> x, b = sympy.symbols("x b")
    >>> from_sympy(x / (1 + sympy.exp(-b * x)), x, b=1.702).text
    'x*sigmoid(b*x)'
    """
    import sympy

    if isinstance(expr, sympy.FunctionClass | sympy.Lambda):
        symbol = symbol or sympy.Symbol("x", real=True)
        expr = expr(symbol)
    if not isinstance(expr, sympy.Expr):
        raise ExpressionError(f"{type(expr).__name__} is no expression of sympy", "pass a formula in one symbol")
    symbol = symbol or _input_of(expr, params)
    for other in sorted(_symbols_of(expr) - {symbol}, key=str):
        if str(other) not in params:
            raise ExpressionError(f"the symbol {other} has no value", f"give it one: {other}=1.0")
    return activation_of(_Translator(symbol)(expr), name, params)


def _input_of(expr: Any, params: dict[str, float]) -> Any:
    """Return the symbol that is the input, when only one can be."""
    free = sorted(_symbols_of(expr), key=str)
    left = [symbol for symbol in free if str(symbol) not in params]
    called_x = [symbol for symbol in left if str(symbol) == "x"]
    if len(left) == 1 or len(called_x) == 1:
        return (called_x or left)[0]
    names = ", ".join(map(str, free)) or "none"
    raise ExpressionError(
        f"which symbol is the input? the expression has {names}",
        "say so, from_sympy(expr, x), and give the others values",
    )


def _symbols_of(expr: Any) -> set[Any]:
    """Return the symbols of an expression; sympy itself would visit again and again what occurs more than once."""
    seen, waiting = {expr}, [expr]
    while waiting:
        new = set(waiting.pop().args) - seen
        seen |= new
        waiting += new
    return {part for part in seen if part.is_Symbol}


class _Translator:
    """sympy's tree into ours; what occurs more than once is translated once."""

    def __init__(self, symbol: Any) -> None:
        self._symbol = symbol
        self._done: dict[Any, Expr] = {}
        self._sizes: dict[int, int] = {}

    def __call__(self, expr: Any) -> Expr:
        if expr not in self._done:
            self._done[expr] = self._translate(expr)
            refuse_if_large(self._done[expr], self._sizes)
        return self._done[expr]

    def _translate(self, expr: Any) -> Expr:
        import sympy

        if expr.is_Symbol:
            return Symbol("x" if expr == self._symbol else str(expr))
        if expr.is_Rational:
            return call("div", number(int(expr.p)), number(int(expr.q)))
        if expr.is_Float:
            return number(float(expr))
        if expr == sympy.pi:
            return Symbol("pi")
        if expr == sympy.E:
            return Call("exp", (ONE,))
        if isinstance(expr, sympy.Add):
            return self._sum(expr)
        if isinstance(expr, sympy.Mul):
            return self._product(expr)
        if isinstance(expr, sympy.Pow):
            return self._power(*expr.args)
        if isinstance(expr, sympy.Piecewise):
            return self._cases(expr)
        return self._function(expr)

    def _sum(self, expr: Any) -> Expr:
        total: Expr = number(0)
        for term in expr.as_ordered_terms():
            coefficient, rest = term.as_coeff_Mul()
            negative = bool(coefficient < 0)
            total = call("sub" if negative else "add", total, self(-coefficient * rest if negative else term))
        return total

    def _product(self, expr: Any) -> Expr:
        coefficient, _ = expr.as_coeff_Mul()
        if coefficient < 0:
            return call("neg", self(-expr))
        above: list[Expr] = []
        below: list[Expr] = []
        for factor in expr.as_ordered_factors():
            if factor.is_Rational:
                above.append(number(int(factor.p)))
                below.append(number(int(factor.q)))
            elif factor.is_Pow and factor.exp.is_number and factor.exp.is_negative:
                below.append(self(factor.base**-factor.exp))
            else:
                above.append(self(factor))
        return call("div", times(above), times(below))

    def _power(self, base: Any, exponent: Any) -> Expr:
        if exponent.is_number and exponent.is_negative:
            return call("div", ONE, self(base**-exponent))
        if exponent.is_Rational and exponent.q == 2:
            return call("pow", call("sqrt", self(base)), number(int(exponent.p)))
        return call("pow", self(base), self(exponent))

    def _cases(self, expr: Any) -> Expr:
        *cases, (last, always) = expr.args
        if always != True:  # noqa: E712 - sympy's own truth
            raise ExpressionError(f"{expr} has no value outside its cases", "end it with (value, True)")
        result = self(last)
        for value, condition in reversed(cases):
            result = self._condition(condition).choose(self(value), result)
        return result

    def _condition(self, condition: Any) -> Condition:
        import sympy

        if condition == True:  # noqa: E712
            return _ALWAYS
        if condition == False:  # noqa: E712
            return ~_ALWAYS
        if isinstance(condition, sympy.Not):
            return ~self._condition(condition.args[0])
        if isinstance(condition, sympy.And | sympy.Or):
            parts = map(self._condition, condition.args)
            join: Callable[[Condition, Condition], Condition] = (
                Condition.__and__ if isinstance(condition, sympy.And) else Condition.__or__
            )
            return reduce(join, parts)
        if isinstance(condition, sympy.ITE):
            asked, then, otherwise = map(self._condition, condition.args)
            return (asked & then) | (~asked & otherwise)
        if condition.is_Relational:
            operators = {">": "gt", "<": "lt", ">=": "ge", "<=": "le", "==": "eq", "!=": "ne"}
            found = compare(operators[condition.rel_op], self(condition.lhs), self(condition.rhs))
            if found is not None:
                return found
        raise ExpressionError(f"the condition {condition} has no meaning in a formula", "compare numbers: x > 0")

    def _function(self, expr: Any) -> Expr:
        name, found = type(expr).__name__.lower(), None
        if expr.is_Function:
            args = [self(arg) for arg in expr.args]
            found = reduce(partial(_joined, name), args) if name in ("max", "min") else operate(name, *args)
        if found is None:
            hint = f"known: {', '.join(function_names())}"
            raise ExpressionError(f"{type(expr).__name__} has no meaning in a formula", hint)
        return found


def _joined(name: str, first: Expr, second: Expr) -> Expr:
    found = operate(name, first, second)
    assert found is not None
    return found
