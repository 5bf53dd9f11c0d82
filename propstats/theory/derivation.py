"""A derivation with its numeric check."""

from collections.abc import Mapping
from dataclasses import dataclass

from propstats.activations import Activation, activation
from propstats.errors import DomainError
from propstats.estimate import Quantity
from propstats.expectation.symbolic import derivation as symbolic
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
    act: str | Activation,
    quantity: str = "second_moment",
    *,
    mean: float = 0.0,
    std: float = 1.0,
    digits: int = 30,
    **params: float,
) -> CheckedDerivation:
    """Derive a quantity of an activation from its formula, step by step, and check the result.

    Args:
        act: Name of an activation, or an activation.
        quantity: A moment (`mean`, `second_moment`, `var`, `mean_slope`, `slope_second_moment`, ...) or what follows
            from moments (`gain`, `jacobian_factor`, ...).
        mean: Mean of the input at which the result is checked.
        std: Its standard deviation, greater than 0.
        digits: Certified digits of the check.
        **params: Parameters of the activation.

    Raises:
        UnknownNameError: If the activation, a parameter or the quantity is not known.
        ExpressionError: If the kinks of the activation are not certainly all known.
        DomainError: If `std` is not a positive number, or the mean of the activation does not exist.

    >>> from propstats.report.formula import text_of
    >>> text_of(derive("relu", "jacobian_factor").derivation.standard)  # 1.2111738962 (Arpit et al. 2016, section 3.4)
    'sqrt(pi)/sqrt(pi - 1)'
    """
    unit = activation(act, **params)
    if not std > 0:
        raise DomainError(f"std must be greater than 0, got {std:g}", "at 0 there is nothing to derive")
    # Before the derivation, which does not ask whether the expectation exists.
    known = quantities(unit, mean=mean, std=std, digits=digits)[0]
    found = symbolic.derive(unit, quantity)
    check = known[quantity]
    return CheckedDerivation(unit.name, unit.params, unit.text, quantity, found, Input(mean, std), check)
