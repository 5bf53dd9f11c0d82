"""phi(x) - phi(mean) as the integral of the slope, against thirty digits."""

import mpmath
import numpy as np
import pytest
from oracle import DIGITS, exactly

from propstats.activations import activation, activation_names
from propstats.expectation.quadrature.adaptive import resolved_panels
from propstats.expectation.quadrature.branches import branches
from propstats.expectation.quadrature.panels import FINE
from propstats.expectation.quadrature.primitive import primitive


@pytest.mark.parametrize(("mean", "std"), [(0.3, 1.7), (-8.0, 0.01)])
@pytest.mark.parametrize("name", activation_names())
def test_within_its_own_error(name: str, mean: float, std: float) -> None:
    entry = activation(name)
    own = branches(entry)
    panels = resolved_panels(own, mean, std)
    found = primitive(panels, own, mean, std)
    start = exactly(entry.formula, {"x": mean, **entry.params})
    for panel in range(0, panels.left.size, 5):
        for node in (0, FINE - 1):
            with mpmath.workdps(34):
                x = mpmath.mpf(mean) + mpmath.mpf(std) * mpmath.mpf(float(panels.z[panel, node]))
                symbols = {key: mpmath.mpf(value) for key, value in entry.params.items()}
            exact = exactly(entry.formula, {"x": x, **symbols}) - start
            bound = float(found.error[panel, 0]) + float(found.missed[panel])
            # z itself is what it is; what is left of it is the node's place in its panel, a rounding of z.
            slope = abs(float(panels.d[panel, node])) * std * 2.0**-52 * (1 + abs(float(panels.z[panel, node])))
            assert abs(float(found.y[panel, node]) - exact) <= bound + slope + 10.0 ** (1 - DIGITS), (panel, node)


def test_steps_know_the_jump_and_both_slopes() -> None:
    own = branches(activation("hardshrink"))
    steps = primitive(resolved_panels(own, 0.0, 1.0), own, 0.0, 1.0).steps
    assert [(step.z, step.jump, step.slopes) for step in steps] == [(-0.5, 0.5, (1.0, 0.0)), (0.5, 0.5, (0.0, 1.0))]
    assert [step.y for step in steps] == [-0.25, 0.25]


def test_the_digits_of_a_tiny_difference_survive() -> None:
    """tanh changes by 4e-14 there: its doubles know that to one part in 400, its slope to all digits."""
    own = branches(activation("tanh"))
    panels = resolved_panels(own, -16.0, 1.0)
    y = primitive(panels, own, -16.0, 1.0).y[:, :FINE]
    x = -16.0 + panels.z[:, :FINE]
    exact = 2 * np.exp(-32.0) * np.expm1(2 * (x + 16.0))  # and exp(4 x) beyond that
    near = np.abs(panels.z[:, :FINE]) < 1.0
    assert np.abs(y / exact - 1)[near].max() < 1e-12
