import math
import statistics

import numpy as np
import pytest
import torch
from scipy.stats import norm, t

from propstats.activations import Activation, activation, activation_names
from propstats.errors import DomainError
from propstats.estimate import STANDARD_ERRORS, Estimate, Route
from propstats.expectation import quadrature
from propstats.expectation.sampling import moments
from propstats.expectation.sampling import stratified as module
from propstats.expectation.sampling.integrand import Integrand
from propstats.expectation.sampling.stratified import MIN_SAMPLES, REPLICATES, stratified

_CPU = torch.device("cpu")
_INPUTS = [(0.0, 1.0), (0.3, 1.7), (-8.0, 1.0), (10.0, 0.01), (50.0, 1.0), (0.0, 1e3), (-20.0, 1.0), (0.1, 1e5)]


@pytest.mark.parametrize(("mean", "std"), _INPUTS)
@pytest.mark.parametrize("name", activation_names())
def test_agrees_with_quadrature(name: str, mean: float, std: float) -> None:
    """From the fewest samples, where every claim of an error is made on thin ice, to where only rounding is left."""
    exact = quadrature.moments(activation(name), mean=mean, std=std)
    for samples in (MIN_SAMPLES, 1_000, 20_000):
        found = moments(activation(name), mean=mean, std=std, samples=samples, seed=samples, method="stratified")
        for quantity, estimate in found.items():
            assert estimate.agrees_with(exact[quantity]), (samples, quantity, estimate, exact[quantity])


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu", "silu", "selu", "sigmoid", "softplus", "hardtanh", "erf"])
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.3, 1.7)])
def test_a_hundred_times_fewer_samples(name: str, mean: float, std: float) -> None:
    """64,000 of them are at least as sure as 6.4 million independent ones; where slopes jump, twice as many are."""
    independent = moments(activation(name), mean=mean, std=std, samples=64_000)
    few = moments(activation(name), mean=mean, std=std, samples=64_000, seed=3, method="stratified")
    # The error of a hundred times as many independent ones is a tenth.
    relative = {q: 10 * few[q].error / e.error for q, e in independent.items() if e.error > 1e-14}
    assert statistics.median(relative.values()) <= 1
    assert max(relative.values()) <= 2, relative


def test_error_falls_like_n_to_the_three_halves() -> None:
    sizes = np.array([1 << 10, 1 << 12, 1 << 14, 1 << 16])
    runs = [moments(activation("gelu"), samples=int(n), method="stratified") for n in sizes]
    for quantity in ("mean", "var", "slope_second_moment", "gain", "jacobian_factor"):
        slope = float(np.polyfit(np.log(sizes), np.log([run[quantity].error for run in runs]), 1)[0])
        assert -1.75 <= slope <= -1.25, (quantity, slope)


#: Up to three bends and jumps in awkward places, a bump, and waves that the coarser grids cannot follow.
_ROUGH = (
    Activation("jump", "where(x > 0.1234, 1, 0)"),
    Activation("comb", "where(x > -1.03, 1, 0) - where(x > 0.17, 1, 0) + where(x > 0.9, 1, 0)"),
    Activation("bends", "abs(x - 0.31) - abs(x + 1.7)/3 + max(x - 2, 0)"),
    Activation("bump", "exp(-500*(x - 0.4)**2)"),
    Activation("waves", "sin(400*x) + cos(77*x)"),
)


@pytest.mark.parametrize("rough", _ROUGH, ids=str)
def test_five_errors_are_never_exceeded(rough: Activation) -> None:
    """Two hundred seeds: not one may be five errors off; and the mean square of the z-scores stays below one."""
    integrand = Integrand(rough, 0.0, 1.0)
    exact = quadrature.moments(rough)["mean"]
    z = []
    for seed in range(200):
        running, _ = stratified(integrand, 640, seed, _CPU, 1)
        error = math.sqrt(running.covariance[0, 0] / REPLICATES)
        z.append((integrand.shift + running.mean[0] - exact.value) / error)
    assert max(map(abs, z)) <= t.isf(norm.sf(STANDARD_ERRORS), REPLICATES - 1)
    # Of 200 z-scores of Student's t, the mean square is 63/61 +- 0.1 if replicates are normal.
    assert np.mean(np.square(z)) <= 63 / 61 + STANDARD_ERRORS * 0.1


