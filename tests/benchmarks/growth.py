"""How cost grows: with width, depth, samples, layers and the size of a file, beside what it should grow like.

Sizes double; the last ones are large enough that what does not grow no longer counts. The exponent is the slope of
log(time) in log(size), fitted to the four largest sizes by least squares, and its standard error is that of the fit.
Times are CPU time of one thread, the best of several; garbage collection is off, as in `timeit`, as its pauses say when
objects were made and not what grows. An exponent is flagged if it is above the expected one by more than 0.15 and two
standard errors: caches and start-up make small differences, squares make large ones.

Run from the repository, with propstats installed: python tests/benchmarks/growth.py
"""

import argparse
import gc
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

import propstats
from propstats.auditing.records import AuditReport
from propstats.report.github import summary
from propstats.report.jsonable import dump, to_jsonable
from propstats.report.junit import junit_xml
from propstats.report.page import audit_page
from propstats.simulation.product import singular_values

_FITTED, _SLACK, _ROUNDS = 4, 0.15, 3
#: A size is not timed again once one run takes as many seconds.
_LONG = 1.0
Work = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """What grows, with what.

    Args:
        what: What is done.
        size: What the size is of.
        sizes: The sizes.
        expected: The exponent it should have.
        prepare: Makes the work of one size; the folder is for its files.
    """

    what: str
    size: str
    sizes: Sequence[int]
    expected: float
    prepare: Callable[[int, Path], Work]


@dataclass(frozen=True)
class Fit:
    """An exponent and its standard error.

    Args:
        exponent: The slope of log(time) in log(size).
        error: Its standard error, from the scatter around the line.
    """

    exponent: float
    error: float

    def is_above(self, expected: float) -> bool:
        """Whether the exponent is above an expected one, beyond doubt and by enough to matter."""
        return self.exponent - expected > max(_SLACK, 2 * self.error)


def fit(sizes: Sequence[float], times: Sequence[float]) -> Fit:
    """Fit a power law by least squares on logarithms.

    >>> fit([1, 2, 4, 8], [3.0, 12.0, 48.0, 192.0]).exponent
    2.0
    """
    x, y = np.log2(np.asarray(sizes, dtype=float)), np.log2(np.asarray(times, dtype=float))
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    residual = float(((y - slope * x) ** 2).sum()) / (len(x) - 2)
    return Fit(slope, math.sqrt(residual / float(x @ x)))


class Residual(nn.Module):
    """Two layers of weights, and what they got added to what they made."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.second(torch.relu(self.first(x)))
        return x + y


class Unknown(nn.Module):
    """An operation that no rule knows; what follows starts from what was measured."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = torch.fft.fft(x).real * 0.5
        return y


