"""An activation together with the law of its input, as the routes to the dual need it."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TypeAlias

import numpy as np

from propstats.activations import Activation, activation
from propstats.activations.compile import compiled
from propstats.activations.expression import evaluate
from propstats.activations.namespaces import float_namespace, numpy_namespace
from propstats.activations.syntax import str_of
from propstats.errors import DomainError
from propstats.expectation.dual.cells import Form, form_of
from propstats.expectation.dual.panels import Array, Function
from propstats.expectation.dual.reading import terms_of
from propstats.expectation.dual.resolved import NODES, Resolved, resolve
from propstats.expectation.dual.terms import Shape

#: An activation, or what `propstats.activation` takes for one.
Phi: TypeAlias = str | Activation

#: The part of a formula's parameters that can be a key.
Params = tuple[tuple[str, float], ...]

#: Of means and standard deviations: fourth powers of them are computed.
_LARGEST = 1e70
#: How far from 0 and from its kinks in x an activation is looked at besides: wide inputs may overlook all of that.
_AROUND = np.outer([-1.0, 1.0], [0.1, 0.3, 1.0, 3.0, 10.0]).ravel()


@dataclass(frozen=True, eq=False)
class Input:
    """A function of `x ~ N(mean, std^2)`, which is `mean + std z`.

    Args:
        activation: The function.
        mean: Mean of x.
        std: Standard deviation of x; at 0 the function is a number.
    """

    activation: Activation
    mean: float
    std: float

    @cached_property
    def params(self) -> Params:
        """The parameters, in a fixed order."""
        return tuple(sorted(self.activation.params.items()))

    @property
    def resolved(self) -> Resolved:
        """The function of z, on panels."""
        return _resolved(self.activation.text, self.params, self.mean, self.std, NODES)

    @property
    def finer(self) -> Resolved:
        """The same with more nodes, which tells how good the first one is."""
        return _resolved(self.activation.text, self.params, self.mean, self.std, NODES + 6)

    @cached_property
    def form(self) -> Form | None:
        """The function of z as a sum of terms with closed forms, if it is one."""
        if self.std == 0.0:
            return constant(self.value)
        return _form(self.activation.text, self.params, self.mean, self.std)

    @property
    def value(self) -> float:
        """The function at the mean."""
        symbols = {"x": self.mean, **self.activation.params}
        return float(evaluate(self.activation.formula, symbols, float_namespace()))

    @property
    def function(self) -> Function:
        """The function of z, elementwise."""
        return _of_z(self.activation.text, self.params, self.mean, self.std)

    @property
    def slope(self) -> "Input":
        """The derivative of the function, without the deltas where it jumps."""
        return replace(self, activation=_slope(self.activation.text, self.params))

    @property
    def jumps(self) -> list[tuple[float, float]]:
        """Where in z the function jumps, and by how much."""
        if self.std == 0.0:
            return []
        try:
            return [((kink - self.mean) / self.std, jump) for kink, jump in self.activation.jumps]
        except (ValueError, ArithmeticError):
            return []  # poles have no sides to compare: the panels that close in on them show their error


def inputs(
    phi: Phi, psi: Phi | None, mean: float | tuple[float, float], std: float | tuple[float, float]
) -> tuple[Input, Input]:
    """Return both functions with the laws of their inputs.

    Raises:
        UnknownNameError: If there is no activation of that name.
        DomainError: If a mean is not finite, or a standard deviation negative or not finite.
    """
    phi = phi if isinstance(phi, Activation) else activation(phi)
    psi = psi if psi is None or isinstance(psi, Activation) else activation(psi)
    means, stds = (value if isinstance(value, tuple) else (value, value) for value in (mean, std))
    for value in means:
        if not abs(value) <= _LARGEST:
            raise DomainError(f"the mean must be a finite number, got {value}", f"of {_LARGEST:g} at most")
    for value in stds:
        if not (value == 0 or 1 / _LARGEST <= value <= _LARGEST):
            hint = f"0, or from {1 / _LARGEST:g} to {_LARGEST:g}"
            raise DomainError(f"the standard deviation must be a finite number and not negative, got {value}", hint)
    first = Input(phi, means[0], stds[0])
    if psi is None and means[0] == means[1] and stds[0] == stds[1]:
        return first, first
    return first, Input(phi if psi is None else psi, means[1], stds[1])


# Texts are quick keys; a tree would be walked at every look.


def _activation(text: str, params: Params) -> Activation:
    return Activation("phi", text, dict(params))


@lru_cache(maxsize=64)
def _slope(text: str, params: Params) -> Activation:
    return Activation("slope", str_of(_activation(text, params).slope_formula), dict(params))


@lru_cache(maxsize=256)
def _form(text: str, params: Params, mean: float, std: float) -> Form | None:
    terms = terms_of(_activation(text, params))
    return None if terms is None else form_of(terms, mean, std)


@lru_cache(maxsize=64)
def constant(value: float) -> Form:
    """Return a constant function."""
    return form_of({Shape(): (value,)}, 0.0, 1.0)


@lru_cache(maxsize=64)
def _resolved(text: str, params: Params, mean: float, std: float, nodes: int) -> Resolved:
    function = _of_z(text, params, mean, std)
    if std == 0.0:
        return resolve(function, np.empty(0), nodes=nodes)
    kinks = np.array(_activation(text, params).kinks)
    probes = (np.add.outer([0.0, *kinks], _AROUND).ravel() - mean) / std
    return resolve(function, (kinks - mean) / std, mean / std, nodes, probes)


@lru_cache(maxsize=64)
def _of_z(text: str, params: Params, mean: float, std: float) -> Function:
    names, values = [name for name, _ in params], [value for _, value in params]
    raw = compiled([_activation(text, params).formula], ["x", *names], numpy_namespace())

    def function(z: Array) -> Array:
        result = np.asarray(raw(mean + std * z, *values)[0], dtype=float)
        return result if result.shape == z.shape else np.full(z.shape, result)

    return function
