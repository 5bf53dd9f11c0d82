"""The registry of activations, and every other way to state one."""

from typing import Any

from propstats.activations.activation import Activation as Activation
from propstats.activations.names import activation_names as activation_names
from propstats.activations.names import find
from propstats.activations.own import from_expression as from_expression
from propstats.errors import ExpressionError


def activation(act: Any, /, **params: float) -> Activation:
    """Return an activation, whichever way it is stated, with its parameters set.

    Args:
        act: A name from `activation_names()` or another that people use for one of them; a formula in `x` and the
            parameters; an activation; a sympy expression; or a function or module of torch.
        **params: Parameters by the names that torch uses.

    Raises:
        UnknownNameError: If there is no such activation or parameter; the nearest names are suggested.
        DomainError: If a parameter is not a finite number.
        ExpressionError: If a formula or function cannot be read; the message says what to do instead.

    >>> activation("prelu", a=0.1)(-2.0).item()
    -0.2
    >>> print(activation("max(x, slope*x)", slope=0.3))
    max(x, slope*x)(slope=0.3)
    """
    if isinstance(act, Activation):
        return act.with_params(**params)
    if isinstance(act, str):
        is_formula = not set("()*/+<>").isdisjoint(act)
        return from_expression(act, act, **params) if is_formula else find(act).with_params(**params)
    # By the library that made it, so that neither is loaded for nothing.
    if type(act).__module__.partition(".")[0] == "sympy":
        from propstats.activations.conversion.from_sympy import from_sympy

        return from_sympy(act, None, name="", **params)
    if callable(act):
        from propstats.activations.conversion.from_torch import from_torch

        return from_torch(act).with_params(**params)
    hint = "give a name, a formula, a sympy expression, or a function or module of torch"
    raise ExpressionError(f"{type(act).__name__} {act!r} is no activation", hint)
