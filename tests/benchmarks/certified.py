"""How long proven digits take: all moments of one activation, and one expectation alone.

Run from the repository, with propstats installed: python tests/benchmarks/certified.py
"""

import statistics
import sys
import time
from collections.abc import Callable

from propstats.activations import activation
from propstats.expectation import certified

_ROUNDS = 15
#: What is measured: activation, mean, standard deviation, digits, targets in milliseconds for one and for all moments.
_CASES: list[tuple[str, float, float, int, float, float]] = [
    ("relu", 0.0, 1.0, 30, 15.0, 15.0),
    ("elu", 0.0, 1.0, 30, 15.0, 30.0),
    ("tanh", 0.0, 1.0, 30, 15.0, 30.0),
    ("silu", 0.0, 1.0, 30, 15.0, 30.0),
    ("gelu", 0.0, 1.0, 30, 15.0, 60.0),
    ("tanh", -8.0, 1.0, 30, 15.0, 60.0),
    ("tanh", 0.0, 1e6, 30, 15.0, 60.0),
    ("tanh", 0.0, 1.0, 100, 60.0, 180.0),
    ("sin", 0.0, 1000.0, 30, 1000.0, 3000.0),
]


def _milliseconds(run: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> int:
    """Print a table, and return 1 if a target is missed."""
    missed = 0
    print("| activation | input | digits | one moment | target | all moments | target | |")
    print("|---|---|---|---|---|---|---|---|")
    for name, mean, std, digits, one_target, all_target in _CASES:
        unit = activation(name)
        rounds = _ROUNDS if all_target < 1000 else 3

        def one() -> object:
            return certified.expectation(unit.formula, unit.params, mean=mean, std=std, digits=digits)  # noqa: B023

        def every() -> object:
            return certified.moments(unit, mean=mean, std=std, digits=digits)  # noqa: B023

        one_time, all_time = _milliseconds(one, rounds), _milliseconds(every, rounds)
        is_met = one_time <= one_target and all_time <= all_target
        missed += not is_met
        times = f"{one_time:.1f} ms | {one_target:g} ms | {all_time:.1f} ms | {all_target:g} ms"
        print(f"| {name} | N({mean:g}, {std:g}^2) | {digits} | {times} | {'met' if is_met else 'MISSED'} |")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