def chain(depth: int, width: int) -> nn.Sequential:
    """Return an MLP that passes signal on."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        linear = nn.Linear(width, width)
        nn.init.normal_(linear.weight, std=math.sqrt(2 / width))
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers)


def residual(blocks: int, width: int) -> nn.Sequential:
    """Return a residual network."""
    torch.manual_seed(0)
    return nn.Sequential(*(Residual(width) for _ in range(blocks)))


def interrupted(depth: int, width: int) -> nn.Sequential:
    """Return an MLP in which every other layer has no rule."""
    torch.manual_seed(0)
    return nn.Sequential(*(layer for _ in range(depth) for layer in (nn.Linear(width, width), Unknown())))


def _audit(model: nn.Module, samples: int, width: int) -> AuditReport:
    return propstats.audit(model, torch.randn(samples, width, generator=torch.Generator().manual_seed(0)), samples=None)


def _prepared(make: Callable[[AuditReport], object], build: Callable[[int, int], nn.Module]) -> Callable[..., Work]:
    def prepare(depth: int, _: Path) -> Work:
        report = _audit(build(depth, 4), 8, 4)
        return lambda: make(report)

    return prepare


def _file(shapes: Callable[[int], list[tuple[int, int]]]) -> Callable[[int, Path], Work]:
    def prepare(size: int, folder: Path) -> Work:
        generator = torch.Generator().manual_seed(0)
        path = folder / f"{size}.pt"
        tensors = {f"{i}.weight": torch.randn(s, generator=generator) / 20 for i, s in enumerate(shapes(size))}
        torch.save(tensors, path)
        return lambda: propstats.audit_weights(path)

    return prepare


def _product(width: int, _: Path) -> Work:
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(width, width, generator=generator) / math.sqrt(width) for _ in range(4)]
    slopes = [torch.rand(width, generator=generator) + 0.5 for _ in range(4)]
    return lambda: singular_values(zip(weights, slopes, strict=True))


def _json(report: AuditReport) -> str:
    return dump(to_jsonable(report))


_LAYERS = (16, 32, 64, 128, 256)
CASES: tuple[Case, ...] = (
    Case("propagate, chain", "layers", (64, 128, 256, 512, 1024), 1.0,
         lambda n, _: partial(propstats.propagate, chain(n, 4))),
    Case("propagate, residual", "blocks", (16, 32, 64, 128, 256), 1.0,
         lambda n, _: partial(propstats.propagate, residual(n, 4), shape=(4,))),
    Case("audit, chain", "layers", _LAYERS, 1.0, lambda n, _: partial(_audit, chain(n, 4), 8, 4)),
    Case("audit, residual", "blocks", (8, 16, 32, 64, 128), 1.0, lambda n, _: partial(_audit, residual(n, 4), 8, 4)),
    Case("audit, every other layer without a rule", "layers", _LAYERS, 1.0,
         lambda n, _: partial(_audit, interrupted(n, 4), 8, 4)),
    Case("audit", "samples", (2048, 4096, 8192, 16384, 32768), 1.0,
         lambda n, _: partial(_audit, chain(3, 128), n, 128)),
    Case("audit", "width", (256, 512, 1024, 2048), 2.0, lambda n, _: partial(_audit, chain(3, n), 256, n)),
    Case("page of an audit", "layers", _LAYERS, 1.0, _prepared(audit_page, chain)),
    Case("page of an audit, every other layer without a rule", "layers", _LAYERS, 1.0,
         _prepared(audit_page, interrupted)),
    Case("JSON of an audit, every other layer without a rule", "layers", _LAYERS, 1.0, _prepared(_json, interrupted)),
    Case("JUnit of an audit", "layers", _LAYERS, 1.0, _prepared(junit_xml, chain)),
    Case("summary of an audit", "layers", _LAYERS, 1.0, _prepared(summary, chain)),
    Case("audit of weights", "tensors", (32, 64, 128, 256, 512), 1.0, _file(lambda n: [(16, 16)] * n)),
    Case("audit of weights, one matrix", "rows", (512, 1024, 2048, 4096), 3.0, _file(lambda n: [(n, n)])),
    Case("audit of weights, matrices of one size", "file size", (4, 8, 16, 32), 1.0, _file(lambda n: [(256, 256)] * n)),
    Case("singular values of a Jacobian", "width", (128, 256, 512, 1024), 3.0, _product),
)  # fmt: skip


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Compute in one thread, without garbage collection."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        torch.set_num_threads(before)


def measure(case: Case) -> list[float]:
    """Return the best CPU time of each size, in seconds."""
    found = []
    with tempfile.TemporaryDirectory() as folder, _undisturbed():
        for size in case.sizes:
            run, best = case.prepare(size, Path(folder)), math.inf
            for _ in range(_ROUNDS):
                gc.collect()
                start = time.process_time()
                run()
                best = min(best, time.process_time() - start)
                if best > _LONG:
                    break
            found.append(best)
    return found


def main() -> int:
    """Print the table; exit with 1 if something grows faster than it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    options = parser.parse_args()
    above = 0
    print("| what | with | sizes | largest takes | exponent | expected | |\n|---|---|---|---|---|---|---|")
    for case in CASES:
        if options.only in case.what:
            times = measure(case)
            found = fit(case.sizes[-_FITTED:], times[-_FITTED:])
            is_above = found.is_above(case.expected)
            above += is_above
            sizes = f"{case.sizes[0]} to {case.sizes[-1]}"
            exponent = f"{found.exponent:.2f} ± {found.error:.2f}"
            cells = [case.what, case.size, sizes, f"{times[-1]:.2f} s", exponent, f"at most {case.expected:g}"]
            print("| " + " | ".join([*cells, "MISSED" if is_above else "met"]) + " |", flush=True)
    return int(above > 0)


if __name__ == "__main__":
    sys.exit(main())
