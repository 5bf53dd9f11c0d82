import math

from hypothesis import given
from hypothesis import strategies as st

from propstats.rules.fluctuation import atoms, average, possible
from propstats.signals import Positions, Signal


@given(error=st.floats(1e-3, 5.0))
def test_atoms_have_the_moments_of_a_gamma_distribution(error: float) -> None:
    points = atoms(error)
    assert all(x > 0 and 0 < p < 1 for x, p in points)
    assert math.isclose(sum(p for _, p in points), 1.0)
    assert math.isclose(sum(p * x for x, p in points), 1.0)
    assert math.isclose(sum(p * (x - 1) ** 2 for x, p in points), error**2, rel_tol=1e-9)
    assert math.isclose(sum(p * (x - 1) ** 3 for x, p in points), 2 * error**4, rel_tol=1e-6)


@given(error=st.floats(0.0, 1.0), mean=st.floats(-1.0, 1.0))
def test_what_is_possible_is_right_on_average(error: float, mean: float) -> None:
    signal = Signal(mean, 1.0 + mean**2, 0.4, error, Positions(0.5, 0.2), units=64)
    after = average(possible(signal))
    assert math.isclose(after.q, signal.q)
    assert math.isclose(after.var, signal.var)
    assert after.positions is not None
    assert math.isclose(after.positions.same, 0.5, abs_tol=1e-12)


def test_what_was_measured_is_what_it_is() -> None:
    signal = Signal(0.0, 1.0, 0.4, error=0.3)
    assert possible(signal) == [(signal, 1.0)]
