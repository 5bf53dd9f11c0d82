"""Rules for layers and blocks: dropout, residual branches, correlations."""

from fractions import Fraction

from propstats.published.claims import Claim, Finding, Source

AUTOINIT = Source("cognizant-ai-labs/autoinit, estimators/dropout.py (021a505)")
ALPHA_DROPOUT = Source("Klambauer et al. 2017, Self-Normalizing Neural Networks, arXiv:1706.02515")
FIXUP = Source("hongyi-zhang/Fixup, cifar/models (e57b6c0)")
FIXUP_PAPER = Source("Zhang, Dauphin & Ma 2019, Fixup, arXiv:1901.09321")
FIXUP_ISSUE = Source("hongyi-zhang/Fixup, issue 8")
NF_RESNET = Source("deepmind-research, nfnets/nf_resnet.py, and timm, models/nfnet.py")
DEEP_SCALE = Source("akhilkedia/TranformersGetStable (7f48e64), DeepScaleLM")
FREE = Source("redachhaibi/FreeNN (1cb854d), HardTanh")

_DROPOUT = tuple({"p": p, "m": m, "v": v} for p, m, v in (("1/2", "0", "1"), ("1/4", "1/2", "1"), ("1/2", "1", "2")))
#: Share kept, what the others are set to, mean and variance of the input.
_ALPHA = tuple(
    {"k": k, "c": c, "m": m, "v": v} for k, c, m, v in (("9/10", "-1.758", "0", "1"), ("1/2", "-2", "1/3", "3/2"))
)
#: The divisor and the shift of the paper, and the moments of what they are applied to.
_FACTOR = "sqrt(v/(k*((1 - k)*(c - m)**2 + v)))"
_MIXED_MEAN = "(k*m + (1 - k)*c)"
_MIXED_VAR = f"(k*(v + m**2) + (1 - k)*c**2 - {_MIXED_MEAN}**2)"
_CORRELATED = tuple({"c": c} for c in ("0", "1/2", "9/10"))
#: E[relu(u) relu(v)]/E[relu(u)^2] for correlation c (Cho & Saul 2009).
_KERNEL = "(sqrt(1 - c**2) + c*(pi/2 + atan(c/sqrt(1 - c**2))))/pi"


def _branch_variances() -> Finding:
    """Add branches of variance alpha^2 to a stream that starts with variance 1, as NF-ResNets do in a stage."""
    alpha, variance, found = Fraction(1, 5), Fraction(1), []
    for _ in range(3):
        variance += alpha**2
        found.append(variance)
    holds = found == [1 + (i + 1) * alpha**2 for i in range(3)]
    return Finding(holds, ", ".join(f"{float(value):g}" for value in found) + " at alpha = 0.2")


CLAIMS: tuple[Claim, ...] = (
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
        "alpha-dropout-variance",
        ALPHA_DROPOUT,
        "section Dropout, factor a",
        "variance after alpha dropout, scaled: that of the input",
        f"{_FACTOR}**2*{_MIXED_VAR}",
        "v",
        at=_ALPHA,
        note="k is the share kept, c what the others are set to; m and v belong to the input",
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
        "fixup-blocks",
        FIXUP,
        "fixup_resnet110",
        "blocks of a ResNet-110, two layers each besides the first and the last",
        "18 + 18 + 18",
        "(110 - 2)/2",
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
        "fixup-attention",
        FIXUP_ISSUE,
        "answer",
        "power of the number of blocks for attention, m = 4, by -1/(2m - 2)",
        "-1/6",
        "-1/(2*4 - 2)",
        equal=True,
    ),
    Claim(
        "nf-resnet-variance",
        NF_RESNET,
        "expected variance",
        "variance of the stream after i blocks of a stage, branches scaled by alpha",
        "1 + i alpha^2",
        _branch_variances,
    ),
    Claim(
        "deepscale-relu",
        DEEP_SCALE,
        "ReLU",
        "correlation after a ReLU of inputs of correlation c",
        "0.7*c + 0.3*c**2",
        f"({_KERNEL}/2 - 1/(2*pi))/(1/2 - 1/(2*pi))",
        at=_CORRELATED,
        estimated=True,
        note="an approximation, and stated as one",
    ),
    Claim(
        "deepscale-ffn",
        DEEP_SCALE,
        "FFN",
        "correlation after a feed-forward block of inputs of correlation c",
        "1/pi + c/2 + (1/2 - 1/pi)*c**2",
        _KERNEL,
        at=_CORRELATED,
        estimated=True,
        note="an approximation, and stated as one",
    ),
    Claim(
        "freenn-hardtanh-second-moment",
        FREE,
        "q = 1",
        "second moment after hardtanh",
        "0.19875",
        "second_moment(hardtanh)",
        note="what saturated units add is missing: this is E[x^2] over |x| < 1",
    ),
    Claim(
        "freenn-hardtanh-slope",
        FREE,
        "q = 1",
        "share of units where hardtanh is linear",
        "0.3413",
        "mean_slope(hardtanh)",
        note="half of it: one side of 0",
    ),
)
