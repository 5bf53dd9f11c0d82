import math
from itertools import pairwise

import numpy as np
import pytest

from propstats.activations import activation, activation_names
from propstats.errors import DomainError
from propstats.expectation import quadrature
from propstats.theory.network import DenseNetwork
from propstats.theory.spectra.fluctuation import gain_variance
from propstats.theory.weights.schemes import weight_scheme


def _network(
    name: str = "relu",
    scheme: str = "normprop",
    depth: int = 5,
    width: int = 64,
    gamma: float = 1.0,
    beta: float = 0.0,
) -> DenseNetwork:
    return DenseNetwork(activation(name), weight_scheme(scheme), (width,) * (max(depth, 0) + 1), gamma, beta)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"depth": 0}, "depth must be at least 1, got 0"),
        ({"depth": -3}, "depth"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"gamma": 0.0}, "gamma must be a positive number"),
        ({"gamma": -1.0}, "gamma must be a positive number"),
        ({"gamma": math.nan}, "gamma must be a positive number"),
        ({"gamma": math.inf}, "gamma must be a positive number"),
        ({"beta": math.nan}, "beta must be a finite number"),
        ({"beta": math.inf}, "beta must be a finite number"),
    ],
)
def test_bad_numbers(changes: dict[str, float], word: str) -> None:
    with pytest.raises(DomainError, match=word):
        _network(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", activation_names())
def test_normprop_with_gamma_1_is_canonical(name: str) -> None:
    """Seed 002: unit variance in, unit variance out, at every depth (exactly, but for rounding that may grow)."""
    assert np.allclose(_network(name).second_moments, 1.0, rtol=1e-10)


def test_he_keeps_relu() -> None:
    assert np.allclose(_network(scheme="he", depth=30).second_moments, 1.0, rtol=1e-12)


def test_normprop_with_the_papers_gamma_is_isometric_but_shrinks() -> None:
    """Theory section 2: with gamma = 1/J slopes are isometric and the forward signal is not canonical."""
    factor = quadrature.moments(activation("relu"))["jacobian_factor"].value
    network = _network(gamma=1 / factor)
    for law in network.slope_laws:
        assert math.isclose(law.moment(1), 1.0, rel_tol=1e-12)
    q = network.second_moments
    assert all(after < before for before, after in pairwise(q))


@pytest.mark.parametrize(
    ("name", "scheme", "gain"),
    [("relu", "lecun", 0.5), ("identity", "uniform", 1 / 3), ("relu", "he", 1.0), ("prelu", "he", 1.0)],
)
def test_second_moments_of_homogeneous_networks(name: str, scheme: str, gain: float) -> None:
    assert np.allclose(_network(name, scheme).second_moments, gain ** np.arange(6.0), rtol=1e-12)


def test_the_signal_diverges_or_vanishes() -> None:
    with pytest.raises(DomainError, match="the signal vanishes at layer"):
        _ = _network(scheme="uniform", depth=300).second_moments
    with pytest.raises(DomainError, match="the signal diverges at layer"):
        _ = _network("identity", gamma=10.0, depth=300).second_moments


def test_dead_slopes_are_refused() -> None:
    with pytest.raises(DomainError, match="every slope of relu vanishes"):
        _ = _network(beta=-60.0).slope_laws


@pytest.mark.parametrize(
    ("name", "beta", "homogeneous"),
    [("relu", 0.0, True), ("prelu", 0.0, True), ("abs", 0.0, True), ("identity", 0.0, True), ("relu", 0.5, False),
     ("tanh", 0.0, False), ("hardtanh", 0.0, False), ("gelu", 0.0, False), ("relu6", 0.0, False)],
)  # fmt: skip
def test_homogeneity(name: str, beta: float, homogeneous: bool) -> None:
    assert _network(name, beta=beta).is_homogeneous is homogeneous


def test_fluctuations() -> None:
    assert gain_variance(_network("relu", depth=9)) == 0.0
    narrow, wide = (gain_variance(_network("tanh", "lecun", 9, width)) for width in (64, 256))
    assert narrow > 0
    assert math.isclose(narrow / wide, 4.0, rel_tol=1e-9)  # linear in 1/width
