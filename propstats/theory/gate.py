"""The moments of a gated unit `a*g(b)` with two Gaussian inputs, by every route."""

from collections.abc import Mapping
from dataclasses import dataclass

from propstats.activations.expression import ONE, ZERO, Expr, Number, evaluate, substitute, symbols_of
from propstats.activations.gates import Gate
from propstats.activations.gates import gate as find
from propstats.activations.polynomial import canonical
from propstats.activations.syntax import parse, str_of
from propstats.estimate import Estimate, Quantity, Route
from propstats.expectation import closed_form
from propstats.expectation.rounding import Rounded, rounded_namespace
from propstats.expectation.samples import check_samples
from propstats.theory.unit import Forward, Grouped, Input, quantities

#: The moments of `y = a g(b)`, of those of g and of its slope (named as in `BASE`), and `E[a^2] = mu^2 + s^2`.
_FACTORISED: Mapping[str, str] = {
    "mean": "mu*mean",
    "second_moment": "(mu**2 + s**2)*second_moment",
    "var": "s**2*second_moment + mu**2*var",
    "value_slope": "second_moment",
    "gate_slope": "(mu**2 + s**2)*slope_second_moment",
    "slope": "second_moment + (mu**2 + s**2)*slope_second_moment",
}
_PARTS = ("mean", "second_moment", "var", "slope_second_moment")
#: Those that are one expectation of g and its slope d.
_INTEGRANDS: Mapping[str, str] = {
    "mean": "mu*g",
    "second_moment": "(mu**2 + s**2)*g**2",
    "value_slope": "g**2",
    "gate_slope": "(mu**2 + s**2)*d**2",
    "slope": "g**2 + (mu**2 + s**2)*d**2",
}
_FORMULAS = {name: parse(text, {"mu", "s", *_PARTS}) for name, text in _FACTORISED.items()}


@dataclass(frozen=True, slots=True)
class GateBackward:
    """What its slopes do to a gradient.

    Args:
        value_slope: `E[(dy/da)^2] = E[g(b)^2]`, on the way to the input that is multiplied.
        gate_slope: `E[(dy/db)^2] = E[a^2] E[g'(b)^2]`, on the way to the gate.
        slope: Their sum: what both ways together return to the layer below.
    """

    value_slope: Quantity
    gate_slope: Quantity
    slope: Quantity


@dataclass(frozen=True, slots=True)
class GateMoments(Grouped):
    """What `propstats moments` prints of a gated unit."""

    activation: str
    formula: str
    input: Input
    forward: Forward
    backward: GateBackward
    samples: int
    seed: int
    notes: tuple[str, ...] = ()


def gate_moments(
    gate: str | Gate,
    *,
    mean: float = 0.0,
    std: float = 1.0,
    digits: int | None = 30,
    timeout: float = 10.0,
    samples: int = 1_000_000,
    seed: int = 0,
    device: str = "cpu",
) -> GateMoments:
    """Compute the moments of `y = a g(b)` and of its slopes for independent a and b ~ N(mean, std^2).

    At initialisation a and b are different rows of random weights times the same input, which makes them independent.
    The deterministic routes take what is independent apart, `E[y^2] = E[a^2] E[g(b)^2]`; sampling draws both inputs.

    Args:
        gate: Name of a gated unit (glu, bilinear, reglu, geglu, swiglu), or one.
        mean: Mean of both inputs.
        std: Standard deviation of both inputs, at least 0.
        digits: Digits that the certified route proves of the moments of g; None leaves it out.
        timeout: Seconds that the certified route may take.
        samples: Number of samples for the sampling route; 0 leaves it out (and torch unloaded).
        seed: Seed of the sampling route.
        device: Device of the sampling route: `cpu`, `cuda` or `auto`.

    Raises:
        UnknownNameError: If the gate is not known.
        DomainError: If `std` is negative, a number is not finite, or `samples` is 1 or negative.

    References:
        Dauphin et al. 2017, arXiv:1612.08083; Shazeer 2020, arXiv:2002.05202.

    >>> m = gate_moments("reglu", samples=0)
    >>> m.forward.second_moment.value, m.backward.slope.value
    (0.5, 1.0)
    """
    unit = find(gate) if isinstance(gate, str) else gate
    if samples:
        check_samples(samples)
    parts, notes = quantities(unit.gate, mean=mean, std=std, digits=digits, timeout=timeout)
    by_route = {
        route: _combined({name: parts[name].routes[route] for name in _PARTS if route in parts[name].routes}, mean, std)
        for route in (Route.CLOSED_FORM, Route.CERTIFIED, Route.QUADRATURE)
    }
    if digits is not None and by_route[Route.CERTIFIED]:
        by_route[Route.CERTIFIED] |= _proven(unit, mean, std, digits, timeout)
    if samples:
        # Here, not above: torch takes a second to load.
        from propstats.expectation.sampling.gate import gate_moments as sampled

        by_route[Route.SAMPLING] = dict(sampled(unit, mean=mean, std=std, samples=samples, seed=seed, device=device))
    forms = _forms(unit, mean, std)
    found = {
        name: Quantity.of({route: known[name] for route, known in by_route.items() if name in known}, forms.get(name))
        for name in _FACTORISED
    }
    return GateMoments(
        activation=unit.name,
        formula=str(unit),
        input=Input(mean, std),
        forward=Forward(found["mean"], found["second_moment"], found["var"]),
        backward=GateBackward(found["value_slope"], found["gate_slope"], found["slope"]),
        samples=samples,
        seed=seed,
        notes=notes,
    )


def _combined(parts: Mapping[str, Estimate], mean: float, std: float) -> dict[str, Estimate]:
    """Return what follows from the moments of g by one route."""
    symbols = {name: Rounded(part.value, part.error) for name, part in parts.items()}
    symbols |= {"mu": Rounded(mean), "s": Rounded(std)}
    found = {}
    for name, formula in _FORMULAS.items():
        if symbols_of(formula) <= symbols.keys():
            number = evaluate(formula, symbols, rounded_namespace())
            found[name] = Estimate(number.value, number.error, next(iter(parts.values())).route)
    return found


def _proven(unit: Gate, mean: float, std: float, digits: int, timeout: float) -> dict[str, Estimate]:
    """Return with their digits those that are single expectations.

    Without a shift of the inputs the variance is the second moment.
    """
    from propstats.expectation import certified

    known: dict[str, Expr] = {"mu": Number.of(mean), "s": Number.of(std)}
    known |= {"g": unit.gate.formula, "d": unit.gate.slope_formula}
    found = {}
    for name, text in _INTEGRANDS.items():
        integrand = substitute(parse(text, {"mu", "s", "g", "d"}), known)
        found[name] = certified.expectation(
            integrand, unit.gate.params, mean=mean, std=std, digits=digits, timeout=timeout
        )
    if mean == 0.0:
        found["var"] = found["second_moment"]
    return found


def _forms(unit: Gate, mean: float, std: float) -> dict[str, str]:
    """Return the closed forms, where those of g are known."""
    if std == 0.0:
        return {}
    forms = closed_form.formulas(unit.gate, mean=mean, std=std)
    standard = {"mu": ZERO, "s": ONE} if (mean, std) == (0.0, 1.0) else {}
    return {
        name: str_of(canonical(substitute(formula, {**forms, **standard})))
        for name, formula in _FORMULAS.items()
        if symbols_of(formula) <= {"mu", "s", *forms}
    }
