"""The normal form of a formula."""

from fractions import Fraction
from functools import cache

from propstats.activations.expression import ZERO, Call, Expr, Number, Symbol, call, size_of, substitute
from propstats.activations.polynomial.factoring import quotient, sorted_terms
from propstats.activations.polynomial.powers import power_of
from propstats.activations.polynomial.terms import HALF, Monomial, Sum, atom_of, constant
from propstats.activations.polynomial.writing import to_expr
from propstats.activations.syntax import parse, str_of


def canonical(expr: Expr) -> Expr:
    """Rewrite a formula so that equal formulas (as sums of products) become the same tree.

    >>> str_of(canonical(parse("(a + b)**2 - a*a - b*(2*a + b)", {"a", "b"})))
    '0'
    """
    return to_expr(normal(expr))


def shorter(expr: Expr) -> Expr:
    """Return a formula as it is, or multiplied out if that is shorter.

    >>> str_of(shorter(parse("(a + 1)**2 - a**2 - 1", {"a"})))
    '2*a'
    """
    return min(canonical(expr), expr, key=size_of)


@cache
def reduced(expr: Expr) -> Expr:
    """Rewrite a formula as one quotient in which what stands above and below is cancelled.

    >>> str_of(reduced(parse("1/(1 + s**2)/(1 + 2*s**2) + 1/(1 + s**2)", {"s"})))
    '2/(1 + 2*s**2)'
    """
    total = normal(expr)
    if not total.terms:
        return ZERO
    content, common, rest = quotient(total)
    return to_expr(Sum({common: content}) * rest)


@cache
def normal(expr: Expr) -> Sum:
    """Bring a formula into normal form."""
    if isinstance(expr, Number):
        return constant(expr.value)
    if isinstance(expr, Symbol):
        return atom_of(expr)
    match expr.function, expr.args:
        case "add", (a, b):
            return normal(a) + normal(b)
        case "sub", (a, b):
            return normal(a) - normal(b)
        case "mul", (a, b):
            return normal(a) * normal(b)
        case "div", (a, b):
            return normal(a) * _power(b, Fraction(-1))
        case "neg", (a,):
            return normal(a).scaled(Fraction(-1))
        case "sqrt", (a,):
            return _power(a, HALF)
        case "pow", (a, Number(value=exponent)):
            return _power(a, exponent)
        case "exp", (a,):
            return Sum({Monomial(frozenset(), reduced(a)): Fraction(1)})
        case "expPhi", (a, b):
            return normal(Call("exp", (a,))) * normal(Call("Phi", (b,)))
        case "phi", (a,) if len(normal(a).terms) == 1:
            # Written as phi again, unless it meets another exponential. With a sum inside, the square would cancel.
            return normal(substitute(_DENSITY, {"u": a}))
        case function, args:
            return _function(function, tuple(canonical(arg) for arg in args))
    raise AssertionError(expr)


_DENSITY = parse("exp(-u**2/2)/sqrt(2*pi)", {"u"})


def _power(base: Expr, exponent: Fraction) -> Sum:
    """Raise a formula to a rational power; a product below the line keeps its factors apart."""
    if exponent < 0 and exponent.denominator == 1:
        match base:
            case Call(function="mul", args=(a, b)):
                return _power(a, exponent) * _power(b, exponent)
            case Call(function="pow", args=(a, Number(value=inner))) if inner.denominator == 1:
                return _power(a, inner * exponent)
            case Call(function="sqrt", args=(a,)):
                return _power(a, exponent / 2)
            case _:
                pass
    return power_of(normal(base), exponent)


#: f(-u) = f(u) and f(-u) = -f(u).
_EVEN = {"phi", "cos", "abs", "sech2"}


_ODD = {"sin", "erf", "tanh", "tanhshrink", "atan", "asinh", "sign"}


#: f(-u) in terms of f(u), where that is simple. Phi keeps its sign: 1 - Phi(u) would lose the tail.
_REFLECTED = {
    name: parse(text, {"u"}) for name, text in (("sigmoid", "1 - sigmoid(u)"), ("softplus", "softplus(u) - u"))
}


def _function(function: str, args: tuple[Expr, ...]) -> Sum:
    """Return a function of canonical arguments, with its sign and its known values taken out."""
    sign = Fraction(1)
    if function in _EVEN | _ODD and _leads_negative(args[0]):
        args = (canonical(Call("neg", args)), *args[1:])
        sign = Fraction(-1 if function in _ODD else 1)
    if function == "owens_t" and args[0] == ZERO:
        return normal(Call("div", (Call("atan", (args[1],)), parse("2*pi", set()))))
    special = _ANGLES.get(str_of(args[0])) if function == "atan" else None
    folded = normal(special) if special is not None else None
    if function in _REFLECTED and _leads_negative(args[0]):
        return normal(substitute(_REFLECTED[function], {"u": call("neg", args[0])}))
    if folded is None:
        value = call(function, *args)
        known = not isinstance(value, Call) or value.function != function
        folded = normal(value) if known else atom_of(Call(function, args))
    return folded.scaled(sign)


#: Angles that everyone knows, by their tangent.
_ANGLES = {text: parse(f"pi/{n}", set()) for text, n in (("1/sqrt(3)", 6), ("1", 4), ("sqrt(3)", 3))}


def _leads_negative(expr: Expr) -> bool:
    """Whether the first term, as it is written, has a minus."""
    terms = sorted_terms(normal(expr))
    return bool(terms) and terms[0][1] < 0
