"""The singular values of a deep network's Jacobian: theory beside simulation."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from propstats.activations import Activation, activation
from propstats.errors import DomainError
from propstats.estimate import Estimate, Route
from propstats.expectation import quadrature
from propstats.simulation.network import Draws, draw_jacobians
from propstats.theory.finite_width import product_moments, rank_deficiency
from propstats.theory.fluctuation import gain_variance
from propstats.theory.network import DenseNetwork
from propstats.theory.spectrum import FreeProduct
from propstats.theory.weights.schemes import Law, weight_scheme

_TRACY_WIDOM_MEAN = -1.2065335745820  # of the GOE: Bornemann 2010, arXiv:0904.1581, Table 8
_BINS = 60


@dataclass(frozen=True, slots=True)
class SpectrumSummary:
    """Four numbers that describe the singular values.

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


@dataclass(frozen=True, slots=True)
class Histogram:
    """Densities of the non-zero singular values: the mean over each bin simulated, theory at the middle of the bin."""

    edges: tuple[float, ...]
    simulation: tuple[float, ...]
    theory: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class LayerSecondMoment:
    """Second moment of the signal after a layer (0: the input)."""

    layer: int
    theory: float
    simulation: Estimate


@dataclass(frozen=True, slots=True)
class JacobianSpectrum:
    """Everything `propstats jacobian` prints."""

    activation: str
    params: Mapping[str, float]
    scheme: str
    depth: int
    width: int
    gamma: float
    beta: float
    draws: int
    seed: int
    theory: SpectrumSummary
    simulation: SpectrumSummary
    signal: tuple[LayerSecondMoment, ...]
    histogram: Histogram

    def z(self) -> dict[str, float]:
        """Return how far simulation is from theory, in standard errors beyond the theory's own error."""
        names = [field.name for field in fields(SpectrumSummary)]
        return {name: getattr(self.theory, name).z(getattr(self.simulation, name)) for name in names}

    @property
    def agree(self) -> bool:
        """Whether theory and simulation agree on all four numbers."""
        names = [field.name for field in fields(SpectrumSummary)]
        return all(getattr(self.theory, name).agrees_with(getattr(self.simulation, name)) for name in names)


def jacobian(
    act: str | Activation = "relu",
    *,
    depth: int = 9,
    width: int = 256,
    scheme: str = "normprop",
    gamma: float | str | None = None,
    beta: float = 0.0,
    draws: int = 100,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[int], None] | None = None,
    **params: float,
) -> JacobianSpectrum:
    """Compare the singular values of the input-output Jacobian of random networks with theory.

    Theory: the mean square and the normalised variance are exact at finite width for positively homogeneous
    activations without bias; otherwise they, and the largest value always, carry a finite-width error. The largest
    value is the edge of the infinite-width spectrum, moved inwards by the mean of the Tracy-Widom law.

    Args:
        act: Name of an activation, or an activation.
        depth: Number of layers, each a matrix and an activation.
        width: Units per layer.
        scheme: How weights are drawn: a name from `propstats.theory.weights.schemes.scheme_names()`.
        gamma: Scale of NormProp's pre-activations: `jacobian` (exactly 1/J, the default) or a number.
        beta: NormProp's bias.
        draws: Number of random networks.
        seed: Seed of the draws.
        device: `cpu`, `cuda` or `auto`.
        progress: Called with the number of draws that each batch has finished.
        **params: Parameters of the activation.

    Raises:
        DomainError: If a number is out of range, or the signal vanishes or diverges beyond floats.
        UnknownNameError: If the activation or the scheme is not known.

    References:
        Arpit et al. 2016, arXiv:1603.01431, section 3.4; Pennington, Schoenholz & Ganguli 2017, arXiv:1711.04735.

    >>> spectrum = jacobian(depth=3, width=16, draws=4)
    >>> round(spectrum.theory.mean_square.value, 12)
    1.0
    """
    unit = activation(act, **params)
    kind = weight_scheme(scheme)
    network = DenseNetwork(unit, kind, depth, width, _gamma(gamma, unit, kind.law), beta)
    if beta != 0.0 and not network.is_normprop:
        raise DomainError(f"beta belongs to normprop, not to {scheme}")
    free = FreeProduct(list(network.slope_laws), orthogonal=kind.law is Law.ORTHOGONAL)
    batches = []
    for batch in draw_jacobians(network, draws=draws, seed=seed, device=device):
        batches.append(batch)
        if progress is not None:
            progress(len(batch.ranks))
    values, ranks, q = (np.concatenate([getattr(batch, field.name) for batch in batches]) for field in fields(Draws))
    rms = math.exp(0.5 * sum(math.log(law.moment(1)) for law in network.slope_laws))
    theory = _theory(network, free, rms)
    return JacobianSpectrum(
        activation=unit.name,
        params=unit.params,
        scheme=scheme,
        depth=depth,
        width=width,
        gamma=network.gamma,
        beta=beta,
        draws=draws,
        seed=seed,
        theory=theory,
        simulation=_simulated(values, ranks, rms),
        signal=tuple(
            LayerSecondMoment(layer, network.second_moments[layer], _mean(q[:, layer])) for layer in range(depth + 1)
        ),
        histogram=_histogram(free, values, ranks, rms),
    )


