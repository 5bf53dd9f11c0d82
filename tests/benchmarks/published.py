"""How long the commands `constants` and `claims` take, start-up included, beside what they may take.

Run from the repository, with propstats installed: python tests/benchmarks/published.py
"""

import subprocess
import sys
import time
from collections.abc import Sequence

_ROUNDS = 3
_LOCK = "reports/constants.toml"
#: What is timed, and the most seconds it may take.
_CASES: Sequence[tuple[list[str], float]] = [
    (["constants"], 5.0),
    (["constants", "--digits", "100"], 20.0),
    (["constants", "--check", _LOCK], 5.0),
    (["claims", "--json"], 15.0),
]


def _seconds(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "propstats", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> int:
    """Print a table with the best of some rounds, and return 1 if a target is missed."""
    missed = 0
    print("| what | best | target | |\n|---|---|---|---|")
    for arguments, target in _CASES:
        best = min(_seconds(arguments) for _ in range(_ROUNDS))
        missed += best > target
        met = "met" if best <= target else "MISSED"
        print(f"| `propstats {' '.join(arguments)}` | {best:.2f} s | {target:g} s | {met} |")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
