"""Designs of deep normalised networks side by side: what each keeps, and what it pays."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from propstats.activations import Activation, activation
from propstats.errors import DomainError
from propstats.estimate import Estimate
from propstats.simulation.averages import mean_of
from propstats.simulation.lengths import draw_lengths
from propstats.theory.design.breaking import Breaking, breaking_depth, has_broken
from propstats.theory.design.candidates import WAYS, Recipe
from propstats.theory.design.frontier import Point, frontier

_CURVE = 12
#: The signal's second moment after all layers may be so far from 1, in factors.
_KEPT = 2.0


@dataclass(frozen=True, slots=True)
class Simulated:
    """The signal's second moment in random networks, by layer (0: the input), and how many of them broke.

    Args:
        low: A tenth of the networks is below.
        median: Half are.
        high: Nine tenths are.
        broken: Share whose standard deviation has left [1/2, 2] on the way.
    """

    low: tuple[float, ...]
    median: tuple[float, ...]
    high: tuple[float, ...]
    broken: Estimate


@dataclass(frozen=True, slots=True)
class Way:
    """One way to build the network.

    Args:
        name: What it is called.
        about: What it is.
        activation: The activation that it uses.
        constants: What to set, by name.
        second_moments: Of the signal, from 1 at the input, after each layer, at infinite width.
        growth: What all layers multiply a gradient's mean square by, at infinite width.
        layer_growth: The same of one layer, in the geometric mean.
        stability: `f'(1)`, below 1 where the second moment 1 attracts, above 1 where it repels; None where it moves.
        nonlinear_share: Share of a layer's output variance that is not linear in its input.
        total_nonlinear_share: The same of the whole network, `1 - (1 - share)^depth` if layers are centred.
        breaking: The depths at which a finite width breaks it.
        simulated: The same signal in random networks of this width, if any were drawn.
        fits: Whether it keeps signal and gradients within bounds to this depth at this width.
    """

    name: str
    about: str
    activation: str
    constants: Mapping[str, float]
    second_moments: tuple[float, ...]
    growth: float
    layer_growth: float
    stability: float | None
    nonlinear_share: float
    total_nonlinear_share: float
    breaking: Breaking
    simulated: Simulated | None
    fits: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A way that this activation does not allow, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Design:
    """Everything `propstats design` prints.

    Args:
        activation: The activation asked for.
        params: Its parameters.
        depth: Layers.
        width: Units in each.
        max_growth: Largest growth of a gradient's mean square over all layers.
        draws: Simulated networks of each way.
        seed: Seed of the draws.
        ways: The ways out, those that can be built.
        refused: Those that cannot.
        recommended: The name of the way that fits and is the most nonlinear, or None.
        frontier: For growths from next to nothing to that of the canonical unit, the most nonlinear stable unit.
    """

    activation: str
    params: Mapping[str, float]
    depth: int
    width: int
    max_growth: float
    draws: int
    seed: int
    ways: tuple[Way, ...]
    refused: tuple[Refused, ...]
    recommended: str | None
    frontier: tuple[Point, ...]


def design(
    act: str | Activation = "relu",
    *,
    depth: int = 50,
    width: int = 512,
    max_growth: float = 2.0,
    branches: bool = False,
    draws: int = 100,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    **params: float,
) -> Design:
    """Compare ways to build a deep normalised network whose gradients may grow by so much and no more.

    By the Gaussian Poincare inequality a layer that keeps the variance of its signal multiplies a gradient's mean
    square by `J^2 >= 1`, and by 1 only if it is linear. What is allowed over all layers therefore buys nonlinearity.

    Args:
        act: Name of an activation, or an activation.
        depth: Layers.
        width: Units in each layer.
        max_growth: Largest growth of a gradient's mean square over all layers; above 1.
        branches: Whether paths meet in the network (skip connections): gradients then cannot be scaled apart.
        draws: Random networks to simulate for each way; 0 leaves that out.
        seed: Seed of the draws.
        progress: Called with the number of ways just done.
        **params: Parameters of the activation.

    Raises:
        DomainError: If a number is out of range, or the activation has nothing to normalise.
        UnknownNameError: If the activation or a parameter is not known.

    References:
        Arpit et al. 2016, arXiv:1603.01431, section 3.4; Martens et al. 2021, arXiv:2110.01765 (shaping).

    >>> found = design("relu", depth=50, width=512, max_growth=2, draws=0)
    >>> found.ways[0].name, found.ways[0].fits, found.recommended
    ('canonical', False, 'leaky')
    """
    unit = activation(act, **params)
    if not 1 <= depth <= 100_000:
        raise DomainError(f"depth must be between 1 and 100000, got {depth}")
    if draws < 0:
        raise DomainError(f"draws must be at least 0, got {draws}")
    if not (math.isfinite(max_growth) and max_growth > 1):
        raise DomainError(
            f"max_growth must be above 1, got {max_growth:g}",
            "by Poincare's inequality only linear layers keep signal and gradient both",
        )
    ways, refused = [], []
    for name, about, make in WAYS:
        try:
            if name == "two scales" and branches:
                raise DomainError(
                    "where paths meet, gradients scaled apart on them add up to the gradient of nothing",
                    "scale all paths that meet alike",
                )
            recipe = make(unit, depth, max_growth)
            simulated = _simulated(recipe, width, depth, draws, seed) if draws else None
            ways.append(_way(name, about, recipe, depth, width, max_growth, simulated))
        except DomainError as error:
            refused.append(Refused(name, error.message))
        if progress is not None:
            progress(1)
    if not ways:
        raise DomainError(refused[0].reason)
    fitting = [way for way in ways if way.fits]
    canonical = ways[0].layer_growth
    steps = [1 + (canonical - 1) * (i + 1) / _CURVE for i in range(_CURVE)] if canonical > 1 else []
    return Design(
        activation=unit.name,
        params=unit.params,
        depth=depth,
        width=width,
        max_growth=max_growth,
        draws=draws,
        seed=seed,
        ways=tuple(ways),
        refused=tuple(refused),
        recommended=max(fitting, key=lambda way: way.nonlinear_share).name if fitting else None,
        frontier=tuple(frontier(unit, np.array(steps))),
    )


def _simulated(recipe: Recipe, width: int, depth: int, draws: int, seed: int) -> Simulated:
    q = draw_lengths(recipe.unit, width=width, depth=depth, draws=draws, seed=seed)
    low, median, high = np.quantile(q, (0.1, 0.5, 0.9), axis=0).tolist()
    return Simulated(tuple(low), tuple(median), tuple(high), mean_of(has_broken(q).astype(float)))


def _way(
    name: str, about: str, recipe: Recipe, depth: int, width: int, max_growth: float, simulated: Simulated | None
) -> Way:
    unit = recipe.unit
    found = unit.quantities
    q, log_growth = unit.trajectory(depth)
    log_growth += 2 * depth * math.log(recipe.backward_scale)
    breaking = breaking_depth(unit, width)
    share = found["nonlinear_share"].value
    kept = 1 / _KEPT <= q[-1] <= _KEPT
    return Way(
        name=name,
        about=about,
        activation=str(unit.activation),
        constants=dict(recipe.constants),
        second_moments=q,
        growth=math.exp(min(log_growth, 700.0)),
        layer_growth=math.exp(log_growth / depth),
        stability=found["stability_slope"].value if abs(q[1] - 1) < 1e-9 else None,
        nonlinear_share=share,
        total_nonlinear_share=-math.expm1(depth * math.log1p(-share)) if share < 1 else 1.0,
        breaking=breaking,
        simulated=simulated,
        # A hair beyond the bound is rounding.
        fits=kept and log_growth <= math.log(max_growth) + 1e-6 and (breaking.first is None or breaking.first > depth),
    )
