"""Every line of a derivation is true, and can be followed: each expectation is known before or explained later."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from propstats.activations import Activation, activation
from propstats.activations.expression import Call, Expr, Number, Symbol, evaluate
from propstats.activations.namespaces import numpy_namespace
from propstats.expectation.moments import BASE, DERIVED
from propstats.expectation.rounding import Rounded, rounded_namespace
from propstats.expectation.symbolic.derivation import Derivation, derive
from propstats.expectation.symbolic.line import Line
from propstats.report.formula import text_of

_QUANTITIES = [*BASE, *DERIVED]
_NAMES = ("gelu", "elu", "prelu", "hardtanh", "erf", "sin", "snake", "silu", "step", "hardshrink", "rbf", "tanhshrink")
#: A normal distribution in its formula, kinks, waves, and no closed form.
_KINDS = ("gelu", "hardtanh", "snake", "silu")
_RICH = ("stability_slope", "gain", "mean_slope")
_EPS = 2.0**-52
_INPUT = (0.3, 1.3)


def _nodes(low: float, high: float, mean: float, std: float) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of a Gauss-Legendre rule on pieces of one standard deviation, density included."""
    x, w = np.polynomial.legendre.leggauss(32)
    first, last = max(low, mean - 13 * std), min(high, mean + 13 * std)
    if first >= last:
        return np.array([mean]), np.array([0.0])
    edges = np.linspace(first, last, int(np.ceil((last - first) / std)) + 1)
    half, middle = np.diff(edges)[:, None] / 2, (edges[1:] + edges[:-1])[:, None] / 2
    points = middle + half * x
    density = np.exp(-(((points - mean) / std) ** 2) / 2) / (std * np.sqrt(2 * np.pi))
    return points.ravel(), (half * w * density).ravel()


def _average(f: Callable[[np.ndarray], Any], ends: tuple[float, float], law: tuple[float, float]) -> Rounded:
    """Integrate numerically; the error is what rounding of nodes, weights and values makes of the terms."""
    points, weights = _nodes(*ends, *law)
    terms = weights * f(points)
    # The density's exponent is below 85, and is rounded a few times; the sum is numpy's pairwise one.
    return Rounded(float(terms.sum()), 256 * _EPS * float(np.abs(terms).sum()) + 1e-30)


