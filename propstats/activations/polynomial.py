"""Normal forms: every formula as a sum of products, in which what is equal looks equal.

A `Sum` maps monomials to rational coefficients. A monomial is a product of powers of *atoms* (symbols, function calls,
sums that cannot be multiplied out) and at most one exponential. Symbols stand for real numbers; `s` and `pi` for
positive ones. A normal form has the value of the formula wherever that has one: `sqrt(a**2)` does not become `a`.

Multiplying out can take exponentially long; what would grow too large is refused with an `ExpressionError`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, reduce
from math import gcd, isqrt, lcm

from propstats.activations.expression import ONE, ZERO, Call, Expr, Number, Symbol, call, parse, str_of, substitute
from propstats.errors import ExpressionError

Factors = frozenset[tuple[Expr, Fraction]]

_HALF = Fraction(1, 2)
#: Sums are multiplied out up to this power.
_MAX_EXPANDED = 8
#: What a product may cost, in terms times terms, how many sums may stand below one line, how long numbers may become.
_MAX_PRODUCTS, _MAX_DENOMINATORS, _MAX_BITS = 2_500, 8, 4096
#: A quotient of more terms than this is not looked for.
_MAX_QUOTIENT = 64


@dataclass(frozen=True, slots=True)
class Monomial:
    """A product of powers of atoms and of `exp(exponent)`."""

    factors: Factors = frozenset()
    exponent: Expr = ZERO

    def __mul__(self, other: "Monomial") -> "Monomial":
        powers = dict(self.factors)
        for atom, power in other.factors:
            powers[atom] = powers.get(atom, Fraction(0)) + power
        exponent = self.exponent
        if other.exponent != ZERO:
            exponent = other.exponent if exponent == ZERO else reduced(Call("add", (exponent, other.exponent)))
        return Monomial(frozenset((atom, power) for atom, power in powers.items() if power), exponent)

    @property
    def inverse(self) -> "Monomial":
        """One over the product of powers; the exponential is left out."""
        return Monomial(frozenset((atom, -power) for atom, power in self.factors))


_UNIT = Monomial()


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum of monomials with rational coefficients, none of them zero."""

    terms: Mapping[Monomial, Fraction] = field(default_factory=dict)

    def __add__(self, other: "Sum") -> "Sum":
        total = dict(self.terms)
        for monomial, coefficient in other.terms.items():
            total[monomial] = total.get(monomial, Fraction(0)) + coefficient
        return Sum({m: c for m, c in total.items() if c})

    def __sub__(self, other: "Sum") -> "Sum":
        return self + other.scaled(Fraction(-1))

    def __mul__(self, other: "Sum") -> "Sum":
        if len(self.terms) * len(other.terms) > _MAX_PRODUCTS:
            raise ExpressionError("the formula has too many terms when it is multiplied out")
        total: dict[Monomial, Fraction] = {}
        for left, a in self.terms.items():
            for right, b in other.terms.items():
                for monomial, c in _with_numbers_folded(left * right, a * b).terms.items():
                    total[monomial] = total.get(monomial, Fraction(0)) + c
        return Sum({m: c for m, c in total.items() if c})

    def __pow__(self, power: int) -> "Sum":
        return reduce(lambda product, _: product * self, range(power), _constant(Fraction(1)))

    def scaled(self, factor: Fraction) -> "Sum":
        """Return the sum multiplied by a number."""
        return Sum({m: factor * c for m, c in self.terms.items()} if factor else {})


def _constant(value: Fraction) -> Sum:
    return Sum({_UNIT: value} if value else {})


def _atom(expr: Expr, power: Fraction = Fraction(1)) -> Sum:
    return Sum({Monomial(frozenset({(expr, power)})): Fraction(1)})


def _with_numbers_folded(monomial: Monomial, coefficient: Fraction) -> Sum:
    """Leave numbers with powers between 0 and 1, and open what has become a whole power of something composed."""
    rest, opened = [], _constant(Fraction(1))
    for atom, power in monomial.factors:
        whole = _opened_power(atom, power)
        if isinstance(atom, Number):
            coefficient *= _checked_power(atom.value, whole)
        elif whole:
            opened = opened * power_of(normal(atom), Fraction(whole))
        if power != whole:
            rest.append((atom, power - whole))
    if coefficient.numerator.bit_length() + coefficient.denominator.bit_length() > _MAX_BITS:
        raise ExpressionError("the numbers in the formula become too large")
    closed = Sum({Monomial(frozenset(rest), monomial.exponent): coefficient})
    return closed if opened.terms.keys() == {_UNIT} else closed * opened


