"""Scales of Graphcore's unit-scaling: a fit today, sampled numbers at first."""

from propstats.published.claims import Claim, Source

UNIT = Source("graphcore-research/unit-scaling, functional.py (1db27c1)")
UNIT_FIRST = Source("graphcore-research/unit-scaling, functional.py (0034f27)")

_KEPT = tuple({"p": p} for p in ("1/10", "1/2"))

_GELU_SCALE = "exp(0.8*log(sqrt(2/(1 - 1/pi))) + 0.2*log(2))"
_FIT = "an empirical model, here at mult = 1"

CLAIMS: tuple[Claim, ...] = (
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
)
