"""What a report says of a layer's units: canonical or not, Gaussian or not, alike or not."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import torch

from propstats.auditing.measuring.call import Call
from propstats.auditing.measuring.moments import Moments
from propstats.auditing.measuring.statistics import UnitStatistics
from propstats.auditing.records import ForwardStatistics
from propstats.estimate import Estimate, Route
from propstats.rules.dense import Weights

#: Shares whose quantiles are reported.
SHARES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def with_units(record: ForwardStatistics, out: UnitStatistics) -> ForwardStatistics:
    """Return the record with what was measured of the units; as it is where nothing is finite."""
    units, found = out.units, out.correlation
    if units is None:
        return record
    square = _estimate(out, lambda moments: moments.mean.square())
    spread = units.mean.numel() > 1
    return replace(
        record,
        unit_mean=_root(square) if square is not None else None,
        unit_var=_estimate(out, lambda moments: moments.variance),
        mean_spread=float(units.mean.std(correction=0)) if spread else None,
        var_spread=float(units.variance.std(correction=0)) if spread else None,
        skewness=_estimate(out, lambda moments: moments.skewness),
        kurtosis=_estimate(out, lambda moments: moments.kurtosis),
        quantiles=tuple((share, out.quantiles.quantile(share)) for share in SHARES),
        unit_correlation=Estimate(found.rms, found.error, Route.MEASURED, out.count) if found is not None else None,
        zero_share=out.zero_share,
    )


def sign_agreement(call: Call) -> Estimate | None:
    """Return how far the gradients of one unit's weights have one sign, None where there are no weights.

    For one sample the gradient of a unit's weights is a number times the unit's inputs: its signs agree as far as
    theirs do.
    """
    agreement = call.input.agreement
    if not isinstance(call.rule, Weights) or not call.input.is_finite:
        return None
    return Estimate(agreement.mean, agreement.error, Route.MEASURED, agreement.count)


def _estimate(out: UnitStatistics, statistic: Callable[[Moments], torch.Tensor]) -> Estimate | None:
    found = out.estimate(statistic)
    if found is None or not math.isfinite(found[0]):
        return None
    return Estimate(found[0], found[1], Route.MEASURED, out.count)


def _root(square: Estimate) -> Estimate:
    root = math.sqrt(square.value)
    error = square.error / (2 * root) if root > 0 else square.error
    return Estimate(root, error, square.route, square.samples)
