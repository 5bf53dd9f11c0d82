import numpy as np
import pytest

from propstats.activations import activation
from propstats.theory.design.frontier import frontier, most_nonlinear
from propstats.theory.design.unit import NormalisedUnit


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu", "hardtanh"])
@pytest.mark.parametrize("growth", [1.02, 1.1])
def test_nothing_allowed_nearby_is_more_nonlinear(name: str, growth: float) -> None:
    """Steps away from the optimum either break a bound or lose nonlinearity."""
    act = activation(name)
    best = most_nonlinear(act, growth)
    assert best is not None
    assert 1 <= best.growth <= growth
    assert abs(best.stability) <= 1
    for gamma_factor in (0.9, 1.0, 1.1):
        for beta_step in (-0.1, 0.0, 0.1):
            unit = NormalisedUnit.matched(act, best.gamma * gamma_factor, best.beta + beta_step * best.gamma)
            found = unit.quantities
            j2, s = found["jacobian_factor"].value ** 2, found["stability_slope"].value
            if j2 <= growth and abs(s) <= 1:
                assert found["nonlinear_share"].value <= best.nonlinear_share + 1e-12


def test_the_point_is_the_unit() -> None:
    best = most_nonlinear(activation("gelu"), 1.05)
    assert best is not None
    found = NormalisedUnit.matched(activation("gelu"), best.gamma, best.beta).quantities
    assert best.growth == pytest.approx(found["jacobian_factor"].value ** 2, rel=1e-10)
    assert best.nonlinear_share == pytest.approx(found["nonlinear_share"].value, rel=1e-8)
    assert best.stability == pytest.approx(found["stability_slope"].value, rel=1e-8)


def test_more_growth_buys_nonlinearity() -> None:
    shares = [point.nonlinear_share for point in frontier(activation("tanh"), np.array([1.01, 1.05, 1.1, 1.2]))]
    assert len(shares) == 4
    assert shares == sorted(shares)
    # Half of what the mean Hermite degree allows: all that is not linear would be of second degree.
    for point in frontier(activation("gelu"), np.array([1.01, 1.1])):
        assert point.nonlinear_share <= point.growth - 1 + 1e-12


def test_a_line_has_no_frontier() -> None:
    assert most_nonlinear(activation("abs"), 1.0000001, stability=-1.0) is None
    assert frontier(activation("abs"), np.array([1.0])) == []
