"""Closed form and quadrature against thirty digits, each held to the error that it states itself."""

import math
from collections.abc import Callable, Mapping

import mpmath
import numpy as np
import pytest
from oracle import ORACLE_ERROR, exact_derived, oracle_moments

from propstats.activations import Activation, activation, activation_names
from propstats.estimate import Estimate, Route
from propstats.expectation import closed_form, quadrature, sampling
from propstats.expectation.moments import BASE, DERIVED

INPUTS = [(0.0, 1.0), (0.3, 1.7), (-8.0, 1.0), (10.0, 0.01), (50.0, 1.0), (0.0, 1e3), (1.0, 0.0)]
_MOMENTS = Callable[..., Mapping[str, Estimate]]
_ROUTES: dict[Route, _MOMENTS] = {Route.CLOSED_FORM: closed_form.moments, Route.QUADRATURE: quadrature.moments}
#: What each derived quantity divides by.
_DENOMINATOR = {"gain": "second_moment", "std": None, "normprop_shift": None, "normprop_scale": None}


@pytest.mark.parametrize(("mean", "std"), INPUTS)
@pytest.mark.parametrize("name", activation_names())
def test_within_their_own_error(name: str, mean: float, std: float) -> None:
    _skip_overflow(name, std)
    for route in _ROUTES:
        _base_moments_within_their_own_error(name, mean, std, route)
        _derived_quantities_within_their_own_error(name, mean, std, route)


def _skip_overflow(name: str, std: float) -> None:
    """E[exp(1000 z)] = exp(5e5) is no number that a float holds."""
    if name == "exp" and std > 100:
        with np.errstate(all="ignore"):
            assert not quadrature.moments(activation(name), std=std)["mean"].is_defined
        pytest.skip("the moments overflow, and are undefined")


def _base_moments_within_their_own_error(name: str, mean: float, std: float, route: Route) -> None:
    exact = oracle_moments(name, mean, std)
    found = _ROUTES[route](activation(name), mean=mean, std=std)
    if route is Route.QUADRATURE:
        assert set(BASE) <= found.keys()
    for moment in BASE.keys() & found.keys():
        estimate = found[moment]
        assert estimate.route is route
        gap = abs(mpmath.mpf(estimate.value) - exact[moment])
        assert gap <= estimate.error + ORACLE_ERROR * (1 + abs(exact[moment])), (moment, float(gap), estimate)


def _derived_quantities_within_their_own_error(name: str, mean: float, std: float, route: Route) -> None:
    """The relations hold, and a quantity is undefined only where what it divides by may be zero."""
    base = oracle_moments(name, mean, std)
    found = _ROUTES[route](activation(name), mean=mean, std=std)
    for quantity in DERIVED.keys() & found.keys():
        estimate = found[quantity]
        denominator = _DENOMINATOR.get(quantity, "var")
        if not estimate.is_defined:
            assert denominator is not None, quantity
            assert found[denominator].value <= 2 * found[denominator].error, quantity
            assert estimate.error == math.inf
            continue
        if denominator is not None and base[denominator] == 0:
            assert found[denominator].value <= ORACLE_ERROR, quantity  # smaller than what the oracle can see
            continue
        exact = exact_derived(quantity, base, std)
        # Where the oracle's own 1e-25 matters, it is because the base moment is as small as that.
        amplified = ORACLE_ERROR * max(abs(exact), 1) / min(base[denominator or "second_moment"] + ORACLE_ERROR, 1)
        gap = abs(mpmath.mpf(estimate.value) - exact)
        assert gap <= estimate.error + amplified, (quantity, float(gap), estimate)


@pytest.mark.parametrize("route", list(_ROUTES))
@pytest.mark.parametrize("name", activation_names())
def test_errors_are_useful(name: str, route: Route) -> None:
    """A bound that is always huge would pass everything above."""
    found = _ROUTES[route](activation(name))
    for moment in BASE.keys() & found.keys():
        assert found[moment].error <= 1e-14 * (1 + abs(found[moment].value)), (moment, found[moment])


