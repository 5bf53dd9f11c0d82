"""Samples of dropout: masks, and two positions of one channel."""

import math
from collections.abc import Mapping
from functools import reduce

import numpy as np
import torch

from propstats.estimate import Estimate, Route
from propstats.expectation.samples import check_samples
from propstats.expectation.sampling.draws import BLOCK, fill_normal, in_order, resolve_device, workers_for
from propstats.expectation.sampling.running import RunningMoments
from propstats.expectation.sampling.unseen import UNSEEN


def dropout_moments(
    scale: float,
    shift: float,
    dropped: float,
    *,
    keep: float,
    shared: bool = False,
    mean: float = 0.0,
    std: float = 1.0,
    correlation: float = 0.0,
    rectified: bool = False,
    samples: int = 1_000_000,
    seed: int = 0,
    device: str = "cpu",
) -> Mapping[str, Estimate]:
    """Estimate the moments of `y = scale (b x + (1 - b) dropped) + shift` and of its slope, b = 1 with probability q.

    Args:
        scale: By what the output is multiplied.
        shift: What is added then.
        dropped: What a dropped unit is set to.
        keep: q.
        shared: Whether both positions of a pair have the same mask.
        mean: Mean of the Gaussian inputs.
        std: Their standard deviation, not negative.
        correlation: Correlation of the two positions of a pair.
        rectified: Whether the inputs pass a ReLU first.
        samples: How many pairs; at least 2.
        seed: Seed of the generators; the global generators are not touched.
        device: A torch device, or `auto` for CUDA where there is one.

    Returns:
        `mean`, `second_moment`, `var`, `std` and `correlation` of y; `mean_slope`, `slope_second_moment`, `slope_std`.

    Raises:
        DomainError: If there are too few samples, the seed is negative, or the device is not there.

    >>> e = dropout_moments(2.0, 0.0, 0.0, keep=0.5, samples=4096)["second_moment"]
    >>> abs(e.value - 2.0) < 5 * e.error < 1.0
    True
    """
    check_samples(samples)
    where = resolve_device(device)

    def one_block(block: int) -> RunningMoments:
        z = torch.empty(4, min(BLOCK, samples - block * BLOCK), dtype=torch.float64, device=where)
        fill_normal(z, seed, block)
        other = correlation * z[0] + math.sqrt(1.0 - correlation**2) * z[1]
        x = mean + std * torch.stack([z[0], other])
        x = x.clamp(min=0.0) if rectified else x
        kept = torch.special.ndtr(z[2:3].expand(2, -1) if shared else z[2:]) < keep
        y = scale * torch.where(kept, x, dropped) + shift
        slope = scale * kept.double().mean(0)
        rows = torch.stack([y.mean(0), (y * y).mean(0), y[0] * y[1], slope, scale * slope])
        return RunningMoments.of(rows.cpu().numpy())

    blocks = in_order(one_block, math.ceil(samples / BLOCK), workers_for(where))
    running = reduce(RunningMoments.merge, blocks, RunningMoments.empty(5))
    first, second, product, slope, slope_second = (float(value) for value in running.mean)
    var, covariance = max(second - first**2, 0.0), product - first**2
    ratio = covariance / var if var > 0 else math.nan
    root = math.sqrt(slope_second)
    # Each quantity with its gradient in the five rows.
    linear = {
        "mean": (first, (1.0, 0.0, 0.0, 0.0, 0.0)),
        "second_moment": (second, (0.0, 1.0, 0.0, 0.0, 0.0)),
        "var": (var, (-2 * first, 1.0, 0.0, 0.0, 0.0)),
        "mean_slope": (slope, (0.0, 0.0, 0.0, 1.0, 0.0)),
        "slope_second_moment": (slope_second, (0.0, 0.0, 0.0, 0.0, 1.0)),
        "slope_std": (root, (0.0, 0.0, 0.0, 0.0, 0.5 / root if root > 0 else 0.0)),
    }
    if var > 0:
        linear["correlation"] = (ratio, (2 * first * (ratio - 1) / var, -ratio / var, 1 / var, 0.0, 0.0))
        linear["std"] = (math.sqrt(var), (-first / math.sqrt(var), 0.5 / math.sqrt(var), 0.0, 0.0, 0.0))
    # What is too rare to be seen, and rounding.
    unit = scale * (abs(mean) + std + abs(dropped)) + abs(shift)
    units = np.array([unit, unit**2, unit**2, scale, scale**2])
    floor = (UNSEEN / samples + 8 * np.finfo(float).eps) * units

    def estimate(value: float, gradient: tuple[float, ...]) -> Estimate:
        weights = np.array(gradient)
        spread = max(float(weights @ running.covariance @ weights), 0.0) / samples
        return Estimate(value, math.hypot(math.sqrt(spread), float(abs(weights) @ floor)), Route.SAMPLING, samples)

    return {name: estimate(value, gradient) for name, (value, gradient) in linear.items()}
