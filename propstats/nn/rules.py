"""What audits and `propagate` expect of NormProp layers: their rule, from the weights as they are."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from propstats.nn.constants import matched_constants
from propstats.nn.normprop import NARROWEST, NormProp
from propstats.nn.plain import PLAIN, plain_kind
from propstats.rules.affine import Chain
from propstats.rules.dense import Weights
from propstats.rules.elementwise import Elementwise
from propstats.rules.from_torch import mean_power, measured_weights, rule_for
from propstats.rules.mixture import Mixture
from propstats.rules.rule import Rule
from propstats.theory.transformed import Transformed


def _rule(module: NormProp, shape: Sequence[int]) -> Rule:
    """Return the rule: gamma and beta belong to the weights, c1 and c2 to the activation."""
    geometry = rule_for.dispatch(plain_kind(module))(module, shape)
    assert isinstance(geometry, Weights)
    measured = measured_weights(
        module.effective_weight(), module.beta, fan_in=geometry.fan_in, fan_out=geometry.fan_out, units=geometry.units
    )
    weights = replace(measured, taps=geometry.taps, shared_out=geometry.shared_out, shared_in=geometry.shared_in)
    constants = module.current_constants()
    if _are_alike(*constants, module.slope):
        slope = None if module.slope is None else mean_power(module.slope, 1)
        c1, c2 = (mean_power(c, 1) if isinstance(c, torch.Tensor) else c for c in constants)
        return _normalised(module, weights, slope, c1, c2)
    return Mixture([_unit(module, weights, *unit) for unit in _typical_units(module)])


def _are_alike(*numbers: torch.Tensor | float | None) -> bool:
    """Whether all units share each of some numbers."""
    return all(
        float(n.detach().max() - n.detach().min()) <= torch.finfo(torch.float32).eps
        for n in numbers
        if isinstance(n, torch.Tensor)
    )


def _typical_units(module: NormProp) -> list[list[float]]:
    """Return gamma, beta and the slope (1 where none is learned) of units that stand for all, equal shares of them.

    Means, variances and covariances of the three are those over all units: what is expected of their mixture is exact
    to second order in the units' differences.

    References:
        Julier & Uhlmann 1997, Proceedings of SPIE 3068, section 3: the points of the unscented transform.
    """
    slope = torch.ones(1) if module.slope is None else module.slope
    gamma = module.gamma.detach().double()
    own = torch.stack([gamma, module.beta.detach().double(), slope.detach().double().expand(len(gamma))])
    mean = own.mean(dim=1)
    variances, axes = torch.linalg.eigh(torch.cov(own, correction=0))
    directions = axes * (variances.clamp_min(0.0) * len(own)).sqrt()
    return [
        (mean + sign * direction).tolist() for direction in directions.T if bool(direction.any()) for sign in (-1, 1)
    ]


def _unit(module: NormProp, weights: Weights, gamma: float, beta: float, slope: float) -> Rule:
    """Return the rule of units with this gamma and beta, and with this slope if it is learned."""
    square = float(module.gamma.detach().double().square().mean())
    mean = float(module.gamma.detach().double().mean())
    own = replace(
        weights,
        weight_mean=weights.weight_mean * gamma / mean if mean else 0.0,
        weight_second_moment=weights.weight_second_moment * gamma**2 / square if square else 0.0,
        bias_mean=beta,
        bias_second_moment=beta**2,
    )
    at, std = (beta, max(abs(gamma), NARROWEST)) if module.constants == "matched" else (0.0, 1.0)
    learned = None if module.slope is None else slope
    params = None if learned is None else {"a": torch.tensor([learned])}
    c1, c2 = matched_constants(module.activation, torch.tensor([at]), torch.tensor([std]), params)
    return _normalised(module, own, learned, float(c1), float(c2))


def _normalised(module: NormProp, weights: Weights, slope: float | None, c1: float, c2: float) -> Rule:
    act = module.activation if slope is None else module.activation.with_params(a=slope)
    return Chain((weights, Elementwise(Transformed(act, 1.0, 0.0, -c2, 1.0 / c1).activation)))


for _own in PLAIN:
    rule_for.register(_own, _rule)
