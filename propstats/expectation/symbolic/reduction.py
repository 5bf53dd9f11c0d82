"""The reduction of an expectation to the table of Gaussian integrals, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from propstats.activations.expression import Expr, Number, Symbol, call
from propstats.activations.pieces import Piece
from propstats.activations.polynomial import Sum, canonical, normal, with_erf
from propstats.activations.syntax import parse
from propstats.expectation.symbolic.integrand import reflected, split
from propstats.expectation.symbolic.rules import RULES, Expectation, Law, Part, Rule

#: The law of the input: x ~ N(mu, s^2).
GAUSSIAN = Law(Symbol("mu"), parse("s**2", {"s"}))


@dataclass(frozen=True, slots=True)
class Step:
    """One application of a rule.

    Args:
        expectation: What it was applied to.
        rule: The rule.
        parts: The constants and simpler expectations that came out.
        value: What it comes to in the end.
    """

    expectation: Expectation
    rule: Rule
    parts: tuple[Part, ...]
    value: Sum


@dataclass
class Reduction:
    """An expectation written as a sum of simple ones, and their reduction.

    Args:
        terms: The sum: constants times expectations of single products over single intervals.
        steps: What was reduced, in the order in which it was begun.
        open: What no rule fits; `E1`, `E2`, ... in the value.
        value: What it comes to, as a formula in `mu`, `s` and the parameters.
    """

    terms: tuple[tuple[Sum, Expectation], ...]
    steps: dict[Expectation, Step] = field(default_factory=dict)
    open: list[Expectation] = field(default_factory=list)
    value: Sum = field(default_factory=Sum)

    @property
    def is_closed(self) -> bool:
        """Whether nothing was left that no rule fits."""
        return not self.open

    def run(self) -> "Reduction":
        """Reduce every term."""
        for constant, expectation in self.terms:
            self.value = self.value + constant * self._reduce(expectation)
        self.value = with_erf(self.value)
        return self

    def _reduce(self, expectation: Expectation) -> Sum:
        known = self.steps.get(expectation)
        if known is not None:
            return known.value
        for rule in RULES:
            parts = rule.apply(expectation)
            if parts is None:
                continue
            step = Step(expectation, rule, tuple(parts), Sum())
            self.steps[expectation] = step  # takes its place in the order
            value = Sum()
            for constant, inner in parts:
                value = value + (constant if inner is None else constant * self._reduce(inner))
            self.steps[expectation] = Step(expectation, rule, tuple(parts), value)
            return value
        if expectation not in self.open:
            self.open.append(expectation)
        return normal(Symbol(f"E{self.open.index(expectation) + 1}"))


@cache
def reduce_pieces(pieces: Sequence[Piece], mean: Expr = GAUSSIAN.mean) -> Reduction:
    """Reduce the expectation of a formula that is given by its pieces, under `N(mean, s^2)`.

    >>> from propstats.activations.expression import ZERO
    >>> from propstats.activations.syntax import str_of
    >>> from propstats.activations.polynomial import to_expr
    >>> relu = (Piece(None, ZERO, ZERO), Piece(ZERO, None, Symbol("x")))
    >>> str_of(to_expr(reduce_pieces(relu).value))
    'mu*Phi(mu/s) + s*phi(mu/s)'
    """
    law = Law(mean, GAUSSIAN.var)
    terms = [
        (constant, Expectation(integrand, law, piece.low, piece.high))
        for piece in pieces
        for constant, integrand in split(piece.formula)
    ]
    return Reduction(tuple(terms)).run()


def even_part(pieces: Sequence[Piece]) -> tuple[Piece, ...] | None:
    """Return `(f(x) + f(-x))/2`, which has the same mean as `f` under `N(0, s^2)`; None if the kinks are not symmetric.

    >>> from propstats.activations.syntax import str_of
    >>> [str_of(piece.formula) for piece in even_part((Piece(None, None, parse("sigmoid(x)", {"x"})),)) or ()]
    ['1/2']
    """
    mirrored = [Piece(_negated(p.high), _negated(p.low), reflected(p.formula)) for p in reversed(pieces)]
    if any(left.low != right.low for left, right in zip(pieces, mirrored, strict=True)):
        return None
    return tuple(
        Piece(p.low, p.high, canonical(call("div", call("add", p.formula, m.formula), Number.of(2))))
        for p, m in zip(pieces, mirrored, strict=True)
    )


def _negated(end: Expr | None) -> Expr | None:
    return canonical(call("neg", end)) if end is not None else None
