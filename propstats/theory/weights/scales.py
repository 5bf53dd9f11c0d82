"""All weight schemes side by side: what each does to signal and gradient in a layer, and over many of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from propstats.activations import Activation, activation
from propstats.errors import DomainError
from propstats.estimate import Estimate, Quantity
from propstats.theory.unit import quantities
from propstats.theory.weights.advice import Advice, advise, exponential
from propstats.theory.weights.factors import Factors, factors, std_of
from propstats.theory.weights.fans import Connections, dense
from propstats.theory.weights.gains import torch_gain
from propstats.theory.weights.propagation import Layers, remaining
from propstats.theory.weights.schemes import Law, WeightScheme, scheme_names, weight_scheme
from propstats.theory.weights.width import LayerKind, WidthRule, width_rule

_MAX_DEPTH = 10_000
_MAX_STD = 1e20


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms in a sum, over positions."""

    mean: float
    min: int
    max: int


@dataclass(frozen=True, slots=True)
class SchemeScales:
    """What one weight scheme does. Second moments and variances are squares; standard deviations are not.

    Args:
        name: The scheme.
        law: Its distribution.
        reference: Where it comes from.
        weight_std: Standard deviation of a weight.
        bias_std: Standard deviation of a bias.
        forward_factor: Second moment of the pre-activations, after the layer over before it: `terms_in E[w^2] E[phi^2]`
            and the biases.
        variance_factor: What differs between inputs: `terms_in E[w^2] Var phi`, over the variance before.
        backward_factor: Mean square of a gradient, `terms_out E[w^2] E[phi'^2]`.
        forward_remaining: The second moment after all layers over that before the first.
        backward_remaining: The gradient's mean square at the first layer's input over that at the last one's output.
        fits: Whether both remain within a factor of 10.
    """

    name: str
    law: Law
    reference: str
    weight_std: Estimate
    bias_std: float
    forward_factor: Estimate
    variance_factor: Estimate
    backward_factor: Estimate
    forward_remaining: Estimate
    backward_remaining: Estimate
    fits: bool


@dataclass(frozen=True, slots=True)
class WeightScales:
    """Everything `propstats scales` prints.

    Args:
        activation: The activation in front of the weights.
        params: Its parameters.
        fan_in: What initialisers count for an output.
        fan_out: What they count for an input.
        weight_shape: Shape of the weight, as torch stores it.
        terms_in: Terms that there really are in an output.
        terms_out: Terms in the gradient of an input.
        std: Standard deviation of the pre-activations before the first layer.
        depth: Number of layers.
        gain: `1/sqrt(E[phi^2])`.
        torch_gain: What `torch.nn.init.calculate_gain` says in its place; None where it has no entry.
        schemes: All schemes.
        advice: Which fits.
        width_rules: muP's rules, if a base width was given.
        notes: What a reader should know of the numbers.
    """

    activation: str
    params: Mapping[str, float]
    fan_in: int
    fan_out: int
    weight_shape: tuple[int, ...]
    terms_in: Terms
    terms_out: Terms
    std: float
    depth: int
    gain: Quantity
    torch_gain: float | None
    schemes: tuple[SchemeScales, ...]
    advice: Advice
    width_rules: tuple[WidthRule, ...]
    notes: tuple[str, ...]


