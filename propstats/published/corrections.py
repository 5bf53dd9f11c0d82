"""What other projects could be sent: their numbers beside exact ones, and how to check them without propstats."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from propstats.published.claims import Claim, number, shortened
from propstats.published.judgement import judge_all
from propstats.published.printed import Printed
from propstats.published.sources import e3nn, frameworks, nf_nets, unit_scaling

_HEAD = """\
# Numbers of other projects, beside exact ones

Written by `propstats claims --corrections reports/published.md`. Each section can be sent to its project as it stands:
it says which numbers are meant, what is exact in seventeen digits (as many as tell two doubles apart), and how to see
it with mpmath alone. Every exact digit is proven when this page is written, by ball arithmetic.
"""
#: What reads these is Python with mpmath; `phi` and `what` are put in.
_CHECK = """\
```python
from mpmath import exp, inf, mp, npdf, quad, sqrt, tanh

mp.dps = 30


def moment(f):  # E[f(z)], z ~ N(0, 1)
    return quad(lambda z: f(z) * npdf(z), [-inf, -4, 0, 4, inf])


{definition}

print(mp.nstr({expression}, 17, strip_zeros=False))  # {value}
```"""
#: Digits that tell two doubles apart.
_DOUBLE = 17


@dataclass(frozen=True, slots=True)
class Correction:
    """What one project could be sent.

    Args:
        title: In a line.
        about: What the numbers are for, and what is off.
        claims: The claims, of formulas and numbers.
        remedy: What could be done.
        definition: Python that defines what is checked.
        expression: What of it is printed.
        checked: The claim that it checks.
    """

    title: str
    about: str
    claims: Sequence[Claim]
    remedy: str
    definition: str
    expression: str
    checked: str


_RELU_SCALE = "1 / sqrt(moment(lambda z: phi(z) ** 2) - moment(phi) ** 2)"
_SILU = "def phi(z):  # SiLU\n    return z / (1 + exp(-z))\n"

CORRECTIONS: tuple[Correction, ...] = (
    Correction(
        title="NF-Nets (deepmind-research nfnets/base.py, timm models/nfnet.py): sampled gammas",
        about=(
            "`gamma` gives an activation of N(0, 1) unit variance: `1/sqrt(Var phi(z))`. The table was estimated from"
            " random samples, and what was estimated is printed with sixteen digits. celu and elu are one function at"
            " `alpha = 1`, and log_sigmoid and softplus mirror each other, so each pair has one gamma."
        ),
        claims=tuple(claim for claim in nf_nets.CLAIMS if claim.source is nf_nets.NF_NETS),
        remedy="Print the exact numbers, or compute them: none needs samples.",
        definition="def phi(z):  # ReLU\n    return max(z, 0)\n",
        expression=_RELU_SCALE,
        checked="nfnets-relu",
    ),
    Correction(
        title="torch: `torch.nn.init.calculate_gain`",
        about=(
            "A gain keeps the second moment of a signal from layer to layer: `1/sqrt(E[phi(z)^2])`, z ~ N(0, 1), which"
            " is what the values for linear layers, ReLU and leaky ReLU are. The others are of another kind: tanh's 5/3"
            " is larger than its gain, sigmoid's 1 is the identity's, and SELU's 3/4 undoes what SELU's constants were"
            " chosen for, which is that its gain is 1."
        ),
        claims=tuple(claim for claim in frameworks.CLAIMS if claim.source is frameworks.TORCH_GAIN and not claim.at),
        remedy="Say in the documentation which gains keep second moments and which were chosen otherwise.",
        definition="phi = tanh",
        expression="1 / sqrt(moment(lambda z: phi(z) ** 2))",
        checked="torch-gain-tanh",
    ),
    Correction(
        title="e3nn: `normalize2mom` samples a number that is known",
        about=(
            "`normalize2mom(phi).cst` is `1/sqrt(E[phi(z)^2])`, z ~ N(0, 1), from a million samples of seed 0; the"
            " sample has a second moment below 1, so that all factors come out too large. The numbers are those of"
            " torch 2.13 on a CPU; another generator has others, and a network that was trained with one is rebuilt"
            " with another."
        ),
        claims=e3nn.CLAIMS,
        remedy="Integrate instead: a quadrature split at 0 has fifteen digits, is quicker, and is the same everywhere.",
        definition=_SILU,
        expression="1 / sqrt(moment(lambda z: phi(z) ** 2))",
        checked="e3nn-silu",
    ),
    Correction(
        title="unit-scaling: fitted scales of gelu, silu and silu_glu",
        about=(
            "The scales give activations and gradients unit standard deviation for N(0, 1) inputs. They come from an"
            " empirical model, here at `mult = 1`."
        ),
        claims=tuple(claim for claim in unit_scaling.CLAIMS if claim.source is unit_scaling.UNIT and not claim.at),
        remedy="Use the exact scale of each function; for gelu and silu_glu it is a closed form or one integral.",
        definition=_SILU,
        expression="1 / sqrt(moment(lambda z: phi(z) ** 2) - moment(phi) ** 2)",
        checked="unit-silu",
    ),
)


def corrections_page() -> str:
    """Write the numbers of other projects beside exact ones, as Markdown.

    >>> corrections_page().splitlines()[0]
    '# Numbers of other projects, beside exact ones'
    """
    return "\n".join([_HEAD, *map(_section, CORRECTIONS)])


def _section(correction: Correction) -> str:
    judged = {claim.id: claim for claim in judge_all(claims=correction.claims).claims}
    exact_of = {claim.id: shortened(_exact(claim), _DOUBLE) for claim in correction.claims}
    errors = [judged[claim.id].relative_error or 0.0 for claim in correction.claims]
    off = [error for error in errors if error]
    summary = (
        f"{len(off)} of {len(errors)} are off; those by {mean(off):+.1e} on average, relatively, and by"
        f" {max(off, key=abs):+.1e} at most."
    )
    table = ["| what | printed | exact | relative error |", "|---|---|---|---|"]
    for claim, error in zip(correction.claims, errors, strict=True):
        table.append(f"| {_what(claim)} | {_printed(claim)} | {exact_of[claim.id]} | {error:+.1e} |")
    check = _CHECK.format(
        definition=correction.definition, expression=correction.expression, value=exact_of[correction.checked]
    )
    return "\n\n".join(
        [f"## {correction.title}", correction.about, summary, "\n".join(table), correction.remedy, check, ""]
    )


def _exact(claim: Claim) -> Printed:
    assert isinstance(claim.exact, str)
    return number(claim.exact)


def _what(claim: Claim) -> str:
    what = f"{claim.where}, {claim.statement}"
    return f"{what} ({claim.note})" if claim.note else what


def _printed(claim: Claim) -> str:
    """Return what is printed, and the value of what is a formula."""
    return f"`{claim.printed}` = {shortened(number(claim.printed), 8)}" if claim.equal else f"`{claim.printed}`"
