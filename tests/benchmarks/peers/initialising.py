"""LSUV: how long initialising takes, and how far from unit variance the layers are in the end.

A ReLU MLP of 20 layers, width 256, on a batch of 256. Weights are drawn anew in each round. The floor is the bare work:
an orthonormal draw of each layer, and one forward pass for each. The result is the largest |Var - 1| of a layer's
output, measured by the same code for all. Target: no slower than lsuv at its tolerance of 0.1.
"""

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from benchmarks.peers.turns import missing, named, optional, ratio, rows_of, table, take_turns, verdict
from torch import nn

from propstats.nn.init import lsuv_

_DEPTH, _WIDTH, _BATCH, _ROUNDS, _TOLERANCE = 20, 256, 256, 5, 0.1
_FLOOR, _OURS = "floor: orthonormal draws, forward passes", f"propstats, tolerance {_TOLERANCE}"


def _network() -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(_DEPTH):
        layers += [nn.Linear(_WIDTH, _WIDTH), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _off(network: nn.Sequential, x: torch.Tensor) -> float:
    """Return the largest |Var - 1| over the layers of weights."""
    worst = 0.0
    with torch.no_grad():
        for layer in network:
            x = layer(x)
            if isinstance(layer, nn.Linear):
                worst = max(worst, abs(float(x.double().var(correction=0)) - 1.0))
    return worst


def main() -> int:
    """Print the table; exit with 1 if the target is missed."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, network = torch.randn(_BATCH, _WIDTH), _network()
    made: dict[str, nn.Sequential] = {}

    def on_a_copy(name: str, initialise: Callable[[nn.Sequential], Any]) -> Callable[[], None]:
        def run() -> None:
            made[name] = copy.deepcopy(network)
            initialise(made[name])

        return run

    def bare(model: nn.Sequential) -> None:
        with torch.no_grad():
            for layer in model:
                if isinstance(layer, nn.Linear):
                    nn.init.orthogonal_(layer.weight)
                    model(x)

    ways: dict[str, Callable[[nn.Sequential], Any]] = {
        _FLOOR: bare,
        _OURS: lambda model: lsuv_(model, x, tolerance=_TOLERANCE),
        "propstats, tolerance 0.01": lambda model: lsuv_(model, x),
    }
    peer = optional("lsuv")
    theirs = f"{named('lsuv')}, tolerance {_TOLERANCE}"
    if peer is not None:
        ways[theirs] = lambda model: peer.lsuv_with_singlebatch(model, x, std_tol=_TOLERANCE, verbose=False)
    times = take_turns({name: on_a_copy(name, way) for name, way in ways.items()}, _ROUNDS, tries=1)
    results = {name: f"{_off(model, x):.1e}" for name, model in made.items() if name != _FLOOR}
    verdicts, is_met = dict[str, str](), True
    if peer is not None:
        is_met = ratio(times, _OURS, theirs) <= 1.0
        verdicts[_OURS] = verdict(is_met)
    rows = rows_of(times, _FLOOR, results, verdicts)
    print(table("largest distance of a variance from 1", rows + ([] if peer is not None else [missing("lsuv")])))
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
