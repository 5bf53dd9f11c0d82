"""Rules for layers and blocks: dropout, residual branches, correlations."""

from fractions import Fraction

from propstats.published.claims import Claim, Finding, Source

AUTOINIT = Source("cognizant-ai-labs/autoinit, estimators/dropout.py (021a505)")
ALPHA_DROPOUT = Source("Klambauer et al. 2017, Self-Normalizing Neural Networks, arXiv:1706.02515")
FIXUP = Source("hongyi-zhang/Fixup, cifar/models (e57b6c0)")
FIXUP_IMAGENET = Source("hongyi-zhang/Fixup, imagenet/models (6e6b7c5)")
FIXUP_FAIRSEQ = Source("hongyi-zhang/Fixup, fairseq/models/transformer_zero.py (be6a85a)")
FIXUP_ATTENTION = Source("hongyi-zhang/Fixup, fairseq/modules/multihead_attention_zero.py (be6a85a)")
NF_RESNET = Source("huggingface/pytorch-image-models, timm/models/nfnet.py (aa4b585)")
DEEP_SCALE = Source("akhilkedia/TranformersGetStable, simulations/approximations.py (7f48e64)")
FREE = Source("redachhaibi/FreeNN, experiments/newton_lilypads.py (1cb854d)")

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
#: E[relu(u) relu(v)]/E[relu(u)^2] for correlation c, v integrated out: given u, it is N(c u, 1 - c^2).
_KERNEL = '2*expect("where(x > 0, x*(c*x*Phi(c*x/t) + t*phi(c*x/t)), 0)", c=c, t=sqrt(1 - c**2))'
#: The arc sine of c, which the language does not have.
_ARC_SINE = "atan(c/sqrt(1 - c**2))"
_Q = tuple({"q": q} for q in ("1/2", "1", "3"))


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
        FIXUP_IMAGENET,
        "FixupBottleneck",
        "power of the number of blocks, three layers a block, by the paper's -1/(2m - 2)",
        "-0.25",
        "-1/(2*3 - 2)",
        equal=True,
    ),
    Claim(
        "fixup-transformer",
        FIXUP_FAIRSEQ,
        "fc1",
        "scale of two layers in L blocks by L^(-1/(2m - 2)): two blocks an encoder layer, three a decoder layer",
        "1/sqrt(e*2 + d*3)",
        "(2*e + 3*d)**(-1/(2*2 - 2))",
        at=({"e": "6", "d": "6"}, {"e": "1", "d": "2"}),
        note="e encoder and d decoder layers",
    ),
    Claim(
        "fixup-attention",
        FIXUP_ATTENTION,
        "in_proj_weight",
        "power of the number of blocks for attention, m = 4, by the paper's -1/(2m - 2)",
        "-1/6",
        "-1/(2*4 - 2)",
        equal=True,
    ),
    Claim(
        "nf-resnet-variance",
        NF_RESNET,
        "expected_var",
        "variance of the stream after i blocks of a stage, branches scaled by alpha",
        "1 + i alpha^2",
        _branch_variances,
    ),
    Claim(
        "deepscale-relu",
        DEEP_SCALE,
        "cov_relu",
        "covariance after a ReLU of inputs of correlation c",
        f"(1/4 + {_ARC_SINE}/(2*pi))*c - (1 - sqrt(1 - c**2))/(2*pi)",
        f"{_KERNEL}/2 - mean(relu)**2",
        at=_CORRELATED,
    ),
    Claim(
        "deepscale-relu-fit",
        DEEP_SCALE,
        "cor_relu_approx",
        "correlation after a ReLU of inputs of correlation c",
        "0.7*c + 0.3*c**2",
        f"({_KERNEL}/2 - mean(relu)**2)/var(relu)",
        at=_CORRELATED,
        estimated=True,
        note="an approximation, and called one",
    ),
    Claim(
        "deepscale-ffn",
        DEEP_SCALE,
        "corr_ffn",
        "correlation after a feed-forward block of inputs of correlation c",
        f"(1/2 + {_ARC_SINE}/pi)*c + sqrt(1 - c**2)/pi",
        _KERNEL,
        at=_CORRELATED,
    ),
    Claim(
        "deepscale-ffn-fit",
        DEEP_SCALE,
        "cor_relu_approx, the second",
        "correlation after a feed-forward block of inputs of correlation c",
        "1/pi + 0.5*c + (0.5 - 1/pi)*c**2",
        _KERNEL,
        at=_CORRELATED,
        estimated=True,
        note="an approximation, and called one",
    ),
    Claim(
        "freenn-relu", FREE, "compute_g", "second moment after a ReLU", "0.5*q", "second_moment(relu, s=sqrt(q))", at=_Q
    ),
    Claim(
        "freenn-hardtanh",
        FREE,
        "compute_g",
        "second moment after hardtanh",
        "q*erf(1/sqrt(2*q)) - sqrt(2*q/pi)*exp(-1/(2*q))",
        "second_moment(hardtanh, s=sqrt(q))",
        at=_Q,
        note="what saturated units add is missing: this is E[x^2] over |x| < 1",
    ),
    Claim(
        "freenn-hardtanh-slope",
        FREE,
        "compute_C",
        "share of units in which hardtanh is linear",
        "0.5*erf(1/sqrt(2*q))",
        "mean_slope(hardtanh, s=sqrt(q))",
        at=_Q,
        note="half of it: one side of 0",
    ),
)
