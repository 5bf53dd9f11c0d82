"""Arithmetic on floats that carries a bound on its own rounding error."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from sys import float_info

from propstats.activations.compile import compiled
from propstats.activations.derivative import partial_derivative
from propstats.activations.expression import Expr, Namespace, evaluate
from propstats.activations.functions import ARITY, DERIVATIVES
from propstats.activations.namespaces import float_namespace

_EPS = float_info.epsilon
#: The elementary functions of a good libm are within one unit in the last place; two are allowed for.
_LIBM_ULPS = 2.0
#: The smallest positive number.
_SMALLEST = 5e-324


@dataclass(frozen=True, slots=True)
class Rounded:
    """A float and a first-order bound on how far it is from the exact number."""

    value: float
    error: float = 0.0

    def __gt__(self, other: "Rounded") -> bool:
        return self.value > other.value


#: What has no value: a division by zero, an overflow, the root of a negative number.
UNDEFINED = Rounded(math.nan, math.inf)


def evaluate_rounded(expr: Expr, symbols: Mapping[str, Rounded]) -> Rounded:
    """Evaluate a formula and bound the error from rounding and from the symbols' own errors.

    Where the formula has no value the result is NaN.

    >>> from propstats.activations.syntax import parse
    >>> r = evaluate_rounded(parse("(1 + x) - 1", {"x"}), {"x": Rounded(1e-9)})
    >>> abs(r.value - 1e-9) <= r.error < 1e-15
    True
    """
    result = evaluate(expr, symbols, rounded_namespace())
    assert isinstance(result, Rounded)
    return result


@cache
def rounded_namespace() -> Namespace:
    """Functions on numbers that carry a bound on their error."""
    plain = float_namespace()
    functions = {name: partial(_apply, name, plain[name]) for name in DERIVATIVES}
    return functions | {
        "div": _divide,
        "sqrt": _square_root,
        "between": _between,
        "number": lambda value: Rounded(float(value), 0.0 if float(value) == value else _EPS / 2 * abs(float(value))),
        "pi": lambda: Rounded(math.pi, _EPS / 2 * math.pi),
        "gt": plain["gt"],
        "where": plain["where"],
        "pow": _power,
    }


def _apply(name: str, function: Callable[..., float], *args: Rounded) -> Rounded:
    point = [arg.value for arg in args]
    is_operator = name not in ARITY
    is_exact_zero = name in ("add", "sub", "neg") or any(arg.value == arg.error == 0.0 for arg in args)
    try:
        value = function(*point)
        error = _EPS * abs(value) * (0.5 if is_operator else _LIBM_ULPS)
        if abs(value) < float_info.min and not is_exact_zero:
            error += _SMALLEST  # it may have underflowed
        for arg, partial_of in zip(args, _partials(name), strict=True):
            # Functions scale their argument inside (Phi calls erfc(-x/sqrt 2)), which rounds it once more.
            inner = arg.error if is_operator else arg.error + _EPS * abs(arg.value)
            if inner > 0.0:
                error += abs(partial_of(*point)[0]) * inner
    except (ZeroDivisionError, OverflowError, ValueError):
        return UNDEFINED
    return _or_undefined(value, error)


@cache
def _partials(name: str) -> tuple[Callable[..., tuple[float, ...]], ...]:
    """Return the partial derivatives of a function, ready to be called."""
    arguments = "uv"[: len(DERIVATIVES[name])]
    return tuple(
        compiled([partial_derivative(name, position)], list(arguments), float_namespace())
        for position in range(len(arguments))
    )


def _divide(u: Rounded, v: Rounded) -> Rounded:
    """Divide; by something that may be zero within its error, there is no result."""
    if not abs(v.value) > v.error:
        return UNDEFINED
    return _apply("div", _namespace_value("div"), u, v)


def _square_root(u: Rounded) -> Rounded:
    """Take the root of something that is not negative within its error."""
    if not u.value >= -u.error:
        return UNDEFINED
    root, low = math.sqrt(max(u.value, 0.0)), math.sqrt(max(u.value - u.error, 0.0))
    return Rounded(root, max(root - low, math.sqrt(max(u.value, 0.0) + u.error) - root) + _EPS * root)


def _between(u: Rounded, v: Rounded) -> Rounded:
    """Phi(v) - Phi(u), as the difference of what it is made of: the cancellation must show."""
    name, flip = ("Phi", -1.0) if u.value > 0 else ("Phi", 1.0) if v.value < 0 else ("erf", math.sqrt(0.5))
    function = _namespace_value(name)
    ends = [_apply(name, function, Rounded(flip * end.value, abs(flip) * end.error)) for end in (u, v)]
    half = 0.5 if name == "erf" else flip
    value = half * (ends[1].value - ends[0].value)
    return _or_undefined(value, ends[0].error + ends[1].error + _EPS * abs(value))


def _or_undefined(value: float, error: float) -> Rounded:
    return Rounded(value, error) if math.isfinite(value) and math.isfinite(error) else UNDEFINED


def _namespace_value(name: str) -> Callable[..., float]:
    return float_namespace()[name]


def _power(base: Rounded, exponent: Rounded) -> Rounded:
    """Raise to a constant power, which the general rule (a logarithm of the base) would not allow for 0."""
    if exponent.error > 0.0:
        return _apply("pow", math.pow, base, exponent)
    try:
        value = math.pow(base.value, exponent.value)
        slope = exponent.value * math.pow(base.value, exponent.value - 1) if exponent.value else 0.0
    except (ZeroDivisionError, OverflowError, ValueError):
        return UNDEFINED
    return _or_undefined(value, abs(slope) * base.error + _LIBM_ULPS * _EPS * abs(value))
