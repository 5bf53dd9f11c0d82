"""The singular values of a deep network's Jacobian: theory beside simulation."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from propstats.activations import Activation, activation
from propstats.errors import DomainError
from propstats.estimate import Estimate
from propstats.expectation import quadrature
from propstats.simulation.averages import mean_of, mean_of_counts, mean_of_products, normalised_variance_of
from propstats.simulation.network import draw_jacobians
from propstats.theory.network import DenseNetwork, check_depth
from propstats.theory.spectra.free_product import FreeProduct
from propstats.theory.spectra.summary import SpectrumSummary, free_product, predict
from propstats.theory.weights.schemes import Law, WeightScheme, weight_scheme

_BINS = 60


@dataclass(frozen=True, slots=True)
class Histogram:
    """Mean densities of the non-zero singular values over each bin: what was drawn, and theory at infinite width."""

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
    """Everything `propstats jacobian` prints; `width` is None where the layers differ.

    Args:
        precision: `float32`, `float64` or `accurate`.
        signal: Second moment of the signal, layer by layer.
    """

    activation: str
    params: Mapping[str, float]
    scheme: str
    depth: int
    width: int | None
    widths: tuple[int, ...]
    gamma: float
    beta: float
    sigma_b: float | None
    precision: str
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
    widths: Sequence[int] | None = None,
    scheme: str = "normprop",
    gamma: float | str | None = None,
    beta: float = 0.0,
    sigma_w: float | None = None,
    sigma_b: float | None = None,
    draws: int = 100,
    seed: int = 0,
    device: str = "cpu",
    precision: str = "float64",
    progress: Callable[[int], None] | None = None,
    **params: float,
) -> JacobianSpectrum:
    """Compare the singular values of the input-output Jacobian of random networks with theory.

    What theory says, and how exactly, is in `propstats.theory.spectra.summary.predict`.

    Args:
        act: Name of an activation, or an activation.
        depth: Number of layers, each a matrix and an activation.
        width: Units per layer.
        widths: Units of the input and of each layer, where they differ; depth and width then follow from them.
        scheme: How weights are drawn: a name from `propstats.theory.weights.schemes.scheme_names()`.
        gamma: Scale of NormProp's pre-activations: `jacobian` (exactly 1/J, the default) or a number.
        beta: NormProp's bias.
        sigma_w: Standard deviation of the weights times sqrt(fan_in), instead of the scheme's.
        sigma_b: Standard deviation of the biases, instead of the scheme's.
        draws: Number of random networks.
        seed: Seed of the draws.
        device: `cpu`, `cuda` or `auto`.
        precision: `float32`, `float64`, or `accurate` for small singular values that are right, too.
        progress: Called with the number of draws just finished.
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
    kind = _scheme(scheme, sigma_w)
    if beta != 0.0 and kind.law is not Law.UNIT_ROWS:
        raise DomainError(f"beta belongs to normprop, not to {scheme}")
    if widths is None:
        check_depth(depth)
    shape = tuple(widths) if widths is not None else (width,) * (depth + 1)
    network = DenseNetwork(unit, kind, shape, _gamma(gamma, unit, kind.law), beta, sigma_b)
    free = free_product(network)
    drawn = []
    for draw in draw_jacobians(network, draws=draws, seed=seed, device=device, precision=precision):
        drawn.append(draw)
        if progress is not None:
            progress(1)
    rms = math.exp(0.5 * sum(math.log(law.moment(1)) for law in network.slope_laws))
    values = rms * np.stack([draw.singular_values for draw in drawn])
    ranks = np.array([draw.rank for draw in drawn])
    q = np.stack([draw.second_moments for draw in drawn])
    return JacobianSpectrum(
        activation=unit.name,
        params=unit.params,
        scheme=scheme,
        depth=network.depth,
        width=shape[0] if len(set(shape)) == 1 else None,
        widths=shape,
        gamma=network.gamma,
        beta=beta,
        sigma_b=sigma_b,
        precision=precision,
        draws=draws,
        seed=seed,
        theory=predict(network, free),
        simulation=summarise(values, ranks),
        signal=tuple(
            LayerSecondMoment(layer, network.second_moments[layer], mean_of(q[:, layer]))
            for layer in range(network.depth + 1)
        ),
        histogram=_histogram(free, values, ranks),
    )


def _scheme(name: str, sigma_w: float | None) -> WeightScheme:
    scheme = weight_scheme(name)
    if sigma_w is None:
        return scheme
    if not (math.isfinite(sigma_w) and sigma_w > 0):
        raise DomainError(f"sigma_w must be a positive number, got {sigma_w:g}")
    if scheme.law is Law.UNIT_ROWS:
        raise DomainError("sigma_w belongs to schemes other than normprop", "use gamma, or a scheme such as lecun")
    return replace(scheme, variance=lambda layer, act, depth: sigma_w**2 / layer.fan_in)


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


def summarise(values: NDArray[np.float64], ranks: NDArray[np.int64]) -> SpectrumSummary:
    """Summarise simulated singular values, of shape (draws, values), and the ranks of the Jacobians, with their errors.

    >>> summarise(np.array([[2.0, 0.0], [2.0, 1.0]]), np.array([1, 2])).mean_square.value
    2.25
    """
    # In units of the root mean square, whose powers then stay in range.
    unit = math.sqrt(float((values**2).mean())) or 1.0
    square, fourth = ((values / unit) ** 2).mean(axis=1), ((values / unit) ** 4).mean(axis=1)
    mean_square, largest = mean_of_products(square * unit**2), mean_of(values[:, 0])
    if not values.any():  # of the rare networks that let something through these draws say nothing
        mean_square, largest = replace(mean_square, error=math.inf), replace(largest, error=math.inf)
    return SpectrumSummary(
        mean_square=mean_square,
        normalised_variance=normalised_variance_of(square, fourth, products=True),
        max=largest,
        zero_fraction=mean_of_counts(values.shape[1] - ranks, values.shape[1]),
    )


def _histogram(free: FreeProduct, values: NDArray[np.float64], ranks: NDArray[np.int64]) -> Histogram:
    nonzero = values[np.arange(values.shape[1]) < ranks[:, None]]
    top = 1.02 * max(math.sqrt(free.edge().value), float(nonzero.max(initial=0.0)))
    counts, edges = np.histogram(nonzero, bins=_BINS, range=(0.0, top))
    density = counts / (values.size * (edges[1] - edges[0]))
    return Histogram(tuple(edges.tolist()), tuple(density.tolist()), tuple(free.binned(edges).tolist()))
