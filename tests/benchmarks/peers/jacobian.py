"""All singular values of input-output Jacobians: 8 inputs, depth 9, float32, relu and tanh.

The floor is the bare work of whoever forms the Jacobians: a dense product for each layer and input, and torch's
svdvals. curvlinops has Jacobians in the parameters; the input stands there as one, and an identity is multiplied, one
input at a time. The result is the distance of the largest singular values from float64. Targets: shares of the floor,
0.5 for relu at width 512, and 1.1 for tanh.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from benchmarks.jacobian import Network, gemms, network_of, values_of
from benchmarks.peers.turns import missing, named, optional, ratio, rows_of, table, take_turns, verdict
from torch import nn

_WIDTHS, _ROUNDS = (256, 512), 3
_TARGETS = {("relu", 512): 0.5, ("tanh", 512): 1.1}
_FLOOR, _OURS = "floor: products and svdvals", "propstats"


class _AtInput(nn.Module):
    """A network as a function of its input, which is a parameter here."""

    def __init__(self, network: Network, x: torch.Tensor) -> None:
        super().__init__()
        self.network, self.x = network, nn.Parameter(x)

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.network(self.x)
        return y[None]


def _by_curvlinops(curvlinops: Any, network: Network) -> Callable[[], torch.Tensor]:
    def run() -> torch.Tensor:
        found = []
        for x in network.inputs:
            module = _AtInput(network, x)
            data = [(torch.zeros(1, 1), torch.zeros(1, 1))]
            operator = curvlinops.JacobianLinearOperator(module, [module.x], data, check_deterministic=False)
            found.append(operator @ torch.eye(len(x)))
        values: torch.Tensor = torch.linalg.svdvals(torch.stack(found))
        return values

    return run


def _tasks(network: Network) -> dict[str, Callable[[], torch.Tensor]]:
    dense = gemms(network)
    backward, forward = (torch.func.vmap(of(network)) for of in (torch.func.jacrev, torch.func.jacfwd))

    def floor() -> torch.Tensor:
        gemms(network)
        values: torch.Tensor = torch.linalg.svdvals(dense)
        return values

    tasks: dict[str, Callable[[], torch.Tensor]] = {
        _FLOOR: floor,
        _OURS: lambda: values_of(network),
        "torch.func vmap(jacrev), svdvals": lambda: torch.linalg.svdvals(backward(network.inputs)),
        "torch.func vmap(jacfwd), svdvals": lambda: torch.linalg.svdvals(forward(network.inputs)),
    }
    curvlinops = optional("curvlinops")
    if curvlinops is not None:
        tasks[f"{named('curvlinops-for-pytorch')}, svdvals"] = _by_curvlinops(curvlinops, network)
    return tasks


def _exact(network: Network) -> torch.Tensor:
    """Return the largest singular values in float64, with the slopes that float32 has."""
    found = []
    for number in range(len(network.inputs)):
        product = torch.eye(len(network.inputs[0]), dtype=torch.float64)
        for weight, slope in zip(network.weights, network.slopes, strict=True):
            product = slope[number].double()[:, None] * (weight.double() @ product)
        found.append(torch.linalg.svdvals(product)[0])
    return torch.stack(found)


def main() -> int:
    """Print a table for each network; exit with 1 if a target is missed."""
    missed = 0
    for act in ("relu", "tanh"):
        for width in _WIDTHS:
            network = network_of(act, width, torch.float32)
            tasks = _tasks(network)
            times = take_turns(tasks, _ROUNDS, tries=1)
            exact, results = _exact(network), dict[str, str]()
            for name, task in tasks.items():
                if name != _FLOOR:
                    largest = task()[:, 0].double()
                    results[name] = f"{float((largest / exact - 1).abs().max()):.0e}"
            target = _TARGETS.get((act, width))
            verdicts = {}
            if target is not None:
                is_met = ratio(times, _OURS, _FLOOR) <= target
                verdicts[_OURS], missed = verdict(is_met), missed + (not is_met)
            rows = rows_of(times, _FLOOR, results, verdicts)
            rows += [] if optional("curvlinops") is not None else [missing("curvlinops-for-pytorch")]
            wanted = "" if target is None else f", target {target:g} of the floor"
            print(f"{act}, width {width}{wanted}:\n\n{table('error of the largest', rows)}\n")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
