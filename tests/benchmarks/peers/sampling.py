"""Mean and variance of an activation of N(0, 1), from 2^21 samples, with their errors.

The plain ways are `torch.randn -> activation -> mean, var`, which give no errors, and `torch.var_mean`. The floor is
drawing the samples alone. The result is the distance of the mean from the exact one, in standard errors. Target: 1.6
times as fast as the better plain way in float64; beside other work only ratios say something.
"""

import math
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from benchmarks.peers.turns import ratio, rows_of, table, take_turns, verdict

from propstats.activations import activation
from propstats.expectation import quadrature
from propstats.expectation.sampling import moments

_SAMPLES, _ROUNDS, _FASTER, _SEED = 1 << 21, 5, 1.6, 1
_ACTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": torch.relu, "gelu": torch.nn.functional.gelu, "tanh": torch.tanh,
}  # fmt: skip
_OURS, _PLAIN = "propstats", ("torch float64, mean and var", "torch float64, var_mean")


def main() -> int:
    """Print a table for each activation; exit with 1 if a target is missed."""
    torch.manual_seed(_SEED)
    missed = 0
    for name, act in _ACTS.items():
        entry = activation(name)
        exact = quadrature.values(entry, 0.0, 1.0)

        def plain(act: Callable[[torch.Tensor], torch.Tensor] = act) -> tuple[torch.Tensor, torch.Tensor]:
            y = act(torch.randn(_SAMPLES, dtype=torch.float64))
            return y.var(), y.mean()

        tasks: dict[str, Callable[[], object]] = {
            "floor: torch.randn float64": lambda: torch.randn(_SAMPLES, dtype=torch.float64),
            _OURS: lambda: moments(entry, samples=_SAMPLES, names=("mean", "var"), seed=_SEED),  # noqa: B023
            _PLAIN[0]: plain,
            _PLAIN[1]: lambda: torch.var_mean(act(torch.randn(_SAMPLES, dtype=torch.float64))),  # noqa: B023
            "torch float32, var_mean": lambda: torch.var_mean(act(torch.randn(_SAMPLES))),  # noqa: B023
        }
        times = take_turns(tasks, _ROUNDS, tries=1)
        ours = moments(entry, samples=_SAMPLES, names=("mean", "var"), seed=_SEED)["mean"]
        results = {_OURS: f"{(ours.value - float(exact['mean'])) / ours.error:+.1f}"}
        for way in (*_PLAIN, "torch float32, var_mean"):
            found = tasks[way]()
            assert isinstance(found, tuple)
            error = math.sqrt(float(exact["var"]) / _SAMPLES)
            results[way] = f"{(float(found[1]) - float(exact['mean'])) / error:+.1f}"
        faster = min(ratio(times, way, _OURS) for way in _PLAIN)
        missed += faster < _FASTER
        rows = rows_of(times, next(iter(tasks)), results, {_OURS: verdict(faster >= _FASTER)})
        print(f"{name}, {faster:.2f} times as fast (target {_FASTER:g}):\n")
        print(table("mean off by, standard errors", rows) + "\n")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
