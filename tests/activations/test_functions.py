from typing import Any

import mpmath
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import DIGITS, mpmath_namespace

from propstats.activations.derivative import partial_derivative
from propstats.activations.expression import evaluate
from propstats.activations.functions import DERIVATIVES
from propstats.activations.namespaces import sympy_namespace

_PARTIALS = [(name, position) for name, texts in DERIVATIVES.items() for position in range(len(texts))]
#: First arguments that must be positive for the function to be real and smooth.
_POSITIVE = {"log", "log1p", "sqrt", "pow"}
# Odd denominators keep clear of kinks and poles at 0 without a filter.
_REAL = st.integers(-40, 40).map(lambda k: mpmath.mpf(2 * k + 1) / 17)


def _arguments(name: str, u: Any, v: Any) -> list[Any]:
    first = abs(u) if name in _POSITIVE else u
    return [first, v][: len(DERIVATIVES[name])]


@pytest.mark.parametrize(("name", "position"), _PARTIALS)
@settings(max_examples=8, derandomize=True, deadline=None)
@given(u=_REAL, v=_REAL)
def test_derivative_against_differences(name: str, position: int, u: Any, v: Any) -> None:
    with mpmath.workdps(DIGITS):
        args = _arguments(name, u, v)
        order = tuple(int(i == position) for i in range(len(args)))
        numeric = mpmath.diff(mpmath_namespace()[name], tuple(args), order)
        symbols = dict[str, Any](zip(("u", "v"), args, strict=False))
        derived = evaluate(partial_derivative(name, position), symbols, mpmath_namespace())
        # mpmath doubles its precision and takes steps of 10^-34 or so: half the digits are safe.
        assert abs(derived - numeric) <= mpmath.mpf(10) ** (-DIGITS // 2) * (1 + abs(numeric))


@pytest.mark.parametrize(("name", "position"), [(n, p) for n, p in _PARTIALS if n in sympy_namespace()])
def test_derivative_against_sympy(name: str, position: int) -> None:
    namespace = sympy_namespace()
    u = sympy.Symbol("u", positive=True) if name in _POSITIVE else sympy.Symbol("u", real=True)
    symbols = (u, sympy.Symbol("v", real=True))
    args = symbols[: len(DERIVATIVES[name])]
    by_sympy = sympy.diff(namespace[name](*args), symbols[position])
    ours = evaluate(partial_derivative(name, position), dict(zip(("u", "v"), args, strict=False)), namespace)
    for point in ((sympy.Rational(7, 17), sympy.Rational(-23, 17)), (sympy.Rational(41, 17), sympy.Rational(5, 17))):
        # One sign for functions on the positive axis, both for the others.
        for sign in (1,) if name in _POSITIVE else (1, -1):
            at = {symbols[0]: sign * point[0], symbols[1]: point[1]}
            difference = sympy.N((by_sympy - ours).subs(at), 30, chop=True)
            assert abs(difference) < sympy.Float("1e-25")


def test_functions_without_a_sympy_reading() -> None:
    """Owen's T is the only one; a new function needs a meaning in sympy."""
    assert set(DERIVATIVES) - set(sympy_namespace()) == {"owens_t"}
