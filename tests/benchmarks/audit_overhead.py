"""What watching costs a training step: `Watcher` in a forward and backward pass at batch 50.

Three networks: an MLP, a transformer encoder, and the Network in Network of Arpit et al. 2016 (arXiv:1603.01431,
section 5.2) at 32x32. Steps of all instruments take turns, in CPU time of one thread; each gives a ratio to the bare
step of the same round, and the median over rounds is printed, with its standard error. Beside stand hooks that call
`torch.var_mean` for each unit, which is what one writes without thinking of memory bandwidth. Memory is the peak of a
fresh process, of the Network in Network.

Run from the repository, with propstats installed: python tests/benchmarks/audit_overhead.py
"""

import argparse
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path

import torch
from torch import nn

from propstats.auditing.measuring.layout import units_axis
from propstats.auditing.measuring.leaves import is_leaf
from propstats.auditing.watching.watcher import Watcher

_BATCH = 50
_ROUNDS = 25
#: Seconds: the first steps of a process wait for pages of memory that later ones have.
_WARM_UP = 5.0
_TARGETS = {"basic": 1.10, "full": 1.25}
_MEMORY_TARGET = 1.05
Instrument = Callable[[], AbstractContextManager[object]]


def _mlp() -> tuple[nn.Module, torch.Tensor]:
    layers = [part for _ in range(10) for part in (nn.Linear(1024, 1024), nn.ReLU())]
    return nn.Sequential(*layers), torch.randn(_BATCH, 1024)


def _encoder() -> tuple[nn.Module, torch.Tensor]:
    layer = nn.TransformerEncoderLayer(256, 4, 1024, batch_first=True)
    return nn.TransformerEncoder(layer, 4, enable_nested_tensor=False), torch.randn(_BATCH, 64, 256)


def _network_in_network() -> tuple[nn.Module, torch.Tensor]:
    def convolutions(*sizes: tuple[int, int, int]) -> Iterator[nn.Module]:
        for fan_in, fan_out, kernel in sizes:
            yield from (nn.Conv2d(fan_in, fan_out, kernel, padding=kernel // 2), nn.ReLU())

    pool = nn.MaxPool2d(3, 2, 1)
    first = convolutions((3, 192, 5), (192, 160, 1), (160, 96, 1))
    second = convolutions((96, 192, 5), (192, 192, 1), (192, 192, 1))
    third = convolutions((192, 192, 3), (192, 192, 1), (192, 10, 1))
    layers = [*first, pool, *second, nn.AvgPool2d(3, 2, 1), *third, nn.AvgPool2d(8)]
    return nn.Sequential(*layers), torch.randn(_BATCH, 3, 32, 32)


NETWORKS = {"MLP": _mlp, "encoder": _encoder, "Network in Network": _network_in_network}


@contextmanager
def naive(model: nn.Module) -> Iterator[None]:
    """Hook every layer, and call `torch.var_mean` over all axes but that of the units."""

    def look(tensor: torch.Tensor, axis: int) -> None:
        torch.var_mean(tensor.detach(), dim=[a for a in range(tensor.ndim) if a != axis])

    def watch(module: nn.Module, args: object, output: object) -> None:
        made = output[0] if isinstance(output, tuple) else output
        if isinstance(made, torch.Tensor):
            axis = units_axis(made.ndim, module)
            look(made, axis)
            made.register_hook(lambda gradient: look(gradient, axis))  # type: ignore[no-untyped-call]

    with ExitStack() as stack:
        for module in model.modules():
            if is_leaf(module):
                stack.callback(module.register_forward_hook(watch).remove)
        yield


def _instruments(model: nn.Module) -> dict[str, Instrument]:
    return {
        "bare": nullcontext,
        "basic": lambda: Watcher(model, "basic"),
        "full": lambda: Watcher(model, "full"),
        "naive": lambda: naive(model),
    }


def _step(model: nn.Module, x: torch.Tensor) -> None:
    model.zero_grad()
    model(x).square().mean().backward()


def _timed(model: nn.Module, x: torch.Tensor, instrument: AbstractContextManager[object]) -> float:
    with instrument:
        start = time.process_time()
        _step(model, x)
        return time.process_time() - start


def _ratios(model: nn.Module, x: torch.Tensor) -> tuple[dict[str, list[float]], float]:
    """Return the ratios of each instrument to the bare step, round by round, and the bare step's best time."""
    instruments = {name: make() for name, make in _instruments(model).items()}

    def take_turns() -> dict[str, float]:
        fresh = {"naive": naive(model)}  # can be entered once
        return {name: _timed(model, x, fresh.get(name, kept)) for name, kept in instruments.items()}

    start = time.monotonic()
    while time.monotonic() - start < _WARM_UP:
        take_turns()
    rounds = [take_turns() for _ in range(_ROUNDS)]
    ratios = {name: [times[name] / times["bare"] for times in rounds] for name in instruments}
    return ratios, min(times["bare"] for times in rounds)


def _median(values: list[float]) -> tuple[float, float]:
    """Return the median and its standard error: sqrt(pi/2) of the mean's, with a spread that outliers do not move."""
    middle = statistics.median(values)
    spread = statistics.median(abs(value - middle) for value in values) / statistics.NormalDist().inv_cdf(0.75)
    return middle, spread * math.sqrt(math.pi / 2 / len(values))


def _peak(name: str) -> float:
    """Return the peak memory of a fresh process above what it has before the first step, in MiB."""
    command = [sys.executable, __file__, "--memory-of", name]
    # Large blocks go back to the system at once, so that the peak does not depend on what the allocator keeps.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    return float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def _print_peak(name: str) -> None:
    model, x = _network_in_network()
    nn.Sequential(nn.Linear(2, 2))(torch.zeros(1, 2)).sum().backward()
    before = _high_water()
    with _instruments(model)[name]():
        for _ in range(2):
            _step(model, x)
    print((_high_water() - before) / 1024)


def _high_water() -> int:
    """Return the largest memory that this process has had, in KiB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


def main() -> int:
    """Print the table; exit 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory-of", choices=["bare", "basic", "full", "naive"], help=argparse.SUPPRESS)
    chosen = parser.parse_args().memory_of
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if chosen:
        _print_peak(chosen)
        return 0
    rows, met_all = [], True

    def row(what: str, target: float, result: float, naive: float, note: str, error: float | None = None) -> None:
        nonlocal met_all
        met = result <= target
        met_all &= met
        verdict = "met" if met else "MISSED"
        shown = f"{result:.3f}" if error is None else f"{result:.3f} \u00b1{error:.3f}"
        rows.append(f"| {what} | at most {target:.2f} x bare | {shown} | {naive:.2f} | {verdict} | {note} |")

    for name, build in NETWORKS.items():
        model, x = build()
        ratios, bare = _ratios(model, x)
        for kind, target in _TARGETS.items():
            result, error = _median(ratios[kind])
            naive, _ = _median(ratios["naive"])
            row(f"{name}, {kind}", target, result, naive, f"bare step {1e3 * bare:.0f} ms", error)
    peaks = {name: _peak(name) for name in ("bare", "basic", "full", "naive")}
    for kind in _TARGETS:
        note = f"bare {peaks['bare']:.0f} MiB"
        naive = peaks["naive"] / peaks["bare"]
        row(f"Network in Network, memory, {kind}", _MEMORY_TARGET, peaks[kind] / peaks["bare"], naive, note)
    print("| step | target | result | `var_mean` hooks | | |\n|---|---|---|---|---|---|")
    print("\n".join(rows))
    return 0 if met_all else 1


if __name__ == "__main__":
    sys.exit(main())
