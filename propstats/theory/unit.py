"""The moments of one unit under a Gaussian input, by every route."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from propstats.activations import Activation, activation
from propstats.activations.syntax import str_of
from propstats.errors import CertificateError, DomainError, ExpressionError
from propstats.estimate import Estimate, Quantity, Route
from propstats.expectation import closed_form, quadrature
from propstats.expectation.certified.growth import obstacle
from propstats.expectation.moments import BASE, DERIVED, needs
from propstats.expectation.samples import check_samples
from propstats.expectation.spread import missing, without_variance

#: So many standard deviations from its mean, nothing is left of a Gaussian in floats.
REACH = 40.0


@dataclass(frozen=True, slots=True)
class Input:
    """The Gaussian that a unit receives."""

    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class Forward:
    """What the activation does to the signal."""

    mean: Quantity
    second_moment: Quantity
    var: Quantity


@dataclass(frozen=True, slots=True)
class Backward:
    """What the slope does to a gradient `dy ~ N(0, 1)` that is independent of the input (seed 000)."""

    mean_slope: Quantity
    slope_second_moment: Quantity
    std: Quantity


@dataclass(frozen=True, slots=True)
class Scales:
    """The constants that initialisers and normalisers need.

    Args:
        gain: `1/sqrt(E[phi^2])`, keeps the second moment of pre-activations (He: sqrt 2 for relu).
        unit_variance_gain: `1/sqrt(Var phi)`.
        jacobian_factor: `s sqrt(E[phi'^2]/Var phi)`, the root mean square singular value of a normalised unit.
        normprop_shift: `c2 = E[phi]`.
        normprop_scale: `c1 = sqrt(Var phi)`.
        stability_slope: `f'(1)` of the variance map of a NormProp layer with matched constants; above 1 the
            canonical point repels.
        nonlinear_share: `1 - s^2 E[phi']^2/Var phi`, the part of the output's variance that is not linear.
    """

    gain: Quantity
    unit_variance_gain: Quantity
    jacobian_factor: Quantity
    normprop_shift: Quantity
    normprop_scale: Quantity
    stability_slope: Quantity
    nonlinear_share: Quantity


class Compared:
    """A record of quantities that several routes know."""

    __slots__ = ()

    def quantities(self) -> dict[str, Quantity]:
        """Return all quantities by name, in the order in which they are printed."""
        raise NotImplementedError

    @property
    def agree(self) -> bool:
        """Whether all routes agree on all quantities."""
        return all(quantity.agree for quantity in self.quantities().values())


class Grouped(Compared):
    """A record some of whose fields are records of quantities."""

    __slots__ = ()

    def quantities(self) -> dict[str, Quantity]:
        """Return all quantities under dotted names, in the order in which they are printed."""
        groups = {name: getattr(self, name) for name in ("forward", "backward", "scales") if hasattr(self, name)}
        return {
            f"{group}.{field.name}": getattr(record, field.name)
            for group, record in groups.items()
            for field in fields(record)
        }


@dataclass(frozen=True, slots=True)
class UnitMoments(Grouped):
    """Everything `propstats moments` prints."""

    activation: str
    params: Mapping[str, float]
    formula: str
    input: Input
    forward: Forward
    backward: Backward
    scales: Scales
    samples: int
    seed: int
    notes: tuple[str, ...] = ()


def kink_notes(*units: Activation) -> tuple[str, ...]:
    """Say of which activations the kinks are not certainly all."""
    names = dict.fromkeys(unit.name for unit in units if not unit.is_settled)
    return tuple(f"the kinks of {name} were searched for in [-64, 64]: there may be more" for name in names)


def moments(
    act: str | Activation,
    *,
    mean: float = 0.0,
    std: float = 1.0,
    digits: int | None = 30,
    timeout: float = 10.0,
    samples: int = 1_000_000,
    seed: int = 0,
    device: str = "cpu",
    method: str = "iid",
    **params: float,
) -> UnitMoments:
    """Compute the moments of an activation and of its slope for `x ~ N(mean, std^2)`.

    Each quantity is computed by closed form (where one exists), in ball arithmetic, by quadrature and by sampling;
    each route carries its own error, and `agree` says whether they all can be true.

    Args:
        act: Name of an activation, or an activation.
        mean: Mean of the input.
        std: Standard deviation of the input, at least 0.
        digits: Digits that the certified route proves; None leaves it out.
        timeout: Seconds that the certified route may take.
        samples: Number of samples for the sampling route; 0 leaves it out (and torch unloaded).
        seed: Seed of the sampling route.
        device: Device of the sampling route: `cpu`, `cuda` or `auto`.
        method: `iid`, or `stratified` for far smaller errors.
        **params: Parameters of the activation, by the names that torch uses.

    Raises:
        UnknownNameError: If the activation or a parameter is not known.
        DomainError: If `std` is negative, a number is not finite, or `samples` is 1 or negative.

    References:
        Arpit et al. 2016, arXiv:1603.01431, Remarks 1 and 2 (mean and variance) and section 3.4 (the Jacobian
        factor).

    >>> m = moments("prelu", a=0.25, samples=0)
    >>> round(m.forward.mean.value, 15), round(m.forward.var.value, 15)
    (0.299206710301075, 0.441725344510809)
    """
    unit = activation(act, **params)
    found, notes = quantities(
        unit,
        mean=mean,
        std=std,
        digits=digits,
        timeout=timeout,
        samples=samples,
        seed=seed,
        device=device,
        method=method,
    )
    return UnitMoments(
        activation=unit.name,
        params=unit.params,
        formula=unit.text,
        input=Input(mean, std),
        forward=Forward(**{field.name: found[field.name] for field in fields(Forward)}),
        backward=Backward(**{field.name: found[field.name] for field in fields(Backward)}),
        scales=Scales(**{field.name: found[field.name] for field in fields(Scales)}),
        samples=samples,
        seed=seed,
        notes=notes,
    )


def quantities(
    unit: Activation,
    *,
    mean: float = 0.0,
    std: float = 1.0,
    digits: int | None = 30,
    timeout: float = 10.0,
    samples: int = 0,
    seed: int = 0,
    device: str = "cpu",
    method: str = "iid",
) -> tuple[dict[str, Quantity], tuple[str, ...]]:
    """Return every base moment and derived quantity by every route, and what a reader should know of the routes.

    The arguments are those of `moments`.
    """
    if not (math.isfinite(mean) and math.isfinite(std)):
        raise DomainError(f"mean and std must be finite numbers, got mean {mean} and std {std}")
    if std < 0:
        raise DomainError(f"std must be at least 0, got {std:g}", "it is a standard deviation, not a variance")
    if samples:
        check_samples(samples)
    if not math.isfinite(abs(mean) + REACH * std):
        raise DomainError(f"N({mean:g}, {std:g}^2) reaches beyond the largest float, 1.8e308", "give a smaller std")
    reason = obstacle(unit.formula, unit.params, mean=mean, std=std)
    if reason is not None:
        raise DomainError(reason)
    notes = [*kink_notes(unit)]
    notes += missing(unit, mean=mean, std=std)
    by_route = {Route.CLOSED_FORM: closed_form.moments(unit, mean=mean, std=std)}
    if digits is not None:  # before quadrature, which does not see every pole
        from propstats.expectation import certified

        try:
            by_route[Route.CERTIFIED] = certified.moments(unit, mean=mean, std=std, digits=digits, timeout=timeout)
        except (CertificateError, ExpressionError) as error:
            notes.append(str(error))
    by_route[Route.QUADRATURE] = quadrature.moments(unit, mean=mean, std=std)
    if samples:
        # Here, not above: torch takes a second to load.
        from propstats.expectation import sampling

        sampled = sampling.moments(unit, mean=mean, std=std, samples=samples, seed=seed, device=device, method=method)
        lost = without_variance(unit, mean=mean, std=std)
        if lost:
            notes.append(f"no standard error of samples for {', '.join(lost)}: what they average has no variance")
        by_route[Route.SAMPLING] = {name: e for name, e in sampled.items() if not needs(name) & set(lost)}
    forms = closed_form.formulas(unit, mean=mean, std=std) if std > 0 else {}

    def quantity(name: str) -> Quantity:
        routes: dict[Route, Estimate] = {route: found[name] for route, found in by_route.items() if name in found}
        return Quantity.of(routes, str_of(forms[name]) if name in forms else None)

    return {name: quantity(name) for name in (*BASE, *DERIVED)}, tuple(notes)
