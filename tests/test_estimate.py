import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm as normal
from scipy.stats import t as student

from propstats.estimate import STANDARD_ERRORS, Estimate, Quantity, Route
from propstats.simulation.averages import mean_of

_BOUNDS = [Route.CLOSED_FORM, Route.CERTIFIED, Route.QUADRATURE]
_STATISTICAL = [Route.SAMPLING, Route.MEASURED]
_FINITE = st.floats(-1e6, 1e6)
_ESTIMATES = st.builds(Estimate, _FINITE, st.floats(0, 1e3), st.sampled_from(list(Route)))


def test_which_routes_are_statistical() -> None:
    assert [route for route in Route if route.is_statistical] == _STATISTICAL


@pytest.mark.parametrize("a", _BOUNDS)
@pytest.mark.parametrize("b", _BOUNDS)
def test_bounds_agree_when_they_touch(a: Route, b: Route) -> None:
    low = Estimate(1.0, 0.25, a)
    assert low.agrees_with(Estimate(1.75, 0.5, b))
    assert low.z(Estimate(1.75, 0.5, b)) == 0.0
    apart = Estimate(math.nextafter(1.75, 2.0), 0.5, b)
    assert not low.agrees_with(apart)
    assert low.z(apart) == math.inf
    assert apart.z(low) == -math.inf


@pytest.mark.parametrize("a", _STATISTICAL)
@pytest.mark.parametrize("b", _STATISTICAL)
def test_standard_errors_add_in_quadrature(a: Route, b: Route) -> None:
    here = Estimate(0.0, 3.0, a)
    assert here.z(Estimate(10.0, 4.0, b)) == 2.0
    assert here.z(Estimate(-10.0, 4.0, b)) == -2.0
    assert here.agrees_with(Estimate(5.0 * STANDARD_ERRORS, 4.0, b))
    assert not here.agrees_with(Estimate(5.0 * STANDARD_ERRORS + 0.001, 4.0, b))


@pytest.mark.parametrize("bound", _BOUNDS)
@pytest.mark.parametrize("statistical", _STATISTICAL)
def test_a_bound_is_taken_off_before_standard_errors_count(bound: Route, statistical: Route) -> None:
    exact = Estimate(1.0, 0.5, bound)
    assert exact.z(Estimate(1.5, 0.1, statistical)) == 0.0
    assert math.isclose(exact.z(Estimate(1.8, 0.1, statistical)), 3.0)
    assert not exact.agrees_with(Estimate(1.5 + 0.1 * (STANDARD_ERRORS + 0.01), 0.1, statistical))


def test_how_many_standard_errors() -> None:
    """Two, as often as not in a run of dozens, are no disagreement; ten, once in the age of the universe, are."""
    here = Estimate(0.0, 1.0, Route.MEASURED)
    assert here.agrees_with(Estimate(2.0, 0.0, Route.CLOSED_FORM))
    assert not here.agrees_with(Estimate(10.0, 0.0, Route.CLOSED_FORM))


def test_a_standard_error_of_zero() -> None:
    """Samples that are all alike claim to be exact."""
    assert Estimate(1.0, 0.0, Route.SAMPLING).agrees_with(Estimate(1.0, 0.0, Route.CLOSED_FORM))
    assert not Estimate(1.0, 0.0, Route.SAMPLING).agrees_with(Estimate(1.1, 0.0, Route.CLOSED_FORM))


@pytest.mark.parametrize("draws", [2, 3, 4, 7, 30, 100, 199, 1000, 10**6])
def test_few_samples_follow_students_t(draws: int) -> None:
    """As rare as five standard errors of a million samples: 1.1 million of them for two, 1321 for three."""
    beyond = student.isf(normal.sf(STANDARD_ERRORS), draws - 1)
    found = Estimate(0.0, 1.0, Route.MEASURED, draws)
    for side in (-1.0, 1.0):
        assert math.isclose(
            found.z(Estimate(side * beyond, 0.0, Route.CERTIFIED)), side * STANDARD_ERRORS, rel_tol=2e-5
        )
        assert found.agrees_with(Estimate(side * beyond * 0.9999, 0.0, Route.CERTIFIED))
        assert not found.agrees_with(Estimate(side * beyond * 1.0001, 0.0, Route.CERTIFIED))


@given(st.floats(-1e4, 1e4), st.integers(1, 10**6))
def test_z_is_the_normal_deviate_of_the_same_probability(distance: float, freedom: int) -> None:
    z = Estimate(0.0, 1.0, Route.SAMPLING, freedom=freedom).z(Estimate(distance, 0.0, Route.CERTIFIED))
    assert math.copysign(1.0, z) == math.copysign(1.0, distance)
    assert abs(z) <= abs(distance)
    rarity = student.sf(abs(distance), freedom)
    if rarity > 1e-300:
        assert math.isclose(abs(z), normal.isf(rarity), rel_tol=1e-3, abs_tol=1e-9)