@pytest.mark.parametrize("rough", _ROUGH, ids=str)
def test_each_replicate_is_unbiased(rough: Activation) -> None:
    """The mean over 300 seeds, whose errors are independent, is the truth within its own standard error."""
    integrand = Integrand(rough, 0.0, 1.0)
    exact = quadrature.moments(rough)["mean"]
    means = np.array([stratified(integrand, 320, seed, _CPU, 1)[0].mean[0] for seed in range(300)]) + integrand.shift
    assert abs(means.mean() - exact.value) <= STANDARD_ERRORS * means.std(ddof=1) / math.sqrt(300) + 1e-14


@pytest.mark.parametrize("inside", [0.25, 0.5])
def test_on_even_grids_the_error_would_lie(monkeypatch: pytest.MonkeyPatch, inside: float) -> None:
    """The planted fault: without random points in the parts, two jumps a whole number of parts apart go unseen."""
    parts = 150
    # u = 1/2 +- 30.001/(2 parts): 30 points between the jumps for 999 grids of 1000.
    width = math.tan(math.pi * 30.001 / (2 * parts))
    window = Activation("window", f"where(abs(x) > {width!r}, 0, 1)")
    exact = quadrature.moments(window)["mean"]
    samples = parts * REPLICATES
    assert moments(window, samples=samples, method="stratified")["mean"].agrees_with(exact)

    class Even:
        def random(self, size: int | tuple[int, int]) -> np.ndarray:
            return np.full(size, inside)

    monkeypatch.setattr(module, "generator", lambda seed, block: Even())
    assert not moments(window, samples=samples, method="stratified")["mean"].agrees_with(exact)


@pytest.mark.parametrize("seed", range(20))
def test_jumps_a_whole_number_of_parts_apart(seed: int) -> None:
    """Of this kind are hardsigmoid and hardshrink, with 1250 parts: 20 sizes around it, as many seeds."""
    for name in ("hardshrink", "hardsigmoid", "softshrink"):
        exact = quadrature.moments(activation(name))
        samples = REPLICATES * (1250 // 4 + seed)
        found = moments(activation(name), samples=samples, seed=seed, method="stratified")
        assert all(found[q].agrees_with(exact[q]) for q in found), name


@pytest.mark.parametrize("samples", [256, 16_000, 64 * 500 + 7])
def test_as_many_workers_as_you_like(samples: int) -> None:
    integrand = Integrand(activation("selu"), 0.3, 1.7)
    alone, size = stratified(integrand, samples, 5, _CPU, 1)
    for workers in (2, 5):
        together, same = stratified(integrand, samples, 5, _CPU, workers)
        assert np.array_equal(together.mean, alone.mean)
        assert np.array_equal(together.scatter, alone.scatter)
        assert np.array_equal(same, size)


def test_says_how_many_samples_it_used() -> None:
    assert moments(activation("relu"), samples=1_003, method="stratified")["mean"].samples == 960


@pytest.mark.parametrize("samples", [-1, 0, 2, MIN_SAMPLES - 1])
def test_too_few_samples(samples: int) -> None:
    with pytest.raises(DomainError, match="stratified sampling needs at least 256 samples"):
        moments(activation("relu"), samples=samples, method="stratified")


def test_five_errors_mean_the_same_with_few_replicates() -> None:
    found = moments(activation("tanh"), samples=4096, method="stratified")["second_moment"]
    assert found.freedom == REPLICATES - 1
    beyond = t.isf(norm.sf(STANDARD_ERRORS), REPLICATES - 1)
    exact = Estimate(found.value + beyond * found.error, 0.0, Route.QUADRATURE)
    assert math.isclose(found.z(exact), STANDARD_ERRORS, rel_tol=1e-9)


def test_a_point_mass() -> None:
    found = moments(activation("tanh"), mean=1.0, std=0.0, samples=256, method="stratified")
    assert math.isclose(found["mean"].value, math.tanh(1.0), rel_tol=1e-15)
    assert found["var"].value == 0.0
