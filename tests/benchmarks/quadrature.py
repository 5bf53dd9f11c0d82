"""How fast and how exact quadrature is, activation by activation, with scipy's quad split at the kinks beside it.

All seven base moments of one activation under N(0.3, 1.7^2), and four of them under 1,000 inputs in one call, with all
seven beside them; scipy computes four. The inputs of a call are new each time, and may find the nodes of an earlier
call (warm); with fresh nodes, they do not (cold).
Best of fifteen rounds that take turns, on one core; errors of the four moments against thirty digits, relative to
max(1, size), alone and among the 1,000.

Run from the repository, with propstats installed: python tests/benchmarks/quadrature.py
"""

import argparse
import math
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import mpmath
import numpy as np
import oracle
from scipy.integrate import quad

from propstats.activations import Activation, activation, activation_names
from propstats.activations.compile import compiled
from propstats.activations.namespaces import float_namespace
from propstats.expectation import quadrature
from propstats.expectation.moments import BASE
from propstats.expectation.quadrature.grid import grid

#: Where one activation is timed, and how far from it the inputs of a thousand at once are.
_MEAN, _STD = 0.3, 1.7
_COUNT, _MEANS, _STDS = 1000, (-2.0, 2.0), (0.5, 2.0)
_TAILS = (-8.0, -12.0)
#: The four moments that scipy computes, too.
_FOUR = ("mean", "second_moment", "var", "slope_second_moment")
_TARGETS = {"one": 60.0, "error": 1e-15, "ratio": 10.0, "many": 1.0, "tail": 1e-10}
_ROUNDS = 15
#: scipy gets as far as this, and is asked for no more than it can give.
_REACH, _ASKED = 12.0, 1e-14


def best_of(runs: Sequence[tuple[Callable[[], object], int]], rounds: int) -> list[float]:
    """Return the shortest times in microseconds, each of so many repetitions; the rounds go through all of them."""
    best = [math.inf] * len(runs)
    for _ in range(rounds):
        for i, (run, repetitions) in enumerate(runs):
            start = time.perf_counter()
            for _ in range(repetitions):
                run()
            best[i] = min(best[i], 1e6 * (time.perf_counter() - start) / repetitions)
    return best


def by_scipy(entry: Activation) -> Callable[[], dict[str, float]]:
    """Return scipy's way to four moments: plain floats, split at the kinks, one integral after the other."""
    both = compiled([entry.formula, entry.slope_formula], ["x", *entry.params], float_namespace())
    params = tuple(entry.params.values())
    ends = [-_REACH, *(z for kink in entry.kinks if abs(z := (kink - _MEAN) / _STD) < _REACH), _REACH]

    def average(g: Callable[[float, float], float]) -> float:
        def integrand(z: float) -> float:
            return g(*both(_MEAN + _STD * z, *params)) * math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)

        parts = (quad(integrand, low, high, epsabs=_ASKED, epsrel=_ASKED, limit=200)[0] for low, high in pairwise(ends))
        return float(sum(parts))

    def moments() -> dict[str, float]:
        m = average(lambda f, _: f)
        second, var = average(lambda f, _: f * f), average(lambda f, _: (f - m) ** 2)
        return {"mean": m, "second_moment": second, "var": var, "slope_second_moment": average(lambda _, d: d * d)}

    return moments


def worst(found: Mapping[str, Any], exact: Mapping[str, Any]) -> float:
    """Return the largest error of the four moments, relative to max(1, size)."""
    second, energy = exact["second_moment"], exact["slope_second_moment"]
    sizes = {"mean": mpmath.sqrt(second), "second_moment": second, "var": second, "slope_second_moment": energy}
    return max(float(abs(mpmath.mpf(float(found[key])) - exact[key]) / max(sizes[key], 1)) for key in _FOUR)


