"""The data themselves: constant, uncentred, of unequal variances, or all of one sign."""

import math
from collections.abc import Iterator
from typing import Final

import torch

from propstats.auditing.judging.evidence import Evidence
from propstats.auditing.judging.limits import WARN_FACTOR
from propstats.auditing.judging.rule import ALWAYS, Family, FindingRule
from propstats.auditing.judging.simultaneous import Measured, above, interval
from propstats.auditing.records import Finding, Severity

#: The mean outweighs what varies.
OUTWEIGHED = 0.5
#: A mean as large as the standard deviation gives 84 % of Gaussian numbers its sign: E|mean sign| = erf(1/sqrt 2).
ONE_SIGN = math.erf(math.sqrt(0.5))
#: The logarithm of the variance of two numbers has tails too heavy for any interval.
_FEWEST: Final = 3

_LECUN = "LeCun et al. 1998, Efficient BackProp, section 4.3"
CONSTANT = FindingRule(
    "constant-data", "data that are all the same", "there is no signal to follow, before or after any layer",
    "data of variance 0 tell nothing apart", "by definition", "exact",
)  # fmt: skip
UNCENTRED = FindingRule(
    "uncentred-inputs",
    "data far from zero mean",
    "the weights of a first-layer unit are all pushed the same way, and one direction, the mean, learns much faster "
    "than the rest",
    "mean^2 is more than half of the second moment: along the mean the loss is more curved than along all other "
    "directions together",
    _LECUN,
    "the standard error comes from samples",
)
UNEQUAL = FindingRule(
    "unequal-variances",
    "features of very unequal size",
    "one learning rate serves features of one size: along a small feature the loss is flat",
    f"a feature's standard deviation is {WARN_FACTOR:.0f} times the median's or less than a tenth of it: curvatures go "
    f"with the square, {WARN_FACTOR**2:.0f} to 1",
    _LECUN,
    "standard errors of variances from fourth moments over samples, at least those of Gaussian data, simultaneous for "
    "all features; features that are constant are left out; for images, channels are compared, not pixels",
)
ZIG_ZAG = FindingRule(
    "zig-zag",
    "the gradients of a unit's weights share one sign",
    "the gradient of a weight is what arrives at its input times one number for the unit: where all inputs have one "
    "sign, all weights of a unit go up together or down together, and any other way has to be walked in a zig-zag",
    "the mean of |mean sign| is above erf(1/sqrt 2) = 0.683, what a mean as large as the standard deviation gives; "
    "for independent signs it is sqrt(2/(pi n))",
    "LeCun et al. 1998, Efficient BackProp, section 4.3",
    "per sample, over weights whose gradient is not zero; the standard error comes from at most 512 samples",
)


def sign_agreement(values: torch.Tensor) -> torch.Tensor:
    """Return `|mean sign|` of the numbers of each sample that are not zero, shape (samples,).

    The gradient of a unit's weights is its own gradient times these numbers, so that this is how far the signs of the
    updates agree.

    >>> sign_agreement(torch.tensor([[1.0, 2.0, 0.0], [1.0, -1.0, 0.0]])).tolist()
    [1.0, 0.0]
    """
    signs = values.double().flatten(1).sign()
    return signs.sum(dim=1).abs() / signs.abs().sum(dim=1).clamp(min=1.0)


def standard_error(values: torch.Tensor) -> float:
    """Return the standard error of the mean of one number per sample."""
    return float(values.std() / math.sqrt(len(values))) if len(values) > 1 else math.inf


def _constant(evidence: Evidence) -> Iterator[Finding]:
    inputs = evidence.probe.inputs
    if inputs.is_finite and inputs.var == 0.0:
        message = "all samples are the same: nothing can be told apart, before or after any layer"
        yield CONSTANT.finding(Severity.ERROR, None, 0.0, message, "audit with data that vary", expected=1.0)