def scales(
    act: str | Activation,
    layer: Connections | None = None,
    *,
    fan_in: int = 512,
    fan_out: int | None = None,
    std: float = 1.0,
    depth: int = 50,
    base_width: int | None = None,
    **params: float,
) -> WeightScales:
    """Compare all weight schemes for an activation: `depth` layers, each the activation and then weights.

    Factors are those of the first layer, for pre-activations N(0, std^2) and gradients that are independent of them;
    over many layers the second moment goes through the nonlinear map, with the mean number of terms.

    Args:
        act: Name of an activation, or an activation.
        layer: What each layer of weights connects; fully connected with `fan_in` and `fan_out` if not given.
        fan_in: Inputs of a fully connected layer.
        fan_out: Its outputs; as many as inputs if not given.
        std: Standard deviation of the first pre-activations.
        depth: Number of layers.
        base_width: Width of the network whose learning rate was tuned, for muP's rules.
        **params: Parameters of the activation.

    Raises:
        UnknownNameError: If the activation or a parameter is not known.
        DomainError: If a number is out of range.

    References:
        He et al. 2015, arXiv:1502.01852, Eqs. 7 and 13; Schoenholz et al. 2017, arXiv:1611.01232, Eqs. 3 and 5.

    >>> result = scales("relu", fan_in=512, depth=50)
    >>> {s.name: s.forward_factor.value for s in result.schemes if s.name in ("he", "lecun")}
    {'he': 1.0, 'lecun': 0.5}
    >>> result.advice.fits[0], round(result.advice.std * 512**0.5, 12)
    ('he', 1.414213562373)
    """
    unit = activation(act, **params)
    if not 1 / _MAX_STD <= std <= _MAX_STD:
        raise DomainError(f"std must be a positive number from {1 / _MAX_STD:g} to {_MAX_STD:g}, got {std:g}")
    if not 1 <= depth <= _MAX_DEPTH:
        raise DomainError(f"depth must be from 1 to {_MAX_DEPTH:,}, got {depth}")
    layer = dense(fan_in, fan_in if fan_out is None else fan_out) if layer is None else layer
    found, notes = quantities(unit, std=std, digits=None)
    units = quantities(unit, digits=None)[0] if std != 1.0 else found
    schemes = [weight_scheme(name) for name in scheme_names()]
    each = [factors(scheme, unit, layer, found, units, std=std, depth=depth) for scheme in schemes]
    left = remaining(unit, _layers(each), std=std, depth=depth)
    worst = left.worst()
    advice = advise(
        unit,
        layer,
        std=std,
        depth=depth,
        # Fixup's weights belong into residual branches; a chain of them is no use of it.
        worst=[(s.name, float(w)) for s, w in zip(schemes, worst, strict=True) if s.name != "fixup"],
        needed=(
            std_of(layer.terms_in, found["second_moment"], std),
            std_of(layer.terms_out, found["slope_second_moment"], 1.0),
        ),
    )
    rows = tuple(
        _row(
            scheme,
            one,
            exponential(float(left.forward[k]), float(left.forward_error[k])),
            exponential(float(left.backward[k]), float(left.backward_error[k])),
            scheme.name in advice.fits,
        )
        for k, (scheme, one) in enumerate(zip(schemes, each, strict=True))
    )
    return WeightScales(
        activation=unit.name,
        params=unit.params,
        fan_in=layer.fan_in,
        fan_out=layer.fan_out,
        weight_shape=layer.weight_shape,
        terms_in=Terms(layer.terms_in, int(layer.forward.min()), int(layer.forward.max())),
        terms_out=Terms(layer.terms_out, int(layer.backward.min()), int(layer.backward.max())),
        std=std,
        depth=depth,
        gain=found["gain"],
        torch_gain=torch_gain(unit),
        schemes=rows,
        advice=advice,
        width_rules=() if base_width is None else tuple(width_rule(kind, layer, base_width) for kind in LayerKind),
        notes=(*notes, *_notes(layer)),
    )


def _layers(each: list[Factors]) -> Layers:
    columns = zip(*((f.gain, f.gradient_gain, f.bias_variance, f.shift, f.scale) for f in each), strict=True)
    return Layers(*(np.array(column) for column in columns))


def _row(
    scheme: WeightScheme, one: Factors, forward_remaining: Estimate, backward_remaining: Estimate, fits: bool
) -> SchemeScales:
    return SchemeScales(
        name=scheme.name,
        law=scheme.law,
        reference=scheme.reference,
        weight_std=one.weight_std,
        bias_std=math.sqrt(one.bias_variance),
        forward_factor=one.forward,
        variance_factor=one.variance,
        backward_factor=one.backward,
        forward_remaining=forward_remaining,
        backward_remaining=backward_remaining,
        fits=fits,
    )


def _notes(layer: Connections) -> list[str]:
    notes = ["fixup is for residual branches that end in a layer of zeros: with them the first pass is the identity"]
    if layer.forward.min() < layer.forward.max() or layer.backward.min() < layer.backward.max():
        notes.append("the number of terms depends on the position: factors are means over positions")
    if any(axis.outputs != axis.size for axis in layer.axes):
        notes.append("outputs and inputs differ in size: after many layers, as if each were such a step")
    if layer.groups > 1:
        notes.append("initialisers do not know of groups: their fan_out is too large by the number of groups")
    if layer.transposed:
        notes.append("of a transposed convolution, initialisers take fan_in for fan_out and the other way round")
    return notes
