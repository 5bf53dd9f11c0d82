"""Student's t against scipy's own law, on both sides of where scipy is asked itself."""

import math

import pytest
from scipy import special

from propstats.student import normal_deviate


@pytest.mark.parametrize("freedom", [1, 2, 30, 199, 200, 5000])
@pytest.mark.parametrize("t", [-6.0, -0.5, 0.0, 2.0, 5.0])
def test_it_is_as_rare(t: float, freedom: int) -> None:
    expected = math.copysign(-float(special.ndtri(special.stdtr(freedom, -abs(t)))), t)
    # By Wallace's formula beyond 200: 1e-5 at five standard errors, and in proportion at six.
    assert normal_deviate(t, freedom) == pytest.approx(expected, rel=2e-5 if freedom >= 200 else 1e-12)


def test_a_known_standard_error() -> None:
    assert normal_deviate(3.25, math.inf) == 3.25
