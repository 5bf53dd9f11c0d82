"""e3nn: 1/sqrt(E[phi^2]), sampled when a network is built."""

from propstats.published.claims import Claim, Source
from propstats.published.sources.frameworks import SELU

E3NN = Source("e3nn/e3nn, math/_normalize_activation.py (01b4064)")

#: Name, what `normalize2mom(...).cst` is with torch 2.13 on a CPU, exact number.
_FACTORS: tuple[tuple[str, str, str], ...] = (
    ("abs", "1.0011106", "gain(abs)"),
    ("elu", "1.2467864", "gain(elu)"),
    ("gelu", "1.5360643", "gain(gelu)"),
    ("leaky_relu", "1.4162684", "gain(leaky_relu)"),
    ("relu", "1.4163393", "gain(relu)"),
    ("selu", "1.0010492", f"gain({SELU})"),
    ("sigmoid", "1.8467055", "gain(sigmoid)"),
    ("silu", "1.6791768", "gain(silu)"),
    ("softplus", "1.0426437", "gain(softplus)"),
    ("tanh", "1.5937334", "gain(tanh)"),
)

CLAIMS: tuple[Claim, ...] = tuple(
    Claim(
        f"e3nn-{name.replace('_', '-')}",
        E3NN,
        "normalize2mom",
        f"factor of {name}: second moment 1",
        printed,
        exact,
        estimated=True,
        note="1,000,000 samples, seed 0",
    )
    for name, printed, exact in _FACTORS
)
