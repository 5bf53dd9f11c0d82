"""What to change, with the effect that theory predicts."""

import math
from collections import Counter
from collections.abc import Sequence

from propstats.activations import Activation
from propstats.auditing.measuring.call import Call
from propstats.auditing.records import Layer
from propstats.errors import DomainError
from propstats.expectation import quadrature
from propstats.rules.elementwise import Elementwise
from propstats.theory.mean_field.critical import critical_point


def main_activation(calls: Sequence[Call]) -> Activation | None:
    """Return the activation that most layers use."""
    used = Counter(str(c.rule.activation) for c in calls if isinstance(c.rule, Elementwise))
    if not used:
        return None
    name = used.most_common(1)[0][0]
    return next(c.rule.activation for c in calls if isinstance(c.rule, Elementwise) and str(c.rule.activation) == name)


def rescale_all(calls: Sequence[Call], layers: Sequence[Layer]) -> str:
    """Say how to draw the weights so that neither signal nor gradient changes its scale."""
    scales = [layer.sigma_w for layer in layers if layer.sigma_w is not None]
    now = math.exp(sum(math.log(s) for s in scales if s > 0) / max(1, sum(s > 0 for s in scales)))
    activation = main_activation(calls)
    if activation is None:
        return f"draw the weights with std 1/sqrt(fan_in) instead of {now:.3g}/sqrt(fan_in): theory predicts x1 a layer"
    try:
        point = critical_point(activation)
    except DomainError:
        moments = quadrature.moments(activation)
        shift, scale = moments["mean"].value, moments["normprop_scale"].value
        return (
            f"{activation} has a mean that no weight scale removes: use (y - {shift:.4g})/{scale:.4g} after it, and "
            "weight rows of length 1 (NormProp)"
        )
    biases = f"biases with std {point.sigma_b:.3g}" if point.sigma_b else "biases 0"
    return (
        f"draw the weights with std {point.sigma_w:.4g}/sqrt(fan_in) instead of {now:.3g}/sqrt(fan_in), {biases}: "
        f"the edge of chaos for {activation}, where theory predicts x1.00 a layer in both directions"
    )


def rescale_one(layer: Layer, factor: float) -> str:
    """Say how to bring one layer back in line with the others."""
    return f"multiply the weights of {layer.name} by {1 / factor:.3g}: the layers around it keep their scale"
