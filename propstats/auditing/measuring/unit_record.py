"""What a report says of a layer's units: canonical or not, Gaussian or not, alike or not."""

import math
from dataclasses import replace
from operator import attrgetter
from typing import Final

from propstats.auditing.layer_statistics import ForwardStatistics
from propstats.auditing.measuring.call import Call
from propstats.auditing.measuring.statistics import UnitStatistics
from propstats.estimate import Estimate, Route
from propstats.rules.dense import Weights

#: Shares whose quantiles are reported.
SHARES: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
#: What is estimated of a layer's units, in the mean over them.
_STATISTICS: Final = (
    lambda moments: moments.mean.square(),
    attrgetter("variance"),
    attrgetter("skewness"),
    attrgetter("kurtosis"),
)


def with_units(record: ForwardStatistics, out: UnitStatistics) -> ForwardStatistics:
    """Return the record with what was measured of the units; as it is where nothing is finite."""
    units, found = out.units, out.correlation
    estimates = out.estimates(*_STATISTICS)
    if units is None or estimates is None:
        return record
    square, variance, skewness, kurtosis = (_estimate(*one, out.count) for one in estimates)
    spread = units.mean.numel() > 1
    return replace(
        record,
        unit_mean=_root(square) if square is not None else None,
        unit_var=variance,
        mean_spread=float(units.mean.std(correction=0)) if spread else None,
        var_spread=float(units.variance.std(correction=0)) if spread else None,
        skewness=skewness,
        kurtosis=kurtosis,
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


def _estimate(value: float, error: float, samples: int) -> Estimate | None:
    return Estimate(value, error, Route.MEASURED, samples) if math.isfinite(value) else None


def _root(square: Estimate) -> Estimate:
    root = math.sqrt(square.value)
    error = square.error / (2 * root) if root > 0 else square.error
    return Estimate(root, error, square.route, square.samples)
