"""Thirty-digit integrals: the judge of every moment. Slow, plain, and blind to how the library does it."""

from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import Any

import mpmath

from propstats.activations import activation
from propstats.activations.expression import Expr, Namespace, evaluate, parse

#: Decimal digits of the arithmetic.
DIGITS = 34
#: What the oracle may be off by, relative to 1 + |value|; `test_oracle_halving` shows it is less.
ORACLE_ERROR = 1e-25

_NODES = 24
_Z_MAX = 13  # exp(-13^2/2) = 2e-37
_STEP = 1.0


@cache
def mpmath_namespace() -> Namespace:
    """The functions of a formula, written from their textbook definitions."""
    mp: Any = mpmath.mp

    def cdf(u: Any) -> Any:
        return mp.erfc(-u / mp.sqrt(2)) / 2

    def density(u: Any) -> Any:
        return mp.exp(-u * u / 2) / mp.sqrt(2 * mp.pi)

    def owens_t(h: Any, a: Any) -> Any:
        # Gauss-Legendre on pieces short enough for any a that occurs here.
        return mp.quad(lambda t: mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), mp.linspace(0, a, 9)) / (2 * mp.pi)

    def between(u: Any, v: Any) -> Any:
        if u > 0:
            return cdf(-u) - cdf(-v)
        # With 0 between them, two halves would cancel: the error function starts from there.
        return cdf(v) - cdf(u) if v < 0 else (mp.erf(v / mp.sqrt(2)) - mp.erf(u / mp.sqrt(2))) / 2

    return {
        "add": lambda u, v: u + v,
        "sub": lambda u, v: u - v,
        "mul": lambda u, v: u * v,
        "div": lambda u, v: u / v,
        "neg": lambda u: -u,
        "pow": lambda u, v: u**v,
        "gt": lambda u, v: u > v,
        "number": lambda value: mp.mpf(value.numerator) / value.denominator,
        "pi": lambda: +mp.pi,
        "where": lambda condition, then, otherwise: then if condition else otherwise,
        "exp": mp.exp,
        "expm1": mp.expm1,
        "log": mp.log,
        "log1p": mp.log1p,
        "sqrt": mp.sqrt,
        "sin": mp.sin,
        "cos": mp.cos,
        "atan": mp.atan,
        "asinh": mp.asinh,
        "abs": abs,
        "sign": mp.sign,
        "tanh": mp.tanh,
        "sech2": lambda u: mp.sech(u) ** 2,
        "sigmoid": lambda u: 1 / (1 + mp.exp(-u)),
        "softplus": lambda u: mp.log1p(mp.exp(u)),
        "erf": mp.erf,
        "Phi": cdf,
        "phi": density,
        "between": between,
        "expPhi": lambda u, v: mp.exp(u) * cdf(v),
        "owens_t": owens_t,
    }


def exactly(expr: Expr, symbols: Mapping[str, Any]) -> Any:
    """Evaluate a tree with thirty digits; floats stand for exactly what they are."""
    with mpmath.workdps(DIGITS):
        return evaluate(expr, {name: mpmath.mpf(value) for name, value in symbols.items()}, mpmath_namespace())


@cache
def _gauss_legendre() -> tuple[list[Any], list[Any]]:
    """Nodes and weights on [-1, 1], by Newton's method."""
    mp: Any = mpmath.mp
    nodes, weights = [], []
    for k in range(_NODES):
        slope, x = mp.mpf(1), mp.cos(mp.pi * (k + mp.mpf(3) / 4) / (_NODES + mp.mpf(1) / 2))
        for _ in range(8):
            low, here = mp.mpf(1), x
            for n in range(2, _NODES + 1):
                low, here = here, ((2 * n - 1) * x * here - (n - 1) * low) / n
            slope = _NODES * (x * here - low) / (x * x - 1)
            x -= here / slope
        nodes.append(x)
        weights.append(2 / ((1 - x * x) * slope * slope))
    return nodes, weights


