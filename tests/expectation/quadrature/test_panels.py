"""Panels: where the integral is split."""

import numpy as np

from propstats.expectation.quadrature.panels import breakpoints


def test_breakpoints_hold_the_kinks() -> None:
    edges = breakpoints(0.3, 1.7, (0.0, 1.0))
    assert np.all(np.diff(edges) > 0)
    for kink in (0.0, 1.0):
        assert np.abs(edges - (kink - 0.3) / 1.7).min() < 1e-15
    assert edges[0] == -38.0
    assert edges[-1] == 38.0
