import math
import sys
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
import torch
from oracle import DIGITS, exactly, mpmath_namespace

from propstats.activations import activation, activation_names
from propstats.activations.derivative import differentiate
from propstats.activations.expression import Expr, evaluate
from propstats.activations.functions import ARITY
from propstats.activations.namespaces import (
    float_namespace,
    namespace_for,
    numpy_namespace,
    sympy_namespace,
    torch_namespace,
)
from propstats.activations.syntax import parse
from propstats.expectation.rounding import Rounded, evaluate_rounded

_POINTS = sorted(
    sign * x
    for sign in (-1.0, 1.0)
    for x in (
        1e-300,
        1e-20,
        1e-8,
        1e-3,
        0.1,
        0.5,
        0.9,
        1.1,
        1.7,
        2.5,
        3.3,
        5.0,
        5.9,
        6.1,
        8.7,
        13.0,
        21.0,
        37.5,
        38.6,
        90.0,
        350.5,
        700.0,
    )
)
_CASES = [(name, part) for name in activation_names() for part in ("formula", "slope", "bend")]


def _tree(name: str, part: str) -> Expr:
    entry = activation(name)
    return {
        "formula": lambda: entry.formula,
        "slope": lambda: entry.slope_formula,
        "bend": lambda: differentiate(entry.slope_formula, "x"),
    }[part]()


def _bound(tree: Expr, x: float, params: dict[str, float]) -> float:
    """What rounding may do: the library's own first-order bound, once for each of the two values compared.

    Subnormal results have lost their relative accuracy.
    """
    symbols = {name: Rounded(value) for name, value in {"x": x, **params}.items()}
    return 2 * evaluate_rounded(tree, symbols).error + 1e-300


@pytest.mark.parametrize(("name", "part"), _CASES)
def test_floats_numpy_and_torch_agree_with_mpmath(name: str, part: str) -> None:
    tree, params = _tree(name, part), dict(activation(name).params)
    x = np.array(_POINTS)
    by_numpy = np.broadcast_to(evaluate(tree, {"x": x, **params}, numpy_namespace()), x.shape)
    by_torch = torch.as_tensor(
        evaluate(tree, {"x": torch.from_numpy(x), **params}, torch_namespace()), dtype=torch.float64
    ).expand(x.shape)
    assert np.isfinite(by_numpy).all()
    assert torch.isfinite(by_torch).all()
    for i, point in enumerate(_POINTS):
        exact = exactly(tree, {"x": point, **params})
        bound = _bound(tree, point, params)
        found = {
            "float": evaluate(tree, {"x": point, **params}, float_namespace()),
            "numpy": float(by_numpy[i]),
            "torch": float(by_torch[i]),
        }
        for library, value in found.items():
            assert abs(mpmath.mpf(value) - exact) <= bound, (library, point, value, float(exact), bound)


@pytest.mark.parametrize(("name", "part"), _CASES)
def test_sympy_agrees_with_mpmath(name: str, part: str) -> None:
    tree, entry = _tree(name, part), activation(name)
    x = sympy.Symbol("x", real=True)
    params: dict[str, Any] = {key: sympy.Rational(repr(value)) for key, value in entry.params.items()}
    formula = evaluate(tree, {"x": x, **params}, sympy_namespace())
    # sympy's (1 + erf(u))/2 cancels down to as many digits as exp(-u^2) has zeros: at -700 that takes minutes.
    far = 50.0 if sympy.sympify(formula).has(sympy.erf) else 700.0
    for point in (-far, -21.0, -3.25, -0.5, 0.25, 1.5, 3.25, 21.0, far):
        value = sympy.N(sympy.sympify(formula).subs(x, sympy.Rational(point)), 25)
        with mpmath.workdps(DIGITS):
            symbols = {"x": mpmath.mpf(point), **{k: mpmath.mpf(str(v.p)) / v.q for k, v in params.items()}}
            exact = evaluate(tree, symbols, mpmath_namespace())
            # What sympy writes with fewer digits than asked for (log(1 + exp(-700))) has lost them to cancellation.
            assert abs(mpmath.mpf(str(value)) - exact) <= mpmath.mpf(10) ** -22 * (1 + abs(exact)), point


@pytest.mark.parametrize("name", activation_names())
def test_plain_numbers_and_shapes(name: str) -> None:
    entry = activation(name)
    for shape in ((), (3,), (2, 0), (2, 3)):
        for x in (np.full(shape, 0.5), torch.full(shape, 0.5, dtype=torch.float64)):
            assert entry(x).shape == x.shape
            assert entry.slope(x).shape == x.shape
    assert math.isclose(float(entry(0.5)), float(entry(np.float64(0.5))), rel_tol=0.0)


@pytest.mark.parametrize("name", activation_names())
def test_float32_stays_float32(name: str) -> None:
    entry = activation(name)
    x = torch.linspace(-3, 3, 7, dtype=torch.float32)
    assert entry(x).dtype == torch.float32
    assert entry.slope(x).dtype == torch.float32
    # Parameters and constants must not round more than float32 does.
    gap = (entry(x).double() - entry(x.double())).abs().max().item()
    assert gap <= 64 * torch.finfo(torch.float32).eps * 10