def _opened_power(atom: Expr, power: Fraction) -> int:
    """Return the whole power of an atom that is written without it."""
    whole = power.numerator // power.denominator
    if isinstance(atom, Number):
        return whole
    if _is_sum(atom) and 0 < whole <= _MAX_EXPANDED:
        return whole
    if _is_product(atom):
        return whole if power == whole else 0  # it was an atom only under a root
    # A sum stays together below the line.
    return whole if _is_sum(atom) and whole == power < 0 and not _is_primitive(atom) else 0


@cache
def _is_primitive(atom: Expr) -> bool:
    """Whether the terms of a sum have nothing in common."""
    content, common, _ = factored(normal(atom))
    return content == 1 and common == _UNIT


def _is_sum(expr: Expr) -> bool:
    return isinstance(expr, Call) and expr.function in ("add", "sub")


def _is_product(expr: Expr) -> bool:
    if isinstance(expr, Call) and expr.function == "pow":
        return isinstance(expr.args[1], Number)
    return isinstance(expr, Call) and expr.function in ("mul", "div", "neg")


def canonical(expr: Expr) -> Expr:
    """Rewrite a formula so that equal formulas (as sums of products) become the same tree.

    >>> str_of(canonical(parse("(a + b)**2 - a*a - b*(2*a + b)", {"a", "b"})))
    '0'
    """
    return to_expr(normal(expr))


@cache
def reduced(expr: Expr) -> Expr:
    """Rewrite a formula as one quotient in which what stands above and below is cancelled.

    >>> str_of(reduced(parse("1/(1 + s**2)/(1 + 2*s**2) + 1/(1 + s**2)", {"s"})))
    '2/(1 + 2*s**2)'
    """
    total = normal(expr)
    if not total.terms:
        return ZERO
    content, common, rest = _quotient(total)
    return to_expr(Sum({common: content}) * rest)


def _quotient(total: Sum) -> tuple[Fraction, Monomial, Sum]:
    """Bring a sum over one denominator, cancel, and return a number, a product of powers and the remaining sum."""
    numerator, denominator = together(total)
    if not numerator.terms:
        return Fraction(0), _UNIT, numerator
    content, common, rest = factored(numerator)
    if denominator == _UNIT:
        return content, common, rest
    powers = {atom: -power for atom, power in denominator.factors}
    for atom in [atom for atom in powers if _is_sum(atom)]:
        while powers[atom] <= -1 and (smaller := _divided(rest, normal(atom))) is not None:
            rest, powers[atom] = smaller, powers[atom] + 1
    more, also, rest = factored(rest)
    below = Monomial(frozenset((atom, power) for atom, power in powers.items() if power))
    return content * more, common * also * below, rest


@cache
def normal(expr: Expr) -> Sum:
    """Bring a formula into normal form."""
    if isinstance(expr, Number):
        return _constant(expr.value)
    if isinstance(expr, Symbol):
        return _atom(expr)
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
            return _power(a, _HALF)
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
        args = (canonical(Call("neg", args)),)
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
        folded = normal(value) if known else _atom(Call(function, args))
    return folded.scaled(sign)


#: Angles that everyone knows, by their tangent.
_ANGLES = {text: parse(f"pi/{n}", set()) for text, n in (("1/sqrt(3)", 6), ("1", 4), ("sqrt(3)", 3))}


def _leads_negative(expr: Expr) -> bool:
    """Whether the first term, as it is written, has a minus."""
    terms = _sorted_terms(normal(expr))
    return bool(terms) and terms[0][1] < 0


