"""Arpit et al. 2016, Normalization Propagation."""

from fractions import Fraction

from propstats.published import exact_batch_norm, exact_matrices
from propstats.published.claims import Claim, Finding, Source
from propstats.published.comparison import differs

PAPER = Source("Arpit et al. 2016, Normalization Propagation, arXiv:1603.01431", seed=True)

#: Values of the slope of PReLU; three decide between polynomials of degree two.
_SLOPES = tuple({"a": a} for a in ("-1/2", "0", "0.01", "1/4", "2"))

#: Test errors of Table 1, in per cent: NormProp, then all but batch normalisation.
_TABLE_1 = {
    "CIFAR-10": ("9.11", ("9.59", "10.47", "9.69", "11.68")),
    "CIFAR-10, augmented": ("7.47", ("7.51", "8.81", "7.97", "9.38")),
    "CIFAR-100": ("32.19", ("34.40", "35.68", "34.57", "38.57")),
    "CIFAR-100, augmented": ("29.24", ("30.83",)),
    "SVHN": ("1.88", ("2.35", "1.92", "2.47")),
}

#: The network of section 5: C(filters, size, stride, padding) and P(size, stride, padding).
_NETWORK = (
    ("C", 5, 1, 2),
    ("C", 1, 1, 0),
    ("P", 3, 2, 1),
    ("C", 1, 1, 0),
    ("C", 5, 1, 2),
    ("C", 1, 1, 0),
    ("P", 3, 2, 1),
    ("C", 1, 1, 0),
    ("C", 5, 1, 0),
    ("C", 1, 1, 2),
    ("C", 1, 1, 0),
    ("P", 8, 8, 0),
)


def _beats_the_others() -> Finding:
    behind = [name for name, (own, others) in _TABLE_1.items() if Fraction(own) >= min(map(Fraction, others))]
    return Finding(not behind, f"lowest error in {len(_TABLE_1) - len(behind)} of {len(_TABLE_1)} columns")


def _layers() -> Finding:
    found = sum(kind == "C" for kind, *_ in _NETWORK)
    return Finding(found == 9, f"{found} convolutions")


def _fits() -> Finding:
    size = 32
    for _, kernel, stride, padding in _NETWORK:
        size = (size + 2 * padding - kernel) // stride + 1
    return Finding(size == 1, f"{size} x {size} after the last layer")


