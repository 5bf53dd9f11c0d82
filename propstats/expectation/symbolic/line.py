"""One line of a derivation, and what stands in it."""

from dataclasses import dataclass

from propstats.activations.expression import ZERO, Call, Expr, Number, Symbol, call


@dataclass(frozen=True, slots=True)
class Line:
    """One line: what is done, and the equation that it leads to.

    Args:
        reason: What is done, and why that is allowed.
        left: The left side, in which `Call("E", ...)` is an expectation.
        right: The right side.
        relation: What stands between them: `=`, or `~` for a law.
        statement: What the rule says that is applied, where it is used for the first time.
    """

    reason: str
    left: Expr
    right: Expr
    relation: str = "="
    statement: str = ""


def node(label: str, integrand: Expr, low: Expr | None, high: Expr | None) -> Expr:
    """Write `E[integrand; low < x < high]` as a tree; an infinite end is a symbol."""
    return Call(label, (integrand, low or Symbol("-inf"), high or Symbol("inf")))


def times(constant: Expr, expectation: Expr) -> Expr:
    """Multiply, with a minus in front rather than in brackets."""
    if isinstance(constant, Call) and constant.function == "neg":
        return call("neg", call("mul", constant.args[0], expectation))
    if isinstance(constant, Number) and constant.value < 0:
        return call("neg", call("mul", Number(-constant.value), expectation))
    return call("mul", constant, expectation)


def total(parts: list[Expr]) -> Expr:
    """Add expectations, in their order."""
    result: Expr = ZERO
    for part in parts:
        result = call("add", result, part)
    return result