def power_of(base: Sum, exponent: Fraction) -> Sum:
    """Raise a sum to a rational power.

    Raises:
        ExpressionError: If the power has no real value, as 1/0 has none.
    """
    whole = exponent.denominator == 1
    if whole and 0 <= exponent <= _MAX_EXPANDED:
        return base ** int(exponent)
    if not base.terms:
        if exponent < 0:
            raise ExpressionError("the formula divides by 0")
        return base
    numerator, denominator = together(base)
    if denominator != _UNIT and (whole or _is_positive_sum(numerator) or _is_not_negative(denominator)):
        return power_of(numerator, exponent) * power_of(Sum({denominator: Fraction(1)}), -exponent)
    content, common, rest = factored(base)
    powers = dict(common.factors)
    if not whole:
        # (u v)^e is u^e v^e where u is positive: what may be negative stays together.
        powers = {atom: p for atom, p in powers.items() if _is_positive(atom) or p.denominator > 1}
        left = Monomial(common.factors.difference(powers.items()))
        rest = rest * Sum({left: Fraction(1 if content > 0 else -1)})
        content = abs(content)
        if rest.terms == {left: 1} and len(left.factors) == 1 and all(p % 2 == 1 for _, p in left.factors):
            powers |= dict(left.factors)
            rest = _constant(Fraction(1))
    total = _number_power(content, exponent)
    power = Monomial(
        frozenset((atom, p * exponent) for atom, p in powers.items()),
        canonical(Call("mul", (Number(exponent), common.exponent))) if common.exponent != ZERO else ZERO,
    )
    total = total * _with_numbers_folded(power, Fraction(1))
    if rest.terms.keys() == {_UNIT}:
        if rest.terms[_UNIT] < 0:
            raise ExpressionError("the formula has a root of a negative number")
        return total
    if len(rest.terms) == 1 and all(p < 0 for m in rest.terms for _, p in m.factors):
        ((below, sign),) = rest.terms.items()
        rest, exponent = _with_numbers_folded(below.inverse, sign), -exponent
    return total * _atom(to_expr(rest), exponent)


def _number_power(value: Fraction, exponent: Fraction) -> Sum:
    """Raise a number to a power, as powers of its prime factors."""
    if exponent.denominator == 1:
        return _constant(_checked_power(value, int(exponent)))
    factors: dict[Expr, Fraction] = {}
    for number, sign in ((value.numerator, 1), (value.denominator, -1)):
        for factor, count in _factors(number).items():
            factors[Number(Fraction(factor))] = sign * count * exponent
    return _with_numbers_folded(Monomial(frozenset(factors.items())), Fraction(1))


def _checked_power(value: Fraction, exponent: int) -> Fraction:
    """Raise a number to a whole power, if the result has a reasonable length."""
    if max(value.numerator.bit_length(), value.denominator.bit_length()) * abs(exponent) > 2 * _MAX_BITS:
        raise ExpressionError("the numbers in the formula become too large")
    return value**exponent


#: Prime factors are looked for up to this number.
_MAX_FACTOR = 1000


def _factors(number: int) -> dict[int, int]:
    """Factor a positive number into small primes and what is left, of which square roots are taken."""
    found: dict[int, int] = {}
    for factor in range(2, _MAX_FACTOR):
        while number % factor == 0:
            number //= factor
            found[factor] = found.get(factor, 0) + 1
    count = 1
    while number > 1 and isqrt(number) ** 2 == number:
        number, count = isqrt(number), 2 * count
    return {**found, number: count} if number > 1 else found


def _is_positive(atom: Expr) -> bool:
    """Whether an atom is known to be positive."""
    if isinstance(atom, Number):
        return atom.value > 0
    if isinstance(atom, Symbol):
        return atom.name in ("s", "pi")
    return _is_positive_sum(normal(atom)) if _is_sum(atom) else atom.function in ("Phi", "phi", "sigmoid", "softplus")


def _is_positive_sum(total: Sum) -> bool:
    """Whether a sum is one of positive things and squares, with something positive among them."""
    terms = total.terms.items()
    return all(c > 0 and _is_not_negative(m) for m, c in terms) and any(
        all(_is_positive(atom) for atom, _ in m.factors) for m, _ in terms
    )


def _is_not_negative(monomial: Monomial) -> bool:
    return all(power % 2 == 0 or _is_positive(atom) for atom, power in monomial.factors)


def together(total: Sum) -> tuple[Sum, Monomial]:
    """Bring a sum over one denominator: return the numerator and the product of what stood below."""
    below: dict[Expr, Fraction] = {}
    for monomial in total.terms:
        for atom, power in monomial.factors:
            if power < 0 and not isinstance(atom, Number):
                below[atom] = max(below.get(atom, Fraction(0)), -power)
    if sum(map(_is_sum, below)) > _MAX_DENOMINATORS:
        raise ExpressionError("the formula has too many different denominators")
    denominator = Monomial(frozenset(below.items()))
    return total * Sum({denominator: Fraction(1)}), denominator


