"""The record of an activation: one formula, its parameters, and what is known exactly about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from propstats.activations.expression import ZERO, Call, Expr, differentiate, evaluate, parse, str_of, substitute
from propstats.activations.namespaces import float_namespace, namespace_for
from propstats.errors import DomainError, ExpressionError, unknown_name


@dataclass(frozen=True)
class Activation:
    """An activation: one formula in `x` and its parameters; everything else is derived from it.

    Calling it applies the formula to a number, a numpy array, a torch tensor or a sympy expression.

    Args:
        name: How users call it.
        text: The formula.
        params: A value for each parameter of the formula, under the names that torch uses.
        closed_forms: Formulas in `mu`, `s` and the parameters for expectations under `N(mu, s^2)`:
            `mean`, `second_moment`, `slope_second_moment`, and where cancellation makes it worth while
            `var`. The rest is derived from these by differentiation.
        centred_forms: The same, where a closed form exists only for `mu = 0`.
        reference: Who introduced it.

    >>> import numpy as np
    >>> relu = Activation("relu", "max(x, 0)")
    >>> relu(np.array([-1.0, 2.0])).tolist(), relu.slope(np.array([-1.0, 2.0])).tolist(), relu.kinks
    ([0.0, 2.0], [0.0, 1.0], (0.0,))
    """

    name: str
    text: str
    params: Mapping[str, float] = field(default_factory=dict)
    closed_forms: Mapping[str, str] = field(default_factory=dict)
    centred_forms: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""

    @cached_property
    def formula(self) -> Expr:
        """The formula as a tree."""
        return parse(self.text, {"x", *self.params})

    @cached_property
    def slope_formula(self) -> Expr:
        """The derivative, from the formula."""
        return differentiate(self.formula, "x")

    @cached_property
    def kinks(self) -> tuple[float, ...]:
        """Where the formula changes its branch, in ascending order: nothing smooth may be assumed there."""
        return tuple(sorted({x for zero in _boundaries(self.formula) for x in _roots(zero, self.params)}))

    def __call__(self, x: Any) -> Any:
        """Apply the activation, elementwise."""
        return self._apply(self.formula, x)

    def slope(self, x: Any) -> Any:
        """Apply the derivative, elementwise; at a kink it is that of one of the sides."""
        return self._apply(self.slope_formula, x)

    def _apply(self, formula: Expr, x: Any) -> Any:
        result = evaluate(formula, {"x": x, **self.params}, namespace_for(x))
        # A constant (the slope of the identity) takes the shape of what it was asked for.
        return result if hasattr(result, "shape") or not hasattr(x, "shape") else x * 0 + result

    def with_params(self, **params: float) -> "Activation":
        """Return the same activation with other parameters.

        Raises:
            UnknownNameError: If the activation has no such parameter.
            DomainError: If a value is not a finite number.
        """
        for name, value in params.items():
            if name not in self.params:
                if not self.params:
                    raise DomainError(f"{self.name} has no parameters", f"got {name}={value}")
                raise unknown_name(f"parameter of {self.name}:", name, sorted(self.params))
            if not abs(value) < float("inf"):
                raise DomainError(f"parameter {name} of {self.name} must be a finite number, got {value}")
        bound = {**self.params, **{name: float(value) for name, value in params.items()}}
        return Activation(self.name, self.text, bound, self.closed_forms, self.centred_forms, self.reference)

    def __str__(self) -> str:
        inside = ", ".join(f"{name}={value:g}" for name, value in self.params.items())
        return f"{self.name}({inside})" if inside else self.name


def _boundaries(expr: Expr) -> list[Expr]:
    """Collect the trees whose zeros are where the formula changes its branch."""
    if not isinstance(expr, Call):
        return []
    found = [boundary for arg in expr.args for boundary in _boundaries(arg)]
    if expr.function == "gt":
        found.append(Call("sub", expr.args))
    elif expr.function in ("abs", "sign"):
        found.append(expr.args[0])
    return found


def _roots(boundary: Expr, params: Mapping[str, float]) -> set[float]:
    """Solve `boundary = 0` for x, which must occur piecewise linearly.

    A root of one piece that lies outside that piece is kept: splitting an integral there costs nothing.
    """
    choice = _first_choice(boundary)
    if choice is not None:
        return set().union(*(_roots(_replace(boundary, choice, b), params) for b in choice.args[1:]))
    rate = differentiate(boundary, "x")
    if rate == ZERO:
        return set()
    if differentiate(rate, "x") != ZERO:
        raise ExpressionError(f"cannot find where {str_of(boundary)} changes sign", "make it linear in x")
    offset = evaluate(substitute(boundary, {"x": ZERO}), params, float_namespace())
    return {float(-offset / evaluate(rate, params, float_namespace())) + 0.0}


def _first_choice(expr: Expr) -> Call | None:
    """Return the first `where` in the tree."""
    if not isinstance(expr, Call):
        return None
    if expr.function == "where":
        return expr
    return next((found for found in map(_first_choice, expr.args) if found is not None), None)


def _replace(expr: Expr, old: Call, new: Expr) -> Expr:
    """Replace one subtree by another."""
    if expr is old:
        return new
    return Call(expr.function, tuple(_replace(a, old, new) for a in expr.args)) if isinstance(expr, Call) else expr
