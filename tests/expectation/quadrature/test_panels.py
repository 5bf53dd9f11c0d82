"""Panels: where the integral is split, and which branch is evaluated on them."""

import numpy as np

from propstats.activations import activation
from propstats.expectation.quadrature.branches import branches
from propstats.expectation.quadrature.panels import COARSE, FINE, Z_MAX, breakpoints, evaluate_on


def test_breakpoints_hold_the_kinks() -> None:
    edges = breakpoints(0.3, 1.7, (0.0, 1.0))
    assert np.all(np.diff(edges) > 0)
    for kink in (0.0, 1.0):
        assert np.abs(edges - (kink - 0.3) / 1.7).min() < 1e-15
    assert (edges[0], edges[-1]) == (-Z_MAX, Z_MAX)


def test_nothing_is_left_of_the_density_at_the_ends() -> None:
    assert np.exp(-0.5 * Z_MAX * Z_MAX) < 1e-313


def test_a_wide_input_is_split_down_to_the_scale_of_the_activation() -> None:
    edges = breakpoints(0.0, 1e6, (), ((3.0, 1.0),))
    assert np.abs(edges * 1e6 - 3.0).min() < 1e-9
    around = np.sort(np.abs(edges * 1e6 - 3.0))
    assert around[1] <= 0.125 * (1 + 1e-9)
    assert np.diff(edges).max() <= 6.0


def test_next_to_a_kink_the_panel_decides_which_branch_it_is() -> None:
    """At mean 1e6 and std 1e-12 every x is the same double, on either side of a kink there."""
    step = branches(activation("threshold", threshold=1e6, value=-7.0))
    panels = evaluate_on(step, 1e6, 1e-12, np.array([-1.0, 0.0]), np.array([1.0, 1.0]))
    assert panels.f.shape == (2, FINE + COARSE)
    assert (panels.f[0] == -7.0).all()
    assert (panels.f[1] == 1e6).all()


def test_panels_join_in_order() -> None:
    relu = branches(activation("relu"))
    first, second = (evaluate_on(relu, 0.0, 1.0, np.array([left]), np.array([1.0])) for left in (1.0, 0.0))
    both = first.join(second)
    assert both.left.tolist() == [0.0, 1.0]
    assert np.array_equal(both.keep(np.array([False, True])).f, first.f)
