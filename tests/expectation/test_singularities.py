"""Where formulas may be infinite, and what they are in the distance from there."""

from collections.abc import Mapping

import pytest

from propstats.activations import activation, activation_names
from propstats.activations.activation import Activation
from propstats.activations.expression import evaluate
from propstats.activations.namespaces import float_namespace
from propstats.expectation.singularities import near, parts_of


def _ends(text: str, params: Mapping[str, float]) -> list[tuple[float, int]]:
    unit = Activation("own", text, params)
    parts = parts_of(unit.pieces, params)
    return [(evaluate(point, params, float_namespace()), side) for part in parts for point, side in part.ends]


@pytest.mark.parametrize(
    ("text", "params", "points"),
    [
        ("log(abs(x))", {}, [0.0]),
        ("log((a*x - 1)**2)", {"a": 4.0}, [0.25]),
        ("abs(x - 1/10)**(-0.3) + x", {}, [0.1]),
        ("1/sqrt(abs(x)) + log(abs(x - 2))", {}, [0.0, 2.0]),
        ("log1p(-abs(x)/2)**2", {}, [-2.0, 2.0]),
        ("sqrt(1 + x**2)/(2 + x**2)", {}, []),
        ("abs(x)**3 + max(x, 0)**2", {}, []),
    ],
)
def test_points(text: str, params: Mapping[str, float], points: list[float]) -> None:
    found = _ends(text, params)
    assert sorted({point for point, _ in found}) == pytest.approx(points)
    assert all((point, side) in found for point, _ in found for side in (1, -1))


@pytest.mark.parametrize("name", activation_names())
def test_no_activation_of_the_catalog_has_any(name: str) -> None:
    unit = activation(name)
    assert all(not part.ends for part in parts_of(unit.pieces, unit.params))


@pytest.mark.parametrize("text", ["abs(x - 0.1)**(-0.3)*(x**2 - 1/100)", "log(abs(a*x - 1))*x", "sin(x)/abs(x - 3)**a"])
def test_a_formula_in_the_distance_has_the_same_values(text: str) -> None:
    """Far enough from the point that the plain formula has not lost its digits."""
    unit = Activation("own", text, {"a": 0.7})
    for part in parts_of(unit.pieces, unit.params):
        for point, side in part.ends:
            there = evaluate(point, unit.params, float_namespace())
            local = near(part.piece.formula, point, side)
            for distance in (0.05, 0.01):
                expected = unit(there + side * distance)
                value = evaluate(local, {**unit.params, "x": distance}, float_namespace())
                # The plain formula rounds the distance by an ulp of the point.
                assert value == pytest.approx(float(expected), rel=1e-15 * (8 + 4 * abs(there) / distance))
