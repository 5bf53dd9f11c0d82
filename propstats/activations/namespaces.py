"""What the functions of a formula mean to numpy, to torch, to sympy and to plain floats.

Each namespace is built on first use, so that asking for one never loads another.
"""

import math
import operator
from collections.abc import Callable
from functools import cache
from typing import Any

from propstats.activations.expression import Namespace

_OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "neg": operator.neg,
    "pow": operator.pow,
    "gt": operator.gt,
}
#: What is the same for everybody who computes with floats.
_FLOATS: dict[str, Callable[..., Any]] = {**_OPERATORS, "number": float, "pi": lambda: math.pi}


def namespace_for(value: object) -> Namespace:
    """Return the namespace that fits a value, by the library that made it, without importing that library."""
    libraries = {base.__module__.partition(".")[0] for base in type(value).__mro__}
    if "torch" in libraries:
        return torch_namespace(getattr(value, "dtype", None))
    if "sympy" in libraries:
        return sympy_namespace()
    return numpy_namespace()


#: `u cosh(u) - sinh(u)` is `u^3` times this polynomial in `u^2`, highest power first; no term has another sign.
_SHRINK_SERIES = tuple(2 * k / math.factorial(2 * k + 1) for k in range(10, 0, -1))


def _shrink_series(u: Any, cosh: Callable[[Any], Any]) -> Any:
    """Return `u - tanh(u)` for |u| <= 1, where the difference itself would cancel."""
    square, series = u * u, 0.0
    for coefficient in _SHRINK_SERIES:
        series = series * square + coefficient
    return u * square * series / cosh(u)


@cache
def numpy_namespace() -> Namespace:
    """Functions on numpy arrays, elementwise; scipy.special is loaded when a formula first needs it."""
    import numpy as np

    def special(name: str) -> Callable[..., Any]:
        def function(*args: Any) -> Any:
            import scipy.special

            return getattr(scipy.special, name)(*args)

        return function

    # Both from exp(-|u|): no overflow, and every digit right in both tails.
    def sigmoid(u: Any) -> Any:
        small = np.exp(-np.abs(u))
        return np.where(u >= 0, 1.0, small) / (1 + small)

    def sech2(u: Any) -> Any:
        small = np.exp(-2 * np.abs(u))
        return 4 * small / (1 + small) ** 2

    def tanhshrink(u: Any) -> Any:
        near = np.where(np.abs(u) < 1, u, 0.0)
        return np.where(np.abs(u) < 1, _shrink_series(near, np.cosh), u - np.tanh(u))

    ndtr = special("ndtr")

    def between(u: Any, v: Any) -> Any:
        # Differences of the smaller tails, or sums where 0 lies between.
        apart = special("erf")(v / math.sqrt(2)) / 2 - special("erf")(u / math.sqrt(2)) / 2
        return np.where(u > 0, ndtr(-u) - ndtr(-v), np.where(v < 0, ndtr(v) - ndtr(u), apart))

    return {
        **_FLOATS,
        "where": np.where,
        "exp": np.exp,
        "expm1": np.expm1,
        "log": np.log,
        "log1p": np.log1p,
        "sqrt": np.sqrt,
        "sin": np.sin,
        "cos": np.cos,
        "atan": np.arctan,
        "asinh": np.arcsinh,
        "abs": np.abs,
        "sign": np.sign,
        "tanh": np.tanh,
        "sech2": sech2,
        "sigmoid": sigmoid,
        "softplus": lambda u: np.logaddexp(0, u),
        "tanhshrink": tanhshrink,
        "erf": special("erf"),
        "Phi": ndtr,
        "phi": lambda u: np.exp(-0.5 * u * u) / math.sqrt(2 * math.pi),
        "between": between,
        "expPhi": lambda u, v: np.exp(u + special("log_ndtr")(v)),
        "owens_t": special("owens_t"),
    }


