"""Mean field theory of one setting: fixed points, their stability, and how deep signals travel."""

import math

from propstats.activations import Activation, activation
from propstats.errors import DomainError
from propstats.estimate import Estimate, Quantity, Route
from propstats.theory.mean_field.correlation import CorrelationMap, CorrelationPoint
from propstats.theory.mean_field.fixed_points import Root, Roots, fixed_points
from propstats.theory.mean_field.maps import LayerMaps, layer_maps
from propstats.theory.mean_field.proof import check_digits, proven_fixed_point
from propstats.theory.mean_field.records import FixedPoint, MeanField, Phase, Stability
from propstats.theory.mean_field.scales import depth_scale
from propstats.theory.mean_field.second_moment import EPS, LOWEST, SecondMomentMap
from propstats.theory.mean_field.trajectory import check_start, limit, trajectory
from propstats.theory.unit import kink_notes


def mean_field(
    act: str | Activation,
    *,
    sigma_w: float,
    sigma_b: float = 0.0,
    beta: float = 0.0,
    q0: float = 1.0,
    c0: float = 0.5,
    depth: int = 0,
    digits: int | None = 12,
    timeout: float = 10.0,
    map_points: int = 0,
    **params: float,
) -> MeanField:
    """Compute what depth makes of the signal's second moment and of the correlation of two inputs.

    Fully connected layers `h = W phi(h') + b` of infinite width, with independent weights of mean 0 and variance
    `sigma_w^2/fan_in` and independent biases of mean `beta` and variance `sigma_b^2`.

    Args:
        act: Name of an activation, or an activation.
        sigma_w: Standard deviation of the weights, times sqrt(fan_in).
        sigma_b: Standard deviation of the biases.
        beta: Mean of the biases.
        q0: The second moment (about beta) that pre-activations start with: it decides between several fixed points.
        c0: The correlation that those of two inputs start with, for the trajectory.
        depth: How many layers to follow; 0 for none.
        digits: Digits of the fixed points to prove in ball arithmetic, 15 at most; None leaves that out.
        timeout: Seconds that each proof may take.
        map_points: Rows of the tables of both maps, to be drawn; 0 for none.
        **params: Parameters of the activation.

    Raises:
        UnknownNameError: If the activation or a parameter is not known.
        DomainError: If a number is out of range, or the activation has no second moment.

    References:
        Poole et al. 2016, arXiv:1606.05340; Schoenholz et al. 2017, arXiv:1611.01232.

    >>> found = mean_field("tanh", sigma_w=1.5, sigma_b=0.05**0.5, digits=None)
    >>> round(found.q_star.value, 12), round(found.chi_1.value, 12), found.phase.value
    (0.889424917282, 1.092337929486, 'chaotic')
    """
    unit = activation(act, **params)
    check_start(q0, c0, depth)
    if digits is not None:
        check_digits(digits)
    layer = SecondMomentMap(unit, sigma_w, sigma_b, beta)
    roots = fixed_points(layer)
    end = limit(layer, roots, q0)
    notes = _notes(unit, roots)
    described: dict[float, FixedPoint] = {}
    stays = () if end.root is None or any(end.root.q == root.q for root in roots.points) else (end.root,)
    for root in (*roots.points, *stays):
        described[root.q], note = _described(layer, root, digits, timeout, is_one_of_many=root in stays)
        notes.extend(note)
    own = described[end.root.q] if end.root is not None else None
    attracting = _attracting(own)
    return MeanField(
        activation=unit.name,
        params=unit.params,
        formula=unit.text,
        sigma_w=sigma_w,
        sigma_b=sigma_b,
        beta=beta,
        q0=q0,
        fate=end.fate,
        layer=end.layer,
        q_star=own.q if own else None,
        c_star=attracting.c if attracting else None,
        chi_1=own.chi_1 if own else None,
        xi_q=own.xi_q if own else None,
        xi_c=attracting.xi_c if attracting else None,
        phase=own.phase if own else None,
        fixed_points=tuple(described[root.q] for root in roots.points),
        every_q=roots.stretch,
        grows=roots.grows,
        trajectory=tuple(trajectory(layer, q0=q0, c0=c0, depth=depth)) if depth else (),
        notes=tuple(dict.fromkeys(notes)),
        maps=_maps(layer, own, [*described, q0], map_points),
    )