def tail(entry: Activation) -> float:
    """Return the largest relative error of all base moments in the tails."""
    errors = [0.0]
    for mean in _TAILS:
        # Further out than the tests need it: a kink at 12 standard deviations has its own tail.
        exact = oracle.oracle_moments.__wrapped__(entry.name, mean, 1.0, 1.0625)
        found = quadrature.values(entry, mean, 1.0)
        errors += [float(abs(mpmath.mpf(float(found[k])) - exact[k]) / abs(exact[k])) for k in BASE if exact[k]]
    return max(errors)


def measure(name: str) -> dict[str, float]:
    """Measure one activation."""
    entry = activation(name)
    generator = np.random.default_rng(0)
    crowds = [(generator.uniform(*_MEANS, _COUNT), generator.uniform(*_STDS, _COUNT)) for _ in range(3 * _ROUNDS)]
    for means, stds in crowds:
        means[0], stds[0] = _MEAN, _STD
    new = cycle(crowds)
    peer = by_scipy(entry)

    def one() -> object:
        return quadrature.values(entry, _MEAN, _STD)

    def many() -> object:
        return quadrature.values(entry, *next(new), names=_FOUR)

    def every() -> object:
        return quadrature.values(entry, *next(new))

    def fresh() -> object:
        grid.cache_clear()
        return many()

    runs = [(one, 50), (fresh, 1), (many, 2), (every, 1), (peer, 1)]
    one_time, fresh_time, many_time, every_time, peer_time = best_of(runs, _ROUNDS)
    crowded = quadrature.values(entry, *crowds[0], names=_FOUR)
    exact = oracle.oracle_moments(name, _MEAN, _STD)
    return {
        "one": one_time,
        "error": worst({key: quadrature.values(entry, _MEAN, _STD)[key] for key in _FOUR}, exact),
        "peer": peer_time,
        "ratio": peer_time / one_time,
        "peer_error": worst(peer(), exact),
        "many": many_time / _COUNT,
        "fresh": fresh_time / _COUNT,
        "every": every_time / _COUNT,
        "crowd_error": worst({key: crowded[key][0] for key in _FOUR}, exact),
        "tail": tail(entry),
    }


def met(found: Mapping[str, float]) -> dict[str, bool]:
    """Return which targets are met."""
    return {key: found[key] >= target if key == "ratio" else found[key] <= target for key, target in _TARGETS.items()}


def table(results: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Lay out what was measured, the targets in the heads of the columns; bold is what misses its own."""
    heads = {
        "one": "one input, µs (≤ 60)", "error": "error (≤ 1e-15)", "peer": "scipy, µs", "ratio": "ratio (≥ 10)",
        "peer_error": "scipy's error", "many": "four of 1,000, µs each, warm (≤ 1)", "fresh": "cold",
        "every": "all seven, warm",
        "crowd_error": "error among them", "tail": "relative error at -8, -12 (≤ 1e-10)",
    }  # fmt: skip
    lines = [f"| activation | {' | '.join(heads.values())} | |", "|---" * (len(heads) + 2) + "|"]
    for name, found in results.items():
        fine = met(found)
        cells = []
        for key in heads:
            text = f"{found[key]:.1e}" if "error" in key or key == "tail" else f"{found[key]:.3g}"
            cells.append(text if fine.get(key, True) else f"**{text}**")
        lines.append(f"| {name} | {' | '.join(cells)} | {'met' if all(fine.values()) else 'MISSED'} |")
    count = {key: sum(met(found)[key] for found in results.values()) for key in _TARGETS}
    summary = ", ".join(f"{key} {met_by} of {len(results)}" for key, met_by in count.items())
    return [*lines, "", f"Targets met: {summary}."]


def main() -> int:
    """Print a table, and return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="activations; all if none is named")
    arguments = parser.parse_args()
    oracle.__dict__["_Z_MAX"] = 20
    warnings.simplefilter("ignore")  # scipy's, that it cannot have as many digits as it is asked for
    with np.errstate(all="ignore"):
        results = {name: measure(name) for name in arguments.names or activation_names()}
    print("\n".join(table(results)))
    return 0 if all(all(met(found).values()) for found in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
