"""A deep network of fully connected layers at initialisation, as theory and simulation both see it."""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from propstats.activations import Activation
from propstats.errors import DomainError
from propstats.expectation import quadrature
from propstats.expectation.quadrature import SlopeLaw
from propstats.theory.weights.fans import Connections, dense
from propstats.theory.weights.schemes import Law, WeightScheme

_MAX_DEPTH = 10_000


def check_depth(depth: int) -> None:
    """Refuse a depth that no network has.

    Raises:
        DomainError: If it is not between 1 and 10,000.
    """
    if depth < 1:
        raise DomainError(f"depth must be at least 1, got {depth}")
    if depth > _MAX_DEPTH:
        raise DomainError(f"depth must be at most {_MAX_DEPTH:,}, got {depth:,}")


@dataclass(frozen=True)
class DenseNetwork:
    """Layers `x -> (phi(gamma W x + b) - shift)/scale`, with b of mean beta.

    For NormProp the rows of W have length one, and shift and scale are the activation's mean and standard
    deviation at N(0, 1) (Arpit et al. 2016, Eq. 12); other schemes have gamma = 1, shift = 0, scale = 1.

    Args:
        activation: phi.
        scheme: How W is drawn.
        widths: Units of the input and of each layer.
        gamma: Scale of the pre-activations.
        beta: Mean of the biases.
        sigma_b: Standard deviation of Gaussian biases, instead of the scheme's.
    """

    activation: Activation
    scheme: WeightScheme
    widths: tuple[int, ...]
    gamma: float = 1.0
    beta: float = 0.0
    sigma_b: float | None = None

    def __post_init__(self) -> None:
        check_depth(self.depth)
        if min(self.widths) < 1:
            raise DomainError(f"width must be at least 1, got {min(self.widths)}")
        if not (math.isfinite(self.gamma) and self.gamma > 0):
            raise DomainError(f"gamma must be a positive number, got {self.gamma:g}")
        if not abs(self.beta) <= 1e100:
            raise DomainError(f"beta must be a finite number, got {self.beta:g}", "it is a mean, of 1e100 at most")
        if self.sigma_b is not None and not 0 <= self.sigma_b < math.inf:
            raise DomainError(f"sigma_b must be a number of at least 0, got {self.sigma_b:g}")

    @property
    def depth(self) -> int:
        """Number of layers."""
        return len(self.widths) - 1

    @cached_property
    def layers(self) -> tuple[Connections, ...]:
        """What each layer connects."""
        return tuple(dense(n, m) for n, m in pairwise(self.widths))

    @property
    def is_normprop(self) -> bool:
        """Whether units are normalised after the activation."""
        return self.scheme.law is Law.UNIT_ROWS

    @cached_property
    def shift(self) -> float:
        """What is subtracted after the activation: NormProp's c2."""
        return quadrature.moments(self.activation)["mean"].value if self.is_normprop else 0.0

    @cached_property
    def scale(self) -> float:
        """What is divided by after the activation: NormProp's c1."""
        return quadrature.moments(self.activation)["normprop_scale"].value if self.is_normprop else 1.0

    @cached_property
    def sigma_w(self) -> tuple[float, ...]:
        """Standard deviation of a weight of each layer, times the square root of its fan-in."""
        return tuple(
            math.sqrt(self.scheme.variance(dense(n, m), self.activation, self.depth) * n)
            for n, m in pairwise(self.widths)
        )

    @cached_property
    def bias_stds(self) -> tuple[float, ...]:
        """Standard deviation of the biases of each layer."""
        if self.sigma_b is not None:
            return (self.sigma_b,) * self.depth
        return tuple(math.sqrt(self.scheme.bias_variance(layer, self.activation, self.depth)) for layer in self.layers)

    @cached_property
    def second_moments(self) -> tuple[float, ...]:
        """The second moment of the signal before the first and after every layer, at infinite width."""
        q = [1.0]
        for layer in range(self.depth):
            std = self.preactivation_std(layer, q[-1])
            m = quadrature.moments(self.activation, mean=self.beta, std=std)
            q.append((m["var"].value + (m["mean"].value - self.shift) ** 2) / self.scale**2)
            if not 1e-100 < q[-1] < 1e100:
                what = "diverges" if q[-1] > 1 else "vanishes"
                raise DomainError(f"the signal {what} at layer {len(q) - 1}", "use another gamma or a smaller depth")
        return tuple(q)

    def preactivation_std(self, layer: int, q: float) -> float:
        """Return the standard deviation of a layer's pre-activations over units, for inputs of second moment q."""
        return math.hypot(self.gamma * self.sigma_w[layer] * math.sqrt(q), self.bias_stds[layer])

    @cached_property
    def slope_laws(self) -> tuple[SlopeLaw, ...]:
        """The squared slopes of each layer, with the scale of everything but standardised weights in them."""
        laws = []
        for layer, q in enumerate(self.second_moments[:-1]):
            factor = (self.gamma * self.sigma_w[layer] / self.scale) ** 2
            law = quadrature.slope_law(self.activation, self.beta, self.preactivation_std(layer, q))
            laws.append(SlopeLaw(law.values * factor, law.weights))
            if laws[-1].moment(1) == 0.0:
                raise DomainError(f"every slope of {self.activation} vanishes in layer {len(laws)}")
        return tuple(laws)

    @property
    def is_homogeneous(self) -> bool:
        """Whether the squared slope depends on the input's sign alone, so that finite widths are solvable."""
        if self.beta != 0.0 or any(self.bias_stds):
            return False
        weights = quadrature.slope_law(self.activation, 0.0, 1.0).weights
        return all(min(abs(weight - 0.5), abs(weight - 1.0)) < 1e-12 for weight in weights)
