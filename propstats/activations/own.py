"""Activations that users write out."""

import math
from collections.abc import Mapping

from propstats.activations.activation import Activation
from propstats.activations.expression import ZERO, Call, Expr, Number, evaluate, symbols_of
from propstats.activations.functions import ARITY
from propstats.activations.namespaces import float_namespace
from propstats.activations.syntax import str_of
from propstats.errors import ExpressionError
from propstats.text import printable

#: Names that formulas already give a meaning.
RESERVED = frozenset({"x", "mu", "s", "pi", "max", "min", *ARITY})


def from_expression(text: str, name: str = "own", /, **params: float) -> Activation:
    """Make an activation from a formula in `x` and its parameters.

    The formula is read by a parser of its own that knows numbers, operators and a fixed list of functions; nothing in
    it is executed.

    Args:
        text: The formula, for example `x*sigmoid(a*x)`.
        name: What to call it.
        **params: A value for each parameter.

    Raises:
        ExpressionError: If the text is not such a formula, has no `x`, uses a parameter without a value, or has a
            constant in it that is no finite real number, as `log(0)`.

    >>> own = from_expression("x*sigmoid(a*x)", a=1.702)
    >>> round(float(own(1.0)), 6)
    0.845796
    """
    clash = sorted(RESERVED & params.keys())
    if clash:
        raise ExpressionError(f"a parameter cannot be called {clash[0]!r}", "it has a meaning in formulas already")
    own = Activation(name, text, params).with_params(**params)
    used = symbols_of(own.formula)
    if "x" not in used:
        raise ExpressionError(f"the formula {text[:60]!r} does not contain x", "x is the input")
    idle = sorted(params.keys() - used)
    if idle:
        raise ExpressionError(f"the formula does not contain the parameter {idle[0]!r}")
    _check_constants(own.formula, "the formula", params)
    _check_constants(own.slope_formula, "the formula's derivative", params)
    return own


def _check_constants(expr: Expr, where: str, params: Mapping[str, float]) -> None:
    """Refuse the largest parts without x that are no finite real numbers: integrals would make something of them."""
    if "x" in symbols_of(expr):
        for arg in expr.args if isinstance(expr, Call) else ():
            _check_constants(arg, where, params)
        return
    if isinstance(expr, Call) and expr.function == "gt":
        return  # of a branch that parameters decide
    try:
        value = evaluate(expr, params, float_namespace())
        is_number = not isinstance(value, complex) and math.isfinite(value)
        is_number &= value != 0 or not isinstance(expr, Number) or expr == ZERO  # some are too small for floats
    except (ValueError, ZeroDivisionError, OverflowError):
        is_number = False
    if not is_number:
        what = f"{printable(str_of(expr), limit=80)} in {where} is no number"
        raise ExpressionError(what, "floats take real numbers from 1e-308 to 1e308")