CLAIMS: tuple[Claim, ...] = (
    Claim("normprop-remark-1-mean", PAPER, "Remark 1", "mean after a ReLU", "1/sqrt(2*pi)", "mean(relu)", equal=True),
    Claim(
        "normprop-remark-1-var", PAPER, "Remark 1", "variance after a ReLU", "1/2*(1 - 1/pi)", "var(relu)", equal=True
    ),
    Claim(
        "normprop-remark-2-mean",
        PAPER,
        "Remark 2",
        "mean after a PReLU",
        "(1 - a)*1/sqrt(2*pi)",
        "mean(prelu, a=a)",
        at=_SLOPES,
    ),
    Claim(
        "normprop-remark-2-var",
        PAPER,
        "Remark 2",
        "variance after a PReLU",
        "1/2*((1 + a**2) - (1 - a)**2/pi)",
        "var(prelu, a=a)",
        at=_SLOPES,
    ),
    Claim(
        "normprop-shift",
        PAPER,
        "section 3.3",
        "what is subtracted after a ReLU",
        "sqrt(1/(2*pi))",
        "normprop_shift(relu)",
        equal=True,
    ),
    Claim(
        "normprop-scale",
        PAPER,
        "section 3.3",
        "what a ReLU's output is divided by",
        "sqrt(1/2*(1 - 1/pi))",
        "normprop_scale(relu)",
        equal=True,
    ),
    Claim(
        "normprop-bound",
        PAPER,
        "Proposition 1, Eq. 3",
        "bound on the covariances of Wx by the coherence of W",
        "sigma^2 mu sqrt(sum |W_i|^2 |W_j|^2)",
        exact_matrices.bound_holds,
        note="with |W_i|^4 in place of |W_i|^2 the two sides would not scale alike",
    ),
    Claim(
        "normprop-alpha",
        PAPER,
        "Proposition 1",
        "the nearest diagonal to the covariance of Wx",
        "alpha_i = sigma^2 |W_i|^2",
        exact_matrices.diagonal_is_best,
    ),
    Claim(
        "normprop-sigma",
        PAPER,
        "section 3.4",
        "factor of W W^T in the covariance, at sigma = 1",
        "sigma",
        "sigma**2",
        at=({"sigma": "1"},),
        note="sigma^2 in Proposition 1; at 1 they are the same",
    ),
    Claim(
        "normprop-half",
        PAPER,
        "section 3.4, Eq. 7",
        "mean of the indicator of an active unit",
        "0.5",
        'expect("where(x > 0, 1, 0)")',
        equal=True,
    ),
    Claim(
        "normprop-mean-square", PAPER, "section 3.4", "E[JJ^T] of a layer, diagonal", "1.47", "jacobian_factor(relu)**2"
    ),
    Claim("normprop-root", PAPER, "section 3.4", "sqrt(1.47)", "1.21", "sqrt(1.47)"),
    Claim(
        "normprop-jacobian",
        PAPER,
        "section 3.4",
        "root mean square of the singular values",
        "1.21",
        "jacobian_factor(relu)",
    ),
    Claim(
        "normprop-singular-values",
        PAPER,
        "section 3.4",
        "the singular values themselves, where they are not 0",
        "1.21",
        "unit_variance_gain(relu)",
        note="by Eq. 6 those of one input are 0, for half of the units, or 1/c1; 1.21 is their root mean square",
    ),
    Claim(
        "normprop-canonical-mean",
        PAPER,
        "section 3.3",
        "mean of what the next layer gets",
        "0",
        "(mean(relu) - 1/sqrt(2*pi))/sqrt(1/2*(1 - 1/pi))",
        equal=True,
    ),
    Claim(
        "normprop-canonical-var",
        PAPER,
        "section 3.3",
        "variance of what the next layer gets",
        "1",
        "var(relu)/(1/2*(1 - 1/pi))",
        equal=True,
    ),
    Claim(
        "normprop-gamma",
        PAPER,
        "section 4.3.1",
        "Jacobian factor with gamma = 1/1.21",
        "1",
        "jacobian_factor(relu)/1.21",
    ),
    Claim(
        "normprop-gamma-mean",
        PAPER,
        "section 4.3.1, Eq. 9",
        "mean of what the next layer gets, gamma = 1/1.21",
        "0",
        "(mean(relu, s=1/1.21) - 1/sqrt(2*pi))/sqrt(1/2*(1 - 1/pi))",
        equal=True,
        note="the constants belong to gamma = 1; section 3.3 states it of every layer",
    ),
    Claim(
        "normprop-gamma-var",
        PAPER,
        "section 4.3.1, Eq. 9",
        "variance of what the next layer gets, gamma = 1/1.21",
        "1",
        "var(relu, s=1/1.21)/(1/2*(1 - 1/pi))",
        equal=True,
        note="the constants belong to gamma = 1; section 3.3 states it of every layer",
    ),
    Claim(
        "normprop-pooling",
        PAPER,
        "section 3.2",
        "pooling independent units changes mean and standard deviation",
        "different",
        lambda: differs('expect("9*x*Phi(x)**8")', "0", "mean of a 3x3 maximum of N(0, 1)"),
    ),
    Claim(
        "normprop-weight-scale",
        PAPER,
        "section 4.4",
        "the scale of a weight vector does not affect the output",
        "no effect",
        exact_matrices.row_scale_is_free,
    ),
    Claim(
        "normprop-batch-of-one",
        PAPER,
        "section 1",
        "batch normalisation cannot train with batches of size 1",
        "inapplicable",
        exact_batch_norm.batch_of_one,
    ),
    Claim("normprop-layers", PAPER, "section 5.2", "layers of the network that is described", "9", _layers),
    Claim(
        "normprop-network-fits",
        PAPER,
        "section 5",
        "P(8, 8, 0, avg) averages all that is left of 32x32",
        "1 x 1",
        _fits,
    ),
    Claim(
        "normprop-table-1",
        PAPER,
        "section 5.5, Table 1",
        "NormProp beats the state of the art listed",
        "lowest error",
        _beats_the_others,
    ),
)
