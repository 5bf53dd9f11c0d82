"""What a report says of units: exact for signals that were built to have it."""

import math

import pytest
import torch
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.measuring.batch_norm import running_gap
from propstats.auditing.measuring.statistics import UnitStatistics
from propstats.auditing.probing import probe
from propstats.estimate import STANDARD_ERRORS, Estimate


def near(found: Estimate | None, truth: float) -> None:
    assert found is not None
    assert abs(found.value - truth) <= STANDARD_ERRORS * found.error


def test_relu_of_gaussians() -> None:
    """A rectified Gaussian, whose moments are known: mean 1/sqrt(2 pi), half of it zero."""
    generator = torch.Generator().manual_seed(0)
    forward = audit(nn.Sequential(nn.ReLU()), torch.randn(8000, 10, generator=generator)).layers[0].forward
    mean, var = 1 / math.sqrt(2 * math.pi), 0.5 - 1 / (2 * math.pi)
    third = 2 * mean - 3 * mean * 0.5 + 2 * mean**3
    fourth = 1.5 - 4 * mean * 2 * mean + 6 * mean**2 * 0.5 - 3 * mean**4
    near(forward.unit_mean, mean)
    near(forward.unit_var, var)
    near(forward.skewness, third / var**1.5)
    near(forward.kurtosis, fourth / var**2)
    assert forward.zero_share is not None
    # 10 * 8000 coins.
    assert abs(forward.zero_share - 0.5) < STANDARD_ERRORS * 0.5 / math.sqrt(80_000)
    assert dict(forward.quantiles)[0.25] == 0.0
    # The density at the 95 % quantile, 1.645, is 0.103.
    assert abs(dict(forward.quantiles)[0.95] - 1.645) < 1.645 / 64 + STANDARD_ERRORS * math.sqrt(0.05 / 80_000) / 0.103
    assert forward.unit_correlation is not None
    assert forward.unit_correlation.value <= STANDARD_ERRORS * forward.unit_correlation.error + 0.02


def test_sign_agreement() -> None:
    """Inputs of one sign make the updates of a unit zig-zag; signs at random agree by chance only."""
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
    x = torch.randn(500, 64, generator=torch.Generator().manual_seed(0))
    first, act, last = audit(model, x).layers
    # E|mean of 64 random signs| = C(64, 32)/2^64 * 64/64 ... = 0.0993
    near(first.backward.sign_agreement, math.comb(64, 32) / 2**64)
    assert act.backward.sign_agreement is None
    assert last.backward.sign_agreement is not None
    assert last.backward.sign_agreement.value > 0.4  # half of the inputs are positive, none is negative
    positive = audit(model, x.abs()).layers[0].backward.sign_agreement
    assert positive is not None
    assert positive.value == 1.0


def test_running_statistics() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    x = 10 * torch.randn(256, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    stale = audit(model, x).layers[1].running
    assert stale is not None
    assert stale.variance > 1
    model.train()
    norm = model[1]
    assert isinstance(norm, nn.BatchNorm2d)
    norm.momentum = None  # cumulative: one batch is what remains
    norm.reset_running_stats()
    model(x)
    fresh = audit(model, x).layers[1].running
    assert fresh is not None
    # torch divides by n - 1 in float32.
    assert fresh.mean < 1e-6
    assert fresh.variance < 2 / (256 * 36)
    assert audit(model, x).layers[0].running is None
    assert running_gap(probe(nn.BatchNorm1d(3, track_running_stats=False), torch.randn(9, 3)).calls[0]) is None


def test_errors_by_leaving_groups_out_are_those_of_independent_samples() -> None:
    """Of a mean the jackknife's error is known: it must be the usual one, up to the scatter of eight groups."""
    ratios = []
    for seed in range(30):
        found = UnitStatistics()
        found.add(torch.randn(400, 1, generator=torch.Generator().manual_seed(seed)))
        estimates = found.estimates(lambda moments: moments.mean)
        assert estimates is not None
        ratios.append((estimates[0][1] * math.sqrt(400)) ** 2)
    # Each is chi-squared with 7 degrees of freedom over 7: variance 2/7.
    assert sum(ratios) / 30 == pytest.approx(1.0, abs=STANDARD_ERRORS * math.sqrt(2 / 7 / 30))
    few = UnitStatistics()
    few.add(torch.randn(10, 1))
    estimates = few.estimates(lambda moments: moments.mean)
    assert estimates is not None
    assert estimates[0][1] == math.inf
