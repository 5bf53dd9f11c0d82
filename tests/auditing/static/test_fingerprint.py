"""Weights are recognised for what they were drawn from."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from propstats.auditing.static.fingerprint import Fingerprint, fingerprint, kurtosis_error
from propstats.auditing.static.geometry import exact_law
from propstats.auditing.static.sums import sums
from propstats.estimate import STANDARD_ERRORS
from propstats.theory.geometry import Axis
from propstats.theory.weights.fans import Connections, dense
from propstats.theory.weights.schemes import Law

INIT = nn.init


def _of(weight: torch.Tensor, layer: Connections | None = None) -> Fingerprint:
    rows = weight.flatten(1)
    total = sums(rows)
    return fingerprint(total, layer or dense(rows.shape[1], rows.shape[0]), exact_law(rows, total.lengths))


def _truncated(weight: torch.Tensor, std: float) -> torch.Tensor:
    found: torch.Tensor = INIT.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)
    return found


def _unit(weight: torch.Tensor) -> torch.Tensor:
    drawn = weight.normal_()
    lengths: torch.Tensor = torch.linalg.vector_norm(drawn, dim=1, keepdim=True)
    return drawn / lengths


@pytest.mark.parametrize(
    ("draw", "name", "law"),
    [
        (INIT.kaiming_normal_, "he", Law.GAUSSIAN),
        (lambda w: INIT.kaiming_normal_(w, mode="fan_out"), "he_fan_out", Law.GAUSSIAN),
        (lambda w: INIT.kaiming_uniform_(w, nonlinearity="relu"), "he_uniform", Law.UNIFORM),
        (lambda w: INIT.kaiming_uniform_(w, a=math.sqrt(5)), "torch", Law.UNIFORM),
        (lambda w: INIT.kaiming_normal_(w, nonlinearity="linear"), "lecun", Law.GAUSSIAN),
        (INIT.xavier_normal_, "glorot", Law.GAUSSIAN),
        (INIT.xavier_uniform_, "glorot_uniform", Law.UNIFORM),
        (INIT.orthogonal_, "orthogonal", Law.ORTHOGONAL),
        (lambda w: _truncated(w, math.sqrt(1 / 128)), "truncated", Law.TRUNCATED),
        (lambda w: _truncated(w, math.sqrt(1 / 128) / 0.8796256610342398), "lecun_truncated", Law.TRUNCATED),
        (_unit, "normprop", Law.UNIT_ROWS),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_schemes(draw: Callable[[torch.Tensor], torch.Tensor], name: str, law: Law, dtype: torch.dtype) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        for rows in (64, 200):
            found = _of(draw(torch.empty(rows, 128)).to(dtype))
            assert found.laws[0] is law
            assert found.fits
            assert name in (found.scheme, *found.alike)
            assert found.z <= STANDARD_ERRORS


def test_a_scheme_of_another_size() -> None:
    generator = torch.Generator().manual_seed(0)
    found = _of(torch.randn(300, 200, generator=generator) * 0.13)
    assert found.laws[0] is Law.GAUSSIAN
    assert not found.fits
    assert found.alike == ()
    expected = 0.13**2 * 200 / 2
    assert found.scheme == "he"
    assert abs(found.ratio.value - expected) <= STANDARD_ERRORS * expected * math.sqrt(2 / 60000)


def test_an_orthogonal_matrix_with_a_gain() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = _of(INIT.orthogonal_(torch.empty(64, 64), gain=math.sqrt(2)))
    assert (found.laws, found.scheme, found.fits) == ((Law.ORTHOGONAL,), "orthogonal", False)
    assert abs(found.ratio.value - 2) < 1e-5


def test_convolutions_have_their_own_fans() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weight = INIT.xavier_uniform_(torch.empty(64, 16, 3, 3))
    layer = Connections(16, 64, axes=(Axis(3, kernel=3),) * 2)
    assert _of(weight, layer).scheme == "glorot_uniform"


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.laplace(size=(100, 100)),
        lambda rng: rng.normal(0.1, 1.0, size=(100, 100)),  # pushed to one side
        lambda rng: rng.choice([-1.0, 1.0], size=(100, 100)),
        lambda rng: rng.normal(size=(100, 100)) + np.outer(rng.normal(size=100), rng.normal(size=100)),
    ],
)
def test_what_training_leaves_is_no_law(
    draw: Callable[[np.random.Generator], np.ndarray[tuple[int, int], np.dtype[np.float64]]],
) -> None:
    found = _of(torch.from_numpy(draw(np.random.default_rng(1))))
    assert found.laws == ()
    assert not found.fits
    assert found.z > STANDARD_ERRORS


def test_few_weights_leave_several_laws() -> None:
    found = _of(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
    assert len(found.laws) > 1


@pytest.mark.parametrize(
    ("law", "distribution"),
    [(Law.GAUSSIAN, stats.norm()), (Law.UNIFORM, stats.uniform(-1, 2)), (Law.TRUNCATED, stats.truncnorm(-2, 2))],
)
def test_the_error_of_the_kurtosis(law: Law, distribution: Any) -> None:
    count, repeats = 2000, 400
    draws = distribution.rvs(size=(repeats, count), random_state=np.random.default_rng(0))
    kurtosis = (draws**4).mean(axis=1) / (draws**2).mean(axis=1) ** 2
    error = kurtosis_error(law, count)
    # A variance of so many numbers has a relative standard error of about sqrt(2/repeats); their law is near normal.
    assert abs(kurtosis.var() / error**2 - 1) <= STANDARD_ERRORS * math.sqrt(2 / repeats)
    exact = float(distribution.moment(4) / distribution.moment(2) ** 2)
    found = sums(torch.from_numpy(draws))
    assert abs(found.kurtosis - exact) <= STANDARD_ERRORS * kurtosis_error(law, draws.size)