def factored(total: Sum) -> tuple[Fraction, Monomial, Sum]:
    """Take out what all terms have in common: the rational content, the common monomial, and the rest."""
    terms = _sorted_terms(total)
    numbers = [c for _, c in terms]
    content = Fraction(gcd(*(c.numerator for c in numbers)), lcm(*(c.denominator for c in numbers)))
    content = -content if numbers[0] < 0 else content
    shared = dict(terms[0][0].factors)
    for monomial, _ in terms[1:]:
        powers = dict(monomial.factors)
        shared = {a: min(p, powers[a]) for a, p in shared.items() if a in powers and (p > 0) == (powers[a] > 0)}
    exponent = terms[0][0].exponent if len({m.exponent for m, _ in terms}) == 1 else ZERO
    common = Monomial(frozenset(shared.items()), exponent)
    rest = Sum()
    for monomial, coefficient in terms:
        bare = Monomial(monomial.factors, ZERO if exponent != ZERO else monomial.exponent) * common.inverse
        rest = rest + _with_numbers_folded(bare, coefficient / content)
    return content, common, rest


def _divided(total: Sum, divisor: Sum) -> Sum | None:
    """Divide one polynomial by another; None if something is left."""
    if any(monomial.exponent != ZERO for monomial in (*total.terms, *divisor.terms)):
        return None
    atoms = sorted({atom for m in (*total.terms, *divisor.terms) for atom, _ in m.factors}, key=str_of)

    def leading(terms: Sum) -> tuple[Monomial, Fraction]:
        """Return the first term in the lexicographic order, which products respect."""

        def key(term: tuple[Monomial, Fraction]) -> list[Fraction]:
            powers = dict(term[0].factors)
            return [powers.get(atom, Fraction(0)) for atom in atoms]

        return max(terms.terms.items(), key=key)

    quotient, (first, scale) = Sum(), leading(divisor)
    while total.terms:
        lead, coefficient = leading(total)
        step = lead * first.inverse
        if any(p < 0 for _, p in step.factors) or len(quotient.terms) > _MAX_QUOTIENT:
            return None
        part = Sum({step: coefficient / scale})
        quotient, total = quotient + part, total - part * divisor
    return quotient


def _sorted_terms(total: Sum) -> list[tuple[Monomial, Fraction]]:
    """Return the terms in the order in which they are written: high powers last, names in between."""

    def key(term: tuple[Monomial, Fraction]) -> tuple[object, ...]:
        monomial, coefficient = term
        degree = sum(power for _, power in monomial.factors)
        return coefficient < 0, degree, sorted((str_of(atom), -power) for atom, power in monomial.factors)

    return sorted(total.terms.items(), key=key)


def to_expr(total: Sum) -> Expr:
    """Write a normal form as a formula: terms with the same functions are collected."""
    groups: dict[tuple[Factors, Expr], Sum] = {}
    for monomial, coefficient in total.terms.items():
        functions = frozenset((atom, power) for atom, power in monomial.factors if _is_function(atom))
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
    terms = dict(total.terms)
    for monomial, coefficient in total.terms.items():
        for atom, power in monomial.factors:
            bare = Monomial(monomial.factors - {(atom, power)}, monomial.exponent)
            if isinstance(atom, Call) and atom.function == "Phi" and power == 1 and terms.get(bare) == -coefficient / 2:
                del terms[monomial], terms[bare]
                inner = canonical(Call("div", (atom.args[0], parse("sqrt(2)", set()))))
                return with_erf(Sum(terms) + Sum({bare: coefficient / 2}) * normal(Call("erf", (inner,))))
    return total


def _is_function(atom: Expr) -> bool:
    return isinstance(atom, Call) and atom.function not in ("add", "sub")


def _is_minus(expr: Expr) -> bool:
    return (isinstance(expr, Call) and expr.function == "neg") or (isinstance(expr, Number) and expr.value < 0)


def _without_minus(expr: Expr) -> Expr:
    return call("neg", expr)


def _quotients(coefficients: Sum) -> list[Sum]:
    """Bring terms with sums below the line over one denominator, unless that brings functions above it."""
    if not any(_is_sum(atom) and power < 0 for m in coefficients.terms for atom, power in m.factors):
        return [coefficients]
    content, common, rest = _quotient(coefficients)
    if not rest.terms:
        return []
    if not any(m.exponent != ZERO or any(_is_function(atom) for atom, _ in m.factors) for m in rest.terms):
        return [Sum({common: content}) * rest]
    parts: dict[Factors, Sum] = {}
    for monomial, coefficient in coefficients.terms.items():
        below = frozenset((atom, power) for atom, power in monomial.factors if _is_sum(atom) and power < 0)
        parts[below] = parts.get(below, Sum()) + Sum({monomial: coefficient})
    return list(parts.values())


