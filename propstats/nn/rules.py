"""What audits and `propagate` expect of NormProp layers: their rule, from the weights as they are."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from propstats.nn.normprop import NormProp
from propstats.nn.plain import PLAIN, plain_kind
from propstats.rules.affine import Chain
from propstats.rules.dense import Weights
from propstats.rules.elementwise import Elementwise
from propstats.rules.from_torch import NoRuleError, mean_power, measured_weights, rule_for
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
    c1, c2 = (_common(numbers) for numbers in module.current_constants())
    act = module.activation if module.slope is None else module.activation.with_params(a=_common(module.slope))
    return Chain((weights, Elementwise(Transformed(act, 1.0, 0.0, -c2, 1.0 / c1).activation)))


def _common(numbers: torch.Tensor | float) -> float:
    """Return the number that all units share."""
    if not isinstance(numbers, torch.Tensor):
        return numbers
    if float(numbers.detach().max() - numbers.detach().min()) > torch.finfo(torch.float32).eps:
        raise NoRuleError("no rule for NormProp layers whose units have constants or slopes of their own yet")
    return mean_power(numbers, 1)


for _own in PLAIN:
    rule_for.register(_own, _rule)
