import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from propstats.activations import activation
from propstats.errors import DomainError, UnknownNameError
from propstats.estimate import Estimate, Route
from propstats.expectation import quadrature
from propstats.simulation.averages import mean_of_counts
from propstats.simulation.jacobian import jacobian, summarise
from propstats.simulation.network import draw_jacobians
from propstats.theory.network import DenseNetwork
from propstats.theory.spectra.summary import SpectrumSummary
from propstats.theory.weights.schemes import weight_scheme

_NAMES = [field.name for field in dataclasses.fields(SpectrumSummary)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_papers_network(seed: int) -> None:
    """Depth 9, gamma = 1/J: theory within four standard errors of simulation, for all four numbers."""
    result = jacobian(width=64, draws=40, seed=seed)
    assert math.isclose(result.theory.mean_square.value, 1.0, rel_tol=1e-12)
    assert result.theory.mean_square.route is Route.CLOSED_FORM
    for name, z in result.z().items():
        assert abs(z) <= 4, (name, z)
    assert result.agree
    # Errors that are of use: a tenth of what they belong to.
    assert result.simulation.mean_square.error < 0.15
    assert result.theory.max.error < 0.5 * result.theory.max.value


def test_the_default_depth_is_the_papers() -> None:
    result = jacobian(width=16, draws=2)
    assert (result.depth, result.scheme, result.activation) == (9, "normprop", "relu")
    assert result.gamma == 1 / quadrature.moments(activation("relu"))["jacobian_factor"].value
    # "The singular values are 1.21" (or 1 after scaling) is true of their root mean square only (theory section 6).
    assert result.theory.max.value > 2 * math.sqrt(result.theory.mean_square.value)


@pytest.mark.parametrize(
    "options",
    [
        {"act": "relu", "gamma": 1.0},
        {"act": "relu", "scheme": "he"},
        {"act": "relu", "scheme": "orthogonal"},
        {"act": "prelu", "scheme": "he"},
        {"act": "tanh", "scheme": "lecun"},
        {"act": "tanh", "scheme": "torch", "depth": 4},
        {"act": "gelu", "depth": 4},
        {"act": "relu", "beta": 0.5, "gamma": 1.0},
        {"act": "erf", "scheme": "orthogonal"},
        {"act": "identity", "scheme": "orthogonal", "depth": 3},
        {"act": "identity", "scheme": "glorot", "depth": 3},
        {"act": "hardtanh", "scheme": "orthogonal", "depth": 2},
        {"act": "relu", "scheme": "he", "widths": (96, 64, 128, 32)},
        {"act": "relu", "scheme": "lecun", "sigma_w": 2.0, "widths": (40, 80, 60, 90)},
        {"act": "tanh", "scheme": "orthogonal", "widths": (96, 64, 64, 48)},
        {"act": "tanh", "scheme": "lecun", "sigma_w": 1.5, "sigma_b": 0.3, "depth": 4},
        {"act": "relu", "widths": (48, 96, 64)},
    ],
)
def test_theory_agrees_with_simulation(options: Mapping[str, Any]) -> None:
    result = jacobian(**{"depth": 6, "width": 64, "draws": 30, **options})
    assert result.agree, result.z()
    for layer in result.signal:
        # The signal's second moment, too; finite width shifts it by a share of depth/width.
        allowed = 5 * layer.simulation.error + layer.theory * result.depth / min(result.widths)
        assert abs(layer.simulation.value - layer.theory) <= allowed, layer


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("act", ["relu", "prelu", "hardtanh", "tanh", "abs"])
def test_shallow_orthogonal_networks(act: str, depth: int) -> None:
    """Projections and reflections: spectra with atoms and hard edges, where nothing is a square root."""
    result = jacobian(act, depth=depth, width=32, draws=20, scheme="orthogonal")
    assert result.agree, result.z()


def test_normalised_variance_is_lp() -> None:
    """Pennington et al.: L/p for Gaussian, L(1-p)/p for orthogonal weights, up to O(1/width)."""
    for scheme, exact in (("he", 12.0), ("orthogonal", 6.0)):
        values = [jacobian("relu", depth=6, width=w, draws=1, scheme=scheme).theory for w in (64, 128, 256)]
        gaps = [abs(v.normalised_variance.value - exact) for v in values]
        assert gaps[0] / gaps[1] > 1.5
        assert gaps[1] / gaps[2] > 1.5


def test_histogram_integrates_to_the_nonzero_share() -> None:
    result = jacobian(depth=3, width=64, draws=10, gamma=1.0)
    edges = np.array(result.histogram.edges)
    widths = np.diff(edges)
    assert len(result.histogram.simulation) == len(result.histogram.theory) == widths.size
    mass = float(np.array(result.histogram.simulation) @ widths)
    assert math.isclose(mass, 1 - result.simulation.zero_fraction.value, rel_tol=1e-12)
    assert edges[0] == 0.0
    assert edges[-1] >= result.simulation.max.value


def test_progress_counts_draws() -> None:
    seen: list[int] = []
    jacobian(width=8, draws=7, progress=seen.append)
    assert sum(seen) == 7


def test_a_network_that_is_always_dead_has_no_ratio() -> None:
    """Two units a layer, forty layers: nothing comes through, and nothing is divided by it."""
    result = jacobian(width=2, depth=40, draws=5)
    assert result.simulation.mean_square.value == 0.0
    assert not result.simulation.normalised_variance.is_defined


@pytest.mark.parametrize(
    ("draws", "width", "options"), [(2, 16, {}), (3, 16, {}), (3, 16, {"act": "tanh", "scheme": "lecun"})]
)
def test_few_draws_raise_no_false_alarm(draws: int, width: int, options: Mapping[str, Any]) -> None:
    """Fifty runs of two or three draws, whose scatter says next to nothing: by normal quantiles a third would alarm."""
    found = jacobian(depth=3, width=width, draws=1, **options)
    network = DenseNetwork(
        activation(found.activation), weight_scheme(found.scheme), found.widths, found.gamma, found.beta, found.sigma_b
    )
    drawn = list(draw_jacobians(network, draws=50 * draws))
    rms = math.exp(0.5 * sum(math.log(law.moment(1)) for law in network.slope_laws))
    for run in range(0, len(drawn), draws):
        few = drawn[run : run + draws]
        simulated = summarise(rms * np.stack([d.singular_values for d in few]), np.array([d.rank for d in few]))
        for name in _NAMES:
            assert getattr(found.theory, name).agrees_with(getattr(simulated, name)), (run, name)


def test_ranks_that_are_all_alike_prove_nothing() -> None:
    """Whole numbers coincide: their standard error is never 0, and still finds a share that is wrong."""
    alike = mean_of_counts(np.array([8, 8, 8]), 16)
    assert alike.agrees_with(Estimate(7 / 16, 0.0, Route.CLOSED_FORM))
    assert not mean_of_counts(np.full(100, 8), 16).agrees_with(Estimate(7 / 16, 0.0, Route.CLOSED_FORM))


def test_one_draw_has_no_standard_error() -> None:
    result = jacobian(width=8, depth=2, draws=1)
    assert math.isinf(result.simulation.mean_square.error)
    assert result.agree


def test_gamma() -> None:
    assert jacobian(depth=2, width=8, draws=2, gamma="jacobian").gamma == jacobian(depth=2, width=8, draws=2).gamma
    assert jacobian(depth=2, width=8, draws=2, gamma="1").gamma == 1.0
    for gamma in (None, 1, 1.0, "1"):
        assert jacobian(depth=2, width=8, draws=2, scheme="he", gamma=gamma).gamma == 1.0


@pytest.mark.parametrize(
    "options",
    [
        {"depth": 0},
        {"width": 0},
        {"gamma": 0},
        {"gamma": -1},
        {"gamma": math.nan},
        {"gamma": math.inf},
        {"gamma": "foo"},
        {"gamma": ""},
        {"draws": 0},
        {"draws": -1},
        {"beta": math.nan},
        {"beta": 0.5, "scheme": "he"},
        {"gamma": 0.9, "scheme": "he"},
        {"gamma": "jacobian", "scheme": "he"},
        {"width": 10**6},
        {"widths": (4, 0, 4)},
        {"widths": (4,)},
        {"sigma_b": -0.1},
        {"sigma_w": 0.0, "scheme": "lecun"},
        {"sigma_w": 1.0},
        {"device": "cuda:55"},
    ],
)
def test_bad_input(options: Mapping[str, Any]) -> None:
    with pytest.raises(DomainError) as caught:
        jacobian(**{"depth": 2, "width": 4, "draws": 2, **options})
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("options", [{"scheme": "foo"}, {"act": "relux"}, {"act": "prelu", "b": 1.0}])
def test_unknown_names(options: Mapping[str, Any]) -> None:
    with pytest.raises(UnknownNameError, match="known"):
        jacobian(**{"depth": 2, "width": 4, "draws": 2, **options})


@pytest.mark.slow
@pytest.mark.parametrize(("act", "scheme"), [("silu", "he")])
def test_infinite_width_theory_is_off_by_one_over_width(act: str, scheme: str) -> None:
    """The deviation of the mean square is a/width + b/width^2, within its standard errors, with an a that shows."""
    # Most draws where they tell most of a: wide networks scatter less, the narrowest tell of b.
    draws = {8: 8_000, 16: 12_000, 32: 4_000, 64: 4_000}
    widths = np.array(list(draws))
    gaps, errors = [], []
    for width, count in draws.items():
        result = jacobian(act, width=width, depth=3, scheme=scheme, draws=count)
        gaps.append(result.simulation.mean_square.value - result.theory.mean_square.value)
        errors.append(result.simulation.mean_square.error)
    # gap = a/n + b/n^2, fitted with weights; a constant term must be nothing.
    design = np.stack([np.ones(4), 1 / widths, 1 / widths**2], axis=1) / np.array(errors)[:, None]
    target = np.array(gaps) / np.array(errors)
    covariance = np.linalg.inv(design.T @ design)
    constant, first, _ = covariance @ design.T @ target
    assert abs(constant) <= 5 * math.sqrt(covariance[0, 0])
    assert abs(first) >= 3 * math.sqrt(covariance[1, 1]), "no deviation seen: the test could not fail"


def test_networks_that_all_died_say_nothing_of_those_that_do_not() -> None:
    """Four narrow draws let nothing through, where one in a billion does: that is no disagreement."""
    result = jacobian(width=16, draws=4, beta=-1.0)
    assert result.simulation.mean_square.value == 0.0
    assert result.simulation.mean_square.error == math.inf
    assert 0.0 < result.theory.mean_square.value < 1e-6
    assert result.agree
