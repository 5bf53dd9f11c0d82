"""How fast and how exact singular values of Jacobians are: depth 9, 8 inputs, as ratios in one run.

The floor is what anyone has to do who forms the Jacobians: one dense product a layer and input, and torch's svdvals.
The peer is `torch.func.vmap(jacrev)` with svdvals. Accuracy is that of the smallest singular value that is not zero, in
float64, beside a hundred digits. Best of several rounds that take turns; two cores are wanted.

Run from the repository, with propstats installed: python tests/benchmarks/jacobian.py
"""

import argparse
import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import flint
import mpmath
import torch
from torch import nn

from propstats.auditing.spectrum import spectrum
from propstats.simulation.product import singular_values
from propstats.simulation.workers import in_order

_DEPTH, _INPUTS = 9, 8
#: Largest share of the floor that is called met, by activation and width.
_TARGETS = {("relu", 512): 0.5, ("relu", 1024): 0.35, ("tanh", 512): 1.1, ("tanh", 1024): 1.1}
_ACCURATE_TARGET, _ACCURACY = 2.0, 1e-12


@dataclass(frozen=True)
class Network:
    act: str
    weights: list[torch.Tensor]
    inputs: torch.Tensor
    slopes: list[torch.Tensor]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        for weight in self.weights:
            x = torch.relu(weight @ x) if self.act == "relu" else torch.tanh(weight @ x)
        return x


def network_of(act: str, width: int, dtype: torch.dtype, inputs: int = _INPUTS, depth: int = _DEPTH) -> Network:
    generator = torch.Generator().manual_seed(width)
    scale = math.sqrt((2.0 if act == "relu" else 1.5) / width)
    weights = [torch.randn(width, width, generator=generator, dtype=dtype) * scale for _ in range(depth)]
    points = torch.randn(inputs, width, generator=generator, dtype=dtype)
    x, slopes = points, []
    for weight in weights:
        h = x @ weight.T
        x = torch.relu(h) if act == "relu" else torch.tanh(h)
        slopes.append((h > 0).to(dtype) if act == "relu" else 1 - x * x)
    return Network(act, weights, points, slopes)


def values_of(network: Network, *, accurate: bool = False) -> torch.Tensor:
    """Singular values of the Jacobian at each input, of shape (inputs, width); each input has a thread of its own."""

    def one(k: int) -> torch.Tensor:
        layers = zip(network.weights, (slope[k] for slope in network.slopes), strict=True)
        return singular_values(layers, accurate=accurate)[0]

    return torch.stack(list(in_order(one, len(network.inputs), network.inputs.device)))


def gemms(network: Network) -> torch.Tensor:
    products = []
    for _ in range(_INPUTS):
        product = network.weights[0]
        for weight in network.weights[1:]:
            product = weight @ product
        products.append(product)
    return torch.stack(products)


