"""A deep network of equal, fully connected layers at initialisation, as theory and simulation both see it."""

import math
from dataclasses import dataclass
from functools import cached_property

from propstats.activations import Activation
from propstats.errors import DomainError
from propstats.expectation import quadrature
from propstats.expectation.quadrature import SlopeLaw
from propstats.theory.weights.fans import dense
from propstats.theory.weights.schemes import WeightScheme


@dataclass(frozen=True)
class DenseNetwork:
    """`depth` layers `x -> (phi(gamma W x + beta) - shift)/scale`, all of the same width.

    For NormProp the rows of W have length one, and shift and scale are the activation's mean and standard
    deviation at N(0, 1) (Arpit et al. 2016, Eq. 12); other schemes have gamma = 1, shift = 0, scale = 1.

    Args:
        activation: phi.
        scheme: How W is drawn.
        depth: Number of layers.
        width: Units in each layer, and in the input.
        gamma: Scale of the pre-activations.
        beta: Bias.
    """

    activation: Activation
    scheme: WeightScheme
    depth: int
    width: int
    gamma: float
    beta: float

    def __post_init__(self) -> None:
        for name, value in (("depth", self.depth), ("width", self.width)):
            if value < 1:
                raise DomainError(f"{name} must be at least 1, got {value}")
        if not (math.isfinite(self.gamma) and self.gamma > 0):
            raise DomainError(f"gamma must be a positive number, got {self.gamma:g}")
        if not math.isfinite(self.beta):
            raise DomainError(f"beta must be a finite number, got {self.beta:g}")

    @property
    def is_normprop(self) -> bool:
        """Whether units are normalised after the activation."""
        return self.scheme.is_normprop

    @cached_property
    def shift(self) -> float:
        """What is subtracted after the activation: NormProp's c2."""
        return quadrature.moments(self.activation)["mean"].value if self.is_normprop else 0.0

    @cached_property
    def scale(self) -> float:
        """What is divided by after the activation: NormProp's c1."""
        return quadrature.moments(self.activation)["normprop_scale"].value if self.is_normprop else 1.0

    @cached_property
    def sigma_w(self) -> float:
        """Standard deviation of a weight, times the square root of the width."""
        return math.sqrt(self.scheme.variance(dense(self.width, self.width), self.activation, self.depth) * self.width)

    @cached_property
    def second_moments(self) -> tuple[float, ...]:
        """The second moment of the signal before the first and after every layer, at infinite width."""
        q = [1.0]
        for _ in range(self.depth):
            std = self.preactivation_std(q[-1])
            m = quadrature.moments(self.activation, mean=self.beta, std=std)
            q.append((m["var"].value + (m["mean"].value - self.shift) ** 2) / self.scale**2)
            if not 1e-100 < q[-1] < 1e100:
                what = "diverges" if q[-1] > 1 else "vanishes"
                raise DomainError(f"the signal {what} at layer {len(q) - 1}", "use another gamma or a smaller depth")
        return tuple(q)

    def preactivation_std(self, q: float) -> float:
        """Return the standard deviation of pre-activations over units, for inputs of second moment q."""
        return self.gamma * self.sigma_w * math.sqrt(q)

    @cached_property
    def slope_laws(self) -> tuple[SlopeLaw, ...]:
        """The squared slopes of each layer, with the scale of everything but standardised weights in them."""
        factor = (self.gamma * self.sigma_w / self.scale) ** 2
        laws = []
        for q in self.second_moments[:-1]:
            law = quadrature.slope_law(self.activation, self.beta, self.preactivation_std(q))
            laws.append(SlopeLaw(law.values * factor, law.weights))
            if laws[-1].moment(1) == 0.0:
                raise DomainError(f"every slope of {self.activation} vanishes in layer {len(laws)}")
        return tuple(laws)

    @property
    def is_homogeneous(self) -> bool:
        """Whether the squared slope depends on the input's sign alone, so that finite widths are solvable."""
        if self.beta != 0.0:
            return False
        weights = quadrature.slope_law(self.activation, 0.0, 1.0).weights
        return all(min(abs(weight - 0.5), abs(weight - 1.0)) < 1e-12 for weight in weights)
