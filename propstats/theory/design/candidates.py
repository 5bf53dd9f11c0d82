"""The ways out, one function each: a unit for every layer, or the reason why there is none."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from propstats.activations import Activation
from propstats.errors import DomainError
from propstats.theory.design.frontier import most_nonlinear
from propstats.theory.design.unit import NormalisedUnit
from propstats.theory.transformed import Transformed, chain, local_slope, shape, shape_leaky


@dataclass(frozen=True, slots=True)
class Recipe:
    """A unit for all layers, and how to write it down.

    Args:
        unit: The unit.
        constants: What to set, by name.
        backward_scale: What each layer multiplies the gradient by on its way back, besides its own slope.
    """

    unit: NormalisedUnit
    constants: Mapping[str, float]
    backward_scale: float = 1.0


def _written(unit: NormalisedUnit) -> Recipe:
    names = ("gamma", "beta", "shift", "scale")
    return Recipe(unit, {name: getattr(unit, name) for name in names})


def _canonical(activation: Activation, depth: int, growth: float) -> Recipe:
    return _written(NormalisedUnit.matched(activation))


def _papers_gamma(activation: Activation, depth: int, growth: float) -> Recipe:
    plain = NormalisedUnit.matched(activation)
    gamma = 1.0 / plain.quantities["jacobian_factor"].value
    return _written(NormalisedUnit(activation, gamma, 0.0, plain.shift, plain.scale))


def _biased(activation: Activation, depth: int, growth: float) -> Recipe:
    point = most_nonlinear(activation, growth ** (1 / depth))
    if point is None:
        raise DomainError("no gamma and beta keep gradients and variance in bounds", "allow more growth")
    return _written(NormalisedUnit.matched(activation, point.gamma, point.beta))


def _leaky(activation: Activation, depth: int, growth: float) -> Recipe:
    slope = local_slope(chain(depth), growth)
    relu = 1.0 / (1.0 - 1.0 / math.pi)
    found = shape_leaky(min(slope, relu))
    unit = NormalisedUnit.matched(found.base)
    return Recipe(unit, {"negative_slope": found.base.params["negative_slope"], **_written(unit).constants})


def _shaped(activation: Activation, depth: int, growth: float) -> Recipe:
    found: Transformed = shape(activation, local_slope(chain(depth), growth))
    unit = NormalisedUnit.matched(activation, found.input_scale, found.input_shift)
    return Recipe(unit, found.constants)


def _two_scales(activation: Activation, depth: int, growth: float) -> Recipe:
    recipe = _canonical(activation, depth, growth)
    back = growth ** (0.5 / depth) / recipe.unit.quantities["jacobian_factor"].value
    return Recipe(recipe.unit, {**recipe.constants, "backward_scale": back}, back)


#: Name, what it is, and how it is made from an activation, a depth and the largest growth over that depth.
WAYS: tuple[tuple[str, str, Callable[[Activation, int, float], Recipe]], ...] = (
    ("canonical", "NormProp, gamma 1: the signal is canonical, gradients grow", _canonical),
    ("paper", "NormProp, gamma 1/J with constants of N(0, 1): gradients are kept, the signal shrinks", _papers_gamma),
    ("biased", "the gamma and beta, with matched constants, that keep most nonlinearity", _biased),
    ("leaky", "a leaky ReLU instead, with the negative slope for this depth", _leaky),
    ("shaped", "the activation shaped for this depth (Deep Kernel Shaping): Q'(1) = 1", _shaped),
    ("two scales", "NormProp, gamma 1, gradients scaled apart: on a chain of layers only", _two_scales),
)
