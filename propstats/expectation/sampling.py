"""The sampling route: torch, in seeded blocks, merged in float64."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray

from propstats.activations.activation import Activation
from propstats.activations.expression import ZERO, Expr, differentiate, evaluate, parse, substitute, symbols_of
from propstats.activations.namespaces import float_namespace
from propstats.errors import DomainError
from propstats.estimate import Estimate, Route
from propstats.expectation.moments import BASE, derived_formulas

Array = NDArray[np.float64]

#: Samples are drawn in blocks of this size, each with a seed of its own: the numbers depend on the seed and on
#: how many samples are asked for, on nothing else.
BLOCK = 1 << 16

# What is averaged, per sample, with y = phi(x) - shift, d = phi'(x) and e = x - mu; the shift phi(mu) keeps the
# squares from cancelling.
_AVERAGES = ("t1", "t2", "t3", "t4", "t5", "t6")  # y, y^2, d, d^2, e d, e d y
_BASE_FROM_AVERAGES: Mapping[str, str] = {
    "mean": "shift + t1",
    "second_moment": "t2 + 2*shift*t1 + shift**2",
    "var": "t2 - t1**2",
    "mean_slope": "t3",
    "slope_second_moment": "t4",
    "var_rate": "t6 - t1*t5",
}


def moments(
    activation: Activation,
    *,
    mean: float = 0.0,
    std: float = 1.0,
    samples: int = 1_000_000,
    seed: int = 0,
    device: str = "cpu",
) -> Mapping[str, Estimate]:
    """Estimate the base moments and the derived quantities from independent samples, with standard errors.

    Every quantity is a smooth function of six averages, so its standard error follows from their covariance
    (the delta method). To it is added what lies in the tails where fewer than three of so many samples are
    expected: samples that never came have no spread, and a rare event may be all there is.

    Args:
        activation: The activation.
        mean: Mean of the input.
        std: Standard deviation of the input; not negative.
        samples: How many samples; at least 2.
        seed: Seed of the generators; torch's global generator is not touched.
        device: A torch device, or `auto` for CUDA where there is one.

    Raises:
        DomainError: If there are fewer than 2 samples, or the device is not there.
    """
    if samples < 2:
        raise DomainError(f"sampling needs at least 2 samples, got {samples}")
    where = resolve_device(device)
    shift = float(activation(torch.tensor(mean, dtype=torch.float64)))
    total = np.zeros(6)
    scatter = np.zeros((6, 6))
    done = 0
    for block in range(math.ceil(samples / BLOCK)):
        size = min(BLOCK, samples - done)
        generator = torch.Generator(where).manual_seed(block_seed(seed, block))
        z = torch.randn(size, generator=generator, dtype=torch.float64, device=where)
        rows = _rows(activation, mean, std, shift, z)
        block_mean = rows.mean(dim=1)
        centred = rows - block_mean[:, None]
        # Chan's merge of means and scatter matrices.
        gap = block_mean.cpu().numpy() - total
        merged = done + size
        scatter += (centred @ centred.T).cpu().numpy() + np.outer(gap, gap) * (done * size / merged)
        total += gap * (size / merged)
        done = merged
    averages = _Averages(total, scatter / (done - 1) / done, _unseen(activation, mean, std, shift, total, samples))
    # Rounding of x and phi(x), relative to what is left of phi(x) after the shift.
    spread = math.sqrt(total[1]) + sys.float_info.min
    rounding = min(4 * sys.float_info.epsilon * (1 + (abs(shift) + abs(mean)) / spread), 1.0)
    known = {"shift": shift, "s": std}
    # Ratios of averages that a handful of rare samples dominate have no standard error.
    squares = ((averages.mean[i], averages.covariance[i, i]) for i in (1, 3))
    steady = all(variance <= (square / 3) ** 2 for square, variance in squares)
    estimates = {}
    for name, formula in _formulas().items():
        value, error = _evaluate(formula, averages, known, rounding) if steady or name in BASE else (math.nan, math.inf)
        estimates[name] = Estimate(value, error, Route.SAMPLING, samples)
    return estimates


@dataclass(frozen=True, slots=True)
class _Averages:
    """The six averages, the covariance of their errors, and what the samples cannot have seen."""

    mean: Array
    covariance: Array
    unseen: Array


def _rows(activation: Activation, mean: float, std: float, shift: float, z: torch.Tensor) -> torch.Tensor:
    e = std * z
    x = mean + e
    y = activation(x) - shift
    d = activation.slope(x)
    return torch.stack([y, y * y, d, d * d, e * d, e * d * y])


def _unseen(activation: Activation, mean: float, std: float, shift: float, total: Array, samples: int) -> Array:
    """Integrate what is averaged over the tails that hold fewer than three samples."""
    start = -NormalDist().inv_cdf(min(1.5 / samples, 0.25))
    z = torch.linspace(start, 38.0, 4001, dtype=torch.float64)
    z = torch.cat([-z.flip(0), z])
    rows = _rows(activation, mean, std, shift, z) - torch.from_numpy(total)[:, None]
    density = torch.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    weights = density * (38.0 - start) / 4000
    return np.asarray((rows * weights).sum(dim=1).numpy())


@cache
def _formulas() -> Mapping[str, Expr]:
    """Return every quantity as a function of the averages."""
    base = {name: parse(text, {"shift", *_AVERAGES}) for name, text in _BASE_FROM_AVERAGES.items()}
    assert base.keys() == BASE.keys()
    return base | {name: substitute(formula, base) for name, formula in derived_formulas().items()}


def _evaluate(formula: Expr, averages: _Averages, known: Mapping[str, float], rounding: float) -> tuple[float, float]:
    """Evaluate a formula of the averages and its standard error; NaN where the samples cannot tell."""

    def at(point: Array) -> float:
        return float(evaluate(formula, {**known, **_named(point)}, float_namespace()))

    here = averages.mean
    try:
        value = at(here)
        missed = at(here + averages.unseen) - value
        gradient = np.array([_slope(formula, name, {**known, **_named(here)}) for name in _AVERAGES])
        with np.errstate(over="ignore", invalid="ignore"):
            # Where the averages go, in one standard error of the result.
            spread = averages.covariance @ gradient
            deviation = math.sqrt(max(float(gradient @ spread), 0.0))
        if deviation > 0.0:
            # The delta method takes the formula for straight: how far it is not, within three standard errors, counts.
            step = 3.0 * spread / deviation
            bend = max(abs(at(here + sign * step) - value - sign * 3.0 * deviation) for sign in (-1.0, 1.0))
            deviation = math.hypot(deviation, bend)
    except (ZeroDivisionError, ValueError, OverflowError):
        return math.nan, math.inf
    error = math.hypot(deviation, missed, rounding * abs(value))
    return (value, error) if math.isfinite(error) and math.isfinite(value) else (math.nan, math.inf)


def _named(averages: Array) -> dict[str, float]:
    return {name: float(value) for name, value in zip(_AVERAGES, averages, strict=True)}


def _slope(formula: Expr, name: str, symbols: Mapping[str, float]) -> float:
    if name not in symbols_of(formula):
        return 0.0
    derivative = differentiate(formula, name)
    return float(evaluate(derivative, symbols, float_namespace())) if derivative != ZERO else 0.0


def block_seed(seed: int, block: int) -> int:
    """Return the seed of one block: any two (seed, block) give unrelated streams."""
    return int(np.random.SeedSequence((seed, block)).generate_state(1, np.uint64)[0] >> 1)


def resolve_device(name: str) -> torch.device:
    """Turn `cpu`, `cuda`, `cuda:1` or `auto` into a torch device that is really there.

    Raises:
        DomainError: If torch does not know the device or cannot use it here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, dtype=torch.float64, device=device)
    except (RuntimeError, AssertionError, TypeError):
        raise DomainError(f"device {name!r} is not available here", "use cpu, cuda or auto") from None
    return device
