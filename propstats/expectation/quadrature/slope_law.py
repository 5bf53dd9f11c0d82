"""The distribution of the squared slope, as atoms."""

from dataclasses import dataclass

import numpy as np

from propstats.activations.activation import Activation
from propstats.expectation.quadrature.adaptive import resolved_panels
from propstats.expectation.quadrature.branches import branches
from propstats.expectation.quadrature.panels import FINE
from propstats.expectation.quadrature.rule import Array, gauss_legendre


@dataclass(frozen=True, slots=True)
class SlopeLaw:
    """The distribution of the squared slope `phi'(x)^2` under a Gaussian, as atoms.

    Args:
        values: Squared slopes, ascending.
        weights: Their probabilities; they sum to one.
    """

    values: Array
    weights: Array

    def moment(self, power: int) -> float:
        """Return `E[phi'(x)^(2 power)]`."""
        return float(self.weights @ self.values**power)

    @property
    def at_zero(self) -> float:
        """The probability of a vanishing slope."""
        return float(self.weights[self.values == 0.0].sum())


def slope_law(activation: Activation, mean: float, std: float) -> SlopeLaw:
    """Return the distribution of the squared slope; exact where the slope is piecewise constant.

    >>> from propstats.activations import activation
    >>> law = slope_law(activation("relu"), 0.0, 1.0)
    >>> law.values.tolist(), law.weights.round(12).tolist()
    ([0.0, 1.0], [0.5, 0.5])
    """
    if std == 0.0:
        slope = float(activation.slope(np.float64(mean)))
        return SlopeLaw(np.array([slope**2]), np.ones(1))
    panels = resolved_panels(branches(activation), mean, std)
    weights = panels.density[:, :FINE] * gauss_legendre(FINE)[1]
    values, where = np.unique(panels.d[:, :FINE].ravel() ** 2, return_inverse=True)
    total = np.bincount(where.ravel(), weights.ravel(), values.size)
    return SlopeLaw(values, total / total.sum())
