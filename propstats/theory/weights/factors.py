"""What one scheme does in one layer, from the exact moments of the activation, with their errors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from propstats.activations import Activation
from propstats.estimate import Estimate, Quantity, Route
from propstats.theory.weights.fans import Connections
from propstats.theory.weights.schemes import WeightScheme

#: A handful of roundings.
_ROUNDING = 8 * 2.0**-52


@dataclass(frozen=True, slots=True)
class Factors:
    """One layer `h -> W (phi(h) - shift)/scale + b`.

    Args:
        weight_std: Standard deviation of a weight.
        gain: Terms of an output times the variance of a weight.
        gradient_gain: Terms of an input's gradient times the variance of a weight.
        bias_variance: Variance of a bias.
        shift: NormProp's c2, else 0.
        scale: NormProp's c1, else 1.
        forward: Factor of the second moment.
        variance: Factor of the variance over the data.
        backward: Factor of the gradient's mean square.
    """

    weight_std: Estimate
    gain: float
    gradient_gain: float
    bias_variance: float
    shift: float
    scale: float
    forward: Estimate
    variance: Estimate
    backward: Estimate


def factors(
    scheme: WeightScheme,
    act: Activation,
    layer: Connections,
    found: Mapping[str, Quantity],
    standard: Mapping[str, Quantity],
    *,
    std: float,
    depth: int,
) -> Factors:
    """Return the factors of one scheme.

    Args:
        scheme: How weights are drawn.
        act: phi.
        layer: What the weights connect.
        found: The moments of phi at N(0, std^2).
        standard: Its moments at N(0, 1), to which NormProp's constants belong.
        std: Standard deviation of the pre-activations.
        depth: Number of layers, which some schemes ask for.
    """
    variance = scheme.variance(layer, act, depth)
    bias = scheme.bias_variance(layer, act, depth)
    gain, gradient_gain = layer.terms_in * variance, layer.terms_out * variance
    square, own, slope = (_plain(found[name]) for name in ("second_moment", "var", "slope_second_moment"))
    shift, scale = 0.0, 1.0
    if scheme.is_normprop:
        shift, scale = standard["mean"].value, standard["normprop_scale"].value
        square = _normalised(found, standard)
        own, slope = (_ratio(part, standard["var"]) for part in (own, slope))
    return Factors(
        weight_std=Estimate(math.sqrt(variance), _ROUNDING * math.sqrt(variance), Route.CLOSED_FORM),
        gain=gain,
        gradient_gain=gradient_gain,
        bias_variance=bias,
        shift=shift,
        scale=scale,
        forward=_scaled(square, gain / std**2, bias / std**2),
        variance=_scaled(own, gain / std**2),
        backward=_scaled(slope, gradient_gain),
    )


def std_of(terms: float, moment: Quantity, std: float) -> Estimate:
    """Return the standard deviation of weights that gives `terms` times a moment the value `std^2`."""
    if not moment.value > moment.error:
        return Estimate(math.inf, math.inf, moment.route)
    value = std / math.sqrt(terms * moment.value)
    return Estimate(value, value * (moment.error / moment.value + _ROUNDING), moment.route)


def _plain(quantity: Quantity) -> Estimate:
    return Estimate(quantity.value, quantity.error, quantity.route)


def _scaled(estimate: Estimate, factor: float, offset: float = 0.0) -> Estimate:
    value = factor * estimate.value + offset
    return Estimate(value, factor * estimate.error + _ROUNDING * abs(value), estimate.route)


def _ratio(part: Estimate, whole: Quantity) -> Estimate:
    value = part.value / whole.value if whole.value > 0 else math.nan
    error = (part.error + abs(value) * whole.error) / (whole.value - whole.error) if value == value else math.inf
    return Estimate(value, error, part.route)


def _normalised(found: Mapping[str, Quantity], standard: Mapping[str, Quantity]) -> Estimate:
    """Return `E[((phi - c2)/c1)^2]` from variance and mean."""
    own, mean, c2 = found["var"], found["mean"], standard["mean"]
    offset, blur = abs(mean.value - c2.value), mean.error + c2.error
    if found is standard:
        blur = 0.0  # the same mean, whatever its error
    about = Estimate(own.value + offset**2, own.error + (2 * offset + blur) * blur, own.route)
    return _ratio(about, standard["var"])