def _best(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Time tasks in turns, and keep the best of each."""
    best = dict.fromkeys(tasks, math.inf)
    for _ in range(rounds):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def _verdict(value: float, target: float | None) -> str:
    return "" if target is None else "met" if value <= target else "MISSED"


def _speed(act: str, width: int, dtype: torch.dtype, rounds: int) -> str:
    network = network_of(act, width, dtype)
    dense = gemms(network)
    jacobians = torch.func.vmap(torch.func.jacrev(network))
    best = _best(
        {
            "gemms": lambda: gemms(network),
            "svdvals": lambda: torch.linalg.svdvals(dense),
            "peer": lambda: torch.linalg.svdvals(jacobians(network.inputs)),
            "plain": lambda: values_of(network),
            "accurate": lambda: values_of(network, accurate=True),
        },
        rounds,
    )
    floor = best["gemms"] + best["svdvals"]
    shares = {name: best[name] / floor for name in ("peer", "plain", "accurate")}
    single = dtype is torch.float32
    target = _TARGETS.get((act, width)) if single else None
    accurate = None if single else _ACCURATE_TARGET
    verdicts = {_verdict(shares["plain"], target), _verdict(shares["accurate"], accurate)} - {""}
    verdict = "MISSED" if "MISSED" in verdicts else "met" if verdicts else ""
    targets = f"{target:g}" if target is not None else "-", f"{accurate:g}" if accurate is not None else "-"
    return (
        f"| {act} | {width} | {str(dtype).removeprefix('torch.')} | {1e3 * floor:.0f} ms | {shares['peer']:.2f} | "
        f"{shares['plain']:.2f} | {targets[0]} | {shares['accurate']:.2f} | {targets[1]} | {verdict} |"
    )


def _smallest(network: Network, rank: int) -> float:
    """The rank-th singular value at the first input, from the inverse of a Gram matrix in a hundred digits."""
    flint.ctx.dps = mpmath.mp.dps = 100
    product = flint.arb_mat(network.weights[0].tolist())
    previous = None
    for weight, slope in zip(network.weights, network.slopes, strict=True):
        active = torch.nonzero(slope[0])[:, 0]
        part = weight[active] if previous is None else weight[active][:, previous]
        factor = flint.arb_mat(part.tolist())
        product = factor if previous is None else factor * product
        for row, size in enumerate(slope[0][active].tolist()):
            for column in range(product.ncols()):
                product[row, column] *= size
        previous = active
    gram = product * product.transpose() if product.nrows() <= product.ncols() else product.transpose() * product
    n = gram.nrows()
    matrix = mpmath.matrix(n, n)
    for i in range(n):
        for j in range(n):
            matrix[i, j] = mpmath.mpf(gram[i, j].mid().str(100, radius=False))
    values = sorted(mpmath.eigsy(matrix, eigvals_only=True), reverse=True)
    return float(mpmath.sqrt(values[rank - 1]))


def _accuracy(act: str, width: int) -> str:
    network = network_of(act, width, torch.float64, inputs=1)
    layers = [(weight, slope[0]) for weight, slope in zip(network.weights, network.slopes, strict=True)]
    found, rank = singular_values(layers, accurate=True)
    exact = _smallest(network, rank)
    jacobian = torch.func.jacrev(network)(network.inputs[0])
    others = {
        "plain": singular_values(layers)[0][rank - 1],
        "jacrev": torch.linalg.svdvals(jacobian)[rank - 1],
        "gram": torch.linalg.eigvalsh(jacobian @ jacobian.T).flip(0)[rank - 1].clamp_min(0).sqrt(),
    }
    error = abs(float(found[rank - 1]) / exact - 1)
    rest = " | ".join(f"{abs(float(value) / exact - 1):.0e}" for value in others.values())
    condition = float(found[0]) / exact
    return (
        f"| {act} | {width} | {condition:.0e} | {error:.0e} | {_ACCURACY:g} | {rest} | {_verdict(error, _ACCURACY)} |"
    )


def _large(width: int) -> str:
    generator = torch.Generator().manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(_DEPTH):
        linear = nn.Linear(width, width, bias=False)
        nn.init.normal_(linear.weight, std=math.sqrt(2 / width), generator=generator)
        layers += [linear, nn.ReLU()]
    model = nn.Sequential(*layers)
    data = torch.randn(2, width, generator=generator)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    found = spectrum(model, data, inputs=1, top=10)
    seconds = time.perf_counter() - start
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return (
        f"width {width}, depth {_DEPTH}, float32, top 10 at one input, never formed: {seconds:.1f} s, "
        f"{memory:.0f} MiB on top of {4 * _DEPTH * width**2 / 2**20:.0f} MiB of weights, "
        f"residuals below {found.residual:.0e} of the largest value {found.max.value:.4f}"
    )


def main() -> int:
    """Print the tables; exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is timed")
    parser.add_argument("--large", type=int, default=4096, help="width of the network whose Jacobian is not formed")
    options = parser.parse_args()
    large = _large(options.large)  # first: peak memory never falls again
    lines = [
        "times, as shares of the floor",
        "",
        "| activation | width | precision | floor | jacrev | plain | target | accurate | target | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for dtype in (torch.float32, torch.float64):
        for act in ("relu", "tanh"):
            lines += [_speed(act, width, dtype, options.rounds) for width in (512, 1024)]
    lines += [
        "",
        "relative error of the smallest singular value that is not zero, in float64",
        "",
        "| activation | width | condition | accurate | target | plain | jacrev | Gram matrix | |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_accuracy(act, width) for act in ("relu", "tanh") for width in (32, 64)),
        "",
        large,
    ]
    print("\n".join(lines))
    return int(any("MISSED" in line for line in lines))


if __name__ == "__main__":
    sys.exit(main())
