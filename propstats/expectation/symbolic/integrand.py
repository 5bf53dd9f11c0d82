"""What an integrand is made of: a power of x, a Gaussian factor, normal distributions, waves, and the rest."""

from dataclasses import dataclass
from fractions import Fraction

from propstats.activations.expression import (
    MINUS_ONE,
    ONE,
    ZERO,
    Call,
    Expr,
    Number,
    Symbol,
    call,
    map_args,
    substitute,
    symbols_of,
)
from propstats.activations.polynomial import Monomial, Sum, canonical, normal, to_expr
from propstats.activations.syntax import parse

X = Symbol("x")


@dataclass(frozen=True, slots=True)
class Integrand:
    """One product in x: `x^power exp(a x^2 + b x) * Phi(...)^m ... * wave(...) * rest(x)`.

    Args:
        power: The power of x.
        a: Coefficient of `x^2` in the exponential.
        b: Coefficient of `x` in the exponential.
        cdfs: Arguments of the normal distribution functions, each linear in x, as often as they occur.
        wave: `sin` or `cos` of something linear in x.
        rest: Whatever else depends on x, for which there is no rule.
    """

    power: int = 0
    a: Expr = ZERO
    b: Expr = ZERO
    cdfs: tuple[Expr, ...] = ()
    wave: Call | None = None
    rest: Expr = ONE

    @property
    def factor(self) -> Expr:
        """The integrand without its power of x."""
        exponent = canonical(call("add", call("mul", self.a, parse("x**2", {"x"})), call("mul", self.b, X)))
        result = call("exp", exponent) if exponent != ZERO else ONE
        for cdf in self.cdfs:
            result = call("mul", result, Call("Phi", (cdf,)))
        if self.wave is not None:
            result = call("mul", result, self.wave)
        return canonical(call("mul", result, self.rest))

    @property
    def formula(self) -> Expr:
        """The integrand as a formula."""
        power = ONE if self.power == 0 else X if self.power == 1 else Call("pow", (X, Number.of(self.power)))
        return canonical(call("mul", power, self.factor))


def depends_on_x(expr: Expr) -> bool:
    """Whether a formula contains x."""
    return "x" in symbols_of(expr)


#: Functions of x as sums of products of the few that have rules.
_REWRITTEN = {
    "erf": parse("2*Phi(sqrt(2)*u) - 1", {"u"}),
    "phi": parse("exp(-u**2/2)/sqrt(2*pi)", {"u"}),
    "expm1": parse("exp(u) - 1", {"u"}),
    "sech2": parse("1 - tanh(u)**2", {"u"}),
    "between": parse("Phi(v) - Phi(u)", {"u", "v"}),
}


def rewrite(expr: Expr) -> Expr:
    """Express the functions of x by those that have rules, where their arguments are linear in x."""
    expr = map_args(rewrite, expr)
    if not (isinstance(expr, Call) and expr.function in _REWRITTEN and depends_on_x(expr)):
        return expr
    if expr.function != "phi" and any(coefficients(arg, 1) is None for arg in expr.args):
        return expr
    return substitute(_REWRITTEN[expr.function], dict(zip("uv", expr.args, strict=False)))


def split(formula: Expr) -> list[tuple[Sum, Integrand]]:
    """Write a formula as a sum of constants times integrands; equal integrands are collected."""
    collected: dict[Integrand, Sum] = {}
    for monomial, coefficient in normal(rewrite(formula)).terms.items():
        for factor, integrand in _classify(monomial, coefficient):
            collected[integrand] = collected.get(integrand, Sum()) + factor
    return [(factor, integrand) for integrand, factor in collected.items() if factor.terms]


