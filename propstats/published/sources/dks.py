"""Martens et al. 2021 and Zhang et al. 2022: Deep Kernel Shaping and Tailored Activation Transformations."""

from propstats.published.claims import Claim, Source

DKS = Source("google-deepmind/dks, dks/base/activation_transform.py (c9cf37b)")
TESTS = Source("google-deepmind/dks, tests/test_activation_transform.py (021816e)")

_NOTE = "by quadrature; the tests compare seven decimals"
_OURS = {"gelu": "gelu_tanh", "gelu_exact": "gelu"}

#: DKS makes mean 0 and variance 1. Activation, input scale and shift; output shift and scale that follow from them.
_SHAPED: tuple[tuple[str, str, str, str, str], ...] = (
    ("softplus", "0.18761008168267976", "0.40688063442262007", "-0.9213466151411376", "8.878672543665223"),
    ("tanh", "0.07461073057540868", "0.5566915199964182", "-0.5034378768692127", "18.002635964442558"),
    ("relu", "0.3685360046708044", "1.0", "-1.000373858553784", "2.721729988761473"),
    ("gelu", "0.07036271496383567", "0.2586837248593587", "-0.15758328114374964", "20.249573305194307"),
    ("gelu_exact", "0.07043253126531114", "0.259489297927707", "-0.15815378961903598", "20.21158902315857"),
)
_LEAKY = "leaky_relu, negative_slope=0.8761257073473065, mu=-6.372924855154692e-13"
#: TAT makes the second moments of output and slope 1, which leaves a sign open. Formula, sign, output shift and scale.
_TAILORED: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "softplus",
        '"softplus(0.15011489794748328*x + 0.5374599901127068)"',
        "+",
        "-0.996481014465811",
        "10.54880187880574",
    ),
    ("tanh", '"tanh(0.0580205218578313*x + 0.5218639804099805)"', "-", "-0.4796430704354356", "22.36066261763117"),
)


def _shaped(name: str, scale: str, shift: str, out_shift: str, out_scale: str) -> tuple[Claim, Claim]:
    given = f"({_OURS.get(name, name)}, mu={shift}, s={scale})"
    return _pair("DKS", name, (out_shift, f"-mean{given}"), (out_scale, f"unit_variance_gain{given}"))


def _tailored(name: str, formula: str, sign: str, out_shift: str, out_scale: str) -> tuple[Claim, Claim]:
    shift = f"-mean({formula}) {sign} sqrt(slope_second_moment({formula}) - var({formula}))"
    return _pair("TAT", name, (out_shift, shift), (out_scale, f"1/std({formula})"))


def _pair(method: str, name: str, shift: tuple[str, str], scale: tuple[str, str]) -> tuple[Claim, Claim]:
    label = f"{method.lower()}-{name.replace('_', '-')}"
    what = f"{method} {name}: output"
    return (
        Claim(f"{label}-shift", TESTS, method, f"{what} shift, from the input's scale and shift", *shift, note=_NOTE),
        Claim(f"{label}-scale", TESTS, method, f"{what} scale, from the input's scale and shift", *scale, note=_NOTE),
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "dks-relu-slope",
        DKS,
        "solving for ReLU",
        "largest local slope of the C map of a ReLU",
        "1.466942206924260361",
        "jacobian_factor(relu)**2",
        note="computed in double precision, printed with 19 digits",
    ),
    *(claim for row in _SHAPED for claim in _shaped(*row)),
    *_pair(
        "DKS",
        "leaky_relu",
        ("-0.049418692997275034", f"-mean({_LEAKY})"),
        ("1.0651832705682147", f"unit_variance_gain({_LEAKY})"),
    ),
    *(claim for row in _TAILORED for claim in _tailored(*row)),
    Claim(
        "tat-leaky-relu-scale",
        TESTS,
        "TAT",
        "TAT leaky_relu: output scale, for second moment 1",
        "1.196996549778802",
        "gain(leaky_relu, negative_slope=0.6291800290346146)",
    ),
)
