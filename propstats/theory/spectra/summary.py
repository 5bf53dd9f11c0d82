"""Four numbers that describe the singular values of a network's Jacobian, as theory predicts them."""

import math
from dataclasses import dataclass

from propstats.estimate import Estimate, Route
from propstats.theory.network import DenseNetwork
from propstats.theory.spectra.finite_width import product_moments, rank_deficiency
from propstats.theory.spectra.fluctuation import gain_variance
from propstats.theory.spectra.free_product import FreeProduct
from propstats.theory.weights.schemes import Law

_TRACY_WIDOM_MEAN = -1.2065335745820  # of the GOE: Bornemann 2010, arXiv:0904.1581, Table 8


@dataclass(frozen=True, slots=True)
class SpectrumSummary:
    """Four numbers that describe the singular values, of which there are as many as inputs or outputs (the fewer).

    Args:
        mean_square: Mean squared singular value: what happens to the energy of a gradient.
        normalised_variance: Variance of the squared singular values divided by the square of their mean; 0 is
            dynamical isometry.
        max: Largest singular value.
        zero_fraction: Share of singular values that are exactly zero.
    """

    mean_square: Estimate
    normalised_variance: Estimate
    max: Estimate
    zero_fraction: Estimate


def free_product(network: DenseNetwork) -> FreeProduct:
    """Return the spectrum at infinite width, in the network's ratios of widths."""
    return FreeProduct(network.slope_laws, orthogonal=network.scheme.law is Law.ORTHOGONAL, widths=network.widths)


def predict(network: DenseNetwork, free: FreeProduct) -> SpectrumSummary:
    """Return what theory says of a network of this width.

    The mean square and the normalised variance are exact at finite width for positively homogeneous activations
    without bias; otherwise they, and the largest value always, carry a finite-width error. The largest value is the
    edge of the infinite-width spectrum, moved inwards by the mean of the Tracy-Widom law.

    >>> from propstats.activations import activation
    >>> from propstats.theory.weights.schemes import weight_scheme
    >>> network = DenseNetwork(activation("relu"), weight_scheme("he"), (512, 512, 512, 512))
    >>> round(predict(network, free_product(network)).mean_square.value, 12)
    1.0
    """
    laws, widths = network.slope_laws, network.widths
    exact = network.is_homogeneous and network.scheme.law not in (Law.UNIFORM, Law.TRUNCATED)
    # Elsewhere slopes and forms are correlated, O(1/width) in every layer, and the signal's length fluctuates, which
    # spreads the gain of whole networks and so multiplies the mean fourth power.
    spread = gain_variance(network)
    blur = math.fsum(1 / width for width in widths[1:]) + math.expm1(spread)
    finite_width = 0.0 if exact else blur
    route = Route.CLOSED_FORM if exact else Route.QUADRATURE
    # Relative to the mean squared slopes, so that deep products stay in range.
    second, fourth = product_moments(
        [(1.0, law.moment(2) / law.moment(1) ** 2) for law in laws], widths, network.scheme.law
    )
    fourth /= second**2
    zero = rank_deficiency([law.at_zero for law in laws], widths)
    edge = free.edge()
    largest = math.sqrt(edge.value)
    typical = largest
    if math.isfinite(edge.curvature):
        count = min(widths[0], widths[-1])
        corrected = edge.value + _TRACY_WIDOM_MEAN * (count * edge.curvature) ** (-2 / 3)
        # In networks so deep and narrow that the correction eats the edge, only the edge itself is left to state.
        typical = math.sqrt(corrected) if corrected > edge.value / 4 else largest

    def estimate(value: float, error: float) -> Estimate:
        return Estimate(value, error + 1e-12 * abs(value), route)

    return SpectrumSummary(
        mean_square=estimate(free.mean, finite_width * free.mean),
        normalised_variance=estimate(fourth * math.exp(spread) - 1.0, (finite_width + 1e-12) * fourth),
        max=Estimate(typical, largest - typical + largest * min(blur, 1.0), Route.QUADRATURE),
        zero_fraction=estimate(zero, finite_width * zero),
    )
