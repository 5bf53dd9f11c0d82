"""Samples of pairs: against numbers that are known, and silent where samples know nothing."""

import math

import numpy as np
import pytest

from propstats.errors import DomainError
from propstats.estimate import STANDARD_ERRORS, Estimate
from propstats.expectation.dual.input import inputs
from propstats.expectation.sampling.dual import SAMPLED, dual_moments


def _sample(name: str, rho: list[float], *, seed: int = 0, samples: int = 40_000) -> dict[str, list[Estimate | None]]:
    return dual_moments(*inputs(name, None, 0.0, 1.0), np.array(rho), samples=samples, seed=seed)


def test_relu_within_its_standard_errors() -> None:
    """Cho & Saul 2009: E[y z], E[y^2] = 1/2, E[y]^2 = 1/(2 pi) and the slope."""
    rho = 0.5
    dual = (math.sqrt(1 - rho**2) + (math.pi - math.acos(rho)) * rho) / (2 * math.pi)
    covariance, variance = dual - 1 / (2 * math.pi), 0.5 - 1 / (2 * math.pi)
    exact = {
        "dual": dual,
        "cosine": 2 * dual,
        "covariance": covariance,
        "correlation": covariance / variance,
        "difference": 0.5 - dual,
        "slope": (math.pi - math.acos(rho)) / (2 * math.pi),
    }
    found = [_sample("relu", [rho], seed=seed) for seed in range(30)]
    for name in SAMPLED:
        z = [(e.value - exact[name]) / e.error for sample in found if (e := sample[name][0]) is not None]
        assert len(z) == len(found)
        assert max(map(abs, z)) <= STANDARD_ERRORS
        # Their squares add up to chi-squared with 30 degrees of freedom: below 8.9 or above 70 once in 20000 times.
        assert 8.9 <= sum(x * x for x in z) <= 70


def test_jumps_are_felt_by_the_density_alone() -> None:
    """The slope of E[sign u sign v] is 2/(pi sqrt(1 - rho^2)), which no derivative between the jumps sees."""
    [found] = _sample("sign", [0.6])["slope"]
    assert found is not None
    assert abs(found.value - 2 / (math.pi * 0.8)) <= STANDARD_ERRORS * found.error < 0.1


@pytest.mark.parametrize("rho", [1 - 1e-13, -1.0])
def test_what_no_sample_sees_has_no_error(rho: float) -> None:
    found = _sample("sign", [rho])
    assert all(values == [None] for values in found.values())


def test_correlations_do_not_know_of_each_other() -> None:
    together, alone = _sample("tanh", [0.1, 0.9]), _sample("tanh", [0.9])
    assert all(together[name][1] == alone[name][0] for name in SAMPLED)
    assert _sample("tanh", [0.9], seed=1) != alone


def test_global_state_is_left_alone() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    _sample("relu", [0.5])
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]  # noqa: NPY002


def test_refusals() -> None:
    with pytest.raises(DomainError, match="at least 2 samples"):
        _sample("relu", [0.5], samples=1)
    with pytest.raises(DomainError, match="seed must be at least 0"):
        _sample("relu", [0.5], seed=-1)
