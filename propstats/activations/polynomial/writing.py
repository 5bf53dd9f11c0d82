"""Normal forms written as formulas that people read."""

from fractions import Fraction

from propstats.activations.expression import ZERO, Call, Expr, Number, Symbol, call
from propstats.activations.polynomial.factoring import factored, quotient, sorted_terms
from propstats.activations.polynomial.powers import number_power
from propstats.activations.polynomial.products import product_of
from propstats.activations.polynomial.signs import is_not_negative
from propstats.activations.polynomial.terms import HALF, UNIT, Factors, Monomial, Sum, is_function, is_sum
from propstats.activations.syntax import parse, str_of


def to_expr(total: Sum) -> Expr:
    """Write a normal form as a formula: terms with the same functions are collected."""
    groups: dict[tuple[Factors, Expr], Sum] = {}
    for monomial, coefficient in total.terms.items():
        functions = frozenset((atom, power) for atom, power in monomial.factors if is_function(atom))
        bare = Monomial(monomial.factors - functions)
        key = (functions, monomial.exponent)
        groups[key] = groups.get(key, Sum()) + Sum({bare: coefficient})
    written = [(_group(key, part), key) for key, coefficients in groups.items() for part in _quotients(coefficients)]
    written.sort(key=lambda entry: (_is_minus(entry[0]), bool(entry[1][0]) or entry[1][1] != ZERO, str_of(entry[0])))
    result: Expr = ZERO
    for expr, _ in written:
        result = call("sub", result, _without_minus(expr)) if _is_minus(expr) else call("add", result, expr)
    return result


def with_erf(total: Sum) -> Sum:
    """Write `2 Phi(v) - 1` as `erf(v/sqrt(2))`, which keeps its digits where v is small."""
    from propstats.activations.polynomial.normal import canonical, normal

    terms = dict(total.terms)
    for monomial, coefficient in total.terms.items():
        for atom, power in monomial.factors:
            bare = Monomial(monomial.factors - {(atom, power)}, monomial.exponent)
            if isinstance(atom, Call) and atom.function == "Phi" and power == 1 and terms.get(bare) == -coefficient / 2:
                del terms[monomial], terms[bare]
                inner = canonical(Call("div", (atom.args[0], parse("sqrt(2)", set()))))
                return with_erf(Sum(terms) + Sum({bare: coefficient / 2}) * normal(Call("erf", (inner,))))
    return total


def _is_minus(expr: Expr) -> bool:
    return (isinstance(expr, Call) and expr.function == "neg") or (isinstance(expr, Number) and expr.value < 0)


def _without_minus(expr: Expr) -> Expr:
    return call("neg", expr)


def _quotients(coefficients: Sum) -> list[Sum]:
    """Bring terms with sums below the line over one denominator, unless that brings functions above it."""
    if not any(is_sum(atom) and power < 0 for m in coefficients.terms for atom, power in m.factors):
        return [coefficients]
    content, common, rest = quotient(coefficients)
    if not rest.terms:
        return []
    if not any(m.exponent != ZERO or any(is_function(atom) for atom, _ in m.factors) for m in rest.terms):
        return [Sum({common: content}) * rest]
    parts: dict[Factors, Sum] = {}
    for monomial, coefficient in coefficients.terms.items():
        below = frozenset((atom, power) for atom, power in monomial.factors if is_sum(atom) and power < 0)
        parts[below] = parts.get(below, Sum()) + Sum({monomial: coefficient})
    return list(parts.values())


def _group(key: tuple[Factors, Expr], coefficients: Sum) -> Expr:
    """Write the terms that share their functions."""
    functions, exponent = key
    content, common, rest = factored(coefficients)
    powers = dict(common.factors)
    if exponent != ZERO:
        root = _density_argument(exponent)
        below = powers.get(_PI) == -HALF and powers.get(_TWO) == HALF
        tails = [a for a, p in functions if p == 1 and isinstance(a, Call) and a.function == "Phi"]
        if root is not None and below:
            del powers[_PI], powers[_TWO]
            content *= 2  # sqrt(2)/sqrt(pi) is 2/sqrt(2*pi)
            functions |= {(Call("phi", (root,)), Fraction(1))}
        elif tails:
            # exp(u) Phi(v) overflows where the product does not.
            tail = min(tails, key=str_of)
            functions = (functions - {(tail, Fraction(1))}) | {(Call("expPhi", (exponent, *tail.args)), Fraction(1))}
        else:
            functions |= {(call("exp", exponent), Fraction(1))}
    bracket = _plain_sum(rest) if rest.terms.keys() != {UNIT} else None
    if bracket is not None and not powers and not functions:
        return _plain_sum(coefficients)
    return product_of(content, Monomial(frozenset((a, p) for a, p in powers.items() if p) | functions), bracket)


_PI, _TWO = Symbol("pi"), Number(Fraction(2))


def _density_argument(exponent: Expr) -> Expr | None:
    """Return v if the exponent is `-v**2/2`."""
    from propstats.activations.polynomial.normal import canonical, normal

    terms = normal(exponent).terms
    ((monomial, coefficient),) = terms.items() if len(terms) == 1 else ((UNIT, Fraction(0)),)
    if coefficient >= 0 or not is_not_negative(monomial):
        return None
    root = number_power(-2 * coefficient, HALF)
    halved = Monomial(frozenset((a, p / 2) for a, p in monomial.factors), canonical(_half_of(monomial.exponent)))
    return to_expr(root * Sum({halved: Fraction(1)})) if root.terms.keys() == {UNIT} else None


def _half_of(expr: Expr) -> Expr:
    return call("mul", Number(HALF), expr)


def _plain_sum(total: Sum) -> Expr:
    result: Expr = ZERO
    for monomial, coefficient in sorted_terms(total):
        term = product_of(coefficient, monomial, None)
        result = call("sub", result, _without_minus(term)) if _is_minus(term) else call("add", result, term)
    return result
