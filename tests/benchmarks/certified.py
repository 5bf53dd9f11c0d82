"""How long proven digits take: thirty digits of all base moments of every activation, and the corners of the grid.

Run from the repository, with propstats installed: python tests/benchmarks/certified.py
"""

import sys
import time
from collections.abc import Callable

from propstats.activations import activation, activation_names
from propstats.errors import CertificateError
from propstats.expectation import certified

_ROUNDS = 7
#: Milliseconds for thirty digits of everything at N(0, 1), and for an answer or a refusal anywhere.
_TARGET, _CORNER_TARGET = 15.0, 2000.0
_CORNERS = [(0.3, 1.7), (-8.0, 1.0), (10.0, 0.01), (50.0, 1.0), (0.3, 0.0), (0.0, 1e3)]


def _milliseconds(run: Callable[[], object], rounds: int) -> float:
    """Return the best of several rounds, in time of this process: what else runs on the machine only adds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return 1e3 * best


def _at_the_corners(name: str) -> tuple[float, str]:
    """Return the longest time at any of the corners, and where that was."""

    def answer(mean: float, std: float) -> None:
        try:
            certified.moments(activation(name), mean=mean, std=std)
        except CertificateError:
            return  # clearly refused

    times = [(_milliseconds(lambda: answer(mean, std), 1), f"N({mean:g}, {std:g}^2)") for mean, std in _CORNERS]  # noqa: B023
    return max(times)


def main() -> int:
    """Print a table, and return 1 if a target is missed."""
    missed = 0
    print("| activation | thirty digits at N(0, 1) | target | one moment | slowest corner | target | |")
    print("|---|---|---|---|---|---|---|")
    for name in activation_names():
        unit = activation(name)
        every = _milliseconds(lambda: certified.moments(unit), _ROUNDS)  # noqa: B023
        one = _milliseconds(lambda: certified.expectation(unit.formula, unit.params), _ROUNDS)  # noqa: B023
        corner, where = _at_the_corners(name)
        is_met = every <= _TARGET and corner <= _CORNER_TARGET
        missed += not is_met
        here = f"{every:.1f} ms | {_TARGET:g} ms | {one:.1f} ms"
        print(f"| {name} | {here} | {corner:.0f} ms at {where} | 2 s | {'met' if is_met else 'MISSED'} |")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
