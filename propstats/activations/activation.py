"""The record of an activation: one formula, its parameters, and what is known exactly about it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

from propstats.activations.derivative import differentiate
from propstats.activations.expression import Expr, evaluate, symbols_of
from propstats.activations.namespaces import float_namespace, namespace_for
from propstats.activations.pieces import Kink, Piece, cut, find_kinks, pieces
from propstats.activations.syntax import parse
from propstats.errors import DomainError, unknown_name


@dataclass(frozen=True)
class Activation:
    """An activation: one formula in `x` and its parameters; everything else is derived from it.

    Calling it applies the formula to a number, a numpy array, a torch tensor or a sympy expression.

    Args:
        name: How users call it.
        text: The formula.
        params: A value for each parameter of the formula, under the names that torch uses.
        reference: Who introduced it.

    >>> import numpy as np
    >>> relu = Activation("relu", "max(x, 0)")
    >>> relu(np.array([-1.0, 2.0])).tolist(), relu.slope(np.array([-1.0, 2.0])).tolist(), relu.kinks
    ([0.0, 2.0], [0.0, 1.0], (0.0,))
    """

    name: str
    text: str
    params: Mapping[str, float] = field(default_factory=dict)
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
        return tuple(kink.value for kink in self._found_kinks[0])

    @property
    def is_settled(self) -> bool:
        """Whether the kinks are certainly all; otherwise integrals refine themselves where they find it rough."""
        return self._found_kinks[1]

    @cached_property
    def _found_kinks(self) -> tuple[tuple[Kink, ...], bool]:
        return find_kinks(self.formula, self.params)

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The formula cut at its kinks, in ascending order.

        Raises:
            ExpressionError: If the kinks are not certainly all.
        """
        return pieces(self.formula, self.params)

    @cached_property
    def jumps(self) -> tuple[tuple[float, float], ...]:
        """The kinks at which the function itself jumps, each with `phi(k+) - phi(k-)`; NaN where it is unbounded."""
        found = []
        for left, right in pairwise(cut(self.formula, self._found_kinks[0], self.params)):
            assert right.low is not None
            kink = evaluate(right.low, self.params, float_namespace())
            below, above = (self._value(p.formula, kink) for p in (left, right))
            # What rounding of the kink and of the two values can make.
            if not abs(above - below) <= 1e-13 * (1.0 + abs(kink) + abs(above) + abs(below)):
                found.append((kink, above - below))
        return tuple(found)

    @cached_property
    def is_homogeneous(self) -> bool:
        """Whether `phi(c x) = c phi(x)` for all c > 0, as of relu: straight on either side of 0, and 0 there."""
        if not self.is_settled or any(self.kinks) or self.jumps or self._value(self.formula, 0.0) != 0.0:
            return False
        return all("x" not in symbols_of(differentiate(piece.formula, "x")) for piece in self.pieces)

    def _value(self, formula: Expr, x: float) -> float:
        """Return a value in floats; NaN where there is none."""
        try:
            return float(evaluate(formula, {"x": x, **self.params}, float_namespace()))
        except (ValueError, ZeroDivisionError, OverflowError):
            return math.nan

    def __call__(self, x: Any) -> Any:
        """Apply the activation, elementwise."""
        return self._apply(self.formula, x)

    def slope(self, x: Any) -> Any:
        """Apply the derivative, elementwise; at a kink it is that of one of the sides.

        Args:
            x: A number, an array or a tensor of any shape; the result is of its kind and shape.
        """
        return self._apply(self.slope_formula, x)

    def _apply(self, formula: Expr, x: Any) -> Any:
        result = evaluate(formula, {"x": x, **self.params}, namespace_for(x))
        # A constant (the slope of the identity) takes the shape of what it was asked for.
        return result if hasattr(result, "shape") or not hasattr(x, "shape") else x * 0 + result

    def with_params(self, **params: float) -> "Activation":
        """Return the same activation with other parameters.

        Args:
            **params: New values of those that change, as torch names them.

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
        return Activation(self.name, self.text, bound, self.reference)

    def __str__(self) -> str:
        inside = ", ".join(f"{name}={value:g}" for name, value in self.params.items())
        return f"{self.name}({inside})" if inside else self.name
