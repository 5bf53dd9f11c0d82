"""The lines of a derivation, written while quantities are reduced."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from propstats.activations.activation import Activation
from propstats.activations.derivative import differentiate
from propstats.activations.expression import ONE, ZERO, Call, Expr, Number, Symbol, call, substitute, symbols_of
from propstats.activations.pieces import Piece
from propstats.activations.polynomial import canonical, shorter, to_expr
from propstats.activations.syntax import parse, str_of
from propstats.errors import ExpressionError
from propstats.expectation.moments import BASE, DERIVED
from propstats.expectation.symbolic.line import Line, node, times, total
from propstats.expectation.symbolic.reduction import GAUSSIAN, Reduction, even_part, reduce_pieces
from propstats.expectation.symbolic.rules import Expectation, Law, Rule

_AWAY = parse("x - mu", {"x", "mu"})

#: What is integrated for each moment that is an expectation: in words, and as a tree.
_INTEGRALS: Mapping[str, tuple[str, Callable[[Expr], Expr]]] = {
    "mean": ("f(x)", lambda f: f),
    "second_moment": ("f(x)^2", lambda f: call("pow", f, Number.of(2))),
    "mean_slope": ("f'(x)", lambda f: differentiate(f, "x")),
    "slope_second_moment": ("f'(x)^2", lambda f: call("pow", differentiate(f, "x"), Number.of(2))),
    "lever": ("f(x) (x - mu)", lambda f: call("mul", f, _AWAY)),
    "slope_lever": ("f'(x) (x - mu)", lambda f: call("mul", differentiate(f, "x"), _AWAY)),
    "square_lever": ("f(x) f'(x) (x - mu)", lambda f: call("mul", f, call("mul", differentiate(f, "x"), _AWAY))),
}


@dataclass(frozen=True, slots=True)
class Result:
    """A quantity in general, and for the standard normal input, for which more may be known, or nothing exist."""

    general: Expr
    standard: Expr | None


_CENTRED = Law(ZERO, GAUSSIAN.var)
_STANDARD: Mapping[str, Expr] = {"mu": ZERO, "s": ONE}


class Notebook:
    """The lines written so far, and what has been derived.

    Args:
        activation: What the derivation is about.
    """

    def __init__(self, activation: Activation) -> None:
        self.pieces = activation.pieces
        self.formula = activation.formula
        self.jumps = bool(activation.jumps)
        self.lines: list[Line] = []
        self.open: list[Expectation] = []
        self._known: dict[str, Result] = {}
        self._laws: list[Law] = [GAUSSIAN]
        self._stated: set[str] = set()
        self._shown: set[Expectation] = set()
        self._balanced: set[Expectation] = set()  # known by symmetry

    def write(self, reason: str, left: Expr, right: Expr, relation: str = "=", statement: str = "") -> None:
        """Add a line."""
        self.lines.append(Line(reason, left, right, relation, statement))

    def quantity(self, name: str) -> Result:
        """Derive a quantity, or a moment that one is made of, unless that has been done."""
        if name not in self._known:
            if name in _INTEGRALS:
                self._known[name] = self._integral(name)
            elif name == "linear_slope" and not self.jumps:
                self._known[name] = self.quantity("mean_slope")
                self.write("Stein's lemma, f being continuous", Symbol(name), Symbol("mean_slope"))
            elif name == "var_rate" and self.jumps:
                self._known[name] = self._rate_of_a_jump()
            else:
                self._known[name] = self._by_definition(name, _DEFINITIONS.get(name) or DERIVED[name])
        return self._known[name]

    def _rate_of_a_jump(self) -> Result:
        """Differentiate the variance itself, since the slope does not see the jumps."""
        var = self.quantity("var").general
        if self.open:
            raise ExpressionError("no derivation of var_rate where f jumps and its variance has no closed form")
        general = shorter(call("mul", parse("s/2", {"s"}), differentiate(var, "s")))
        self.write("f jumps: differentiate the variance, (s/2) d var/d s", Symbol("var_rate"), general)
        return Result(general, _at_standard(general))

    def _by_definition(self, name: str, text: str) -> Result:
        """Put what is needed into a definition."""
        known = [*BASE, *_INTEGRALS]
        definition = parse(text, {"s", *known})
        needed = [base for base in known if base in symbols_of(definition)]
        found = {base: self.quantity(base) for base in needed}
        shown = {base: Symbol(f"E[{_INTEGRALS[base][0]}]") for base in needed if base in _INTEGRALS}
        self.write("definition", Symbol(name), substitute(definition, shown))
        general = substitute(definition, {base: result.general for base, result in found.items()})
        at_standard = {base: result.standard for base, result in found.items() if result.standard is not None}
        is_known = len(at_standard) == len(found)
        standard = shorter(substitute(definition, {"s": ONE, **at_standard})) if is_known else None
        result = Result(shorter(general), standard)
        self.write("put in", Symbol(name), result.general)
        self._standard(name, result)
        return result

    def _integral(self, name: str) -> Result:
        words, integrand = _INTEGRALS[name]
        if "slope" in name:
            self.write("differentiate between the kinks", Symbol("f'(x)"), differentiate(self.formula, "x"))
        pieces = tuple(Piece(p.low, p.high, integrand(p.formula)) for p in self.pieces)
        whole = Symbol(f"E[{words}]")
        parts = [node("E", p.formula, p.low, p.high) for p in pieces if p.formula != ZERO]
        reason = "definition" if len(pieces) == 1 else "f changes its branch at a kink: split there"
        self.write(reason, whole, total(parts))
        reduction = reduce_pieces(pieces)
        self._show(reduction, whole)
        general = self._named(reduction)
        self.write("collect", whole, general)
        standard = _at_standard(general)
        if not reduction.is_closed:
            standard = self._by_symmetry(whole, pieces) or self._open_by_symmetry(standard, reduction)
        result = Result(general, standard)
        self._standard(str_of(whole), result)
        return result

    def _by_symmetry(self, whole: Expr, pieces: tuple[Piece, ...]) -> Expr | None:
        """Use that x and -x are equally likely under N(0, s^2)."""
        even = even_part(pieces)
        reduction = reduce_pieces(even, ZERO) if even is not None else None
        if even is None or reduction is None or not reduction.is_closed:
            return None
        value = to_expr(reduction.value)
        parts = [node("E", p.formula, p.low, p.high) for p in even if p.formula != ZERO]
        self.write(_SYMMETRY, whole, total(parts))
        if total(parts) != value:
            self._show(reduction, whole)
        return _at_standard(value)

    def _open_by_symmetry(self, standard: Expr | None, reduction: Reduction) -> Expr | None:
        """Put in those of the open expectations that symmetry knows."""
        if standard is None:
            return None
        known = {}
        for e in reduction.open:
            even = even_part((Piece(e.low, e.high, e.integrand.formula),)) if e.is_whole else None
            value = reduce_pieces(even, ZERO) if even is not None else None
            if value is not None and value.is_closed:
                name = f"E{self.open.index(e) + 1}"
                known[name] = substitute(to_expr(value.value), _STANDARD)
                if e not in self._balanced:
                    self._balanced.add(e)
                    self.write(_SYMMETRY, Symbol(name), to_expr(value.value))
        return canonical(substitute(standard, known))

    def _show(self, reduction: Reduction, whole: Expr) -> None:
        """Write the expansion, the rules in the order in which they are needed, and the values from the end."""
        terms = [times(to_expr(constant), self._expectation(e)) for constant, e in reduction.terms]
        if total(terms) != self.lines[-1].right:
            self.write("write it as a sum of products", whole, total(terms))
        inner = []
        for step in reduction.steps.values():
            if step.expectation in self._shown:
                continue
            self._shown.add(step.expectation)
            parts = [
                to_expr(constant) if e is None else times(to_expr(constant), self._expectation(e))
                for constant, e in step.parts
            ]
            name, statement = step.rule.name, self._new_statement(step.rule)
            self.write(name, self._expectation(step.expectation), total(parts), statement=statement)
            if any(e is not None for _, e in step.parts):
                inner.append(step)
        names = self._names(reduction)
        for i, e in enumerate(reduction.open, start=1):
            if e not in self._shown:
                self._shown.add(e)
                self.write("no rule fits", self._expectation(e), names[f"E{i}"])
        for step in reversed(inner):
            value = substitute(to_expr(step.value), names)
            self.write("put in", self._expectation(step.expectation), value)

    def _new_statement(self, rule: Rule) -> str:
        """Return what a rule says, when it is used for the first time."""
        if rule.name in self._stated:
            return ""
        self._stated.add(rule.name)
        return rule.statement

    def _names(self, reduction: Reduction) -> dict[str, Expr]:
        """Number what stays open through the whole derivation."""
        for e in reduction.open:
            if e not in self.open:
                self.open.append(e)
        return {f"E{i}": Symbol(f"E{self.open.index(e) + 1}") for i, e in enumerate(reduction.open, start=1)}

    def open_nodes(self) -> tuple[Expr, ...]:
        """Return what stays open, under laws that have been introduced."""
        return tuple(map(self._expectation, self.open))

    def _named(self, reduction: Reduction) -> Expr:
        return substitute(to_expr(reduction.value), self._names(reduction))

    def _standard(self, name: str, result: Result) -> None:
        if result.standard is not None and result.standard != result.general:
            self.write("for mu = 0 and s = 1", Symbol(name), result.standard)

    def _expectation(self, e: Expectation) -> Expr:
        """Write an expectation; another law than the input's gets a prime, and is introduced when it first occurs."""
        law = GAUSSIAN if e.law == _CENTRED else e.law
        if law not in self._laws:
            self._laws.append(law)
            label = "E" + "'" * (len(self._laws) - 1)
            normal_law = Call("N", (law.mean, law.var))
            self.write(f"let {label} be the expectation under another normal law", Symbol("x"), normal_law, "~")
        label = "E" + "'" * self._laws.index(law)
        return node(label, e.integrand.formula, e.low, e.high)


_SYMMETRY = "symmetry: for mu = 0, x and -x are equally likely, so take the mean of f(x) and f(-x)"

#: The base moments that are defined by others.
_DEFINITIONS = {
    "var": "second_moment - mean**2",
    "linear_slope": "lever/s**2",
    "var_rate": "square_lever - mean*slope_lever",
}


def _at_standard(expr: Expr) -> Expr | None:
    """Put in mu = 0 and s = 1; None if the integral does not exist there."""
    try:
        return canonical(substitute(expr, _STANDARD))
    except ExpressionError:
        return None
