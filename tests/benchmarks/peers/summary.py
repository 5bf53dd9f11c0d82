"""A table of a network's layers without data: sizes (torchinfo), and what theory expects of the signal (propstats).

An MLP of 50 layers of width 512, in float32. torchinfo runs it on one input to learn the shapes, propstats walks its
layers without running it; `audit_weights` reads a file, looks at every weight, and computes lengths, angles and
singular values. The floor is one forward pass of one input. There is no target: the tables are not of the same things.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from benchmarks.peers.turns import missing, named, optional, rows_of, table, take_turns
from torch import nn

import propstats

_DEPTH, _WIDTH, _ROUNDS = 50, 512, 3


def main() -> int:
    """Print the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers = [layer for _ in range(_DEPTH) for layer in (nn.Linear(_WIDTH, _WIDTH), nn.ReLU())]
    network, x = nn.Sequential(*layers), torch.randn(1, _WIDTH)
    results = {
        "propstats.propagate": "mean, variance, gradient and verdict of each layer",
        "propstats.audit_weights": "scheme, lengths, angles, spectral norm of each matrix",
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pt"
        torch.save(network.state_dict(), path)
        tasks: dict[str, Callable[[], object]] = {
            "floor: one forward pass": lambda: network(x),
            "torch.load, reading every weight": lambda: [float(w.sum()) for w in torch.load(path).values()],
            "propstats.propagate": lambda: propstats.propagate(network),
            "propstats.audit_weights": lambda: propstats.audit_weights(path),
        }
        peer = optional("torchinfo")
        if peer is not None:
            name = f"{named('torchinfo')} summary"
            tasks[name] = lambda: str(peer.summary(network, input_data=x, verbose=0))
            results[name] = "shape and parameters of each layer"
        times = take_turns(tasks, _ROUNDS)
    rows = rows_of(times, "floor: one forward pass", results, {})
    print(table("what it says", rows + ([] if peer is not None else [missing("torchinfo")])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