class _Reader:
    """Knows what the symbols and expectations in a line stand for, and nothing of how they were derived."""

    def __init__(self, act: Activation, mean: float, std: float, found: Derivation) -> None:
        self.act, self.mean, self.std = act, mean, std
        self.symbols = {"mu": Rounded(mean), "s": Rounded(std), **{k: Rounded(v) for k, v in act.params.items()}}
        self.laws = {"E": (mean, std)}
        self.open = {f"E{i}": node for i, node in enumerate(found.open, start=1)}

    def introduce(self, line: Line) -> None:
        """Take the law of a line `let E' be ...: x ~ N(m, v)`."""
        assert isinstance(line.right, Call)
        label = line.reason.split()[1]
        assert label not in self.laws, "introduced twice"
        m, v = (self.value(arg).value for arg in line.right.args)
        self.laws[label] = (m, v**0.5)

    def value(self, expr: Expr) -> Rounded:
        """Evaluate one side."""
        if isinstance(expr, Symbol):
            return self._symbol(expr.name)
        if isinstance(expr, Call) and expr.function.startswith("E") and expr.function.strip("'") == "E":
            integrand, low, high = expr.args
            ends = (self._end(low), self._end(high))
            known = {name: number.value for name, number in self.symbols.items()}
            return _average(
                lambda x: evaluate(integrand, {**known, "x": x}, numpy_namespace()), ends, self.laws[expr.function]
            )
        if isinstance(expr, Number):
            found = rounded_namespace()["number"](expr.value)
        else:
            found = rounded_namespace()[expr.function](*map(self.value, expr.args))
        assert isinstance(found, Rounded)
        return found

    def _end(self, end: Expr) -> float:
        return float(end.name) if isinstance(end, Symbol) and end.name.endswith("inf") else self.value(end).value

    def _symbol(self, name: str) -> Rounded:
        if name == "pi":
            return Rounded(np.pi, _EPS * np.pi)
        if name.startswith("E["):
            return self._mean_of(name[2:-1])
        if name in self.open:
            return self.value(self.open[name])
        return self.symbols[name] if name in self.symbols else self._quantity(name)

    def _mean_of(self, words: str) -> Rounded:
        """Integrate what is said of the activation, from the formula with all its branches."""
        parts: Mapping[str, Callable[[np.ndarray], Any]] = {
            "f(x)": self.act,
            "f'(x)": self.act.slope,
            "(x - mu)": lambda x: x - self.mean,
        }

        def product(x: np.ndarray) -> Any:
            total: Any = 1.0
            for factor in words.replace(" (", "|(").replace(" f", "|f").split("|"):
                base, _, power = factor.partition("^")
                total = total * parts[base](x) ** int(power or 1)
            return total

        return self._over_the_pieces(product)

    def _over_the_pieces(self, f: Callable[[np.ndarray], Any]) -> Rounded:
        ends = [-np.inf, *self.act.kinks, np.inf]
        parts = [_average(f, (a, b), (self.mean, self.std)) for a, b in pairwise(ends)]
        return Rounded(sum(p.value for p in parts), sum(p.error for p in parts))

    def _quantity(self, name: str) -> Rounded:
        """A moment or a derived quantity, from its meaning in `BASE`; the rate of the variance from the density's."""
        if name in DERIVED:
            from propstats.expectation.moments import derived_formulas

            return self.value(derived_formulas()[name])
        m = self._mean_of("f(x)").value

        def square(x: np.ndarray) -> Any:
            return (self.act(x) - m) ** 2

        meanings: Mapping[str, Callable[[], Rounded]] = {
            "mean": lambda: self._mean_of("f(x)"),
            "second_moment": lambda: self._mean_of("f(x)^2"),
            "mean_slope": lambda: self._mean_of("f'(x)"),
            "slope_second_moment": lambda: self._mean_of("f'(x)^2"),
            "var": lambda: self._over_the_pieces(square),
            "linear_slope": lambda: self._over_the_pieces(lambda x: self.act(x) * (x - self.mean) / self.std**2),
            # (s/2) d/ds of the density is ((x - mu)^2/s^2 - 1)/2 times it.
            "var_rate": lambda: self._over_the_pieces(
                lambda x: square(x) * (((x - self.mean) / self.std) ** 2 - 1) / 2
            ),
        }
        return meanings[name]()


@cache
def _derived(name: str, quantity: str) -> Derivation:
    return derive(activation(name), quantity)


def _is_true(reader: _Reader, line: Line) -> bool:
    left, right = reader.value(line.left), reader.value(line.right)
    return abs(left.value - right.value) <= left.error + right.error


def _check_every_line(act: Activation, found: Derivation) -> None:
    readers = {at: _Reader(act, *at, found) for at in (_INPUT, (0.0, 1.3), (0.0, 1.0))}
    at = _INPUT
    for line in found.lines:
        if line.relation == "~":
            for reader in readers.values():
                reader.introduce(line)
            continue
        if line.left == Symbol("f'(x)"):
            _check_slope(act, line)
            continue
        if line.reason.startswith("for mu = 0 and s = 1"):
            assert _is_true(readers[0.0, 1.0], line), _shown(line)
            at = _INPUT
            continue
        if line.reason.startswith("symmetry: for mu = 0"):
            at = (0.0, 1.3)  # and so on until s is put in
        assert _is_true(readers[at], line), _shown(line)


def _check_slope(act: Activation, line: Line) -> None:
    x = np.linspace(-4.03, 4.01, 50)
    value = evaluate(line.right, {**act.params, "x": x}, numpy_namespace())
    assert np.array_equal(value + 0 * x, act.slope(x))


def _shown(line: Line) -> str:
    return f"{line.reason}: {text_of(line.left)} {line.relation} {text_of(line.right)}"


def _cases() -> Iterator[object]:
    """Every quantity of one activation of each kind; of the others those whose derivations hold most of the rest's."""
    for name in _NAMES:
        for quantity in _QUANTITIES:
            is_seen = name in _KINDS or quantity in _RICH
            yield pytest.param(name, quantity, marks=() if is_seen else pytest.mark.slow)


@pytest.mark.parametrize(("name", "quantity"), list(_cases()))
def test_every_line_is_true(name: str, quantity: str) -> None:
    _check_every_line(activation(name), _derived(name, quantity))
