"""Functions in ball arithmetic: they hold the oracle's value, and say where they are not analytic."""

import math
from fractions import Fraction

import flint
import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import mpmath_namespace

from propstats.activations.functions import ARITY
from propstats.expectation.certified.balls import Balls, ends, exact, precision

_COMPARED = sorted(ARITY.keys() - {"where", "owens_t"})


@settings(max_examples=15, deadline=None)
@given(u=st.floats(-6, 6), v=st.floats(-6, 6))
@pytest.mark.parametrize("name", _COMPARED)
def test_every_function_holds_the_true_value(name: str, u: float, v: float) -> None:
    if name in ("log", "sqrt"):
        u = abs(u) + 0.1
    if name == "log1p":
        u = abs(u)
    args = (u, v)[: ARITY[name]]
    with mpmath.workdps(60):
        truth = mpmath.mpf(mpmath_namespace()[name](*map(mpmath.mpf, args)))
    with precision(120):
        low, high = ends(Balls().reals[name](*map(exact, args)))
    with mpmath.workdps(60):
        slack = abs(truth) * mpmath.mpf(10) ** -50  # the oracle's own rounding
        assert mpmath.mpf(low.numerator) / low.denominator <= truth + slack
        assert truth - slack <= mpmath.mpf(high.numerator) / high.denominator
    assert high - low <= Fraction(1, 2**90)


def test_owens_t() -> None:
    """T(h, 1) = Phi(h) (1 - Phi(h))/2."""
    with precision(200):
        reals = Balls().reals
        below = reals["Phi"](exact(0.75))
        left, right = reals["owens_t"](exact(0.75), exact(1.0)), below * (1 - below) / 2
        assert left.overlaps(right)
        assert left.rad() < flint.arb(2) ** -180


@pytest.mark.parametrize(
    ("name", "middle"),
    [("log", -1), ("sqrt", -1), ("log1p", -2), ("log1p", -1.5), ("atan", 2j), ("atan", -1j), ("asinh", 1.5j)],
)
def test_branch_cuts_are_seen(name: str, middle: complex) -> None:
    """A box that a cut enters is not a box on which the function is analytic."""
    balls = Balls()
    box = flint.acb(flint.arb(middle.real, 0.3), flint.arb(middle.imag, 0.3))
    balls.is_analytic = True
    assert not balls.namespace[name](box).is_finite()
    assert balls.namespace[name](flint.acb(flint.arb(3, 0.3), flint.arb(0, 0.3))).is_finite()


def test_fractional_powers_have_a_cut_and_whole_ones_none() -> None:
    balls = Balls()
    balls.is_analytic = True
    box = flint.acb(flint.arb(-1, 0.3), flint.arb(0, 0.3))
    assert not balls.namespace["pow"](box, flint.acb(0.5)).is_finite()
    assert balls.namespace["pow"](box, flint.acb(3)).is_finite()


@pytest.mark.parametrize(("name", "argument"), [("sqrt", -1.0), ("log", -2.0), ("log1p", -3.0)])
def test_what_is_not_real_is_no_value(name: str, argument: float) -> None:
    """The square root of -1 is i; the expectation of a real function must not hear of it."""
    assert not Balls().reals[name](exact(argument)).is_finite()


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "asinh", "sech2", "tanh", "Phi"])
@pytest.mark.parametrize("x", [-1e4, -40.0, 40.0, 1e4])
def test_far_out_nothing_is_lost(name: str, x: float) -> None:
    """Relative accuracy of the smallest values, and finite boxes."""
    with precision(100):
        point = Balls().reals[name](exact(x))
        assert point.rad() <= abs(point) * flint.arb(2) ** -60
    box = Balls().namespace[name](flint.acb(flint.arb(x, abs(x) / 4), flint.arb(0, 0.5)))
    assert box.is_finite()


def _fail_at(bits: int) -> None:
    with precision(bits):
        assert flint.ctx.prec == bits
        raise ZeroDivisionError


def test_precision_is_given_back() -> None:
    before = flint.ctx.prec
    with pytest.raises(ZeroDivisionError):
        _fail_at(333)
    assert flint.ctx.prec == before


def test_ends() -> None:
    assert ends(exact(0.5)) == (Fraction(1, 2), Fraction(1, 2))
    low, high = ends(exact(Fraction(1, 3)))
    assert low < Fraction(1, 3) < high
    # What is astronomically small is moved outwards, not lost.
    low, high = ends((-(flint.arb(10) ** 12)).exp())
    assert low <= 0 < high < Fraction(1, 10**1000)


def test_overlapping_balls_are_not_compared() -> None:
    from propstats.errors import CertificateError

    reals = Balls().reals
    assert reals["gt"](exact(2.0), exact(1.0)) is True
    assert reals["gt"](exact(1.0), exact(1.0)) is False
    with pytest.raises(CertificateError, match="cannot decide"):
        reals["gt"](flint.arb.pi(), flint.arb.pi())
    assert math.isfinite(float(reals["where"](True, exact(1.0), exact(2.0))))
