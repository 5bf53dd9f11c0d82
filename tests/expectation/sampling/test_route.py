import math
from statistics import NormalDist

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from propstats.activations import Activation, activation
from propstats.errors import DomainError, UnknownNameError
from propstats.estimate import STANDARD_ERRORS, Estimate, Route
from propstats.expectation import quadrature
from propstats.expectation.moments import BASE
from propstats.expectation.sampling import METHODS, block_seed, moments
from propstats.expectation.sampling.draws import BLOCK, PIECE
from propstats.expectation.sampling.integrand import Integrand, Rows

_SOME = ("relu", "tanh", "gelu")


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_numbers(method: str) -> None:
    entry = activation("gelu")
    first, again, other = (moments(entry, samples=10_000, seed=seed, method=method) for seed in (3, 3, 4))
    assert first == again != other


@pytest.mark.parametrize("method", METHODS)
def test_global_generators_are_left_alone(method: str) -> None:
    torch.manual_seed(7)
    before, legacy = torch.random.get_rng_state(), repr(np.random.get_state())  # noqa: NPY002
    once = moments(activation("relu"), samples=5_000, method=method)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert repr(np.random.get_state()) == legacy  # noqa: NPY002
    torch.manual_seed(8)
    assert moments(activation("relu"), samples=5_000, method=method) == once


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "names", [("mean", "var"), ("gain", "second_moment"), ("jacobian_factor",), ("stability_slope",), ()]
)
def test_only_what_is_asked_for(names: tuple[str, ...], method: str) -> None:
    """The same samples, summed in another order; of the error, the part of the curvature is probed along other axes."""
    for name in (*_SOME, "step"):
        full = moments(activation(name), mean=0.3, std=1.7, samples=20_000, method=method)
        some = moments(activation(name), mean=0.3, std=1.7, samples=20_000, method=method, names=names)
        assert tuple(some) == names
        for quantity, estimate in some.items():
            assert estimate.is_defined == full[quantity].is_defined, quantity
            if estimate.is_defined:
                assert math.isclose(estimate.value, full[quantity].value, rel_tol=1e-12), quantity
                assert math.isclose(estimate.error, full[quantity].error, rel_tol=0.01), quantity


def test_the_slope_is_not_computed_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    fill = Integrand.fill

    def counting(self: Integrand, z: torch.Tensor, rows: Rows) -> Rows:
        seen.append((rows.slopes, z.numel()))
        return fill(self, z, rows)

    monkeypatch.setattr(Integrand, "fill", counting)
    moments(activation("tanh"), samples=3 * PIECE, names=("mean", "unit_variance_gain"))
    assert sum(n for slopes, n in seen if not slopes) == 3 * PIECE
    assert sum(n for slopes, n in seen if slopes) < PIECE  # where the samples are too few


def test_an_unknown_quantity() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown quantity 'varr' \(did you mean var"):
        moments(activation("tanh"), names=("varr",))


@pytest.mark.parametrize("name", _SOME)
def test_error_falls_like_one_over_sqrt_n(name: str) -> None:
    sizes = np.array([1 << 12, 1 << 14, 1 << 16, 1 << 18])
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


@pytest.mark.parametrize("samples", [2, 3, PIECE, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + 12_345])
def test_blocks_merge(samples: int) -> None:
    """Against one pass over all samples at once, drawn by the same seeds."""
    found = moments(activation("relu"), mean=0.5, std=2.0, samples=samples, seed=9)
    sizes = [min(BLOCK, samples - start) for start in range(0, samples, BLOCK)]
    parts = [
        np.random.Generator(np.random.SFC64(block_seed(9, block))).standard_normal(n) for block, n in enumerate(sizes)
    ]
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


def test_unknown_method() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown sampling method 'stratifed'.*did you mean stratified"):
        moments(activation("relu"), method="stratifed")


_STEP = Activation("step", "where(x > 0.3, 2, -1)")
_HARDSHRINK = Activation("hardshrink", "where(abs(x) > 0.5, x, 0)")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.7, 1.3), (-0.2, 0.5)])
def test_jumps_count(mean: float, std: float, method: str) -> None:
    """A step from -1 to 2 at k has `Var = 9 P(1 - P)`, `P = Phi(a)`, `a = (mu - k)/s`: all by differentiation."""
    a = (mean - 0.3) / std
    above, density = NormalDist().cdf(a), NormalDist().pdf(a)
    found = moments(_STEP, mean=mean, std=std, samples=20_000, method=method)
    expected = {
        "mean": 3 * above - 1,
        "var": 9 * above * (1 - above),
        "mean_slope": 0.0,
        "linear_slope": 3 * density / std,
        "var_rate": -9 / 2 * (1 - 2 * above) * a * density,
    }
    for quantity, value in expected.items():
        exact = Estimate(value, 1e-15 * (1 + abs(value)), Route.CLOSED_FORM)
        assert found[quantity].agrees_with(exact), (quantity, found[quantity], value)
        assert found[quantity].error <= 0.1


@pytest.mark.parametrize("activated", [_STEP, _HARDSHRINK], ids=str)
def test_the_slope_of_the_variance_is_that_of_the_variance(activated: Activation) -> None:
    """`var_rate` against central differences of the variance itself, which knows nothing of jumps."""
    step = 1e-3
    low, mid, high = (
        moments(activated, mean=0.2, std=math.exp(h), samples=1 << 19, method="stratified") for h in (-step, 0.0, step)
    )
    difference = (high["var"].value - low["var"].value) / (4 * step)
    error = math.hypot(high["var"].error, low["var"].error) / (4 * step)
    # The third derivative in log s is of order one: step^2/6 of it, with room.
    assert (
        abs(mid["var_rate"].value - difference) <= STANDARD_ERRORS * math.hypot(error, mid["var_rate"].error) + step**2
    )
    # That the jumps matter: without them the step would have no rate at all.
    assert abs(mid["var_rate"].value) > 100 * mid["var_rate"].error


def test_an_input_so_wide_that_no_sample_meets_the_activation() -> None:
    """Of N(3, 1e6^2) a thousand samples miss the unit interval around 0 in which tanh has a slope."""
    exact = quadrature.moments(activation("tanh"), mean=3.0, std=1e6)
    for method in METHODS:
        for seed in range(5):
            found = moments(activation("tanh"), mean=3.0, std=1e6, samples=1_000, seed=seed, method=method)
            for quantity in BASE:
                assert found[quantity].agrees_with(exact[quantity]), (method, quantity, found[quantity])


def test_rounding_counts_where_the_spread_is_below_it() -> None:
    """At 50 the sigmoid is 1 to all digits: a variance of 1e-43 cannot be had, and must not be called 0 +- 0."""
    exact = quadrature.moments(activation("sigmoid"), mean=50.0)
    for method in METHODS:
        found = moments(activation("sigmoid"), mean=50.0, samples=1_000, method=method)
        assert found["var"].agrees_with(exact["var"])
        assert 0 < found["var"].error < 1e-28


def test_only_what_divides_by_a_rare_moment_is_undefined() -> None:
    wide = moments(activation("tanh"), std=1e4, samples=2_000)
    assert wide["gain"].is_defined
    assert wide["normprop_scale"].is_defined
    assert not wide["jacobian_factor"].is_defined
