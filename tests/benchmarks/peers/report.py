"""All comparisons with peers in one report: the same work by propstats, by other packages, and as little as it can be.

Peers come with `pip install -c constraints.txt -e ".[peers]"`, in an empty virtual environment: all of them install
beside torch 2.13. On Linux pip then takes the torch with CUDA; for the CPU build, install torch==2.13.0 first as its
own instructions say, and pip keeps it. neural-tangents needs an environment of its own:

    bash tests/benchmarks/peers/neural_tangents_environment.sh DIR
    export PROPSTATS_NEURAL_TANGENTS=DIR/bin/python

A peer that is not there is named as missing. All of it takes about ten minutes of one core.

Run from the repository, with propstats installed: python tests/benchmarks/peers/report.py --write reports/peers.md
"""

import argparse
import datetime
import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.report import section

_HERE = Path(__file__).resolve().parent
_WORKLOADS = ("moments", "dual", "sampling", "jacobian", "watching", "summary", "initialising")
_PACKAGES = (
    "propstats", "torch", "numpy", "scipy", "mpmath", "delve", "curvlinops-for-pytorch", "torchinfo", "torchlens",
    "lsuv", "unit-scaling", "dks",
)  # fmt: skip
_HEAD = """\
# Beside peers

The same work by propstats, by other packages, and as little as it can be (the floor); rebuilt by
`python tests/benchmarks/peers/report.py --write reports/peers.md`
({date}, Python {python}, {versions}, {cores} cores, {seconds:.0f} s).

Methods take turns; times are medians over rounds, and ratios are medians of the ratios within a round. Seeds are fixed.
A target that is missed is marked as missed, and a peer that is missing is named: {met} targets met, {missed} missed.
"""


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} missing"


def main() -> int:
    """Run all of them, and write or print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *_WORKLOADS], help="which; all if none is named")
    parser.add_argument("--write", type=Path, help="write the report to this file")
    options = parser.parse_args()
    started = time.perf_counter()
    sections = [section(_HERE / f"{name}.py") for name in options.names or _WORKLOADS]
    head = _HEAD.format(
        date=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        python=platform.python_version(),
        versions=", ".join(map(_version, _PACKAGES)),
        cores=len(os.sched_getaffinity(0)),
        seconds=time.perf_counter() - started,
        met=sum(text.count("| met |") for text in sections),
        missed=sum(text.count("| MISSED |") for text in sections),
    )
    report = "\n".join([head, *sections])
    if options.write is None:
        print(report)
    else:
        options.write.write_text(report, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
