"""Samples of one pooling window: torch's own pooling on equally correlated inputs, with its own slopes."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from numpy.typing import NDArray

from propstats.expectation.samples import check_samples
from propstats.expectation.sampling.draws import fill_normal, in_order, resolve_device, workers_for
from propstats.expectation.sampling.running import RunningMoments
from propstats.expectation.sampling.unseen import UNSEEN

Array = NDArray[np.float64]

#: What is averaged over windows: the output, its square, the squared slope in the first input, the mean of the squared
#: slopes in the others, and the mean of all squared slopes in inputs that are positive.
ROWS = ("mean", "second_moment", "first", "other", "alive")
#: A block holds about so many numbers, and all windows together at most so many.
_BLOCK, _MOST = 1 << 19, 20_000_000
#: Blocks of different windows have seeds of their own.
_STREAM = 1 << 24


@dataclass(frozen=True, slots=True, eq=False)
class WindowSample:
    """What is left of the samples of one window.

    Args:
        samples: How many windows were drawn.
        mean: The mean of each row; shape (rows,).
        covariance: The covariance of these means; shape (rows, rows).
        floor: What rounding and events that were too rare to be seen may add to each mean; shape (rows,).
    """

    samples: int
    mean: Array
    covariance: Array
    floor: Array

    def row(self, name: str) -> Array:
        """Return the weights of the rows in a quantity, or of their deviations where it is not linear in them."""
        if name == "var":  # the gradient of E[y^2] - E[y]^2
            return np.array([-2.0 * self.mean[0], 1.0, 0.0, 0.0, 0.0])
        return np.array([float(name == row) for row in ROWS])

    def value(self, name: str) -> float:
        """Return a quantity."""
        if name == "var":
            return max(float(self.mean[1] - self.mean[0] ** 2), 0.0)
        return float(self.mean[ROWS.index(name)])

    def variance(self, weights: Array) -> float:
        """Return the squared standard error of a combination of rows."""
        return max(float(weights @ self.covariance @ weights), 0.0) + float(abs(weights) @ self.floor) ** 2


def sample_window(
    pool: Callable[[torch.Tensor], torch.Tensor],
    inputs: int,
    *,
    mean: float = 0.0,
    std: float = 1.0,
    correlation: float = 0.0,
    rectified: bool = False,
    samples: int = 100_000,
    seed: int = 0,
    stream: int = 0,
    device: str = "cpu",
) -> WindowSample:
    """Send windows of equally correlated Gaussians, rectified or not, through a pooling function and back.

    Args:
        pool: Takes inputs of shape (windows, 1, inputs) to outputs of shape (windows, 1, 1), differentiably.
        inputs: How many inputs a window holds.
        mean: Mean of the Gaussians.
        std: Their standard deviation, not negative.
        correlation: Their correlation, from `-1/(inputs - 1)` to 1.
        rectified: Whether negative ones are replaced by 0.
        samples: How many windows; of large ones fewer are drawn, twenty million numbers in all.
        seed: Seed of the generators; the global generators are not touched.
        stream: Another stream is independent of this one, with the same seed.
        device: A torch device, or `auto` for CUDA where there is one.

    Raises:
        DomainError: If there are too few samples, the seed is negative, or the device is not there.

    >>> from torch.nn import functional
    >>> found = sample_window(lambda x: functional.max_pool1d(x, 2), 2, samples=4096)
    >>> abs(found.value("mean") - 1 / math.sqrt(math.pi)) < 5 * math.sqrt(found.variance(found.row("mean"))) < 0.1
    True
    """
    check_samples(samples)
    where = resolve_device(device)
    samples = min(samples, max(_MOST // (inputs + 1), 2))
    size = max(_BLOCK // (inputs + 1), 1)
    common = math.sqrt(max(0.0, (1.0 + (inputs - 1) * correlation) / inputs))
    unit = std * float(pool(torch.ones(1, 1, inputs, dtype=torch.float64, device=where)))

    def one_block(block: int) -> tuple[RunningMoments, float]:
        z = torch.empty(min(size, samples - block * size), inputs + 1, dtype=torch.float64, device=where)
        fill_normal(z, seed, stream * _STREAM + block)
        e, g = z[:, :-1], z[:, -1:]
        x = mean + std * (math.sqrt(1.0 - correlation) * (e - e.mean(1, keepdim=True)) + common * g)
        x = (x.clamp(min=0.0) if rectified else x).requires_grad_()
        y = pool(x[:, None])[:, 0, 0]
        (slope,) = torch.autograd.grad(y.sum(), x)
        y, squares = y.detach(), slope**2
        rows = torch.stack(
            [
                y,
                y * y,
                squares[:, 0],
                squares[:, 1:].mean(1) if inputs > 1 else squares[:, 0],
                torch.where(x.detach() > 0, squares, 0.0).mean(1),
            ]
        )
        return RunningMoments.of(rows.cpu().numpy()), float(squares.max())

    blocks = list(in_order(one_block, math.ceil(samples / size), workers_for(where)))
    running = reduce(RunningMoments.merge, (moments for moments, _ in blocks), RunningMoments.empty(len(ROWS)))
    steepest = max(largest for _, largest in blocks)
    unseen = np.array([unit, unit * unit, steepest, steepest, steepest]) * (UNSEEN / samples)
    floor = unseen + 8 * np.finfo(float).eps * abs(running.mean)
    return WindowSample(samples, running.mean, running.covariance / samples, floor)
