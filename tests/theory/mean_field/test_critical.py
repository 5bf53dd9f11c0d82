import math

import pytest

from propstats.activations import activation
from propstats.errors import DomainError
from propstats.expectation import quadrature
from propstats.theory.mean_field.critical import critical_point

#: q: (sigma_w^2, sigma_b^2), worked out with mpmath before propstats was written.
_TANH = {
    0.0625: ("1.1153806243628", ".000236876750597895"),
    0.1: ("1.1775690961646", ".000832280424686315"),
    0.5: ("1.68797512057754", ".0380412011112685"),
    1.0: ("2.15330264890279", ".150964629378553"),
    2.0: ("2.86116239999833", ".512264947595217"),
}
_HARDTANH = {0.5: ("1.1866608034148", ".0596350947815128"), 1.0: ("1.46479477349154", ".244080131735663")}


@pytest.mark.parametrize(
    ("name", "q", "weight", "bias"),
    [(name, q, *pair) for name, line in (("tanh", _TANH), ("hardtanh", _HARDTANH)) for q, pair in line.items()],
)
def test_published_critical_lines(name: str, q: float, weight: str, bias: str) -> None:
    point = critical_point(activation(name), q)
    assert point.q == q
    # Half a unit of the last digit, and a few roundings: of the moments (some 1e-15), of the roots taken and squared.
    for found, printed in ((point.sigma_w**2, weight), (point.sigma_b**2, bias)):
        digits = len(printed.partition(".")[2])
        assert abs(found - float(printed)) <= 0.5 * 10.0**-digits + 2e-14 * float(weight)


@pytest.mark.parametrize("name", ["tanh", "erf", "sin", "hardtanh", "elu", "relu", "prelu", "identity", "abs"])
@pytest.mark.parametrize("q", [0.5, 1.0, 3.0])
def test_it_is_a_fixed_point_at_the_edge(name: str, q: float) -> None:
    point = critical_point(activation(name), q)
    m = quadrature.moments(activation(name), std=math.sqrt(q))
    assert math.isclose(point.sigma_w**2 * m["slope_second_moment"].value, 1.0, rel_tol=1e-12)
    # A bias below 1e-9 is rounding and is left out.
    assert math.isclose(point.sigma_w**2 * m["second_moment"].value + point.sigma_b**2, q, rel_tol=1e-9)


def test_relu_is_he() -> None:
    point = critical_point(activation("relu"))
    assert math.isclose(point.sigma_w, math.sqrt(2), rel_tol=1e-12)
    assert point.sigma_b == 0.0


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "cos"])
def test_where_there_is_none(name: str) -> None:
    with pytest.raises(DomainError, match="no weight and bias variance") as caught:
        critical_point(activation(name))
    assert caught.value.hint


@pytest.mark.parametrize("q", [0.0, -1.0, math.nan, math.inf])
def test_a_second_moment_that_makes_no_sense(q: float) -> None:
    with pytest.raises(DomainError, match="q must be a positive number"):
        critical_point(activation("tanh"), q)


def test_jumps_have_no_critical_point() -> None:
    with pytest.raises(DomainError, match="step jumps"):
        critical_point(activation("step"))