@pytest.mark.parametrize(
    "name", [n for n in activation_names() if "second_moment" in closed_form.formulas(activation(n))]
)
@pytest.mark.parametrize(("mean", "std"), INPUTS[:5])
def test_full_closed_forms_give_everything(name: str, mean: float, std: float) -> None:
    assert closed_form.moments(activation(name), mean=mean, std=std).keys() == {*BASE, *DERIVED}


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.3, 1.7)])
@pytest.mark.parametrize("name", activation_names())
def test_sampling_agrees_with_quadrature(name: str, mean: float, std: float) -> None:
    entry = activation(name)
    sampled = sampling.moments(entry, mean=mean, std=std, samples=50_000, seed=1)
    exact = quadrature.moments(entry, mean=mean, std=std)
    assert sampled.keys() == exact.keys()
    for quantity, estimate in sampled.items():
        assert estimate.agrees_with(exact[quantity]), (quantity, estimate, exact[quantity])
        # Useful too: four digits of nothing would agree with everything.
        assert (
            not estimate.is_defined
            or name == "exp"
            or estimate.error <= 0.05 * (std + abs(exact[quantity].value)) * std
        ), (quantity, estimate)


@pytest.mark.parametrize(("mean", "std"), INPUTS)
@pytest.mark.parametrize("name", [name for name in activation_names() if not activation(name).jumps])
def test_poincare_and_cauchy_schwarz(name: str, mean: float, std: float) -> None:
    """s^2 E[phi'^2] >= Var phi >= s^2 E[phi']^2; what jumps has no square-integrable derivative."""
    _skip_overflow(name, std)
    m = quadrature.moments(activation(name), mean=mean, std=std)
    var, slope, energy = m["var"], m["mean_slope"], m["slope_second_moment"]
    allowed = var.error + std**2 * energy.error
    assert std**2 * energy.value >= var.value - allowed
    linear = std**2 * slope.value**2
    assert var.value >= linear - var.error - std**2 * (2 * abs(slope.value) + slope.error) * slope.error


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.3, 1.7), (-8.0, 1.0), (10.0, 0.01), (0.0, 1e3)])
@pytest.mark.parametrize("name", activation_names())
def test_stein(name: str, mean: float, std: float) -> None:
    """E[(x - mu) phi] = s^2 E[phi'], with the left side integrated without the slope."""
    _skip_overflow(name, std)
    entry = activation(name)
    product = Activation("product", f"(x - ({mean!r}))*({entry.text})", entry.params)
    left = quadrature.moments(product, mean=mean, std=std)["mean"]
    right = quadrature.moments(entry, mean=mean, std=std)["linear_slope"]
    assert abs(left.value - std**2 * right.value) <= left.error + std**2 * right.error + 1e-300


@pytest.mark.parametrize("quantity", sorted(DERIVED))
def test_relations(quantity: str) -> None:
    """Each of the derived relations, written out a second time."""
    mean, std = 0.3, 1.7
    m = {key: e.value for key, e in quadrature.moments(activation("gelu"), mean=mean, std=std).items()}
    expected = {
        "std": math.sqrt(m["slope_second_moment"]),
        "gain": m["second_moment"] ** -0.5,
        "unit_variance_gain": m["var"] ** -0.5,
        "jacobian_factor": std * math.sqrt(m["slope_second_moment"]) / math.sqrt(m["var"]),
        "normprop_shift": m["mean"],
        "normprop_scale": math.sqrt(m["var"]),
        "stability_slope": m["var_rate"] / m["var"],
        "nonlinear_share": 1 - (std * m["mean_slope"]) ** 2 / m["var"],
    }
    assert math.isclose(m[quantity], expected[quantity], rel_tol=8 * 2.0**-52, abs_tol=8 * 2.0**-52)


@pytest.mark.parametrize("name", activation_names())
def test_variance_is_what_is_left_of_the_second_moment(name: str) -> None:
    m = quadrature.moments(activation(name), mean=0.3, std=1.7)
    rest = m["second_moment"].value - m["mean"].value ** 2
    allowed = m["var"].error + m["second_moment"].error + 2 * abs(m["mean"].value) * m["mean"].error
    assert abs(m["var"].value - rest) <= allowed + 2.0**-52 * m["second_moment"].value


def test_a_point_mass_has_no_variance() -> None:
    for name in activation_names():
        for route in _ROUTES.values():
            m = route(activation(name), mean=1.0, std=0.0)
            assert m["var"].value == 0.0
            assert not m["jacobian_factor"].is_defined
            slope = m["mean_slope"]
            assert abs(slope.value - float(activation(name).slope(1.0))) <= 2 * slope.error