def _group(key: tuple[Factors, Expr], coefficients: Sum) -> Expr:
    """Write the terms that share their functions."""
    functions, exponent = key
    content, common, rest = factored(coefficients)
    powers = dict(common.factors)
    if exponent != ZERO:
        root = _density_argument(exponent)
        below = powers.get(_PI) == -_HALF and powers.get(_TWO) == _HALF
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
    bracket = _plain_sum(rest) if rest.terms.keys() != {_UNIT} else None
    if bracket is not None and not powers and not functions:
        return _plain_sum(coefficients)
    return _product(content, Monomial(frozenset((a, p) for a, p in powers.items() if p) | functions), bracket)


_PI, _TWO = Symbol("pi"), Number(Fraction(2))


def _density_argument(exponent: Expr) -> Expr | None:
    """Return v if the exponent is `-v**2/2`."""
    terms = normal(exponent).terms
    ((monomial, coefficient),) = terms.items() if len(terms) == 1 else ((_UNIT, Fraction(0)),)
    if coefficient >= 0 or not _is_not_negative(monomial):
        return None
    root = _number_power(-2 * coefficient, _HALF)
    halved = Monomial(frozenset((a, p / 2) for a, p in monomial.factors), canonical(_half_of(monomial.exponent)))
    return to_expr(root * Sum({halved: Fraction(1)})) if root.terms.keys() == {_UNIT} else None


def _half_of(expr: Expr) -> Expr:
    return call("mul", Number(_HALF), expr)


def _plain_sum(total: Sum) -> Expr:
    result: Expr = ZERO
    for monomial, coefficient in _sorted_terms(total):
        term = _product(coefficient, monomial, None)
        result = call("sub", result, _without_minus(term)) if _is_minus(term) else call("add", result, term)
    return result


def _product(coefficient: Fraction, monomial: Monomial, bracket: Expr | None) -> Expr:
    """Write a coefficient, powers of atoms and a sum in brackets as one quotient."""
    sides: tuple[list[Expr], list[Expr]] = ([], [])
    roots: tuple[list[Expr], list[Expr]] = ([], [])  # of numbers and symbols, under one sign
    scale = abs(coefficient)
    factors = sorted(monomial.factors, key=lambda f: (_kind(f[0]), str_of(f[0])))
    # Under one root only one may be negative: if two are, their product has a root, and they have none.
    signed = [
        atom for atom, power in factors if isinstance(atom, Symbol) and power % 1 == _HALF and not _is_positive(atom)
    ]
    for atom, power in factors:
        if bracket is not None and _is_function(atom):
            sides[0].append(bracket)  # just before the functions
            bracket = None
        if isinstance(atom, Number) and power == _HALF and scale.denominator % atom.value == 0:
            scale, power = scale * atom.value, -_HALF  # sqrt(2)/2 is 1/sqrt(2)
        side, size = (0, power) if power > 0 else (1, -power)
        whole = int(size)
        if size - whole == _HALF and (whole == 0 or not _is_product(atom)):
            if isinstance(atom, Number | Symbol) and atom not in signed[1:]:
                roots[side].append(atom)
            else:
                sides[side].append(call("sqrt", atom))
            size = Fraction(whole)
        if size:
            sides[side].append(atom if size == 1 else Call("pow", (atom, Number(size))))
    if bracket is not None:
        sides[0].append(bracket)
    if roots[0] and roots[1]:
        sides[0].insert(0, call("sqrt", call("div", _times(roots[0]), _times(roots[1]))))
    else:
        for side in (0, 1):
            if roots[side]:
                sides[side].insert(0, call("sqrt", _times(roots[side])))
    sides[0].insert(0, Number(Fraction(scale.numerator)))
    sides[1].insert(0, Number(Fraction(scale.denominator)))
    result = call("div", _times(sides[0]), _times(sides[1]))
    return call("neg", result) if coefficient < 0 else result


def _kind(atom: Expr) -> int:
    """Order factors: numbers, symbols, sums, functions."""
    return 0 if isinstance(atom, Number) else 1 if isinstance(atom, Symbol) else 3 if _is_function(atom) else 2


def _times(factors: list[Expr]) -> Expr:
    product: Expr = ONE
    for factor in factors:
        product = call("mul", product, factor)
    return product
