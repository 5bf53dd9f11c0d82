"""What mean field theory says of one setting."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from propstats.estimate import Estimate, Quantity
from propstats.theory.mean_field.correlation import CorrelationPoint
from propstats.theory.mean_field.maps import LayerMaps
from propstats.theory.mean_field.trajectory import Fate, LayerState


class Phase(StrEnum):
    """What depth makes of two inputs that are almost the same."""

    ORDERED = "ordered"  # chi_1 < 1: they become the same, and gradients vanish
    CRITICAL = "critical"  # chi_1 = 1 within its error
    CHAOTIC = "chaotic"  # chi_1 > 1: they part, and gradients explode


class Stability(StrEnum):
    """What the second moment does near a fixed point."""

    STABLE = "stable"
    MARGINAL = "marginal"
    UNSTABLE = "unstable"


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """A fixed point of the second moment, and what correlations do there.

    Args:
        q: The second moment that stays.
        chi_q: The slope of its map there.
        stability: Whether second moments nearby tend to it.
        xi_q: The number of layers in which the distance to it falls to 1/e; undefined where it repels.
        chi_1: `sigma_w^2 E[phi'^2]`: what a layer multiplies a gradient's second moment by.
        phase: What chi_1 means for two inputs.
        correlations: All fixed points of the correlation, ascending; none at q = 0, where there is none to speak of.
        keeps_correlations: Whether every correlation is a fixed point: the network is linear.
    """

    q: Quantity
    chi_q: Estimate
    stability: Stability
    xi_q: Estimate
    chi_1: Estimate
    phase: Phase
    correlations: tuple[CorrelationPoint, ...]
    keeps_correlations: bool


@dataclass(frozen=True, slots=True)
class MeanField:
    """Everything `propstats meanfield` prints.

    Args:
        activation: Name of the activation.
        params: Its parameters.
        formula: Its formula.
        sigma_w: Standard deviation of the weights, times sqrt(fan_in).
        sigma_b: Standard deviation of the biases.
        beta: Mean of the biases.
        q0: The second moment that a signal starts with.
        fate: What becomes of it.
        layer: The layer at which activations overflow (underflow) in float32, if they do.
        q_star: The fixed point it reaches; None if it reaches none.
        c_star: The correlation that two different inputs tend to there.
        chi_1: What a layer multiplies a gradient's second moment by there.
        xi_q: The depth to which second moments differ.
        xi_c: The depth to which correlations differ, and gradients survive.
        phase: Ordered, critical or chaotic.
        fixed_points: All fixed points, ascending.
        every_q: Between which second moments every one is a fixed point, if so.
        grows: Whether signals beyond the last fixed point grow without bound.
        trajectory: Second moment and correlation, layer by layer.
        notes: What a reader should know besides.
        maps: What a layer makes of second moments and correlations, as tables to draw; None if not asked for.
    """

    activation: str
    params: Mapping[str, float]
    formula: str
    sigma_w: float
    sigma_b: float
    beta: float
    q0: float
    fate: Fate
    layer: int | None
    q_star: Quantity | None
    c_star: Quantity | None
    chi_1: Estimate | None
    xi_q: Estimate | None
    xi_c: Estimate | None
    phase: Phase | None
    fixed_points: tuple[FixedPoint, ...]
    every_q: tuple[float, float] | None
    grows: bool
    trajectory: tuple[LayerState, ...]
    notes: tuple[str, ...]
    maps: LayerMaps | None = None

    @property
    def agree(self) -> bool:
        """Whether all routes agree on all fixed points."""
        points = [point.q for point in self.fixed_points]
        correlations = [own.c for point in self.fixed_points for own in point.correlations]
        return all(quantity.agree for quantity in (*points, *correlations))
