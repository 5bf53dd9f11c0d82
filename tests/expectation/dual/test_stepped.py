"""Polynomials in the correlation against the recurrences that go without them."""

import numpy as np
import pytest

from propstats.expectation.dual import closed
from propstats.expectation.dual.closed import closed_dual
from propstats.expectation.dual.input import inputs
from propstats.expectation.dual.stepped import _polynomials

RHO = np.array([-1.0, -1 + 1e-9, -0.97, -0.3, -1e-5, 0.0, 1e-9, 0.5, 0.9999, 1 - 1e-9, 1 - 1e-13, 1.0])
LAWS = [(0.0, 1.0), (0.3, 1.7), (-8.0, 1.0), (1.0, 3.0), (10.0, 0.5)]
FORMULAS = [
    "relu", "step", "hardtanh", "hardswish", "celu", "relu_squared", "softshrink",
    "where(x > 1, x**5 - x, exp(x))", "where(x < -2, x**3, where(x > 0.5, exp(-x), 0))",
]  # fmt: skip


def _both_ways(pair: tuple[str, str], mean: float, std: float, monkeypatch: pytest.MonkeyPatch) -> tuple[float, float]:
    """Return the largest ratio of the distance to the stated errors, and the largest value."""
    f, g = inputs(*pair, mean, std)
    assert f.form is not None
    assert g.form is not None
    value, error = closed_dual(f.form, g.form, RHO, errors=True)
    with monkeypatch.context() as patch:
        patch.setattr(closed, "is_stepped", lambda _: False)
        other, _ = closed_dual(f.form, g.form, RHO)
    return float(np.max(np.abs(value - other) / error)), float(np.max(np.abs(value)))


@pytest.mark.parametrize(("mean", "std"), LAWS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_it_is_what_the_recurrences_say(formula: str, mean: float, std: float, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in (formula, "relu"):
        # Both are within their errors of the truth.
        assert _both_ways((formula, other), mean, std, monkeypatch)[0] <= 2


def test_a_wrong_coefficient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    f, _ = inputs("hardswish", None, 0.3, 1.7)
    assert f.form is not None
    [group] = f.form.cells
    _polynomials(group, group)[1, 0, 1, 1] *= 1 + 1e-11
    try:
        assert _both_ways(("hardswish", "hardswish"), 0.3, 1.7, monkeypatch)[0] > 2
    finally:
        _polynomials.cache_clear()