@cache
def torch_namespace(dtype: Any = None) -> Namespace:
    """Functions on torch tensors, elementwise; what only closed forms use is left out.

    Args:
        dtype: The type of the tensors, for formulas that choose between plain numbers; float64 by default.
    """
    import torch

    def where(condition: Any, then: Any, otherwise: Any) -> Any:
        if not isinstance(condition, torch.Tensor):
            return then if condition else otherwise
        if not isinstance(then, torch.Tensor) and not isinstance(otherwise, torch.Tensor):
            # Two plain numbers would take the default type, whatever x is.
            inexact = dtype if dtype is not None and dtype.is_floating_point else torch.float64
            then = torch.full_like(condition, float(then), dtype=inexact)
        return torch.where(condition, then, otherwise)

    def sech2(u: torch.Tensor) -> torch.Tensor:
        small = torch.exp(-2 * torch.abs(u))
        return 4 * small / (1 + small) ** 2

    def tanhshrink(u: torch.Tensor) -> torch.Tensor:
        near = torch.where(torch.abs(u) < 1, u, 0.0)
        return torch.where(torch.abs(u) < 1, _shrink_series(near, torch.cosh), u - torch.tanh(u))

    plain = float_namespace()

    def of_tensors(name: str, function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Any], Any]:
        # exp(a) of a parameter a is a plain number's.
        return lambda u: function(u) if isinstance(u, torch.Tensor) else plain[name](u)

    same = (
        "exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "atan", "asinh", "abs", "sign", "tanh", "sigmoid", "erf",
    )  # fmt: skip
    own: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "sech2": sech2,
        # torch's own softplus turns linear above a threshold of 20, which is off by 2e-9.
        "softplus": lambda u: torch.logaddexp(u, torch.zeros_like(u)),
        "tanhshrink": tanhshrink,
        # torch.special.ndtr gives up its tail below -20.
        "Phi": lambda u: 0.5 * torch.erfc(u * -math.sqrt(0.5)),
        "phi": lambda u: torch.exp(-0.5 * u * u) / math.sqrt(2 * math.pi),
    }
    functions = {name: getattr(torch, name) for name in same} | own
    return {
        **_FLOATS,
        "where": where,
        **{name: of_tensors(name, function) for name, function in functions.items()},
    }


@cache
def sympy_namespace() -> Namespace:
    """Functions on sympy expressions; the formulas become ordinary mathematics."""
    import sympy

    def cdf(u: Any) -> Any:
        return (1 + sympy.erf(u / sympy.sqrt(2))) / 2

    plain = ("exp", "log", "sqrt", "sin", "cos", "atan", "asinh", "sign", "tanh", "erf")
    return {
        **_OPERATORS,
        **{name: getattr(sympy, name) for name in plain},
        "number": lambda value: sympy.Rational(value.numerator, value.denominator),
        "pi": lambda: sympy.pi,
        "abs": sympy.Abs,
        "where": lambda condition, then, otherwise: sympy.Piecewise((then, condition), (otherwise, True)),
        "expm1": lambda u: sympy.exp(u) - 1,
        "log1p": lambda u: sympy.log(1 + u),
        "sech2": lambda u: sympy.sech(u) ** 2,
        "sigmoid": lambda u: 1 / (1 + sympy.exp(-u)),
        "softplus": lambda u: sympy.log(1 + sympy.exp(u)),
        "tanhshrink": lambda u: u - sympy.tanh(u),
        "Phi": cdf,
        "phi": lambda u: sympy.exp(-(u**2) / 2) / sympy.sqrt(2 * sympy.pi),
        "between": lambda u, v: cdf(v) - cdf(u),
        "expPhi": lambda u, v: sympy.exp(u) * cdf(v),
    }


@cache
def float_namespace() -> Namespace:
    """Functions on Python floats: closed forms are evaluated with these, without numpy."""

    def ndtr(u: float) -> float:
        return 0.5 * math.erfc(-u / math.sqrt(2))

    def exp_ndtr(u: float, v: float) -> float:
        if v > -30:
            return math.exp(u) * ndtr(v) if u < 700 else math.inf
        # Beyond the reach of erfc: Phi(v) = phi(v)/|v| (1 - 1/v^2 + 3/v^4 - 15/v^6 + 105/v^8 ...).
        w = 1 / (v * v)
        series = 1 - w * (1 - 3 * w * (1 - 5 * w * (1 - 7 * w * (1 - 9 * w))))
        return math.exp(u - 0.5 * v * v) / (-v * math.sqrt(2 * math.pi)) * series

    def owens_t(h: float, a: float) -> float:
        import scipy.special

        return float(scipy.special.owens_t(h, a))

    def between(u: float, v: float) -> float:
        if u > 0:
            return ndtr(-u) - ndtr(-v)
        return ndtr(v) - ndtr(u) if v < 0 else math.erf(v / math.sqrt(2)) / 2 - math.erf(u / math.sqrt(2)) / 2

    def sigmoid(u: float) -> float:
        return 1 / (1 + math.exp(-u)) if u >= 0 else math.exp(u) / (1 + math.exp(u))

    plain = ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "atan", "asinh", "tanh", "erf", "pow")
    return {
        **_FLOATS,
        **{name: getattr(math, name) for name in plain},
        "abs": abs,
        "sign": lambda u: math.copysign(1.0, u) if u else 0.0,
        "where": lambda condition, then, otherwise: then if condition else otherwise,
        "sech2": lambda u: math.cosh(u) ** -2 if abs(u) < 350 else 0.0,
        "sigmoid": sigmoid,
        "softplus": lambda u: max(u, 0.0) + math.log1p(math.exp(-abs(u))),
        "tanhshrink": lambda u: _shrink_series(u, math.cosh) if abs(u) < 1 else u - math.tanh(u),
        "Phi": ndtr,
        "phi": lambda u: math.exp(-0.5 * u * u) / math.sqrt(2 * math.pi),
        "between": between,
        "expPhi": exp_ndtr,
        "owens_t": owens_t,
    }
