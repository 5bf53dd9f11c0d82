import math

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from propstats.activations import activation
from propstats.errors import DomainError
from propstats.estimate import STANDARD_ERRORS, Route
from propstats.expectation import quadrature
from propstats.expectation.moments import BASE
from propstats.expectation.sampling import BLOCK, block_seed, moments, resolve_device

_SOME = ("relu", "tanh", "gelu")


def test_same_seed_same_numbers() -> None:
    entry = activation("gelu")
    assert moments(entry, samples=10_000, seed=3) == moments(entry, samples=10_000, seed=3)
    assert moments(entry, samples=10_000, seed=3) != moments(entry, samples=10_000, seed=4)


def test_torch_global_generator_is_left_alone() -> None:
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    moments(activation("relu"), samples=5_000)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(8)
    assert moments(activation("relu"), samples=5_000, seed=1) == moments(activation("relu"), samples=5_000, seed=1)


@pytest.mark.parametrize("name", _SOME)
def test_error_falls_like_one_over_sqrt_n(name: str) -> None:
    sizes = np.array([1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 17])
    runs = [moments(activation(name), samples=int(n)) for n in sizes]
    for quantity in ("second_moment", "var", "slope_second_moment", "gain", "jacobian_factor"):
        errors = [run[quantity].error for run in runs]
        slope = float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])
        assert -0.6 <= slope <= -0.4, (quantity, slope)


@pytest.mark.parametrize("name", _SOME)
def test_standard_errors_are_calibrated(name: str) -> None:
    """The z-scores of 40 seeds have variance 1: their sum of squares is chi-square, up to a smooth bias of 1/n."""
    seeds, entry = 40, activation(name)
    exact = quadrature.moments(entry, mean=0.3, std=1.7)
    runs = [moments(entry, mean=0.3, std=1.7, samples=5_000, seed=seed) for seed in range(seeds)]
    # Fourteen quantities and three activations: one false alarm in a thousand suites of another seed.
    low, high = (float(chi2.ppf(p, df=seeds)) / seeds for p in (1e-5, 1 - 1e-5))
    for quantity, truth in exact.items():
        z = np.array([(run[quantity].value - truth.value) / run[quantity].error for run in runs])
        assert low <= float((z**2).mean()) <= high, (quantity, float((z**2).mean()))
        assert abs(float(z.mean())) <= STANDARD_ERRORS / math.sqrt(seeds), quantity


@pytest.mark.parametrize("samples", [2, 3, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + 12_345])
def test_blocks_merge(samples: int) -> None:
    """Against one pass over all samples at once, drawn by the same seeds."""
    found = moments(activation("relu"), mean=0.5, std=2.0, samples=samples, seed=9)
    parts = []
    for block, start in enumerate(range(0, samples, BLOCK)):
        generator = torch.Generator().manual_seed(block_seed(9, block))
        parts.append(torch.randn(min(BLOCK, samples - start), generator=generator, dtype=torch.float64).numpy())
    x = 0.5 + 2.0 * np.concatenate(parts)
    assert x.size == samples
    y = np.maximum(x, 0.0)
    # Sums of n terms in any order: n eps at the very worst, sqrt(n) eps in practice.
    rel = samples * 2.0**-52
    assert math.isclose(found["mean"].value, y.mean(), rel_tol=rel, abs_tol=1e-15)
    assert math.isclose(found["second_moment"].value, (y**2).mean(), rel_tol=rel, abs_tol=1e-15)
    assert math.isclose(found["var"].value, y.var(), rel_tol=8 * rel, abs_tol=1e-15)
    standard_error = y.std(ddof=1) / math.sqrt(samples)
    # What the samples cannot have seen comes on top.
    assert found["mean"].error >= standard_error * (1 - 1e-9)
    if samples >= BLOCK - 1:
        assert found["mean"].error <= 1.05 * standard_error
    assert found["mean"].samples == samples
    assert found["mean"].route is Route.SAMPLING


def test_a_rare_event_that_never_came_is_in_the_error() -> None:
    """A thousand samples of N(-4, 1) may never be positive: the truth must lie within the error all the same."""
    for seed in range(20):
        for name in ("relu", "hardtanh", "relu6"):
            entry = activation(name)
            found = moments(entry, mean=-4.0, samples=1_000, seed=seed)
            exact = quadrature.moments(entry, mean=-4.0)
            for quantity in BASE:  # ratios of these are beyond the delta method while their errors are of order one
                assert found[quantity].agrees_with(exact[quantity]), (name, quantity, seed)


def test_no_cancellation_far_from_zero() -> None:
    """Around 10 with a spread of 0.01, squares would cancel seven digits."""
    found = moments(activation("identity"), mean=10.0, std=0.01, samples=50_000)
    assert found["var"].agrees_with(quadrature.moments(activation("identity"), mean=10.0, std=0.01)["var"])
    assert found["var"].error < 0.01 * 1e-4


def test_point_mass_needs_no_luck() -> None:
    found = moments(activation("tanh"), mean=1.0, std=0.0, samples=100)
    assert math.isclose(found["mean"].value, math.tanh(1.0), rel_tol=1e-15)
    assert found["var"].value == 0.0
    assert not found["jacobian_factor"].is_defined


@pytest.mark.parametrize("samples", [1, 0, -1])
def test_too_few_samples(samples: int) -> None:
    with pytest.raises(DomainError, match="at least 2 samples"):
        moments(activation("relu"), samples=samples)


@pytest.mark.parametrize("device", ["nonsense", "cuda:99", "meta:x", ""])
def test_unknown_devices(device: str) -> None:
    with pytest.raises(DomainError, match="not available") as caught:
        resolve_device(device)
    assert len(str(caught.value).splitlines()) == 1


def test_known_devices() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in ("cpu", "cuda")


def test_block_seeds_differ() -> None:
    seeds = {block_seed(seed, block) for seed in range(30) for block in range(30)}
    assert len(seeds) == 900
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("name", ["gelu", "gelu_tanh", "silu", "mish", "softplus", "sigmoid"])
@pytest.mark.parametrize("mean", [-12.0, -20.0])
def test_agrees_deep_in_the_tail(name: str, mean: float) -> None:
    """Where the activation is 1e-10 and less, every digit of the sampling route must still be right."""
    entry = activation(name)
    sampled, exact = moments(entry, mean=mean, samples=20_000), quadrature.moments(entry, mean=mean)
    for quantity, estimate in sampled.items():
        assert estimate.agrees_with(exact[quantity]), (quantity, estimate, exact[quantity])


def test_too_few_samples_of_a_rare_event_claim_nothing() -> None:
    # The delta method would say 84 +- 42 where the gain is 569.
    from propstats.theory.unit import moments as by_all_routes

    rare = by_all_routes("relu", mean=-4.0, samples=1000, seed=17)
    assert rare.agree
    assert not rare.scales.gain.routes[Route.SAMPLING].is_defined
    assert by_all_routes("relu", samples=1000, seed=17).scales.gain.routes[Route.SAMPLING].is_defined