def _gamma(gamma: float | str | None, unit: Activation, law: Law) -> float:
    if law is not Law.UNIT_ROWS:
        if gamma not in (None, 1, 1.0, "1"):
            raise DomainError(f"gamma belongs to normprop, got {gamma} with another scheme")
        return 1.0
    if gamma is None or gamma == "jacobian":
        return 1.0 / quadrature.moments(unit)["jacobian_factor"].value
    try:
        return float(gamma)
    except ValueError:
        raise DomainError(f"gamma must be 'jacobian' or a number, got {gamma!r}") from None


def _theory(network: DenseNetwork, free: FreeProduct, rms: float) -> SpectrumSummary:
    laws, width = network.slope_laws, network.width
    exact = network.is_homogeneous and network.scheme.law not in (Law.UNIFORM, Law.TRUNCATED)
    # Elsewhere slopes and forms are correlated, O(1/width) in every layer, and the signal's length fluctuates, which
    # spreads the gain of whole networks and so multiplies the mean fourth power.
    spread = gain_variance(network)
    blur = network.depth / width + math.expm1(spread)
    finite_width = 0.0 if exact else blur
    route = Route.CLOSED_FORM if exact else Route.QUADRATURE
    # Relative to the mean square, so that deep products stay in range.
    _, fourth = product_moments([(1.0, law.moment(2) / law.moment(1) ** 2) for law in laws], width, network.scheme.law)
    zero = rank_deficiency([law.at_zero for law in laws], width)
    edge = free.edge()
    largest = math.sqrt(edge.value)
    if math.isfinite(edge.curvature):
        corrected = edge.value + _TRACY_WIDOM_MEAN * (width * edge.curvature) ** (-2 / 3)
        # In networks so deep and narrow that the correction eats the edge, only the edge itself is left to state.
        typical = math.sqrt(corrected) if corrected > edge.value / 4 else largest
    else:
        typical = largest

    def estimate(value: float, error: float) -> Estimate:
        return Estimate(value, error + 1e-12 * abs(value), route)

    return SpectrumSummary(
        mean_square=estimate(rms**2, finite_width * rms**2),
        normalised_variance=estimate(fourth * math.exp(spread) - 1.0, (finite_width + 1e-12) * fourth),
        max=Estimate(typical, largest - typical + largest * min(blur, 1.0), Route.QUADRATURE),
        zero_fraction=estimate(zero, finite_width * zero),
    )


def _simulated(values: NDArray[np.float64], ranks: NDArray[np.int64], rms: float) -> SpectrumSummary:
    square, fourth = (values**2).mean(axis=1), (values**4).mean(axis=1)
    mean, ratio = float(square.mean()), float(fourth.mean() / square.mean() ** 2)
    # The ratio of two means, to first order: its standard error is that of this average.
    influence = fourth / mean**2 - 2 * ratio * square / mean
    scaled = _mean(square)
    return SpectrumSummary(
        mean_square=Estimate(scaled.value * rms**2, scaled.error * rms**2, Route.SAMPLING, scaled.samples),
        normalised_variance=Estimate(ratio - 1.0, _mean(influence).error, Route.SAMPLING, scaled.samples),
        max=_mean(values[:, 0] * rms),
        zero_fraction=_mean(1.0 - ranks / values.shape[1]),
    )


def _mean(draws: NDArray[np.float64]) -> Estimate:
    """Return the mean over draws with its standard error, which a single draw does not have."""
    error = float(draws.std(ddof=1)) / math.sqrt(draws.size) if draws.size > 1 else math.inf
    return Estimate(float(draws.mean()), error, Route.SAMPLING, draws.size)


def _histogram(free: FreeProduct, values: NDArray[np.float64], ranks: NDArray[np.int64], rms: float) -> Histogram:
    present = np.arange(values.shape[1]) < ranks[:, None]
    nonzero = values[present] * rms
    top = 1.02 * max(math.sqrt(free.edge().value), float(nonzero.max(initial=0.0)))
    counts, edges = np.histogram(nonzero, bins=_BINS, range=(0.0, top))
    density = counts / (values.size * (edges[1] - edges[0]))
    return Histogram(tuple(edges.tolist()), tuple(density.tolist()), tuple(free.binned(edges).tolist()))
