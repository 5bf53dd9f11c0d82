"""Two activations at correlated Gaussian inputs: what of the correlation is left, by every route."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from propstats.errors import DomainError
from propstats.estimate import Estimate, Quantity, Route
from propstats.expectation.certified.growth import obstacle
from propstats.expectation.dual.expect import Bounded, Pair, correlations, estimate
from propstats.expectation.dual.input import Input as Side
from propstats.expectation.dual.input import Phi, inputs
from propstats.expectation.dual.panels import Array
from propstats.expectation.dual.routes import by_closed_form, by_quadrature
from propstats.expectation.dual.slope import slope_by_closed_form, slope_by_quadrature
from propstats.expectation.samples import check_samples
from propstats.theory.unit import Compared, Input, kink_notes


@dataclass(frozen=True, slots=True)
class DualUnit:
    """One of the two: an activation and the Gaussian that it receives."""

    activation: str
    params: Mapping[str, float]
    formula: str
    input: Input


@dataclass(frozen=True, slots=True)
class DualPoint(Compared):
    """What is left of one correlation of the inputs u and v; y and z are the outputs phi(u) and psi(v).

    Args:
        input_correlation: The correlation rho of u and v.
        dual: `E[y z]`, the dual activation or kernel.
        cosine: `E[y z]/sqrt(E[y^2] E[z^2])`, the map of correlations (c-map) from layer to layer.
        covariance: `E[y z] - E[y] E[z]`.
        correlation: `Cov(y, z)/sqrt(Var y Var z)`.
        difference: `E[(y - z)^2]/2`, which keeps its digits where u and v are almost the same.
        slope: The derivative of the dual in rho, by Price's theorem the dual of the derivatives.
    """

    input_correlation: float
    dual: Quantity
    cosine: Quantity
    covariance: Quantity
    correlation: Quantity
    difference: Quantity
    slope: Quantity

    def quantities(self) -> dict[str, Quantity]:
        """Return all quantities by name, in the order in which they are printed."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "input_correlation"}


@dataclass(frozen=True, slots=True)
class DualMoments:
    """Everything `propstats dual` prints.

    Args:
        first: The activation of the first input.
        second: The activation of the second input.
        points: One for each correlation.
    """

    first: DualUnit
    second: DualUnit
    points: tuple[DualPoint, ...]
    samples: int
    seed: int
    notes: tuple[str, ...] = ()

    @property
    def agree(self) -> bool:
        """Whether all routes agree on all quantities at all correlations."""
        return all(point.agree for point in self.points)


def dual_moments(
    act: Phi,
    act2: Phi | None = None,
    *,
    correlation: float | Sequence[float],
    mean: Pair = 0.0,
    std: Pair = 1.0,
    samples: int = 200_000,
    seed: int = 0,
) -> DualMoments:
    """Compute what two activations leave of the correlation of their inputs, by closed form, quadrature and sampling.

    The pair is a layer's view of two signals (`act2` left out), or two activations at one signal. For numbers alone,
    and many correlations at once, there are `propstats.dual` and `propstats.dual_slope`.

    Args:
        act: The activation phi at u: a name, or an activation.
        act2: The activation psi at v; phi if left out.
        correlation: Correlations of u and v, each in [-1, 1].
        mean: Mean of u and v, or one for each.
        std: Standard deviation of u and v, or one for each; not negative.
        samples: Number of samples for the sampling route; 0 leaves it out (and torch unloaded).
        seed: Seed of the sampling route.

    Raises:
        UnknownNameError: If an activation is not known.
        DomainError: If a correlation is outside [-1, 1], a standard deviation is negative, a number is not finite, an
            expectation certainly does not exist, or `samples` is 1 or negative.

    References:
        Cho & Saul 2009 (kernels of activations); Poole et al. 2016, arXiv:1606.05340, Eq. 5 (the map of correlations);
        Daniely, Frostig & Singer 2016, arXiv:1602.05897 (dual activations).

    >>> [point] = dual_moments("relu", correlation=0.5, samples=0).points
    >>> round(point.cosine.value, 12), round(point.slope.value, 12)  # (sin(pi/3) + (2 pi/3)/2)/pi, (2 pi/3)/(2 pi)
    (0.608997781044, 0.333333333333)
    """
    first, second = inputs(act, act2, mean, std)
    rho = correlations(correlation)
    if samples:
        check_samples(samples)
    for side in (first, second):
        reason = obstacle(side.activation.formula, side.activation.params, mean=side.mean, std=side.std)
        if reason is not None:
            raise DomainError(reason)
    points = tuple(
        DualPoint(float(r), **{name: Quantity.of(routes) for name, routes in found.items()})
        for r, found in zip(rho, _routes(first, second, rho, samples, seed), strict=True)
    )
    return DualMoments(
        _unit(first), _unit(second), points, samples, seed, kink_notes(first.activation, second.activation)
    )


def _routes(first: Side, second: Side, rho: Array, samples: int, seed: int) -> list[dict[str, dict[Route, Estimate]]]:
    """Return for each correlation, by quantity, what each route found."""
    found: list[dict[str, dict[Route, Estimate]]] = [{} for _ in rho]

    def put(name: str, route: Route, values: Sequence[Estimate | None]) -> None:
        for at, value in zip(found, values, strict=True):
            if value is not None:
                at.setdefault(name, {})[route] = value

    def bounded(route: Route, named: Mapping[str, Bounded]) -> None:
        for name, (values, errors) in named.items():
            put(name, route, [estimate(v, e, route) for v, e in zip(values, errors, strict=True)])

    joint, slope = by_closed_form(first, second, rho), slope_by_closed_form(first, second, rho)
    if joint is not None:
        bounded(Route.CLOSED_FORM, joint.named)
    if slope is not None:
        bounded(Route.CLOSED_FORM, {"slope": slope})
    bounded(Route.QUADRATURE, by_quadrature(first, second, rho).named)
    bounded(Route.QUADRATURE, {"slope": slope_by_quadrature(first, second, rho)})
    if samples:
        # Here, not above: torch takes a second to load.
        from propstats.expectation.sampling import dual

        for name, values in dual.dual_moments(first, second, rho, samples=samples, seed=seed).items():
            put(name, Route.SAMPLING, values)
    return found


def _unit(side: Side) -> DualUnit:
    unit = side.activation
    return DualUnit(unit.name, unit.params, unit.text, Input(side.mean, side.std))
