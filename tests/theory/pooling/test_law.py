"""Laws of windows: how formulas, integrals and closed forms are put together."""

import pytest

from propstats import Route
from propstats.activations.syntax import parse
from propstats.expectation.rounding import Rounded
from propstats.theory.pooling.inputs import PoolInput
from propstats.theory.pooling.law import Law, evaluate_law, written
from propstats.theory.pooling.maximum import maximum


def test_routes_that_a_law_has() -> None:
    results = {"mean": "a*m", "square": "mean**2"}
    exact = evaluate_law(Law(results, {"a": 2.0, "m": 3.0}))
    assert exact.by_route.keys() == {Route.CLOSED_FORM, Route.CERTIFIED}
    assert exact.by_route[Route.CERTIFIED]["square"].value == 36.0
    integral = evaluate_law(Law(results, {"a": 2.0}, {"m": "x**4"}))
    assert "square" not in integral.by_route[Route.CLOSED_FORM]
    assert integral.by_route[Route.CERTIFIED]["square"].value == 36.0
    assert integral.by_route[Route.QUADRATURE]["square"].value == pytest.approx(36.0, abs=1e-12)
    known = evaluate_law(Law(results, {"a": 2.0}, known={"m": Rounded(3.0, 1e-9)}))
    assert Route.CERTIFIED not in known.by_route
    assert known.notes == ("no certified digits of mean, square: these are integrals over several variables",)
    assert known.by_route[Route.QUADRATURE]["square"].error >= 2.4e-8  # that of (2 m)^2 for m within 1e-9


def test_forms_may_use_integrals_before_them() -> None:
    law = Law({"mean": "b"}, {}, {"a": "x**2", "b": "2*x**2"}, {"a": "1", "b": "2*a"})
    assert evaluate_law(law).by_route[Route.CLOSED_FORM]["mean"].value == 2.0


def test_what_rounding_takes_far_below_zero() -> None:
    """Two terms cancel to 1e-10 of their size there: quadrature must say so, and ball arithmetic knows better."""
    for mean in (-5.0, -30.0):
        found = evaluate_law(maximum(9, PoolInput(mean, 1.0, 0.2, rectified=True))).by_route
        for name in ("mean", "second_moment"):
            certified, quadrature = found[Route.CERTIFIED][name], found[Route.QUADRATURE][name]
            assert certified.agrees_with(quadrature)
            assert quadrature.error < 1e-7 * certified.value


def test_time_runs_out() -> None:
    found = evaluate_law(maximum(9, PoolInput()), timeout=1e-9)
    assert Route.CERTIFIED not in found.by_route
    assert "not proven within" in found.notes[0]


def test_written() -> None:
    assert written(parse("2*q", {"q"}), {"q": 0.8}) == "8/5"
    assert written(parse("1/q", {"q"}), {"q": 0.0}) == "1/q"  # it has no value


def test_symmetry() -> None:
    assert maximum(4, PoolInput()).is_symmetric
    assert not maximum(4, PoolInput(rectified=True)).is_symmetric
