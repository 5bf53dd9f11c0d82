"""Thirty-digit integrals: the judge of every moment. Slow, plain, and blind to how the library does it."""

from collections.abc import Callable, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

import mpmath

from propstats.activations import activation
from propstats.activations.compile import compiled
from propstats.activations.expression import Expr, Namespace, evaluate
from propstats.activations.syntax import parse

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

    def tanhshrink(u: Any) -> Any:
        # As it is defined, with digits enough that the difference keeps its own down to u = 1e-30.
        with mp.workdps(mp.dps + 70):
            return u - mp.tanh(u)

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
        "tanhshrink": tanhshrink,
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
        # All the way out: poles close to the real axis, as atan has, are felt over any distance.
        near = [mp.mpf(k * step) for k in range(round(10 / step) + 1)]
        ratio = mp.mpf(1 + step / 2)
        while near[-1] < max(high, -low):
            near.append(near[-1] * ratio)
        edges |= {*near, *(-x for x in near)}
    edges |= {mp.mpf(kink) for kink in kinks}
    return sorted(x for x in edges if low <= x <= high)


@cache
def oracle_moments(name: str, mean: float, std: float, step: float = _STEP) -> Mapping[str, Any]:
    """The base moments of a catalog activation with its default parameters under N(mean, std^2).

    `linear_slope` and `var_rate` are integrals of the function alone: no jump of it can be forgotten.
    """
    entry = activation(name)
    mp: Any = mpmath.mp
    with mpmath.workdps(DIGITS):
        params = {key: mp.mpf(value) for key, value in entry.params.items()}

        formulas = compiled([entry.formula, entry.slope_formula], ["x", *params], mpmath_namespace())
        if std == 0.0:
            value, slope = formulas(mp.mpf(mean), *params.values())
            return _named(value, value**2, mp.mpf(0), slope, slope**2, slope, mp.mpf(0))
        if name in _WAVES and (std > 100 or name == "exp"):
            return _of_waves(_WAVES[name](**params), mp.mpf(mean), mp.mpf(std))
        rows = [(p, z, *formulas(x, *params.values())) for p, z, x in _nodes(mean, std, entry.kinks, step)]
        average = mp.fsum
        m = average(p * f for p, _, f, _ in rows)
        return _named(
            m,
            average(p * f * f for p, _, f, _ in rows),
            average(p * (f - m) ** 2 for p, _, f, _ in rows),
            average(p * d for p, _, _, d in rows),
            average(p * d * d for p, _, _, d in rows),
            average(p * (f - m) * z for p, z, f, _ in rows) / mp.mpf(std),
            # d/d log s of E[g(mu + s z)] is E[g(x) (z^2 - 1)]: the heat equation.
            average(p * (f - m) ** 2 * (z * z - 1) for p, z, f, _ in rows) / 2,
        )


@cache
def _nodes(mean: float, std: float, kinks: tuple[float, ...], step: float) -> list[tuple[Any, Any, Any]]:
    """Weights times density, standardised and plain inputs: activations with the same kinks share them."""
    mp: Any = mpmath.mp
    mu, s = mp.mpf(mean), mp.mpf(std)
    found = []
    for left, right in pairwise(_edges(mean, std, kinks, step)):
        half, middle = (right - left) / 2, (right + left) / 2
        for node, weight in zip(*_gauss_legendre(), strict=True):
            x = middle + half * node
            z = (x - mu) / s
            found.append((weight * half * mp.exp(-z * z / 2) / (s * mp.sqrt(2 * mp.pi)), z, x))
    return found


def _named(*moments: Any) -> dict[str, Any]:
    names = ("mean", "second_moment", "var", "mean_slope", "slope_second_moment", "linear_slope", "var_rate")
    return dict(zip(names, moments, strict=True))


#: A sum of terms `coefficient * x^power * exp(i frequency x)`, by power and frequency.
_Waves = dict[tuple[int, Any], Any]

_WAVES: dict[str, Callable[..., _Waves]] = {
    "sin": lambda: {(0, 1): mpmath.mpc(0, -0.5), (0, -1): mpmath.mpc(0, 0.5)},
    "cos": lambda: {(0, 1): mpmath.mpf(0.5), (0, -1): mpmath.mpf(0.5)},
    # sin(a x)^2/a = (1 - cos(2 a x))/(2 a)
    "snake": lambda a: {
        (1, 0): mpmath.mpf(1),
        (0, 0): 1 / (2 * a),
        (0, 2 * a): -1 / (4 * a),
        (0, -2 * a): -1 / (4 * a),
    },
    # A wave of imaginary frequency; most of the integral of its square is further out than 13 standard deviations.
    "exp": lambda: {(0, mpmath.mpc(0, -1)): mpmath.mpf(1)},
}


def _of_waves(f: _Waves, mu: Any, s: Any) -> dict[str, Any]:
    """Moments from `E[x^n exp(ikx)]`: wide inputs see too many periods to integrate one by one."""
    mp: Any = mpmath.mp

    def times(a: _Waves, b: _Waves) -> _Waves:
        product: _Waves = {}
        for (n, k), c in a.items():
            for (m, q), d in b.items():
                product[n + m, k + q] = product.get((n + m, k + q), 0) + c * d
        return product

    def average(terms: _Waves) -> Any:
        total = mp.mpf(0)
        for (power, k), c in terms.items():
            # exp(ikx) times the density is a Gaussian again, around a complex mean.
            here = mu + 1j * k * s**2
            below, moment = mp.mpf(0), mp.mpf(1)
            for n in range(power):
                below, moment = moment, here * moment + n * s**2 * below
            total += c * mp.exp(1j * k * mu - (k * s) ** 2 / 2) * moment
        return total.real

    slope: _Waves = {}
    for (power, k), c in f.items():
        slope[power, k] = slope.get((power, k), 0) + 1j * k * c
        if power:
            slope[power - 1, k] = slope.get((power - 1, k), 0) + power * c
    mean = average(f)
    centred = {**f, (0, 0): f.get((0, 0), 0) - mean}
    away: _Waves = {(1, 0): mp.mpf(1), (0, 0): -mu}
    return _named(
        mean,
        average(times(f, f)),
        average(times(centred, centred)),
        average(slope),
        average(times(slope, slope)),
        average(times(centred, away)) / s**2,
        average(times(times(centred, slope), away)),
    )


def exact_derived(name: str, moments: Mapping[str, Any], std: float) -> Any:
    """One of the quantities that follow from the base moments, with thirty digits."""
    from propstats.expectation.moments import BASE, DERIVED

    return exactly(parse(DERIVED[name], {"s", *BASE}), {"s": std, **moments})
