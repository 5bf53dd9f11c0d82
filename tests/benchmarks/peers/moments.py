"""Four moments of a forward and backward pass, E[f], Var f, E[f'] and E[f'^2], at N(0.3, 1.7^2).

All methods compute the four moments of twelve activations; the time is per activation. The floor is the bare work of
any quadrature: the activation and its slope at 264 nodes or some more, and four sums. An error is relative to
max(1, size), beside integrals with thirty-four digits; the largest over all activations is printed. Target: quadrature
at least ten times as fast as scipy's quad that is told the kinks, and with a smaller error, or one below 1e-15.
"""

import math
import sys
import warnings
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import mpmath
import numpy as np
import oracle
from benchmarks.peers.turns import named, ratio, rows_of, table, take_turns, verdict
from scipy.integrate import quad

from propstats.activations import Activation, activation
from propstats.activations.compile import compiled
from propstats.activations.namespaces import float_namespace
from propstats.errors import ExpressionError
from propstats.expectation import closed_form, quadrature

_ACTS = (
    "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "softplus", "mish", "hardtanh", "softsign",
)  # fmt: skip
_MEAN, _STD, _ROUNDS, _FASTER, _EXACT = 0.3, 1.7, 5, 10.0, 1e-15
_FOUR = ("mean", "var", "mean_slope", "slope_second_moment")
Found = Mapping[str, Any]


def _by_scipy(entry: Activation, *, split: bool) -> Callable[[], Found]:
    both = compiled([entry.formula, entry.slope_formula], ["x", *entry.params], float_namespace())
    params = tuple(entry.params.values())
    kinks = [z for kink in entry.kinks if abs(z := (kink - _MEAN) / _STD) < 12] if split else []

    def average(g: Callable[[float, float], float]) -> float:
        def integrand(z: float) -> float:
            return g(*both(_MEAN + _STD * z, *params)) * math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)

        ends = [-12.0, *kinks, 12.0]
        return float(sum(quad(integrand, low, high, epsabs=1e-14, epsrel=1e-14)[0] for low, high in pairwise(ends)))

    def moments() -> Found:
        m = average(lambda f, _: f)
        var, slope = average(lambda f, _: (f - m) ** 2), average(lambda _, d: d)
        return dict(zip(_FOUR, (m, var, slope, average(lambda _, d: d * d)), strict=True))

    return moments


def _by_nodes(entry: Activation, nodes: np.ndarray, weights: np.ndarray) -> Callable[[], Found]:
    """Average over nodes in z, with weights that sum to 1."""
    x, slope = _MEAN + _STD * nodes, entry.slope

    def moments() -> Found:
        f, d = entry(x), slope(x)
        m = weights @ f
        return dict(zip(_FOUR, map(float, (m, weights @ (f - m) ** 2, weights @ d, weights @ (d * d))), strict=True))

    return moments


def _by_mpmath(entry: Activation) -> Callable[[], Found]:
    both = compiled([entry.formula, entry.slope_formula], ["x", *entry.params], oracle.mpmath_namespace())
    params = tuple(entry.params.values())
    ends = [-12, *sorted({0, *((kink - _MEAN) / _STD for kink in entry.kinks)}), 12]

    def moments() -> Found:
        with mpmath.workdps(15):

            def average(g: Callable[[Any, Any], Any]) -> Any:
                return mpmath.quad(lambda z: g(*both(_MEAN + _STD * z, *params)) * mpmath.npdf(z), ends)

            m = average(lambda f, _: f)
            var = average(lambda f, _: (f - m) ** 2)
            slopes = average(lambda _, d: d), average(lambda _, d: d * d)
            return dict(zip(_FOUR, (m, var, *slopes), strict=True))

    return moments


def _nodes(entry: Activation) -> tuple[np.ndarray, np.ndarray]:
    """Return 24 Gauss-Legendre nodes on each of eleven panels and more, which end at the kinks."""
    t, w = np.polynomial.legendre.leggauss(24)
    edges = np.unique([*np.linspace(-10, 10, 12), *((kink - _MEAN) / _STD for kink in entry.kinks)])
    low, width = edges[:-1, None], np.diff(edges)[:, None]
    z = low + width * (t + 1) / 2
    return z.ravel(), (width / 2 * w * np.exp(-0.5 * z * z)).ravel() / math.sqrt(2 * math.pi)


def _error(found: Found, name: str) -> float:
    exact = oracle.oracle_moments(name, _MEAN, _STD)
    return max(float(abs(mpmath.mpmathify(found[key]) - exact[key]) / max(abs(exact[key]), 1)) for key in _FOUR)


def _closed(entry: Activation) -> Callable[[], Found] | None:
    try:
        form = closed_form.function(entry, _FOUR)
    except ExpressionError:
        return None
    return lambda: dict(zip(_FOUR, form(_MEAN, _STD), strict=True))


def main() -> int:
    """Print the table; exit with 1 if a target is missed."""
    warnings.simplefilter("ignore")  # scipy's, that it cannot have as many digits as it is asked for
    hermite, hermite_weights = np.polynomial.hermite_e.hermegauss(100)
    hermite_weights = hermite_weights / hermite_weights.sum()
    entries = [activation(name) for name in _ACTS]
    closed = {entry.name: form for entry in entries if (form := _closed(entry)) is not None}
    scipy = f"{named('scipy')} quad, split at the kinks"
    ours = "propstats, quadrature"
    ways: dict[str, dict[str, Callable[[], Found]]] = {
        "floor: numpy, 264 nodes": {entry.name: _by_nodes(entry, *_nodes(entry)) for entry in entries},
        f"propstats, closed form (of {len(closed)})": closed,
        ours: {entry.name: _ours(entry) for entry in entries},
        scipy: {entry.name: _by_scipy(entry, split=True) for entry in entries},
        f"{named('scipy')} quad": {entry.name: _by_scipy(entry, split=False) for entry in entries},
        "numpy, Gauss-Hermite 100": {entry.name: _by_nodes(entry, hermite, hermite_weights) for entry in entries},
        f"{named('mpmath')} quad, 15 digits": {entry.name: _by_mpmath(entry) for entry in entries},
    }
    times = take_turns({name: _all(list(runs.values())) for name, runs in ways.items()}, _ROUNDS)
    times = {name: [t / len(ways[name]) for t in taken] for name, taken in times.items()}
    errors = {name: max(_error(run(), act) for act, run in runs.items()) for name, runs in ways.items()}
    is_met = ratio(times, scipy, ours) >= _FASTER and errors[ours] <= max(errors[scipy], _EXACT)
    results = {name: f"{error:.1e}" for name, error in errors.items()}
    floor = next(iter(ways))
    print(table("largest error", rows_of(times, floor, results, {ours: verdict(is_met)})))
    print(f"\n{ratio(times, scipy, ours):.1f} times as fast as scipy's quad, split at the kinks (target {_FASTER:g}).")
    return 0 if is_met else 1


def _ours(entry: Activation) -> Callable[[], Found]:
    def moments() -> Found:
        found = quadrature.values(entry, _MEAN, _STD, names=_FOUR)
        return {key: float(found[key]) for key in _FOUR}

    return moments


def _all(runs: list[Callable[[], Found]]) -> Callable[[], object]:
    def run() -> None:
        for each in runs:
            each()

    return run


if __name__ == "__main__":
    sys.exit(main())