def _uncentred(x: torch.Tensor) -> Iterator[Finding]:
    means, squares = x.mean(dim=1), x.square().mean(dim=1)
    m, q = float(means.mean()), float(squares.mean())
    if q == 0.0:
        return
    share = m**2 / q
    error = standard_error(2 * m / q * means - share / q * squares)  # the delta method
    low, high = interval(share, error, 1)
    if low > OUTWEIGHED:
        yield UNCENTRED.finding(
            Severity.WARNING,
            None,
            share,
            f"{share:.0%} of the data's second moment is its mean: the updates of a unit share one sign (zig-zag)",
            "subtract the mean: --normalize global or feature",
            interval=(low, min(high, 1.0)),
            expected=0.0,
            predicted=0.0,
        )


def _unequal(x: torch.Tensor, shape: tuple[int, ...]) -> Iterator[Finding]:
    features = x.reshape(len(x), *shape)
    features = features.flatten(2).transpose(0, 1).flatten(1).T if len(shape) > 2 else features
    if features.ndim != 2 or features.shape[1] < 2:  # a single plane or a sequence has no features to compare
        return
    centred = features - features.mean(dim=0)
    var = centred.square().mean(dim=0)
    varying = var > 0
    if int(varying.sum()) < 2 or len(x) < _FEWEST:
        return
    centred, var = centred[:, varying], var[varying]
    typical = float(var.median().sqrt())
    # The standard error of log std, with samples as units: positions of one image are not independent.
    fourth = (centred / var.sqrt()).pow(4).mean(dim=0)
    # It is no smaller than that of Gaussian numbers: few samples do not show how heavy their tails are.
    gaussian = torch.polygamma(1, torch.tensor((len(x) - 1) / 2, dtype=torch.float64)) / 4
    errors = ((fourth - 1.0) / (4 * len(x))).clamp(min=float(gaussian)).sqrt()
    ratios = (var.sqrt() / typical).log()
    names = torch.arange(len(varying))[varying].tolist()
    measured = [
        Measured(str(name), abs(ratio), error)
        for name, ratio, error in zip(names, ratios.tolist(), errors.tolist(), strict=True)
    ]
    found = above(measured, math.log(WARN_FACTOR))
    if found:
        worst = max(found, key=lambda beyond: beyond.value)
        low, high = (math.exp(end) for end in worst.interval)
        yield UNEQUAL.finding(
            Severity.WARNING,
            None,
            math.exp(worst.value),
            f"{len(found)} of {len(measured)} features differ from the median by more than x{WARN_FACTOR:.0f} in their "
            f"standard deviation, feature {worst.layer} by x{math.exp(worst.value):.3g}",
            "divide each feature by its standard deviation: --normalize feature",
            interval=(low, high),
            expected=1.0,
            predicted=1.0,
        )


def _zig_zag(x: torch.Tensor) -> Iterator[Finding]:
    agreement = sign_agreement(x)
    value, error = float(agreement.mean()), standard_error(agreement)
    low, high = interval(value, error, 1)
    if low > ONE_SIGN and x.shape[1] > 1:
        by_chance = math.sqrt(2.0 / (math.pi * x.shape[1]))
        yield ZIG_ZAG.finding(
            Severity.WARNING,
            None,
            value,
            f"the gradients of a first-layer unit's weights agree in sign to {value:.0%} (chance: {by_chance:.1%})",
            "subtract the mean: --normalize global or feature",
            interval=(low, min(high, 1.0)),
            expected=by_chance,
            predicted=by_chance,
        )


def _check(evidence: Evidence) -> Iterator[Finding]:
    yield from _constant(evidence)
    data, inputs = evidence.data, evidence.probe.inputs
    if data is None or not data.is_floating_point() or not inputs.is_finite or inputs.var == 0.0:
        return
    x = data.double().flatten(1)
    yield from _uncentred(x)
    yield from _unequal(x, tuple(data.shape[1:]))
    yield from _zig_zag(x)


FAMILY = Family((CONSTANT, UNCENTRED, UNEQUAL, ZIG_ZAG), _check, ALWAYS)
