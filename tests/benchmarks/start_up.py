"""How long a newcomer waits, as ratios in one run: propstats' commands beside the bare imports they cannot avoid.

Run from the repository, with propstats installed: python tests/benchmarks/start_up.py [--write FILE]
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_BARE = "import typer, rich.table"
_NUMBERS = "import typer, rich.table, numpy, flint"
_TORCH = "import torch"
# What a command imports before its own work starts: everything up to the first line of the library function.
_AUDIT = "import propstats_cli.main, propstats.auditing.audit"
_JACOBIAN = "import propstats_cli.main, propstats.simulation.jacobian"
_DEMO = "import propstats_cli.main, propstats.experiments.demo"

#: Name, what is timed, what it is compared with, the largest ratio allowed.
_CASES: Sequence[tuple[str, list[str], list[str], float]] = [
    ("propstats --help", ["-m", "propstats", "--help"], ["-c", _BARE], 1.6),
    ("propstats moments --act relu --samples 0", ["-m", "propstats", "moments", "--act", "relu", "--samples", "0"],
     ["-c", _NUMBERS], 3.0),
    ("propstats jacobian, before its work", ["-c", _JACOBIAN], ["-c", _TORCH], 1.3),
    ("propstats audit, before its work", ["-c", _AUDIT], ["-c", _TORCH], 1.3),
    ("propstats demo, before its work", ["-c", _DEMO], ["-c", _TORCH], 1.3),
]  # fmt: skip


def _seconds(arguments: list[str]) -> float:
    # As for users, whose second run finds everything compiled.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - start


def main() -> int:
    """Measure interleaved pairs, print a table, and return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how often each pair is timed")
    parser.add_argument("--write", type=Path, help="write the report to this file as well")
    rows, missed = [], 0
    options = parser.parse_args()
    for name, arguments, floor, target in _CASES:
        for command in (arguments, floor):
            _seconds(command)  # compiles
        pairs = [(_seconds(arguments), _seconds(floor)) for _ in range(options.rounds)]
        ratio = statistics.median(ours / bare for ours, bare in pairs)
        ours, bare = (statistics.median(times) for times in zip(*pairs, strict=True))
        met = "met" if ratio <= target else "MISSED"
        missed += ratio > target
        rows.append(f"| `{name}` | {ours:.2f} s | `{floor[1]}` {bare:.2f} s | {ratio:.2f} | {target} | {met} |")
    table = "\n".join(
        [
            "| what | median | bare | ratio | target | |",
            "|---|---|---|---|---|---|",
            *rows,
        ]
    )
    print(table)
    if options.write is not None:
        options.write.write_text(
            "# Start-up\n\nWhole processes, interleaved pairs, median of the ratios; rebuilt by\n"
            "`python tests/benchmarks/start_up.py --write reports/start-up.md`\n"
            f"({options.rounds} rounds, {time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, "
            f"{_versions()}).\n\n"
            f"{table}\n",
            encoding="utf-8",
        )
    return 1 if missed else 0


def _versions() -> str:
    from importlib.metadata import version

    return ", ".join(f"{name} {version(name)}" for name in ("propstats", "torch", "numpy", "typer", "rich"))


if __name__ == "__main__":
    sys.exit(main())
