"""How long fixed points, phase diagrams and transformed activations take, and how far they are from exact numbers.

Errors of fixed points are their distance from proven digits; those of phase diagrams the largest relative distance of
q* from fixed points that are computed one by one. The targets of transformed activations are a tenth of what
google-deepmind/dks takes for them on two cores: 0.6 s for Deep Kernel Shaping, 10.5 s for a tailored tanh. Times are
those of the processor: everything here runs in one thread.

Run from the repository, with propstats installed: python tests/benchmarks/mean_field.py
"""

import math
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from propstats.activations import activation
from propstats.theory.mean_field.field import mean_field
from propstats.theory.mean_field.phase import phase
from propstats.theory.mean_field.second_moment import SecondMomentMap
from propstats.theory.transformed import Transformed, local_curvature, local_slope, residual, shape, tailor

T = TypeVar("T")

_ROUNDS = 5
_NETWORK = residual((3, 4, 23, 3), shortcut=0.6)


def _timed(run: Callable[[], T]) -> tuple[float, T]:
    """Return the best of several times in seconds of the processor, which others share, and the result."""
    result, times = run(), []
    for _ in range(_ROUNDS):
        start = time.process_time()
        result = run()
        times.append(time.process_time() - start)
    return min(times), result


def _row(what: str, seconds: float, target: float, error: float, allowed: float) -> int:
    is_met = seconds <= target and error <= allowed
    cells = [what, f"{1e3 * seconds:.0f} ms", f"{1e3 * target:.0f} ms", f"{error:.0e}", f"{allowed:g}"]
    print("| " + " | ".join([*cells, "met" if is_met else "MISSED"]) + " |")
    return not is_met


def _fixed_points(name: str) -> int:
    seconds, found = _timed(lambda: mean_field(name, sigma_w=1.3, sigma_b=0.2, digits=None))
    proven = mean_field(name, sigma_w=1.3, sigma_b=0.2, digits=15)
    assert found.q_star is not None
    assert proven.q_star is not None
    error = abs(found.q_star.value / proven.q_star.routes["certified"].value - 1)  # type: ignore[index]
    return _row(f"fixed points, {name}", seconds, 0.2, error, 1e-12)


def _phase(name: str) -> int:
    seconds, found = _timed(lambda: phase(name))
    error = 0.0
    for i, j in ((10, 100), (60, 20), (100, 60), (120, 120)):
        exact = mean_field(name, sigma_w=found.sigma_w[j], sigma_b=found.sigma_b[i], digits=None).q_star
        if exact is not None and math.isfinite(found.q_star[i][j]):
            error = max(error, abs(found.q_star[i][j] / exact.value - 1))
    return _row(f"phase diagram of 121 x 121, {name}", seconds, 1.0, error, found.error)


def _transformed(what: str, make: Callable[[], Transformed], slope: float, target: float) -> int:
    seconds, made = _timed(make)
    # At q = 1, where a transformed activation with sigma_w = 1 is to stay, and to have this slope.
    chi_1 = SecondMomentMap(made.activation, 1.0, 0.0).chi_1(1.0)
    return _row(what, seconds, target, abs(chi_1.value / slope - 1), 1e-9)


def main() -> int:
    """Print a table, and return 1 if a target is missed."""
    print("| what | time | target | error | target | |\n|---|---|---|---|---|---|")
    missed = sum(_fixed_points(name) for name in ("tanh", "relu", "gelu", "sin"))
    missed += sum(_phase(name) for name in ("tanh", "relu", "gelu", "sin"))
    slope, curvature = local_slope(_NETWORK, 1.2), local_curvature(_NETWORK, 0.2)
    for name in ("tanh", "softplus", "gelu"):
        missed += _transformed(f"Deep Kernel Shaping, {name}", lambda: shape(activation(name), slope), slope, 0.06)  # noqa: B023
    missed += _transformed("TAT, tanh", lambda: tailor(activation("tanh"), curvature), 1.0, 1.05)
    print(f"\n{missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