def _classify(monomial: Monomial, coefficient: Fraction) -> list[tuple[Sum, Integrand]]:
    """Sort the factors of one product; a product of waves becomes a sum of waves."""
    power, rest, outside = 0, [], []
    cdfs: list[Call] = []
    waves: list[Call] = []
    for atom, exponent in sorted(monomial.factors, key=str):
        whole = exponent.denominator == 1 and exponent > 0
        if not depends_on_x(atom):
            outside.append((atom, exponent))
        elif atom == X and whole:
            power = int(exponent)
        elif whole and isinstance(atom, Call) and atom.function in ("Phi", "sin", "cos") and _is_linear(atom.args[0]):
            (cdfs if atom.function == "Phi" else waves).extend([atom] * int(exponent))
        else:
            rest.append((atom, exponent))
    constant = Sum({Monomial(frozenset(outside)): coefficient})
    a: Expr = ZERO
    b: Expr = ZERO
    if monomial.exponent != ZERO:
        parts = coefficients(monomial.exponent, 2)
        if parts is None:
            rest.append((Call("exp", (monomial.exponent,)), Fraction(1)))
        else:
            c, b, a = parts
            constant = constant * normal(Call("exp", (c,)))
    bare = Integrand(power, a, b, tuple(atom.args[0] for atom in cdfs), None, to_expr(_monomial(rest)))
    return [(constant * factor, _with_wave(bare, wave)) for factor, wave in _single_waves(waves)]


def _monomial(factors: list[tuple[Expr, Fraction]]) -> Sum:
    return Sum({Monomial(frozenset(factors)): Fraction(1)})


def _with_wave(bare: Integrand, wave: Call | None) -> Integrand:
    return Integrand(bare.power, bare.a, bare.b, bare.cdfs, wave, bare.rest)


def _single_waves(waves: list[Call]) -> list[tuple[Sum, Call | None]]:
    """Write a product of sines and cosines as a sum of single ones (product to sum)."""
    if not waves:
        return [(normal(ONE), None)]
    first, *others = waves
    found: dict[Call | None, Sum] = {}

    def add(factor: Sum, wave: Expr) -> None:
        for monomial, coefficient in normal(wave).terms.items():
            inside = [(a, e) for a, e in monomial.factors if depends_on_x(a)]
            assert len(inside) <= 1
            kept = inside[0][0] if inside else None
            assert kept is None or isinstance(kept, Call)
            outside = Monomial(frozenset((a, e) for a, e in monomial.factors if not depends_on_x(a)))
            found[kept] = found.get(kept, Sum()) + factor * Sum({outside: coefficient})

    for factor, other in _single_waves(others):
        if other is None:
            add(factor, first)
            continue
        u, v = first.args[0], other.args[0]
        half = factor.scaled(Fraction(1, 2))
        total, gap = call("add", u, v), call("sub", u, v)
        match first.function, other.function:
            case "cos", "cos":
                add(half, Call("cos", (gap,)))
                add(half, Call("cos", (total,)))
            case "sin", "sin":
                add(half, Call("cos", (gap,)))
                add(half, call("neg", Call("cos", (total,))))
            case "sin", "cos":
                add(half, Call("sin", (total,)))
                add(half, Call("sin", (gap,)))
            case _:
                add(half, Call("sin", (total,)))
                add(half, call("neg", Call("sin", (gap,))))
    return [(factor, wave) for wave, factor in found.items() if factor.terms]


def coefficients(expr: Expr, degree: int) -> list[Expr] | None:
    """Return the coefficients of a polynomial in x of at most this degree, constant first; None if it is none."""
    parts = [Sum() for _ in range(degree + 1)]
    for monomial, coefficient in normal(expr).terms.items():
        powers = dict(monomial.factors)
        power = powers.pop(X, Fraction(0))
        bare = Monomial(frozenset(powers.items()), monomial.exponent)
        if power not in range(degree + 1) or depends_on_x(to_expr(Sum({bare: Fraction(1)}))):
            return None
        parts[int(power)] = parts[int(power)] + Sum({bare: coefficient})
    return [to_expr(part) for part in parts]


def _is_linear(expr: Expr) -> bool:
    return coefficients(expr, 1) is not None


def reflected(formula: Expr) -> Expr:
    """Return the formula at -x."""
    return substitute(formula, {"x": Call("mul", (MINUS_ONE, X))})
