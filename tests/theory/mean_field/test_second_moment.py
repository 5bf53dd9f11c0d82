import math
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from oracle import oracle_moments

from propstats.activations import activation, activation_names
from propstats.errors import DomainError
from propstats.theory.mean_field.second_moment import SecondMomentMap


@pytest.mark.parametrize("name", ["tanh", "relu", "gelu", "hardtanh", "elu"])
@pytest.mark.parametrize(("beta", "std"), [(0.0, 1.0), (0.5, 2.0)])
def test_against_integrals_of_34_digits(name: str, beta: float, std: float) -> None:
    layer = SecondMomentMap(activation(name), 1.5, 0.3, beta)
    exact = oracle_moments(name, beta, std)
    for found, moment, offset in (
        (layer.at(std**2), "second_moment", 0.3**2),
        (layer.chi_1(std**2), "slope_second_moment", 0.0),
    ):
        assert abs(found.value - (1.5**2 * float(exact[moment]) + offset)) <= found.error < 1e-12


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("identity", lambda q: q),
        ("relu", lambda q: q / 2),
        ("square", lambda q: 3 * q**2),
        ("cube", lambda q: 15 * q**3),
        ("exp", lambda q: math.exp(2 * q)),
        ("sin", lambda q: -math.expm1(-2 * q) / 2),
        ("cos", lambda q: (1 + math.exp(-2 * q)) / 2),
        # The arcsine kernel at correlation 1: Williams 1997.
        ("erf", lambda q: 2 / math.pi * math.asin(2 * q / (1 + 2 * q))),
        ("step", lambda q: 0.5),
    ],
)
@pytest.mark.parametrize("q", [1e-6, 0.3, 1.0, 7.0])
def test_exact_maps(name: str, exact, q: float) -> None:  # type: ignore[no-untyped-def]
    found = SecondMomentMap(activation(name), 1.3, 0.2).at(q)
    expected = 1.3**2 * exact(q) + 0.2**2
    assert abs(found.value - expected) <= found.error + 8e-16 * expected
    assert found.error <= 1e-12 * expected


@pytest.mark.parametrize("name", activation_names())
def test_slope_against_differences(name: str) -> None:
    for beta, q in ((0.0, 0.2), (0.0, 5.0), (0.7, 1.0)):
        layer = SecondMomentMap(activation(name), 1.0, 0.0, beta)
        h = 1e-2 * q
        # Richardson's extrapolation of central differences: what is left is of the order of h^6, and rounding over h.
        differences = [(layer.at(q + k * h).value - layer.at(q - k * h).value) / (2 * k * h) for k in (1, 2, 4)]
        second = [(4 * a - b) / 3 for a, b in pairwise(differences)]
        slope = (16 * second[0] - second[1]) / 15
        allowed = abs(second[0] - second[1]) + 8 * layer.at(q).error / h
        found = layer.slope(q)
        assert abs(found.value - slope) <= allowed + found.error


def test_wide_waves_are_exact_and_fast() -> None:
    q = np.array([1e4, 1e12])
    for name in ("sin", "cos"):
        values, errors = SecondMomentMap(activation(name), 1.0, 0.0).values(q)
        assert (np.abs(values - 0.5) <= errors).all()
        assert (errors < 1e-12).all()


def test_a_formula_reaches_further_than_quadrature() -> None:
    found = SecondMomentMap(activation("exp"), 1.0, 0.0).at(300.0)
    with mpmath.workdps(30):
        # q is the square of a float.
        exact = float(mpmath.exp(2 * mpmath.mpf(math.sqrt(300.0)) ** 2))
    assert abs(found.value / exact - 1) < 1e-11


def test_beyond_floats() -> None:
    layer = SecondMomentMap(activation("exp"), 1.0, 0.0)
    values, errors = layer.values(np.array([1.0, 1e4]))
    assert math.isfinite(values[0])
    assert not math.isfinite(errors[1])
    assert not math.isfinite(SecondMomentMap(activation("cube"), 1.0, 0.0).at(1e150).error)


@pytest.mark.parametrize(
    ("name", "beta", "slope"),
    [("tanh", 0.0, 1.0), ("relu", 0.0, 0.5), ("relu", 1.0, 1.0), ("prelu", 0.0, 0.53125), ("cube", 0.0, 0.0),
     ("step", 0.0, math.inf), ("hardshrink", 0.0, 0.0)],
)  # fmt: skip
def test_slope_at_zero(name: str, beta: float, slope: float) -> None:
    assert SecondMomentMap(activation(name), 2.0, 0.0, beta).slope_at_zero == 4 * slope


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ((-1.0, 0.0), "sigma_w"),
        ((math.nan, 0.0), "sigma_w"),
        ((math.inf, 0.0), "sigma_w"),
        ((1.0, -0.1), "sigma_b"),
        ((1.0, 0.0, math.inf), "beta"),
    ],
)
def test_bad_input(arguments: tuple[float, ...], what: str) -> None:
    with pytest.raises(DomainError, match=what):
        SecondMomentMap(activation("tanh"), *arguments)


def test_a_pole_is_refused() -> None:
    with pytest.raises(DomainError, match="pole at x = 0"):
        SecondMomentMap(activation("1/x"), 1.0, 0.0)
