"""Samples of a gated unit `a*g(b)` of two independent inputs."""

import math
import sys
from collections.abc import Mapping
from functools import reduce

import numpy as np
import torch

from propstats.activations.gates import Gate
from propstats.estimate import Estimate, Route
from propstats.expectation.normal import density
from propstats.expectation.samples import check_samples
from propstats.expectation.sampling.draws import BLOCK, fill_normal, in_order, resolve_device, workers_for
from propstats.expectation.sampling.running import RunningMoments
from propstats.expectation.sampling.unseen import integral_where_unseen, tails_of


def gate_moments(
    gate: Gate, *, mean: float = 0.0, std: float = 1.0, samples: int = 1_000_000, seed: int = 0, device: str = "cpu"
) -> Mapping[str, Estimate]:
    """Estimate the moments of `y = a g(b)` and of its two slopes, `g(b)` and `a g'(b)`, for a and b ~ N(mean, std^2).

    Both inputs are drawn, so that nothing is assumed of how the moments factorise. To the standard errors is added
    what lies where fewer than three samples of b are expected.

    Args:
        gate: The unit.
        mean: Mean of both inputs.
        std: Standard deviation of both inputs; not negative.
        samples: How many pairs; at least 2.
        seed: Seed of the generators, not negative; the global generators are not touched.
        device: A torch device, or `auto` for CUDA where there is one.

    Returns:
        `mean`, `second_moment` and `var` of y; `value_slope` and `gate_slope`, the second moments of the slopes in a
        and in b; and `slope`, their sum.

    Raises:
        DomainError: If there are too few samples, the seed is negative, or the device is not there.

    >>> from propstats.activations.gates import GATES
    >>> e = gate_moments(GATES["reglu"], samples=4096)["second_moment"]
    >>> abs(e.value - 0.5) <= 5 * e.error < 0.2
    True
    """
    check_samples(samples)
    where = resolve_device(device)

    def one_block(block: int) -> RunningMoments:
        count = min(BLOCK, samples - block * BLOCK)
        z = torch.empty(2, count, dtype=torch.float64, device=where)
        fill_normal(z, seed, block)
        a, b = mean + std * z
        y, g, slope = gate(a, b), gate.gate(b), gate.gate.slope(b)
        rows = torch.stack([y, y * y, g * g, (a * slope) ** 2])
        return RunningMoments.of(rows.cpu().numpy())

    blocks = in_order(one_block, math.ceil(samples / BLOCK), workers_for(where))
    running = reduce(RunningMoments.merge, blocks, RunningMoments.empty(4))

    def over_a(z: torch.Tensor) -> torch.Tensor:
        """Return the rows at b = mean + std z, with a averaged out."""
        b = mean + std * z
        g, slope = gate.gate(b), gate.gate.slope(b) * torch.ones_like(b)
        square = mean * mean + std * std
        return torch.stack([mean * g, square * g * g, g * g, square * slope * slope])

    tails = tails_of(samples)
    unseen = integral_where_unseen(
        over_a, (mean, std), running.mean, tails, samples * density(mean / std) if std else 0
    )
    first = float(running.mean[0])
    weights = {
        "mean": (1.0, 0.0, 0.0, 0.0),
        "second_moment": (0.0, 1.0, 0.0, 0.0),
        "var": (-2.0 * first, 1.0, 0.0, 0.0),  # the gradient of E[y^2] - E[y]^2
        "value_slope": (0.0, 0.0, 1.0, 0.0),
        "gate_slope": (0.0, 0.0, 0.0, 1.0),
        "slope": (0.0, 0.0, 1.0, 1.0),
    }
    found = {}
    for name, row in weights.items():
        weight = np.array(row)
        value = float(running.scatter[0, 0]) / samples if name == "var" else float(weight @ running.mean)
        error = math.sqrt(max(float(weight @ running.covariance @ weight), 0.0) / samples)
        # The standard error of inputs that do not vary is 0, their rounding is not.
        rounding = 8 * sys.float_info.epsilon * (abs(value) + (first * first if name == "var" else 0.0))
        error = math.hypot(error, rounding, float(weight @ unseen))
        found[name] = Estimate(value, error, Route.SAMPLING, samples)
    return found
