"""NormProp layers as torch modules: a training step of the paper's network beside batch norm's, inference when folded.

The network in network of section 5, batches of 50, float32, one core; a step is the forward and the backward pass, SGD
with momentum, and for NormProp the constraint on its rows. The paper's times, 84 s and 96 s an epoch on a GPU, have the
ratio 0.875. Rounds are interleaved, times are the processor's (others share it), and ratios are those of the least.

Run from the repository, with propstats installed: python tests/benchmarks/nn.py
"""

import sys
import time
from collections.abc import Callable

import torch
from torch.nn import functional

from propstats.nn import constrain_rows, fold
from propstats.nn.models import nin

_BATCH, _ROUNDS = 50, 6


def _step(kind: str) -> Callable[[], None]:
    generator = torch.Generator().manual_seed(0)
    model = nin(kind, generator=generator)
    images = torch.randn(_BATCH, 3, 32, 32, generator=generator)
    labels = torch.randint(10, (_BATCH,), generator=generator)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    if kind == "normprop":
        constrain_rows(optimizer, model)

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(functional.cross_entropy(model(images), labels))
        optimizer.step()

    return step


def fastest(runs: dict[str, Callable[[], object]], rounds: int = _ROUNDS) -> dict[str, float]:
    """Return the least processor time of each, taken in turns; the first round is not counted."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            start = time.process_time()
            run()
            times[name].append(time.process_time() - start)
    return {name: min(found[1:]) for name, found in times.items()}


def _inference() -> dict[str, Callable[[], object]]:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(_BATCH, 3, 32, 32, generator=generator)
    networks = {
        "folded": fold(nin(generator=generator)),
        "plain": nin("none", generator=generator).eval(),
        "not folded": nin(generator=generator).eval(),
    }

    def run(network: torch.nn.Module) -> Callable[[], object]:
        def once() -> torch.Tensor:
            with torch.inference_mode():
                result: torch.Tensor = network(images)
            return result

        return once

    return {name: run(network) for name, network in networks.items()}


def main() -> int:
    """Print the table; exit with 1 if a target is missed."""
    torch.set_num_threads(1)
    training = fastest({kind: _step(kind) for kind in ("normprop", "batchnorm", "none")})
    inference = fastest(_inference(), 3 * _ROUNDS)
    rows = [
        ("training step, NormProp by batch norm", training["normprop"] / training["batchnorm"], 0.95),
        ("training step, NormProp by no normalisation", training["normprop"] / training["none"], None),
        ("inference, folded by plain", inference["folded"] / inference["plain"], 1.02),
        ("inference, not folded by plain", inference["not folded"] / inference["plain"], None),
    ]
    times = ", ".join(f"{name} {1e3 * time:.0f} ms" for name, time in {**training, **inference}.items())
    print(f"Fastest: {times} (training steps, then inference).\n\n| ratio | target | result | |\n|---|---|---|---|")
    missed = False
    for name, ratio, target in rows:
        late = target is not None and ratio > target
        missed |= late
        verdict = "" if target is None else "MISSED" if late else "met"
        print(f"| {name} | {'' if target is None else f'<= {target}'} | {ratio:.3f} | {verdict} |")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