def _edges(mean: float, std: float, kinks: tuple[float, ...], step: float) -> list[Any]:
    """Where to split, in x: around mean, around 0 for wide inputs, and at the kinks."""
    mp: Any = mpmath.mp
    steps = round(_Z_MAX / step)
    edges = {mp.mpf(mean) + mp.mpf(std) * (k * step) for k in range(-steps, steps + 1)}
    low, high = min(edges), max(edges)
    if std > 1:
        near = [mp.mpf(k * step) for k in range(round(10 / step) + 1)]
        ratio = mp.mpf(1 + step / 2)
        while near[-1] < 100:
            near.append(near[-1] * ratio)
        edges |= {*near, *(-x for x in near)}
    edges |= {mp.mpf(kink) for kink in kinks}
    return sorted(x for x in edges if low <= x <= high)


@cache
def oracle_moments(name: str, mean: float, std: float, step: float = _STEP) -> Mapping[str, Any]:
    """The six base moments of a catalog activation with its default parameters under N(mean, std^2)."""
    entry = activation(name)
    mp: Any = mpmath.mp
    with mpmath.workdps(DIGITS):
        params = {key: mp.mpf(value) for key, value in entry.params.items()}

        def both(x: Any) -> tuple[Any, Any]:
            symbols = {"x": x, **params}
            namespace = mpmath_namespace()
            return evaluate(entry.formula, symbols, namespace), evaluate(entry.slope_formula, symbols, namespace)

        if std == 0.0:
            value, slope = both(mp.mpf(mean))
            return _named(value, value**2, mp.mpf(0), slope, slope**2, mp.mpf(0))
        if std > 100 and name in ("sin", "cos"):
            return _trigonometric(name, mp.mpf(mean), mp.mpf(std))
        nodes, weights = _gauss_legendre()
        rows = []
        edges = _edges(mean, std, entry.kinks, step)
        for left, right in pairwise(edges):
            half, middle = (right - left) / 2, (right + left) / 2
            for node, weight in zip(nodes, weights, strict=True):
                x = middle + half * node
                away = x - mean
                density = mp.exp(-((away / std) ** 2) / 2)
                rows.append((weight * half * density, away, *both(x)))
        norm = std * mp.sqrt(2 * mp.pi)

        def average(terms: Any) -> Any:
            return mp.fsum(terms) / norm

        m = average(p * f for p, _, f, _ in rows)
        return _named(
            m,
            average(p * f * f for p, _, f, _ in rows),
            average(p * (f - m) ** 2 for p, _, f, _ in rows),
            average(p * d for p, _, _, d in rows),
            average(p * d * d for p, _, _, d in rows),
            average(p * (f - m) * d * away for p, away, f, d in rows),
        )


def _named(*moments: Any) -> dict[str, Any]:
    names = ("mean", "second_moment", "var", "mean_slope", "slope_second_moment", "var_rate")
    return dict(zip(names, moments, strict=True))


def _trigonometric(name: str, mu: Any, s: Any) -> dict[str, Any]:
    """Moments of sin and cos from E[exp(i k x)]; for wide inputs there are too many periods to integrate."""
    mp: Any = mpmath.mp
    once, twice = (mp.exp(1j * k * mu - (k * s) ** 2 / 2) for k in (1, 2))
    # E[x exp(2ix)] = (mu + 2 i s^2) E[exp(2ix)], E[(x - mu) exp(ix)] = i s^2 E[exp(ix)].
    sign = 1 if name == "sin" else -1
    mean, slope = (once.imag, once.real) if name == "sin" else (once.real, -once.imag)
    second = (1 - sign * twice.real) / 2
    slope_second = (1 + sign * twice.real) / 2
    product = sign * (2j * s**2 * twice).imag / 2  # E[(x - mu) phi phi']
    away = (1j * s**2 * once).real if name == "sin" else -(1j * s**2 * once).imag  # E[(x - mu) phi']
    return _named(mean, second, second - mean**2, slope, slope_second, product - mean * away)


def exact_derived(name: str, moments: Mapping[str, Any], std: float) -> Any:
    """One of the quantities that follow from the base moments, with thirty digits."""
    from propstats.expectation.moments import BASE, DERIVED

    return exactly(parse(DERIVED[name], {"s", *BASE}), {"s": std, **moments})
