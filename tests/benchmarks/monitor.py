"""What `propstats.monitor` costs a training step: an MLP and a convolutional network at batch 50.

Steps with and without a monitor take turns, in CPU time of one thread; the median ratio over rounds is printed, for a
monitor that measures each step, and for what is left of that when it measures each hundredth.

Run from the repository, with propstats installed: python tests/benchmarks/monitor.py
"""

import statistics
import sys
import time
from itertools import pairwise

import torch
from torch import nn

from propstats.auditing.watching.monitor import monitor

_BATCH = 50
_ROUNDS = 9
_EACH, _HUNDREDTH = 1.25, 1.01


def _mlp() -> tuple[nn.Module, torch.Tensor]:
    layers = [part for _ in range(10) for part in (nn.Linear(1024, 1024), nn.ReLU())]
    return nn.Sequential(*layers), torch.randn(_BATCH, 1024)


def _convolutions() -> tuple[nn.Module, torch.Tensor]:
    widths = [3, 64, 64, 96, 96]
    layers = [
        part
        for fan_in, fan_out in pairwise(widths)
        for part in (nn.Conv2d(fan_in, fan_out, 3, padding=1), nn.BatchNorm2d(fan_out), nn.ReLU())
    ]
    return nn.Sequential(*layers), torch.randn(_BATCH, 3, 32, 32)


def _step(model: nn.Module, x: torch.Tensor) -> float:
    model.zero_grad()
    start = time.process_time()
    torch.autograd.backward(model(x).square().mean())
    return time.process_time() - start


def _watched(model: nn.Module, x: torch.Tensor) -> float:
    """One step with a monitor that measures it, and fetching what it measured."""
    with monitor(model, every=1) as watch:
        taken = _step(model, x)
        start = time.process_time()
        layers = len(watch.history[0].layers)
        taken += time.process_time() - start
    assert layers == len(list(model.children()))
    return taken


def main() -> int:
    """Print the table; exit 1 if a target is missed."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("| step | target | result | | |\n|---|---|---|---|---|")
    met_all = True
    for name, build in (("MLP", _mlp), ("convolutions", _convolutions)):
        model, x = build()
        _step(model, x)
        _watched(model, x)
        rounds = [(_step(model, x), _watched(model, x)) for _ in range(_ROUNDS)]
        each = statistics.median(watched / bare for bare, watched in rounds)
        best = min(bare for bare, _ in rounds)
        for what, target, ratio in (
            ("every=1", _EACH, each),
            ("every=100", _HUNDREDTH, 1.0 + (each - 1.0) / 100.0),
        ):
            met_all &= ratio <= target
            verdict = "met" if ratio <= target else "MISSED"
            print(f"| {name}, {what} | at most {target} x bare | {ratio:.4g} | {verdict} | {1e3 * best:.0f} ms |")
    return 0 if met_all else 1


if __name__ == "__main__":
    sys.exit(main())
