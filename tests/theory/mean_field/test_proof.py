import math
from fractions import Fraction

import pytest

from propstats.activations import activation
from propstats.errors import DomainError
from propstats.estimate import Estimate, Route
from propstats.theory.mean_field import proof
from propstats.theory.mean_field.fixed_points import Root, fixed_points
from propstats.theory.mean_field.proof import proven_fixed_point
from propstats.theory.mean_field.second_moment import SecondMomentMap


def _proven(name: str, sigma_w: float, sigma_b: float, digits: int = 12) -> Estimate:
    layer = SecondMomentMap(activation(name), sigma_w, sigma_b)
    estimate, notes = proven_fixed_point(layer, fixed_points(layer).points[-1], digits, 10.0)
    assert notes == []
    assert estimate is not None
    return estimate


def test_published_digits() -> None:
    # 15 digits by mpmath; sigma_b = 0.3 is a float whose square is not 0.09, by 1e-17.
    assert _proven("tanh", 2.0, 0.3).digits == "2.25375337623"


def test_an_exact_number() -> None:
    found = _proven("square", 0.5, 0.0)
    assert found.digits == "1.33333333333"
    assert abs(Fraction(found.value) - Fraction(4, 3)) <= Fraction(found.error)
    assert found.route is Route.CERTIFIED


def test_a_wrong_fixed_point_is_not_proven() -> None:
    layer = SecondMomentMap(activation("tanh"), 2.0, 0.3)
    right = fixed_points(layer).points[0]
    estimate, notes = proven_fixed_point(layer, Root(right.q * (1 + 1e-9), right.error), 12, 10.0)
    assert estimate is None
    assert "not proven" in notes[0]


def test_what_cannot_be_certified_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = SecondMomentMap(activation("tanh"), 2.0, 0.3)
    root = fixed_points(layer).points[0]
    estimate, notes = proven_fixed_point(layer, root, 15, 1e-9)
    assert estimate is None
    assert "within 1e-09 s" in notes[0]


@pytest.mark.parametrize("digits", [0, 16])
def test_digits_out_of_range(digits: int) -> None:
    with pytest.raises(DomainError, match="between 1 and 15"):
        proven_fixed_point(SecondMomentMap(activation("tanh"), 2.0, 0.3), Root(2.25, 1e-14), digits, 1.0)


def test_signs_are_exact() -> None:
    layer = SecondMomentMap(activation("relu"), math.sqrt(2), 0.0)
    sure = Estimate(0.5, 1e-17, Route.CERTIFIED)
    # The square of the float next to sqrt(2) is larger than 2, by 3e-16.
    assert proof._sign(layer, Fraction(1), sure) == 1
    assert proof._sign(layer, Fraction(1), Estimate(0.5, 1e-15, Route.CERTIFIED)) == 0
