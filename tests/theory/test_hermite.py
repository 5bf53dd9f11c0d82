import math

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermeval

from propstats.activations import activation, activation_names
from propstats.errors import DomainError
from propstats.expectation import quadrature
from propstats.expectation.dual import dual
from propstats.theory.hermite import _polynomial, hermite


@pytest.mark.parametrize("n", range(13))
def test_polynomials_are_hermites(n: int) -> None:
    x = np.linspace(-3, 3, 13)
    found = eval(_polynomial(n, "x"), {"x": x}) * np.ones_like(x)
    assert np.allclose(found, hermeval(x, [0] * n + [1]), rtol=1e-12, atol=1e-10)


def test_relu() -> None:
    """a_n = (-1)^((n - 2)/2) (n - 3)!!/sqrt(2 pi n!) for even n, 1/2 for n = 1, 0 for other odd n."""
    found = hermite("relu", degree=9)
    double = {4: 1, 6: 3, 8: 15}
    for term in found.terms:
        n = term.degree
        if n in (0, 2):
            exact = 1 / math.sqrt(2 * math.pi * math.factorial(n))
        elif n % 2:
            exact = 0.5 if n == 1 else 0.0
        else:
            exact = (-1) ** ((n - 2) // 2) * double[n] / math.sqrt(2 * math.pi * math.factorial(n))
        assert abs(term.coefficient.value - exact) <= term.coefficient.error + 1e-16
        assert term.coefficient.agree
    assert found.agree
    assert found.mean_degree.value == pytest.approx(1 / (1 - 1 / math.pi), abs=1e-14)


@pytest.mark.parametrize("name", ["tanh", "gelu", "hardtanh", "sin", "exp"])
def test_the_spectrum_is_the_activation(name: str) -> None:
    """Sums of squares, of degrees, and the dual: sum a_n^2 rho^n."""
    found = hermite(name, degree=20, digits=None, mean=0.2, std=0.8)
    moments = quadrature.moments(activation(name), mean=0.2, std=0.8)
    squares = np.array([term.coefficient.value**2 for term in found.terms])
    left = moments["second_moment"].value - squares.sum()
    assert -1e-12 <= left <= 0.01 * moments["second_moment"].value
    assert found.covered == pytest.approx(squares[1:].sum() / moments["var"].value, rel=1e-12)
    kernel = float(np.asarray(dual(name, correlation=0.3, mean=0.2, std=0.8)))
    # What is left has degrees above 20.
    assert abs(kernel - float(squares @ 0.3 ** np.arange(21))) <= 0.3**21 * max(left, 0.0) + 1e-13
    assert found.terms[1].share == pytest.approx(1 - moments["nonlinear_share"].value, rel=1e-10)


@pytest.mark.parametrize("name", activation_names())
def test_routes_agree_for_all(name: str) -> None:
    found = hermite(name, degree=3)
    assert found.agree, [term.coefficient for term in found.terms]
    assert 0 <= found.covered <= 1 + 1e-9


def test_an_affine_function_has_two_terms() -> None:
    found = hermite("identity", mean=3.0, std=2.0, degree=3)
    assert [term.coefficient.value for term in found.terms] == pytest.approx([3.0, 2.0, 0.0, 0.0], abs=1e-13)
    assert found.mean_degree.value == pytest.approx(1.0)
    assert found.covered == pytest.approx(1.0)


def test_refusals() -> None:
    for options in ({"degree": -1}, {"degree": 1000}):
        with pytest.raises(DomainError, match="degree"):
            hermite("relu", **options)
    for mean, std in ((0.0, 0.0), (math.nan, 1.0), (0.0, -1.0)):
        with pytest.raises(DomainError, match="std positive"):
            hermite("relu", mean=mean, std=std)