@pytest.mark.parametrize("draws", [(2,), (3,), (10,), (4, 8)])
def test_false_alarms_are_as_rare_as_stated(draws: tuple[int, ...]) -> None:
    """Sound runs of few draws, beside an exact number or one another, are beyond a limit as often as normal numbers."""
    random = np.random.default_rng(draws)
    exact = Estimate(0.0, 0.0, Route.CLOSED_FORM)
    runs = [[mean_of(random.standard_normal(n)) for n in draws] for _ in range(4000)]
    z = np.abs([run[0].z(run[1] if len(run) > 1 else exact) for run in runs])
    for limit in (1.0, 2.0, 3.0):
        rate = 2 * normal.sf(limit)
        assert abs(np.mean(z > limit) - rate) <= STANDARD_ERRORS * math.sqrt(rate * (1 - rate) / len(runs))


def test_a_standard_error_from_one_sample_says_nothing() -> None:
    single = mean_of(np.array([3.0]))
    assert single.z(Estimate(0.0, 0.0, Route.CLOSED_FORM)) == 0.0
    assert single.agrees_with(mean_of(np.array([5.0, 5.1])))


def test_undefined_contradicts_nothing() -> None:
    undefined = Estimate(math.nan, math.inf, Route.CLOSED_FORM)
    assert not undefined.is_defined
    assert not Estimate(math.inf, 0.0, Route.QUADRATURE).is_defined
    for route in Route:
        number = Estimate(1.0, 0.0, route)
        assert number.is_defined
        assert undefined.agrees_with(number)
        assert number.agrees_with(undefined)
    assert undefined.agrees_with(undefined)


@given(_ESTIMATES, _ESTIMATES)
def test_agreement_is_symmetric(a: Estimate, b: Estimate) -> None:
    assert a.agrees_with(a)
    assert a.agrees_with(b) == b.agrees_with(a)
    assert a.z(b) == -b.z(a)


@given(_ESTIMATES, _ESTIMATES, st.floats(0, 1e3))
def test_a_larger_error_never_contradicts_more(a: Estimate, b: Estimate, more: float) -> None:
    looser = dataclasses.replace(b, error=b.error + more)
    assert not a.agrees_with(b) or a.agrees_with(looser)


def test_records_do_not_change() -> None:
    estimate = Estimate(1.0, 0.0, Route.CERTIFIED)
    for record, name in (
        (estimate, "value"),
        (Quantity.of({Route.CERTIFIED: estimate}), "value"),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, name, 2.0)


def test_the_best_route_is_on_top() -> None:
    closed = Estimate(1.0, 1e-14, Route.CLOSED_FORM)
    nodes = Estimate(1.0, 1e-16, Route.QUADRATURE)
    sampled = Estimate(1.0 + 3e-3, 1e-3, Route.SAMPLING, 10**12)
    quantity = Quantity.of({Route.CLOSED_FORM: closed, Route.QUADRATURE: nodes, Route.SAMPLING: sampled}, "1")
    assert (quantity.value, quantity.error, quantity.route, quantity.formula) == (1.0, 1e-16, Route.QUADRATURE, "1")
    assert quantity.agree
    assert quantity.z is not None
    assert math.isclose(quantity.z, 3.0, rel_tol=1e-9)
    assert quantity.routes[Route.SAMPLING] is sampled


@pytest.mark.parametrize(("closed", "best"), [(9e-15, Route.CLOSED_FORM), (1.1e-14, Route.QUADRATURE)])
def test_a_formula_may_be_a_digit_worse(closed: float, best: Route) -> None:
    quantity = Quantity.of({
        Route.CLOSED_FORM: Estimate(1.0, closed, Route.CLOSED_FORM),
        Route.QUADRATURE: Estimate(1.0, 1e-15, Route.QUADRATURE),
    })  # fmt: skip
    assert quantity.route is best


def test_a_bound_beats_a_standard_error_however_small() -> None:
    quantity = Quantity.of({
        Route.SAMPLING: Estimate(1.0, 1e-30, Route.SAMPLING),
        Route.QUADRATURE: Estimate(1.0, 1e-3, Route.QUADRATURE),
    })  # fmt: skip
    assert quantity.route is Route.QUADRATURE


def test_a_defined_route_beats_an_undefined_one() -> None:
    quantity = Quantity.of({
        Route.CLOSED_FORM: Estimate(math.nan, math.inf, Route.CLOSED_FORM),
        Route.QUADRATURE: Estimate(1.0, 1e-3, Route.QUADRATURE),
    })  # fmt: skip
    assert quantity.route is Route.QUADRATURE
    assert quantity.agree


def test_only_samples() -> None:
    quantity = Quantity.of({Route.SAMPLING: Estimate(1.0, 0.1, Route.SAMPLING)})
    assert quantity.route is Route.SAMPLING
    assert quantity.z is None
    assert quantity.formula is None


def test_disagreement_is_told() -> None:
    quantity = Quantity.of({
        Route.CLOSED_FORM: Estimate(1.0, 1e-16, Route.CLOSED_FORM),
        Route.QUADRATURE: Estimate(1.1, 1e-15, Route.QUADRATURE),
    })  # fmt: skip
    assert not quantity.agree


def test_quantity_keeps_its_own_copy() -> None:
    routes = {Route.CERTIFIED: Estimate(1.0, 0.0, Route.CERTIFIED)}
    quantity = Quantity.of(routes)
    routes.clear()
    assert list(quantity.routes) == [Route.CERTIFIED]
