"""All benchmarks of the engine in one report: what each number should be, and what it is on this machine.

Each benchmark runs by itself, in a process of its own, one after the other; a missed target is printed as missed.

Run from the repository, with propstats installed: python tests/benchmarks/report.py --write reports/benchmarks.md
"""

import argparse
import ast
import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_BENCHMARKS = (
    "closed_form", "quadrature", "certified", "dual", "sampling", "weights", "mean_field", "jacobian", "nn",
    "audit_overhead", "monitor", "published", "growth",
)  # fmt: skip
_PACKAGES = ("propstats", "torch", "numpy", "scipy", "python-flint")


def section(path: Path) -> str:
    """Return a section: what the benchmark in a file says of itself, and what it prints."""
    about = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    about = about.partition("\n\nRun from")[0]
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=False)
    # Python ends with 1, too, where it fails; a benchmark that misses a target says so.
    if done.returncode != 0 and "MISSED" not in done.stdout:
        raise SystemExit(f"{path.name} failed:\n{done.stderr}")
    return f"## {path.stem.replace('_', ' ').capitalize()}\n\n{about}\n\n{done.stdout.strip()}\n"


def main() -> int:
    """Run all of them, and write or print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *_BENCHMARKS], help="which; all if none is named")
    parser.add_argument("--write", type=Path, help="write the report to this file")
    options = parser.parse_args()
    if "OMP_NUM_THREADS" in os.environ:
        parser.error("OMP_NUM_THREADS is set, and some benchmarks want all cores: unset it")
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in _PACKAGES)
    sections = [section(_HERE / f"{name}.py") for name in options.names or _BENCHMARKS]
    missed = sum(section.count("MISSED") for section in sections)
    met = sum(section.count("| met |") for section in sections)
    head = (
        "# Benchmarks\n\nHow fast the engine is, target beside result; rebuilt by\n"
        "`python tests/benchmarks/report.py --write reports/benchmarks.md`\n"
        f"({datetime.datetime.now(datetime.UTC):%Y-%m-%d}, Python {platform.python_version()}, {versions},\n"
        f"{len(os.sched_getaffinity(0))} cores). Times are the best of several, on a machine that others share.\n\n"
        f"{met} targets met, {missed} missed.\n"
    )
    report = "\n".join([head, *sections])
    if options.write is None:
        print(report)
    else:
        options.write.write_text(report, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
