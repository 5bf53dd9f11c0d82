"""Moments and bounds from averages, and what jumps and rounded kinks add."""

import math
from typing import Any

import numpy as np
import pytest

from propstats.expectation.moments import BASE
from propstats.expectation.quadrature.sums import (
    PROBES,
    Gaussians,
    Sums,
    add_kink,
    any_of,
    column,
    least,
    most,
    probes,
    root,
)

EPS = 2.0**-52
#: phi(x) = x under N(2, 3^2).
_IDENTITY: dict[str, Any] = {"mean": 2.0, "d": 1.0, "dd": 1.0, "yy": 9.0, "ydz": 3.0, "dzdz": 1.0}


def _identity(missed: float = 0.0, beyond: float = 0.0) -> Sums:
    return Sums(**_IDENTITY, missed=(missed,) * 5, beyond_yy=beyond, beyond_dd=0.0)


def test_the_identity() -> None:
    values, errors, good = _identity().moments(2.0, 3.0, 0.0)
    assert values == {
        "mean": 2.0, "second_moment": 13.0, "var": 9.0, "mean_slope": 1.0, "slope_second_moment": 1.0,
        "linear_slope": 1.0, "var_rate": 9.0,
    }  # fmt: skip
    assert values.keys() == errors.keys() == BASE.keys()
    assert good
    assert all(EPS <= error <= 600 * EPS for error in errors.values())


@pytest.mark.parametrize("fault", [{"missed": 1e-9}, {"beyond": 1e-9}, {"missed": math.nan}])
def test_what_is_missed_or_beyond_is_not_good(fault: dict[str, float]) -> None:
    _, errors, good = _identity(**fault).moments(2.0, 3.0, 0.0)
    assert not good
    assert not errors["var"] < 1e-9


def test_arrays_are_as_many_numbers() -> None:
    arrays = {key: np.full(3, value) for key, value in _IDENTITY.items()}
    zero = np.zeros(3)
    many = Sums(**arrays, missed=(zero,) * 5, beyond_yy=zero, beyond_dd=zero).moments(zero + 2.0, zero + 3.0, 0.0)
    one = _identity().moments(2.0, 3.0, 0.0)
    for i in (0, 1):
        assert {key: row.tolist() for key, row in many[i].items()} == {key: [v] * 3 for key, v in one[i].items()}
    assert many[2].tolist() == [True] * 3


def test_a_step_adds_what_derivatives_of_expectations_see() -> None:
    """E[step] = Phi(mu/s): its derivative in mu is the density, and that of the variance follows."""
    mean, std = 0.4, 2.0
    z = -mean / std
    p, up = math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi), 0.5 * math.erfc(z / math.sqrt(2))
    values = dict.fromkeys(BASE, 0.0) | {"mean": up}
    errors = dict.fromkeys(BASE, 0.0)
    add_kink(values, errors, z, std, 1.0, (0.5 - up, 0.0), (0.0, 0.0), EPS)
    assert math.isclose(values["linear_slope"], p / std, rel_tol=4 * EPS)
    # var = u (1 - u) with u = Phi(mu/s): (1/2) d var/d log s = (1 - 2 u)/2 * -(mu/s) p.
    assert math.isclose(values["var_rate"], -(1 - 2 * up) / 2 * (mean / std) * p, rel_tol=8 * EPS)
    assert 0.0 < errors["mean"] <= EPS


def test_a_kink_that_is_a_little_off() -> None:
    """max(x - k, 0) under N(0, 1): d/dk E = -P(x > k), d/dk E[slope] = -p(k)."""
    values, errors = dict.fromkeys(BASE, 0.0), dict.fromkeys(BASE, 0.0)
    add_kink(values, errors, 1.0, 1.0, 0.0, (0.0, 0.0), (0.0, 1.0), 1e-9)
    density = math.exp(-0.5) / math.sqrt(2 * math.pi)
    assert math.isclose(errors["mean_slope"], density * 1e-9, rel_tol=8 * EPS)
    assert math.isclose(errors["slope_second_moment"], density * 1e-9, rel_tol=8 * EPS)
    assert errors["mean"] == 0.0  # of second order


def test_probes_cover_what_is_left_of_the_density() -> None:
    z, width = probes(9.0)
    assert z.size == PROBES
    assert z[0] == 9.0
    assert z[-1] + width[-1] >= 38.0


def test_values_beyond_come_from_the_branch_that_is_there() -> None:
    x = np.linspace(-30.0, 30.0, 2 * PROBES + 3)
    f, d = Gaussians(0.0, 1.0, (), (False, True)).beyond(lambda x: (x * x, 2 * x), x, np.zeros(x.size), 0.0)
    assert f[-PROBES:].tolist() == (x[-PROBES:] ** 2).tolist()
    assert d[-PROBES:].tolist() == (2 * x[-PROBES:]).tolist()
    assert not f[:-PROBES].any()


def test_numbers_and_arrays() -> None:
    assert math.isnan(root(-1.0))
    assert root(np.array([4.0])).tolist() == [2.0]
    assert column(3.0) == 3.0
    assert column(np.ones(2)).shape == (2, 1)
    assert (any_of(0.0), any_of(np.array([0.0, 2.0]))) == (False, True)


def test_smaller_and_larger_pass_nan_on() -> None:
    assert (least(1.0, 2.0), most(1.0, 2.0)) == (1.0, 2.0)
    assert most(np.array([0.0, 3.0]), 1.0).tolist() == [1.0, 3.0]
    for pair in ((math.nan, 1.0), (1.0, math.nan)):
        assert math.isnan(least(*pair))
        assert math.isnan(most(*pair))
