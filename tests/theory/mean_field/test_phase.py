import math

import numpy as np
import pytest

from propstats.errors import DomainError
from propstats.theory.mean_field.field import mean_field
from propstats.theory.mean_field.phase import PhaseDiagram, phase
from propstats.theory.mean_field.trajectory import Fate


def _small(name: str, **given: float) -> PhaseDiagram:
    return phase(name, points=25, **given)


@pytest.mark.parametrize("name", ["tanh", "relu", "gelu", "square"])
def test_tables_against_fixed_points(name: str) -> None:
    found = _small(name)
    generator = np.random.default_rng(0)
    for i, j in generator.integers(0, 25, (3, 2)).tolist():
        exact = mean_field(name, sigma_w=found.sigma_w[j], sigma_b=found.sigma_b[i], digits=None)
        q, chi_1, xi_c = (table[i][j] for table in (found.q_star, found.chi_1, found.xi_c))
        assert found.count[i][j] == sum(point.q.value > 0 for point in exact.fixed_points)
        if exact.fate is Fate.DIVERGES:
            assert math.isinf(q)
            assert math.isnan(chi_1)
            assert math.isnan(xi_c)
            continue
        assert exact.q_star is not None
        assert exact.chi_1 is not None
        assert math.isclose(q, exact.q_star.value, rel_tol=found.error)
        assert math.isclose(chi_1, exact.chi_1.value, rel_tol=found.error)
        if exact.xi_c is not None:
            assert math.isclose(xi_c, exact.xi_c.value, rel_tol=found.depth_error)


def test_the_start_decides_here_too() -> None:
    for q0 in (0.5, 1.0, 2.0):
        found = _small("square", q0=q0, sigma_w_max=1.0)
        for i in (0, 12):
            for j in range(0, 25, 4):
                sigma_w = found.sigma_w[j]
                exact = mean_field("square", sigma_w=sigma_w, sigma_b=found.sigma_b[i], q0=q0, digits=None)
                assert math.isinf(found.q_star[i][j]) == (exact.fate is Fate.DIVERGES)


def test_relu_is_exact() -> None:
    found = _small("relu")
    for i, sigma_b in enumerate(found.sigma_b):
        for j, sigma_w in enumerate(found.sigma_w):
            if sigma_w**2 > 2:
                assert math.isinf(found.q_star[i][j])
            else:
                assert math.isclose(found.q_star[i][j], sigma_b**2 / (1 - sigma_w**2 / 2), rel_tol=1e-9, abs_tol=1e-12)
                assert math.isclose(found.chi_1[i][j], sigma_w**2 / 2, rel_tol=1e-12)


def test_shares() -> None:
    found = _small("gelu")
    shares = found.shares
    assert math.isclose(shares.ordered + shares.chaotic + shares.vanishing + shares.none, 1.0)
    assert 0 < shares.several < shares.none


def test_the_critical_line_separates_the_phases() -> None:
    found = _small("tanh")
    (branch,) = found.line
    for i, sigma_b in enumerate(found.sigma_b):
        if sigma_b > 0:
            edge = float(np.interp(sigma_b, [p.sigma_b for p in branch], [p.sigma_w for p in branch]))
            for sigma_w, chi_1 in zip(found.sigma_w, found.chi_1[i], strict=True):
                if abs(sigma_w - edge) > 1e-2:
                    assert (chi_1 > 1) == (sigma_w > edge)


def test_chi_grows_with_the_weights() -> None:
    found = np.array(_small("tanh").chi_1)
    assert (np.diff(found, axis=1) > 0).all()


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"sigma_w_max": 0.0}, "sigma_w_max"),
        ({"sigma_w_max": math.nan}, "sigma_w_max"),
        ({"sigma_b_max": -1.0}, "sigma_b_max"),
        ({"sigma_b_max": 1e9}, "sigma_b_max"),
        ({"points": 1}, "points"),
        ({"points": 10**7}, "points"),
        ({"q0": -1.0}, "q0"),
    ],
)
def test_bad_input(given: dict[str, float], what: str) -> None:
    with pytest.raises(DomainError, match=what):
        phase("tanh", **given)  # type: ignore[arg-type]
