"""Gauss's rule between kinks: exact to rounding for what is not checked, honest for what is."""

import math
from typing import Any

import mpmath
import numpy as np
import pytest

from propstats.activations import Activation, activation
from propstats.expectation.quadrature import between_kinks
from propstats.expectation.quadrature.branches import Branches, branches
from propstats.expectation.quadrature.rule import gauss_legendre
from propstats.expectation.quadrature.sums import Gaussians, Sums

EPS = 2.0**-52


def _sums(own: Branches, mean: float, std: float, counts: tuple[int, ...], reach: float = 10.0) -> Sums:
    ends = [-reach, *(min(max((kink.at - mean) / std, -reach), reach) for kink in own.kinks), reach]
    inputs = Gaussians(mean, std, tuple(own.params.values()), (False, False))
    return between_kinks.sums(between_kinks.averages(own, np.array(ends), counts, reach, inputs))


@pytest.mark.parametrize("power", range(5))
@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 9.0), (-1.0, 10.0), (-2.0, 9.0), (3.0, 10.0), (8.0, 13.0), (-0.2, 0.3)]
)
def test_one_panel_is_enough_for_polynomials(power: int, low: float, high: float) -> None:
    """What `EXACT_DEGREE` claims: z^4 times the density, on a panel as wide as they come."""
    nodes, weights = gauss_legendre(30)
    z = low + (high - low) * nodes
    terms = z**power * np.exp(-0.5 * z * z) * (high - low) * weights
    with mpmath.workdps(30):
        edges = mpmath.linspace(low, high, 12)
        exact: Any = mpmath.quad(lambda u: u**power * mpmath.exp(-u * u / 2), edges)
        # Rounding of z is magnified by z where the density is.
        allowed = 8 * EPS * float(np.abs(terms * (1 + z * z)).sum())
    assert abs(float(terms.sum()) - exact) <= allowed


def test_relu_needs_no_second_rule() -> None:
    own = branches(activation("relu"))
    assert between_kinks.nodes(own, (1, 1)) == between_kinks.nodes(own, (0, 2)) == 8 + 60
    found = _sums(own, 0.0, 1.0, (1, 1))
    assert found.missed == (0.0,) * 5
    assert abs(found.mean - 1 / math.sqrt(2 * math.pi)) < 2 * EPS
    assert abs(found.yy - (0.5 - 0.5 / math.pi)) < 2 * EPS


def test_two_rules_see_what_is_too_narrow() -> None:
    """A bump of width 1/40 beside a kink, on one panel."""
    own = branches(Activation("own", "where(x > 0, exp(-800*(x - 1)**2), 0)"))
    few, many = (_sums(own, 0.0, 1.0, counts) for counts in ((1, 1), (1, 16)))
    assert few.missed[0] > 100 * abs(few.mean)  # nothing like it was seen, but the rules disagree
    exact = math.exp(-0.5 * 1600 / 1601) / math.sqrt(1601)
    assert abs(many.mean - exact) <= many.missed[0] + 8 * EPS


def test_many_inputs_are_as_many_single_ones() -> None:
    own = branches(activation("elu"))
    means, stds = np.array([0.3, -0.7]), np.array([1.0, 1.5])
    z = -means / stds
    ends = np.stack([np.full(2, -10.0), z, np.full(2, 10.0)], axis=-1)
    table = between_kinks.averages(own, ends, (1, 2), 10.0, Gaussians(means, stds, (1.0,), (False, False)))
    for i in range(2):
        one = between_kinks.averages(
            own, ends[i], (1, 2), 10.0, Gaussians(float(means[i]), float(stds[i]), (1.0,), (False, False))
        )
        for many, single in zip(table, one, strict=True):
            assert abs(many[i] - single) <= 16 * EPS * (1 + abs(single))


def test_panels_follow_the_scale() -> None:
    (tanh,) = branches(activation("tanh")).scales
    counts = [int(between_kinks.panels_of(tanh, std, 20.0, 1)) for std in (0.01, 1.0, 4.0)]
    assert counts == [2, 5, 20]
    assert int(between_kinks.panels_of(tanh, 1.0, 20.0, 2)) == 10


@pytest.mark.parametrize("count", [1, 3])
def test_rules_on_panels_that_share_an_interval(count: int) -> None:
    """The integral of x^9 over [0, 1] is 1/10, by either rule; without another one, both are the same."""
    for check in (True, False):
        places, weights = between_kinks.rules(count, check)
        assert np.allclose(places**9 @ weights[:, :2], 0.1, rtol=64 * 2.0**-52)
        assert not weights[:, 2].any()
        assert np.array_equal(weights[:, 0], weights[:, 1]) == (not check)
