"""Closed forms of neural-tangents."""

from fractions import Fraction

from propstats.published.claims import Claim, Finding, Source, number, shortened
from propstats.published.printed import Printed

TANGENTS = Source("google/neural-tangents, stax/elementwise.py (c17e770)")

_Q = tuple({"q": q} for q in ("1/10", "1", "3"))
_AFFINE = tuple({"q": q, "a": a, "b": b, "c": c} for q, a, b, c in (("1", "2", "1", "0"), ("1/2", "1", "3/2", "1/3")))


def _loss_slope(width: Fraction) -> Printed:
    """Return the slope in a of the squared loss of `erf(x/a)/2 + 1/2` against the sigmoid on [-5, 5].

    The integral over an interval is an expectation of the integrand divided by the density.
    """
    a = f"({width.numerator}/{width.denominator})"
    error = f"(erf(x/{a})/2 + 1/2 - sigmoid(x))*x*exp(-(x/{a})**2)*exp(x**2/2)"
    return number(f'expect("where(x > -5, where(x > 5, 0, {error}), 0)")')


def _sigmoid_like() -> Finding:
    """Find the width at which the slope of the loss is 0, by secants; its sign proves where that is."""
    printed, places = Printed.read("2.4020563531719796"), 10**20
    low, high = Fraction("2.402"), Fraction("2.403")
    for _ in range(5):
        below, above = (_loss_slope(width).value for width in (low, high))
        low, high = high, Fraction(round((low - below * (high - low) / (above - below)) * places), places)
    near = Fraction(1, 10**15)
    proven = _loss_slope(high - near).value * _loss_slope(high + near).value < 0
    root = Printed("", high, near)
    return Finding(proven and printed.overlaps(root), shortened(Printed(f"{float(high):.13g}", high, near), 13))


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "nt-gelu",
        TANGENTS,
        "Gelu",
        "second moment at variance q",
        "q*(1/4 + (q/((q + 1)*sqrt(1 + 2*q)) + atan(q/sqrt(1 + 2*q))/2)/pi)",
        "second_moment(gelu, s=sqrt(q))",
        at=_Q,
    ),
    Claim(
        "nt-erf",
        TANGENTS,
        "Erf",
        "second moment at variance q",
        "2/pi*atan(q/sqrt(q + 1/4))",
        "second_moment(erf, s=sqrt(q))",
        at=_Q,
    ),
    Claim(
        "nt-abrelu",
        TANGENTS,
        "ABRelu",
        "second moment at variance q",
        "q*(a**2 + b**2)/2",
        'second_moment("where(x > 0, b*x, a*x)", a=a, b=b, s=sqrt(q))',
        at=_AFFINE,
    ),
    Claim(
        "nt-sin",
        TANGENTS,
        "Sin",
        "second moment of a sin(b x + c) at variance q",
        "a**2/2*(1 - exp(-2*b**2*q)*cos(2*c))",
        'second_moment("a*sin(b*x + c)", a=a, b=b, c=c, s=sqrt(q))',
        at=_AFFINE,
    ),
    Claim(
        "nt-exp",
        TANGENTS,
        "Exp",
        "second moment of a exp(b x) at variance q",
        "a**2*exp(2*b**2*q)",
        'second_moment("a*exp(b*x)", a=a, b=b, s=sqrt(q))',
        at=_AFFINE,
    ),
    Claim(
        "nt-gaussian",
        TANGENTS,
        "Gaussian",
        "second moment of exp(-x^2) at variance q",
        "1/sqrt(1 + 4*q)",
        "second_moment(gaussian, s=sqrt(q))",
        at=_Q,
    ),
    Claim(
        "nt-monomial",
        TANGENTS,
        "Monomial",
        "second moment of x^3 at variance q",
        "15*q**3",
        "second_moment(cube, s=sqrt(q))",
        at=_Q,
    ),
    Claim(
        "nt-sigmoid-like",
        TANGENTS,
        "Sigmoid_like",
        "width at which erf(x/a)/2 + 1/2 is nearest to the sigmoid on [-5, 5]",
        "2.4020563531719796",
        _sigmoid_like,
        note="in the mean square",
    ),
)
