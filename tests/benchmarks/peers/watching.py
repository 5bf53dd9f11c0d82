"""What watching costs a training step, forwards and backwards, at batch 50: an MLP, an encoder, a Network in Network.

Steps of all instruments take turns, in CPU time of one thread; the floor is the bare step. delve measures forwards
only, and without its eigendecompositions. torchlens traces a forward pass of its own beside the step. unit-scaling's
`track_scales` measures both directions. The result is the peer's ratio divided by that of propstats' full watching.
Targets: at most 1.10 times the bare step for basic watching, 1.25 for full.
"""

import contextlib
import copy
import io
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from benchmarks.audit_overhead import NETWORKS, naive
from benchmarks.peers.turns import missing, named, optional, ratio, rows_of, table, take_turns, verdict
from torch import nn

from propstats.auditing.watching.watcher import Watcher

_ROUNDS = 9
_TARGETS = {"propstats, basic": 1.10, "propstats, full": 1.25}
_FLOOR, _FULL = "floor: bare step", "propstats, full"


class _Whole(nn.Module):
    """A network in a module of one's own: `track_scales` records nothing of torch's."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> Any:
        return self.network(x)


def _step(network: nn.Module, x: torch.Tensor) -> None:
    network.zero_grad()
    network(x).square().mean().backward()


def _by_delve(delve: Any, network: nn.Module, x: torch.Tensor, folder: str) -> Callable[[], None]:
    watched = copy.deepcopy(network)  # its hooks stay
    with contextlib.redirect_stdout(io.StringIO()):
        delve.SaturationTracker(folder, save_to="print", modules=watched, device="cpu", nosave=True)
    return lambda: _step(watched, x)


def _by_torchlens(torchlens: Any, network: nn.Module, x: torch.Tensor) -> Callable[[], None]:
    def step() -> None:
        torchlens.trace(network, x)
        _step(network, x)

    return step


def _tasks(network: nn.Module, x: torch.Tensor, folder: str) -> dict[str, Callable[[], object]]:
    def under(instrument: Callable[[], Any]) -> Callable[[], None]:
        def step() -> None:
            with instrument():
                _step(network, x)

        return step

    basic, full = Watcher(network, "basic"), Watcher(network, "full")
    tasks: dict[str, Callable[[], object]] = {
        _FLOOR: under(nullcontext),
        "propstats, basic": under(lambda: basic),
        _FULL: under(lambda: full),
        "`torch.var_mean` hooks": under(lambda: naive(network)),
    }
    scaling = optional("unit_scaling.transforms")
    if scaling is not None:
        tracked = scaling.track_scales(_Whole(copy.deepcopy(network)))
        tasks[f"{named('unit-scaling')} track_scales"] = lambda: _step(tracked, x)
    torchlens = optional("torchlens")
    if torchlens is not None:
        tasks[f"{named('torchlens')} trace"] = _by_torchlens(torchlens, network, x)
    delve = optional("delve")
    if delve is not None:
        tasks[f"{named('delve')} SaturationTracker"] = _by_delve(delve, network, x, folder)
    return tasks


def main() -> int:
    """Print a table for each network; exit with 1 if a target is missed."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    missed = 0
    for name, build in NETWORKS.items():
        network, x = build()
        with tempfile.TemporaryDirectory() as folder:
            times = take_turns(_tasks(network, x, folder), _ROUNDS, time.process_time, tries=1)
        verdicts = {what: ratio(times, what, _FLOOR) <= most for what, most in _TARGETS.items()}
        missed += sum(not met for met in verdicts.values())
        results = {what: f"{ratio(times, what, _FULL):.2f}" for what in times if not what.startswith(("floor", "prop"))}
        rows = rows_of(times, _FLOOR, results, {what: verdict(met) for what, met in verdicts.items()})
        rows += [missing(peer) for peer in ("unit-scaling", "torchlens", "delve") if not any(peer in t for t in times)]
        print(f"{name}:\n\n{table('beside full', rows)}\n")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
