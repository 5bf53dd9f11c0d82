"""A unit that is normalised after its activation, and what it does to the length of a signal."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from propstats.activations import Activation
from propstats.errors import DomainError
from propstats.estimate import Estimate
from propstats.expectation import quadrature

Array = NDArray[np.float64]


@dataclass(frozen=True)
class NormalisedUnit:
    """`x -> (phi(gamma w x + beta) - shift)/scale` for weight rows of length one.

    Args:
        activation: phi.
        gamma: Scale of the pre-activation; positive.
        beta: Bias.
        shift: What is subtracted after the activation.
        scale: What is divided by.
    """

    activation: Activation
    gamma: float
    beta: float
    shift: float
    scale: float

    @classmethod
    def matched(cls, activation: Activation, gamma: float = 1.0, beta: float = 0.0) -> "NormalisedUnit":
        """Return the unit whose constants belong to its own pre-activation, `N(beta, gamma^2)`: variance 1 stays 1.

        Raises:
            DomainError: If gamma is not positive, or the activation is constant there.

        >>> from propstats.activations import activation
        >>> unit = NormalisedUnit.matched(activation("relu"))  # Arpit et al. 2016, Remark 1
        >>> round(unit.shift, 6), round(unit.scale, 6)
        (0.398942, 0.583819)
        """
        if not (math.isfinite(gamma) and gamma > 0 and math.isfinite(beta)):
            raise DomainError(f"gamma must be positive and beta finite, got gamma {gamma:g} and beta {beta:g}")
        found = quadrature.moments(activation, mean=beta, std=gamma)
        if not found["var"].value > 0:
            raise DomainError(f"{activation} is constant at N({beta:g}, {gamma:g}^2): nothing to normalise")
        return cls(activation, gamma, beta, found["mean"].value, found["normprop_scale"].value)

    @cached_property
    def quantities(self) -> dict[str, Estimate]:
        """The moments and scales of the activation at `N(beta, gamma^2)`, where the input has variance 1."""
        return dict(quadrature.moments(self.activation, mean=self.beta, std=self.gamma))

    def length_map(self, q: Array) -> tuple[Array, Array]:
        """Return `E[y^2]` and `E[y^4]` of an output, over units, for inputs of second moment q (an array).

        `E[y^2] = f(q)` is the second moment of the next layer at infinite width; a layer of N units fluctuates about it
        with variance `(E[y^4] - f^2)/N`.
        """
        std = self.gamma * np.sqrt(q)

        def power(order: int) -> Array:
            return quadrature.expect(
                lambda x: ((self.activation(x) - self.shift) / self.scale) ** order,
                mean=np.full_like(std, self.beta),
                std=std,
                kinks=self.activation.kinks,
            )

        return power(2), power(4)

    def trajectory(self, depth: int) -> tuple[tuple[float, ...], float]:
        """Return the second moment of the input and after each layer, and the logarithm of the gradient's growth.

        At infinite width, from inputs of second moment 1; the growth is that of the mean square.

        Raises:
            DomainError: If the signal vanishes or diverges beyond floats on the way.
        """
        q, growth = [1.0], 0.0
        for layer in range(1, depth + 1):
            found = quadrature.moments(self.activation, mean=self.beta, std=self.gamma * math.sqrt(q[-1]))
            slopes = found["slope_second_moment"].value * (self.gamma / self.scale) ** 2
            q.append((found["var"].value + (found["mean"].value - self.shift) ** 2) / self.scale**2)
            if not (1e-100 < q[-1] < 1e100 and slopes > 0):
                what = "diverges" if q[-1] > 1 else "vanishes"
                raise DomainError(f"the signal {what} at layer {layer}", "use another gamma or a smaller depth")
            growth += math.log(slopes)
        return tuple(q), growth