@pytest.mark.parametrize("name", sorted(set(ARITY) - {"where"}))
def test_every_function_agrees_where_it_is_tame(name: str) -> None:
    names = ("x", "a")[: ARITY[name]]
    tree = parse(f"{name}({', '.join(names)})", set(names))
    for x, a in ((0.3, 0.8), (1.2, 2.4), (0.01, 3.0)):
        symbols = dict[str, float](zip(names, (x, a), strict=False))
        exact = exactly(tree, symbols)
        bound = 2 * evaluate_rounded(tree, {key: Rounded(value) for key, value in symbols.items()}).error
        assert abs(mpmath.mpf(evaluate(tree, symbols, float_namespace())) - exact) <= bound
        arrays: dict[str, Any] = {key: np.array([value]) for key, value in symbols.items()}
        assert abs(mpmath.mpf(evaluate(tree, arrays, numpy_namespace())[0]) - exact) <= bound
        if name in torch_namespace():
            tensors: dict[str, Any] = {key: torch.from_numpy(value) for key, value in arrays.items()}
            assert abs(mpmath.mpf(evaluate(tree, tensors, torch_namespace()).item()) - exact) <= bound
        if name in sympy_namespace():
            exactly_x = {key: sympy.Rational(value) for key, value in symbols.items()}
            by_sympy = sympy.N(evaluate(tree, exactly_x, sympy_namespace()), 30)
            with mpmath.workdps(DIGITS):
                assert abs(mpmath.mpf(str(by_sympy)) - exact) <= 1e-25


@pytest.mark.parametrize("library", ["float", "numpy"])
def test_tails_keep_their_digits(library: str) -> None:
    """Between, expPhi, sech2 and sigmoid exist for their tails: relative accuracy where the naive form has none."""
    namespace = float_namespace() if library == "float" else numpy_namespace()
    eps = sys.float_info.epsilon
    for name, args in {
        "between": (9.0, 11.0),
        "expPhi": (50.0, -12.0),
        "sech2": (30.0,),
        "sigmoid": (-300.0,),
        "softplus": (-300.0,),
        "tanhshrink": (1e-9,),
        "Phi": (-30.0,),
    }.items():
        with mpmath.workdps(60):
            exact = mpmath_namespace()[name](*(mpmath.mpf(arg) for arg in args))
            value = mpmath.mpf(float(namespace[name](*args)))
            # The argument's own rounding is amplified by |u f'/f| <= u^2 here: some hundreds of units.
            assert abs(value / exact - 1) <= 1000 * eps, name


def test_exp_phi_does_not_overflow() -> None:
    """exp(u) Phi(v) for u = v^2/2 is about 1/(|v| sqrt(2 pi)), where exp(u) alone is infinite."""
    v = -60.0
    for namespace in (float_namespace(), numpy_namespace()):
        value = float(namespace["expPhi"](v * v / 2, v))
        with mpmath.workdps(60):
            exact = mpmath_namespace()["expPhi"](mpmath.mpf(v) ** 2 / 2, mpmath.mpf(v))
            # u = 1800 carries its rounding, 1800 eps, into the exponential.
            assert abs(mpmath.mpf(value) / exact - 1) <= 4 * 1800 * sys.float_info.epsilon


@pytest.mark.parametrize("x", [1e-300, 1e-20, 1e-7, 0.03, 0.4, 0.999, 1.001, 3.0, 300.0])
def test_tanhshrink_cancels_nowhere(x: float) -> None:
    """Also where x - tanh(x) has lost all digits, and where it takes over from the series."""
    with mpmath.workdps(DIGITS):
        exact = mpmath_namespace()["tanhshrink"](mpmath.mpf(x))
    for value in (
        float_namespace()["tanhshrink"](x),
        float(numpy_namespace()["tanhshrink"](np.array([x]))[0]),
        float(torch_namespace()["tanhshrink"](torch.tensor([x], dtype=torch.float64))[0]),
    ):
        # Beyond 1 a difference of x and at least 0.76, which is 0.24 or more of the larger: seven units.
        assert abs(value - exact) <= 16 * sys.float_info.epsilon * exact + sys.float_info.min


def test_softsign_slope_keeps_its_digits_far_out() -> None:
    """1/(1 + |x|)^2 is a difference of two 1/|x| in the product rule."""
    for x in (-1e6, 1e6):
        slope = float(activation("softsign").slope(x))
        # The logarithm's rounding, 14 eps, goes through the exponential.
        assert abs(slope * (1 + abs(x)) ** 2 - 1) <= 64 * sys.float_info.epsilon
    assert float(activation("softsign").slope(0.0)) == 1.0


@pytest.mark.parametrize("name", sorted({name for name, arity in ARITY.items() if arity == 1}))
def test_torch_takes_plain_numbers(name: str) -> None:
    """exp(a) of a parameter is a number, which torch.exp would refuse."""
    assert torch_namespace()[name](0.75) == float_namespace()[name](0.75)


def test_torch_chooses() -> None:
    where = torch_namespace(torch.float16)["where"]
    mask = torch.tensor([True, False])
    assert where(mask, 1.0, 0.5).dtype == torch.float16
    assert torch_namespace(torch.int64)["where"](mask, 1.0, 0.5).tolist() == [1.0, 0.5]
    assert torch_namespace()["where"](mask, 1.0, 0.1).tolist() == [1.0, 0.1]
    assert where(True, 1.0, 0.5) == 1.0
    assert where(False, 1.0, 0.5) == 0.5


def test_namespace_for() -> None:
    assert namespace_for(torch.zeros(1, dtype=torch.float16)) is torch_namespace(torch.float16)
    assert namespace_for(sympy.Symbol("x")) is sympy_namespace()
    assert namespace_for(np.zeros(1)) is numpy_namespace()
    assert namespace_for(1.0) is numpy_namespace()
