"""A derivation with its numeric check."""

from collections.abc import Mapping
from dataclasses import dataclass

from propstats.activations import Activation, activation
from propstats.activations.gates import GATES, Gate, gate
from propstats.errors import DomainError
from propstats.estimate import Quantity
from propstats.expectation.symbolic import derivation as symbolic
from propstats.theory.gate import gate_moments
from propstats.theory.gate_derivation import derive_gate
from propstats.theory.unit import Input, quantities


@dataclass(frozen=True, slots=True)
class CheckedDerivation:
    """Everything `propstats derive` prints.

    Args:
        activation: Name of the activation.
        params: Its parameters.
        phi: Its formula.
        quantity: What is derived.
        derivation: The steps and the result.
        input: The Gaussian at which the result is checked.
        check: The quantity there, by every route.
    """

    activation: str
    params: Mapping[str, float]
    phi: str
    quantity: str
    derivation: symbolic.Derivation
    input: Input
    check: Quantity


def derive(
    act: str | Activation | Gate,
    quantity: str = "second_moment",
    *,
    mean: float = 0.0,
    std: float = 1.0,
    digits: int = 30,
    **params: float,
) -> CheckedDerivation:
    """Derive a quantity of an activation from its formula, step by step, and check the result.

    Args:
        act: Name of an activation or of a gated unit, or one.
        quantity: A moment (`mean`, `second_moment`, `var`, `mean_slope`, `slope_second_moment`, ...) or what follows
            from moments (`gain`, `jacobian_factor`, ...); of a gated unit what `gate_moments` returns.
        mean: Mean of the input at which the result is checked.
        std: Its standard deviation, greater than 0.
        digits: Certified digits of the check.
        **params: Parameters of the activation.

    Raises:
        UnknownNameError: If the activation, a parameter or the quantity is not known.
        ExpressionError: If the kinks of the activation are not certainly all known.
        DomainError: If `std` is not a positive number, the mean of the activation or the quantity does not exist, or a
            gated unit is given parameters.

    >>> from propstats.report.formula import text_of
    >>> text_of(derive("relu", "jacobian_factor").derivation.standard)  # 1.2111738962 (Arpit et al. 2016, section 3.4)
    'sqrt(pi)/sqrt(pi - 1)'
    """
    if not std > 0:
        raise DomainError(f"std must be greater than 0, got {std:g}", "at 0 there is nothing to derive")
    if isinstance(act, Gate) or (isinstance(act, str) and act.lower() in GATES):
        if params:
            raise DomainError("a gated unit has no parameters", "derive its gate as an activation instead")
        return _derive_gate(act if isinstance(act, Gate) else gate(act), quantity, mean=mean, std=std, digits=digits)
    unit = activation(act, **params)
    # Before the derivation, which does not ask whether the expectation exists.
    known, notes = quantities(unit, mean=mean, std=std, digits=digits)
    found = symbolic.derive(unit, quantity)
    check = known[quantity]
    if not any(estimate.is_defined for estimate in check.routes.values()):
        raise DomainError(next((note for note in notes if "does not exist" in note), f"{quantity} does not exist"))
    return CheckedDerivation(unit.name, unit.params, unit.text, quantity, found, Input(mean, std), check)


def _derive_gate(unit: Gate, quantity: str, *, mean: float, std: float, digits: int) -> CheckedDerivation:
    found = derive_gate(unit, quantity)
    known = gate_moments(unit, mean=mean, std=std, digits=digits, samples=0).quantities()
    check = next(known[name] for name in known if name.partition(".")[2] == quantity)
    return CheckedDerivation(unit.name, {}, str(unit), quantity, found, Input(mean, std), check)