def _maps(layer: SecondMomentMap, own: FixedPoint | None, known: list[float], points: int) -> LayerMaps | None:
    if not points:
        return None
    if points < 2:
        raise DomainError(f"map_points must be 0 or at least 2, got {points}")
    return layer_maps(layer, own.q.value if own else None, max(known) or 1.0, points)


def _described(
    layer: SecondMomentMap, root: Root, digits: int | None, timeout: float, *, is_one_of_many: bool
) -> tuple[FixedPoint, list[str]]:
    """Return what is to be said of a fixed point, and what went wrong with its proof."""
    if root.q == 0.0:
        return _at_zero(layer, root), []
    chi_q, chi_1 = layer.slope(root.q, root.error), layer.chi_1(root.q, root.error)
    route = layer.at(root.q).route
    routes = {route: Estimate(root.q, root.error, route)}
    notes: list[str] = []
    if not (is_one_of_many or root.touches):
        by_formula = _by_formula(layer, root, chi_q)
        if by_formula is not None:
            routes[Route.CLOSED_FORM] = by_formula
        if digits is not None:
            proven, why_not = proven_fixed_point(layer, root, digits, timeout)
            if proven is not None:
                routes[Route.CERTIFIED] = proven
            notes.extend(why_not)
    pairs = CorrelationMap(layer, root.q, root.error)
    stability = Stability.MARGINAL if root.touches or is_one_of_many else _stability(chi_q)
    point = FixedPoint(
        q=Quantity.of(routes),
        chi_q=chi_q,
        stability=stability,
        xi_q=depth_scale(chi_q),
        chi_1=chi_1,
        phase=_phase(chi_1),
        correlations=pairs.fixed_points(chi_1),
        keeps_correlations=pairs.keeps_all(chi_1),
    )
    return point, notes


def _at_zero(layer: SecondMomentMap, root: Root) -> FixedPoint:
    """Describe q = 0, by the limits of the slopes."""
    factor = layer.slope_at_zero
    slope = Estimate(factor, 4 * EPS * factor, Route.CLOSED_FORM)
    exact = Estimate(0.0, root.error, Route.CLOSED_FORM)
    return FixedPoint(
        q=Quantity.of({Route.CLOSED_FORM: exact}),
        chi_q=slope,
        stability=_stability(slope),
        xi_q=depth_scale(slope),
        chi_1=slope,
        phase=_phase(slope),
        correlations=(),
        keeps_correlations=False,
    )


def _by_formula(layer: SecondMomentMap, root: Root, chi_q: Estimate) -> Estimate | None:
    """Return the fixed point by Newton's method on the closed form, if there is one."""
    away = 1.0 - chi_q.value
    if not layer.has_formula or abs(away) <= chi_q.error:
        return None
    q, error = root.q, math.inf
    for _ in range(3):
        found = layer.moments(q, Route.CLOSED_FORM)["second_moment"]
        if not found.is_defined:
            return None
        value = layer.sigma_w**2 * found.value + layer.sigma_b**2
        rounding = layer.sigma_w**2 * found.error + 4 * EPS * value
        # To first order, and twice that.
        error = 2 * (rounding + abs(value - q)) / abs(away)
        if abs(value - q) <= rounding:
            break
        q += (value - q) / away
    return Estimate(q, error, Route.CLOSED_FORM)


def _stability(slope: Estimate) -> Stability:
    size = abs(slope.value)
    if math.isfinite(size) and abs(size - 1.0) <= slope.error:
        return Stability.MARGINAL
    return Stability.STABLE if size < 1.0 else Stability.UNSTABLE


def _phase(chi_1: Estimate) -> Phase:
    if math.isfinite(chi_1.value) and abs(chi_1.value - 1.0) <= chi_1.error:
        return Phase.CRITICAL
    return Phase.ORDERED if chi_1.value < 1.0 else Phase.CHAOTIC


def _attracting(point: FixedPoint | None) -> CorrelationPoint | None:
    """Return the correlation to which all but special ones tend: the lowest but -1."""
    if point is None or point.keeps_correlations:
        return None
    return next((own for own in point.correlations if own.c.value > -1.0), None)


def _notes(unit: Activation, roots: Roots) -> list[str]:
    notes = [*kink_notes(unit)]
    near_zero = next((root for root in roots.points if root.q == 0.0 and root.error > LOWEST), None)
    if near_zero is not None:
        notes.append(f"up to q = {near_zero.error:.2g} every q is fixed to within rounding: the map hugs the diagonal")
    return notes
