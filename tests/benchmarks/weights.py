"""What Proposition 1 costs: both of its sides for one matrix, against the bare product W W^T that it looks at.

The floor forms the whole product in float64, as numpy does it, and looks at nothing; memory is what each allocates.

Run from the repository, with propstats installed: python tests/benchmarks/weights.py
"""

import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from propstats.theory.weights.coherence import canonical_error

#: Times of the bare product, and megabytes beside the matrix itself.
_TARGET_TIME, _TARGET_MEMORY = 1.25, 64.0
_SHAPES = ((2_048, 1_024), (6_144, 768), (10_000, 128))
_ROUNDS = 4


def _seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def _megabytes(run: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def main() -> int:
    """Print a table, and return 1 if a target is missed."""
    missed = 0
    print("| W, float32 | both sides | bare W W^T | ratio | target | | memory | bare | target | |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for rows, columns in _SHAPES:
        w = np.random.default_rng(0).normal(size=(rows, columns)).astype(np.float32)

        def ours(w: np.ndarray[tuple[int, int], np.dtype[np.float32]] = w) -> object:
            return canonical_error(w)

        def bare(w: np.ndarray[tuple[int, int], np.dtype[np.float32]] = w) -> object:
            wide = w.astype(np.float64)
            return wide @ wide.T

        pairs = [(_seconds(ours), _seconds(bare)) for _ in range(_ROUNDS)]
        mine, floor = (min(times) for times in zip(*pairs, strict=True))
        memory, whole = _megabytes(ours), _megabytes(bare)
        met = [mine <= _TARGET_TIME * floor, memory <= _TARGET_MEMORY]
        missed += met.count(False)
        words = ["met" if is_met else "MISSED" for is_met in met]
        print(
            f"| {rows} x {columns} | {mine:.2f} s | {floor:.2f} s | {mine / floor:.2f} | {_TARGET_TIME:g} "
            f"| {words[0]} | {memory:.0f} MB | {whole:.0f} MB | {_TARGET_MEMORY:g} MB | {words[1]} |"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
