"""Many inputs on the same nodes: the numbers of thirty digits, within their own bounds, whoever shares the nodes."""

import math

import mpmath
import numpy as np
import pytest
from oracle import oracle_moments

from propstats.activations import Activation, activation, activation_names
from propstats.expectation import quadrature
from propstats.expectation.moments import BASE
from propstats.expectation.quadrature import charts, grid, shared, vectorised
from propstats.expectation.quadrature.branches import branches
from propstats.expectation.quadrature.sums import Sums

_RNG = np.random.default_rng(7)
#: Ordinary inputs, with one among them that the oracle knows.
_MEANS, _STDS = np.append(_RNG.uniform(-2, 2, 199), 0.3), np.append(_RNG.uniform(0.5, 2, 199), 1.7)


def _sums(name: str, mean: np.ndarray, std: np.ndarray) -> list[tuple[np.ndarray, Sums]]:
    own = branches(activation(name))
    with np.errstate(all="ignore"):
        return [
            (np.arange(mean.size)[which], sums)
            for which, sums in shared.sums(own, mean, std, vectorised.attempts(own)[0][0])
        ]


@pytest.mark.parametrize("name", activation_names())
def test_against_thirty_digits(name: str) -> None:
    """A few units of rounding relative to the size of what is averaged: sums of hundreds of terms."""
    exact = oracle_moments(name, 0.3, 1.7)
    found = quadrature.values(activation(name), _MEANS, _STDS)
    second, energy = (math.sqrt(float(exact[key])) for key in ("second_moment", "slope_second_moment"))
    sizes = {
        "mean": second, "second_moment": second**2, "var": second**2, "mean_slope": energy,
        "slope_second_moment": energy**2, "linear_slope": energy, "var_rate": 1.7 * second * energy,
    }  # fmt: skip
    for key in BASE:
        gap = float(abs(mpmath.mpf(float(found[key][-1])) - exact[key]))
        assert gap <= found.error(key)[-1], key
        assert gap <= 1e-14 * max(sizes[key], 1.0), key


@pytest.mark.parametrize("name", activation_names())
def test_ordinary_inputs_share_nodes(name: str) -> None:
    order = shared.order(_MEANS, _STDS)
    found = _sums(name, _MEANS[order], _STDS[order])
    assert sum(which.size for which, _ in found) == _MEANS.size


def test_order_puts_those_together_that_share_nodes() -> None:
    mean, std = np.array([0.0, 100.0, 1.0, 0.5]), np.array([1.5, 1.2, 3.0, 1.1])
    assert shared.order(mean, std).tolist() == [3, 0, 1, 2]
    assert shared.order(np.empty(0), np.empty(0)).size == 0


@pytest.mark.parametrize("mean", [0.0, 40.0, -1e5])
@pytest.mark.parametrize("std", [1e-3, 0.7, 30.0])
@pytest.mark.parametrize("name", ["tanh", "relu", "elu", "silu", "softsign", "hardtanh", "cube", "step", "cos"])
def test_others_do_not_matter(name: str, mean: float, std: float) -> None:
    """In a crowd or alone, near or far: each within what both say of themselves."""
    means, stds = mean + std * np.linspace(-1, 1, 40), std * np.linspace(1.0, 1.9, 40)
    crowd = quadrature.values(activation(name), means, stds)
    for i in (0, 17, 39):
        one = quadrature.values(activation(name), float(means[i]), float(stds[i]))
        assert (np.abs(crowd.moments[:, i] - one.moments) <= crowd.errors[:, i] + one.errors).all()


def test_every_rule_in_one_call() -> None:
    """Narrow inputs along hardtanh: on either kink, and on the line between them."""
    means, stds = np.linspace(-1.15, 1.15, 2000), np.tile([0.02, 0.025, 0.028, 0.03], 500)
    order = shared.order(means, stds)
    assert sum(which.size for which, _ in _sums("hardtanh", means[order], stds[order])) > 1000
    crowd = quadrature.values(activation("hardtanh"), means, stds)
    for i in range(0, 2000, 90):
        one = quadrature.values(activation("hardtanh"), float(means[i]), float(stds[i]))
        assert (np.abs(crowd.moments[:, i] - one.moments) <= crowd.errors[:, i] + one.errors).all()


def test_tiny_variances_keep_their_digits() -> None:
    """sigmoid far out: 1 - phi is e^-x, and the variance is that of a log-normal, 1e-15 where phi^2 is 1."""
    means, stds = np.linspace(17.0, 19.0, 50), np.linspace(0.5, 0.9, 50)
    found = quadrature.values(activation("sigmoid"), means, stds)
    expected = np.exp(-2 * means + stds**2) * np.expm1(stds**2)
    assert (found["var"] < 2e-15).all()
    assert np.allclose(found["var"], expected, rtol=1e-6, atol=0.0)  # the next term is e^-x, 4e-8, smaller
    assert (found.error("var") <= 1e-10 * found["var"]).all()


def test_what_nodes_do_not_reach_is_seen() -> None:
    """relu 12 standard deviations below its kink: all that there is lies beyond nodes that end at 10."""
    means, stds = np.linspace(-12.4, -12.0, 50), np.linspace(1.0, 1.01, 50)
    found = quadrature.values(activation("relu"), means, stds)
    exact = oracle_tail(float(means[-1]) / float(stds[-1])) * stds[-1] ** 2
    assert abs(found["second_moment"][-1] - exact) <= 1e-10 * exact


def oracle_tail(mu: float) -> float:
    """E[max(x, 0)^2] = (1 + mu^2) Phi(mu) + mu phi(mu) under N(mu, 1)."""
    with mpmath.workdps(60):
        m = mpmath.mpf(mu)
        return float((1 + m * m) * mpmath.ncdf(m) + m * mpmath.npdf(m))


@pytest.mark.slow
def test_widths_that_underflow() -> None:
    found = quadrature.values(activation("tanh"), np.zeros(30), np.full(30, 1e-310))
    assert (np.abs(found["mean_slope"] - 1.0) <= found.error("mean_slope")).all()


def test_poles_that_the_formula_hides_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With nodes four times too wide apart, finer ones object, and no nodes are shared."""
    spread = charts.evenly
    monkeypatch.setattr(
        grid, "evenly", lambda chart, scale, ends, inputs, finer: spread(chart, scale, ends, inputs, finer / 4)
    )
    own = branches(Activation("planted", "tanh(3*x + 0)"))
    order = shared.order(_MEANS, _STDS)
    assert not list(shared.sums(own, _MEANS[order], _STDS[order], 9.0))
