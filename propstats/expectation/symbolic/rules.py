"""The table of Gaussian integrals, and the rules that lead to it.

Each rule takes `E[g(x)]` over an interval, under `x ~ N(mu, s^2)`, and returns it as a sum of constants times simpler
expectations. Together they terminate: a rule lowers the power of x, removes the exponential, or ends.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from propstats.activations.derivative import differentiate
from propstats.activations.expression import ONE, ZERO, Call, Expr, Number, call, substitute
from propstats.activations.polynomial import Sum, canonical, normal, power_of, to_expr
from propstats.activations.syntax import parse
from propstats.expectation.symbolic.integrand import Integrand, coefficients, split


@dataclass(frozen=True, slots=True)
class Law:
    """The distribution `N(mean, var)` of x, as formulas."""

    mean: Expr
    var: Expr

    @property
    def std(self) -> Expr:
        """The standard deviation."""
        return to_expr(power_of(normal(self.var), Fraction(1, 2)))


@dataclass(frozen=True, slots=True)
class Expectation:
    """`E[integrand; low < x < high]` under a law; None stands for infinity."""

    integrand: Integrand
    law: Law
    low: Expr | None = None
    high: Expr | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the interval is the whole line."""
        return self.low is None and self.high is None


#: A constant, and the expectation that it multiplies; None for 1.
Part = tuple[Sum, Expectation | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A named rule.

    Args:
        name: What the field calls it.
        statement: What it says, as a formula in words.
        apply: Return the parts, or None where the rule does not apply.
    """

    name: str
    statement: str
    apply: Callable[[Expectation], list[Part] | None]


def _formula(text: str, **values: Expr) -> Expr:
    """Put formulas into a formula."""
    return substitute(parse(text, set(values)), values)


def _standardised(e: Expectation, end: Expr) -> Expr:
    return canonical(_formula("(k - m)/s", k=end, m=e.law.mean, s=e.law.std))


def _tilt(e: Expectation) -> list[Part] | None:
    """Complete the square."""
    g = e.integrand
    if g.a == ZERO and g.b == ZERO:
        return None
    shrink = canonical(_formula("1 - 2*a*v", a=g.a, v=e.law.var))
    m, v = e.law.mean, e.law.var
    law = Law(
        canonical(_formula("(m + b*v)/d", m=m, b=g.b, v=v, d=shrink)),
        canonical(_formula("v/d", v=v, d=shrink)),
    )
    exponent = canonical(_formula("(a*m**2 + b*m + b**2*v/2)/d", a=g.a, b=g.b, m=m, v=v, d=shrink))
    mass = power_of(normal(shrink), Fraction(-1, 2)) * normal(call("exp", exponent))
    return [(mass, replace(e, integrand=replace(g, a=ZERO, b=ZERO), law=law))]


def _stein(e: Expectation) -> list[Part] | None:
    """Lower the power of x by one."""
    g = e.integrand
    ends = [(end, sign) for end, sign in ((e.low, 1), (e.high, -1)) if end is not None]
    if g.power == 0 or (ends and g.factor != ONE):
        return None
    slopes = split(differentiate(g.factor, "x"))
    # Without a rule for the rest there is an end only if its slope brings no new power of x.
    if g.rest != ONE and (g.power > 1 or any(slope.power for _, slope in slopes)):
        return None
    lower = replace(g, power=g.power - 1)
    variance = normal(e.law.var)
    parts: list[Part] = [(normal(e.law.mean), replace(e, integrand=lower))]
    if g.power > 1:
        parts.append((variance.scaled(Fraction(g.power - 1)), replace(e, integrand=replace(g, power=g.power - 2))))
    for constant, slope in slopes:
        raised = replace(slope, power=slope.power + g.power - 1)
        parts.append((variance * constant, replace(e, integrand=raised)))
    for end, sign in ends:
        at_end = _formula("s*k**n*f", s=e.law.std, k=end, n=Number.of(g.power - 1), f=_density(e, end))
        parts.append((normal(at_end).scaled(Fraction(sign)), None))
    return [(constant, part) for constant, part in parts if constant.terms]


def _density(e: Expectation, end: Expr) -> Expr:
    return Call("phi", (_standardised(e, end),))


def _mass(e: Expectation) -> list[Part] | None:
    """The probability of an interval."""
    if e.integrand != Integrand():
        return None
    if e.is_whole:
        return [(normal(ONE), None)]
    if e.low is None:
        assert e.high is not None
        return [(normal(Call("Phi", (_standardised(e, e.high),))), None)]
    if e.high is None:
        return [(normal(Call("Phi", (canonical(call("neg", _standardised(e, e.low))),))), None)]
    return [(normal(Call("between", (_standardised(e, e.low), _standardised(e, e.high)))), None)]


def _smoothed(e: Expectation, cdf: Expr) -> tuple[Expr, Expr]:
    """Return h and p^2 v for a distribution function `Phi(p x + q)`: its mean is `Phi(h)`."""
    found = coefficients(cdf, 1)
    assert found is not None
    q, p = found
    spread = canonical(_formula("p**2*v", p=p, v=e.law.var))
    return canonical(_formula("(p*m + q)/sqrt(1 + w)", p=p, q=q, m=e.law.mean, w=spread)), spread


def _cdf(e: Expectation) -> list[Part] | None:
    """The mean of a normal distribution function."""
    g = e.integrand
    if not e.is_whole or len(g.cdfs) != 1 or g != Integrand(cdfs=g.cdfs):
        return None
    h, _ = _smoothed(e, g.cdfs[0])
    return [(normal(Call("Phi", (h,))), None)]


def _cdf_squared(e: Expectation) -> list[Part] | None:
    """The mean square of a normal distribution function: two standard normals with correlation w/(1 + w), below h."""
    g = e.integrand
    if not e.is_whole or len(g.cdfs) != 2 or g.cdfs[0] != g.cdfs[1] or g != Integrand(cdfs=g.cdfs):
        return None
    h, spread = _smoothed(e, g.cdfs[0])
    angle = canonical(_formula("1/sqrt(1 + 2*w)", w=spread))
    return [(normal(_formula("Phi(h)", h=h)) - normal(Call("owens_t", (h, angle))).scaled(Fraction(2)), None)]


def _wave(e: Expectation) -> list[Part] | None:
    """The mean of a sine or cosine: the characteristic function."""
    g = e.integrand
    if not e.is_whole or g.wave is None or g != Integrand(wave=g.wave):
        return None
    found = coefficients(g.wave.args[0], 1)
    assert found is not None
    c, k = found
    inner = canonical(_formula("k*m + c", k=k, m=e.law.mean, c=c))
    damping = canonical(_formula("-k**2*v/2", k=k, v=e.law.var))
    return [(normal(Call(g.wave.function, (inner,))) * normal(call("exp", damping)), None)]


#: In the order in which they are tried.
RULES: tuple[Rule, ...] = (
    Rule("probability of an interval", "E[1; a < x < b] = Phi((b - mu)/s) - Phi((a - mu)/s)", _mass),
    Rule(
        "complete the square",
        "E[exp(a x^2 + b x) g(x)] = d^(-1/2) exp((a mu^2 + b mu + b^2 s^2/2)/d) E'[g(x)], with d = 1 - 2 a s^2 > 0 and"
        " E' under x ~ N((mu + b s^2)/d, s^2/d)",
        _tilt,
    ),
    Rule("smoothed distribution function", "E[Phi(p x + q)] = Phi((p mu + q)/sqrt(1 + p^2 s^2))", _cdf),
    Rule(
        "squared distribution function",
        "E[Phi(p x + q)^2] = Phi(h) - 2 T(h, 1/sqrt(1 + 2 p^2 s^2)), with h = (p mu + q)/sqrt(1 + p^2 s^2) and"
        " Owen's T",
        _cdf_squared,
    ),
    Rule("characteristic function", "E[cos(k x + c)] = exp(-k^2 s^2/2) cos(k mu + c), and the same for sin", _wave),
    Rule(
        "Stein's lemma",
        "E[x g(x); a < x < b] = mu E[g] + s^2 E[g'] + s (g(a) phi((a - mu)/s) - g(b) phi((b - mu)/s)), the last term"
        " only where the interval ends",
        _stein,
    ),
)
