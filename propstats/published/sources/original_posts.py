"""Feng Wang 2016, on normalising all layers: the table of one post, and the posts before and after it."""

from propstats.published import exact_matrices
from propstats.published.claims import Claim, Finding, Source
from propstats.published.comparison import same_number

TABLE = Source("Feng Wang 2016, Normalizing All Layers: Back-Propagation, the table of the original post")
FORWARD = Source("Feng Wang 2016, Normalization Propagation")
STRIDE = Source("Feng Wang 2016, Normalizing All Layers: Stride")

_KEPT = tuple({"p": p} for p in ("1/4", "1/2", "9/10"))
_SIDES = tuple({"s": s} for s in ("2", "3", "5"))


def _closed_form_of_four() -> Finding:
    closed = "6*atan(sqrt(2))/pi**1.5"
    found = same_number(closed, 'expect("4*x*Phi(x)**3")')
    return Finding(not found, closed if found else "none known")


def _bound_is_wrong() -> Finding:
    found = exact_matrices.bound_holds()
    return Finding(not found.holds, f"the bound holds: {found.exact}" if found.holds else found.exact)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "backward-table-relu-mean",
        TABLE,
        "section 6",
        "mean after a ReLU",
        "sqrt(1/(2*pi))",
        "normprop_shift(relu)",
        equal=True,
    ),
    Claim(
        "backward-table-relu-std",
        TABLE,
        "section 6",
        "standard deviation after a ReLU",
        "sqrt(1/2 - 1/(2*pi))",
        "normprop_scale(relu)",
        equal=True,
    ),
    Claim(
        "backward-table-sigmoid-mean",
        TABLE,
        "section 6",
        "mean after a sigmoid",
        "1/2",
        "normprop_shift(sigmoid)",
        equal=True,
    ),
    Claim(
        "backward-table-sigmoid-std",
        TABLE,
        "section 6",
        "standard deviation after a sigmoid",
        "0.2083",
        "normprop_scale(sigmoid)",
        estimated=True,
    ),
    Claim(
        "backward-table-max-mean",
        TABLE,
        "section 6",
        "mean after 3x3 max pooling",
        "1.4850",
        'expect("9*x*Phi(x)**8")',
        estimated=True,
    ),
    Claim(
        "backward-table-max-std",
        TABLE,
        "section 6",
        "standard deviation after 3x3 max pooling",
        "0.5978",
        'sqrt(expect("9*x**2*Phi(x)**8") - expect("9*x*Phi(x)**8")**2)',
        estimated=True,
    ),
    Claim(
        "backward-table-average-std",
        TABLE,
        "section 6",
        "standard deviation after s x s average pooling",
        "1/s",
        'sqrt(s**2*expect("x**2"))/s**2',
        at=_SIDES,
        note="independent inputs",
    ),
    Claim(
        "backward-table-average-backward",
        TABLE,
        "section 6",
        "standard deviation of the gradient before s x s average pooling",
        "1/s**2",
        'sqrt(expect("x**2"))/s**2',
        at=_SIDES,
        note="windows that do not overlap",
    ),
    Claim(
        "backward-table-dropout",
        TABLE,
        "section 6",
        "standard deviation after dropout that keeps with probability p and divides by p",
        "sqrt(1/p)",
        'sqrt(p*expect("x**2"))/p',
        at=_KEPT,
        note="the text divides by sqrt(q) instead, which belongs to values that were not rescaled",
    ),
    Claim(
        "posts-table-dropout-backward",
        TABLE,
        "section 6",
        "standard deviation of the gradient before dropout that keeps with probability p and divides by p",
        "sqrt(1/p)",
        'sqrt(p*expect("(x/p)**2"))',
        at=_KEPT,
    ),
    Claim(
        "forward-max-2x2-mean",
        FORWARD,
        "pooling",
        "mean after 2x2 max pooling",
        "1.0291",
        'expect("4*x*Phi(x)**3")',
        estimated=True,
    ),
    Claim(
        "forward-max-2x2-std",
        FORWARD,
        "pooling",
        "standard deviation after 2x2 max pooling",
        "0.7010",
        'sqrt(expect("4*x**2*Phi(x)**3") - expect("4*x*Phi(x)**3")**2)',
        estimated=True,
    ),
    Claim(
        "forward-max-2x2-closed",
        FORWARD,
        "pooling",
        "the mean of the largest of four has no closed form",
        "none",
        _closed_form_of_four,
        note="the integral and the formula agree in thirty digits",
    ),
    Claim(
        "forward-dropout",
        FORWARD,
        "section 5",
        "standard deviation after dropout that keeps with probability p and divides by nothing",
        "sqrt(p)",
        'sqrt(p*expect("x**2") - (p*expect("x"))**2)',
        at=_KEPT,
    ),
    Claim(
        "forward-bound",
        FORWARD,
        "appendix A",
        "Eq. 3 of Arpit et al. mistakes |W_i|^4 for |W_i|^2: the bound is wrong",
        "wrong",
        _bound_is_wrong,
        note="squared, it has |W_i|^2 |W_j|^2, as (W_i . W_j)^2 has: both sides scale alike",
    ),
    Claim(
        "stride-counts",
        STRIDE,
        "3x3, stride 2",
        "root mean square of the counts 4, 2, 2, 1",
        "5/2",
        "sqrt((4**2 + 2**2 + 2**2 + 1**2)/4)",
        equal=True,
    ),
    Claim(
        "stride-std",
        STRIDE,
        "3x3, stride 2",
        "standard deviation of the gradient behind a flat filter of length 1",
        "5/6",
        "sqrt((4 + 2 + 2 + 1)/4)/3",
        equal=True,
        note="for independent gradients, as in the post before; 5/6 is for gradients that are all the same",
    ),
)
