"""Activations that users write out."""

from propstats.activations.activation import Activation
from propstats.activations.expression import symbols_of
from propstats.activations.functions import ARITY
from propstats.errors import ExpressionError

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
        ExpressionError: If the text is not such a formula, has no `x`, or uses a parameter without a value.

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
    return own
