"""Formulas and rules of other packages."""

from fractions import Fraction

from propstats.published.claims import Claim, Finding, Source, number, shortened
from propstats.published.printed import Printed

TANGENTS = Source("google/neural-tangents, stax/elementwise.py (c17e770)")
UNIT = Source("graphcore-research/unit-scaling, functional.py (1db27c1)")
UNIT_FIRST = Source("graphcore-research/unit-scaling, functional.py (0034f27)")
AUTOINIT = Source("cognizant-ai-labs/autoinit, estimators/dropout.py (021a505)")
FIXUP = Source("hongyi-zhang/Fixup, cifar/models (e57b6c0)")
FIXUP_PAPER = Source("Zhang, Dauphin & Ma 2019, Fixup, arXiv:1901.09321")

_Q = tuple({"q": q} for q in ("1/10", "1", "3"))
_AFFINE = tuple({"q": q, "a": a, "b": b, "c": c} for q, a, b, c in (("1", "2", "1", "0"), ("1/2", "1", "3/2", "1/3")))
_DROPOUT = tuple({"p": p, "m": m, "v": v} for p, m, v in (("1/2", "0", "1"), ("1/4", "1/2", "1"), ("1/2", "1", "2")))
_KEPT = tuple({"p": p} for p in ("1/10", "1/2"))

_GELU_SCALE = "exp(0.8*log(sqrt(2/(1 - 1/pi))) + 0.2*log(2))"
_FIT = "an empirical model, here at mult = 1"


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
    Claim(
        "unit-gelu",
        UNIT,
        "gelu",
        "scale to unit standard deviation",
        _GELU_SCALE,
        "unit_variance_gain(gelu)",
        equal=True,
        estimated=True,
        note=_FIT,
    ),
    Claim(
        "unit-gelu-grad",
        UNIT,
        "gelu",
        "scale to a unit gradient",
        "exp(0.8*log(sqrt(2)) + 0.2*log(2))",
        "1/std(gelu)",
        equal=True,
        estimated=True,
        note=_FIT,
    ),
    Claim(
        "unit-silu",
        UNIT,
        "silu",
        "scale to unit standard deviation",
        _GELU_SCALE,
        "unit_variance_gain(silu)",
        equal=True,
        estimated=True,
        note=_FIT,
    ),
    Claim(
        "unit-silu-grad",
        UNIT,
        "silu",
        "scale to a unit gradient",
        "exp(0.5*log(sqrt(2)) + 0.5*log(2))",
        "1/std(silu)",
        equal=True,
        estimated=True,
        note=_FIT,
    ),
    Claim(
        "unit-silu-glu",
        UNIT,
        "silu_glu",
        "scale to unit standard deviation",
        "exp(0.5*log(sqrt(2)) + 0.5*log(2))",
        "gain(silu)",
        equal=True,
        estimated=True,
        note=_FIT,
    ),
    Claim(
        "unit-dropout",
        UNIT,
        "dropout",
        "scale to unit standard deviation",
        "(1 - p)**0.5",
        "1/(sqrt(1 - p)/(1 - p))",
        at=_KEPT,
        note="for inputs of mean 0",
    ),
    Claim(
        "unit-first-gelu",
        UNIT_FIRST,
        "gelu",
        "standard deviation of the output",
        "0.588",
        "normprop_scale(gelu)",
        estimated=True,
    ),
    Claim(
        "unit-first-gelu-grad",
        UNIT_FIRST,
        "gelu",
        "standard deviation of the gradient",
        "0.675",
        "std(gelu)",
        estimated=True,
    ),
    Claim(
        "unit-first-softmax",
        UNIT_FIRST,
        "softmax",
        "standard deviation of the output times a large width",
        "1.31",
        "normprop_scale(exp)/mean(exp)",
        estimated=True,
    ),
    Claim(
        "unit-first-softmax-grad",
        UNIT_FIRST,
        "softmax",
        "standard deviation of the gradient times a large width",
        "1.65",
        "std(exp)/mean(exp)",
        estimated=True,
    ),
    Claim(
        "autoinit-dropout",
        AUTOINIT,
        "Dropout",
        "variance after dropout at rate p that rescales",
        "v/(1 - p)",
        "(v + m**2)/(1 - p) - m**2",
        at=_DROPOUT,
        note="right for mean 0; m is the mean and v the variance of the input",
    ),
    Claim(
        "autoinit-spatial-dropout",
        AUTOINIT,
        "SpatialDropout",
        "variance after dropout at rate p that does not rescale",
        "v*(1 - p)",
        "(v + m**2)*(1 - p) - (m*(1 - p))**2",
        at=_DROPOUT,
        note="right for mean 0; m is the mean and v the variance of the input",
    ),
    Claim(
        "fixup-basic",
        FIXUP,
        "FixupBasicBlock",
        "power of the number of blocks, two layers a block, by the paper's -1/(2m - 2)",
        "-0.5",
        "-1/(2*2 - 2)",
        equal=True,
    ),
    Claim(
        "fixup-bottleneck",
        FIXUP_PAPER,
        "rule 2, three layers a block",
        "power of the number of blocks by -1/(2m - 2)",
        "-0.25",
        "-1/(2*3 - 2)",
        equal=True,
    ),
    Claim(
        "fixup-blocks",
        FIXUP,
        "fixup_resnet110",
        "blocks of a ResNet-110, two layers each besides the first and the last",
        "18 + 18 + 18",
        "(110 - 2)/2",
        equal=True,
    ),
)
