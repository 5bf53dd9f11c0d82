"""How long closed forms take: the four moments of a forward and backward pass at one (mu, s), compiled and warm.

Run from the repository, with propstats installed: python tests/benchmarks/closed_form.py
"""

import sys
import time
from collections.abc import Callable

from propstats.activations import activation, activation_names
from propstats.errors import ExpressionError
from propstats.expectation import closed_form

#: Microseconds for one call.
_TARGET = 5.0
_FOUR = ("mean", "second_moment", "mean_slope", "slope_second_moment")
_ROUNDS, _CALLS = 40, 250
_MEAN, _STD = 0.3, 1.7


def _microseconds(run: Callable[[float, float], object]) -> float:
    """Return the best of several rounds, in time of this process: what else runs on the machine only adds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        start = time.process_time()
        for _ in range(_CALLS):
            run(_MEAN, _STD)
        best = min(best, time.process_time() - start)
    return 1e6 * best / _CALLS


def main() -> int:
    """Print a table, and return 1 if the target is missed."""
    missed = 0
    print(f"four moments ({', '.join(_FOUR)}) at N({_MEAN}, {_STD}^2), target {_TARGET:g} us")
    print()
    print("| activation | four moments | target | all base moments | |")
    print("|---|---|---|---|---|")
    for name in activation_names():
        try:
            four = closed_form.function(activation(name), _FOUR)
        except ExpressionError:
            continue  # no closed form
        took = _microseconds(four)
        try:
            every = f"{_microseconds(closed_form.function(activation(name))):.1f} us"
        except ExpressionError:
            every = "-"
        missed += took > _TARGET
        print(f"| {name} | {took:.1f} us | {_TARGET:g} us | {every} | {'met' if took <= _TARGET else 'MISSED'} |")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
