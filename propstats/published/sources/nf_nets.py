"""Brock et al. 2021, NF-Nets: 1/sqrt(Var phi), sampled; and what others sampled after them."""

from propstats.published.claims import Claim, Source
from propstats.published.sources.frameworks import SELU

NF_NETS = Source("deepmind-research, nfnets/base.py (68a1754), and timm, models/nfnet.py")
NF_NETS_ISSUE = Source("vballoli/nfnets-pytorch, issue 39")
TORCH_ISSUE = Source("pytorch/pytorch, issue 24991")

_ALIKE = "elu and celu are the same function at alpha = 1"
#: Name, printed number, exact number, note.
_GAMMAS: tuple[tuple[str, str, str, str], ...] = (
    ("identity", "1.0", "unit_variance_gain(identity)", ""),
    ("celu", "1.270926833152771", "unit_variance_gain(celu)", _ALIKE),
    ("elu", "1.2716004848480225", "unit_variance_gain(elu)", _ALIKE),
    ("gelu", "1.7015043497085571", "unit_variance_gain(gelu_tanh)", "jax.nn.gelu is the tanh form by default"),
    ("glu", "1.8484294414520264", "gain(sigmoid)", "a*sigmoid(b), a and b independent"),
    ("leaky_relu", "1.70590341091156", "unit_variance_gain(leaky_relu)", ""),
    ("log_sigmoid", "1.9193484783172607", "unit_variance_gain(log_sigmoid)", "the mirror image of softplus"),
    ("log_softmax", "1.0002083778381348", "unit_variance_gain(identity)", "in a wide layer it only adds a constant"),
    ("relu", "1.7139588594436646", "unit_variance_gain(relu)", ""),
    ("relu6", "1.7131484746932983", "unit_variance_gain(relu6)", ""),
    ("selu", "1.0008515119552612", f"unit_variance_gain({SELU})", ""),
    ("sigmoid", "4.803835391998291", "unit_variance_gain(sigmoid)", ""),
    ("silu", "1.7881293296813965", "unit_variance_gain(silu)", ""),
    ("soft_sign", "2.338853120803833", "unit_variance_gain(softsign)", ""),
    ("softplus", "1.9203323125839233", "unit_variance_gain(softplus)", "the mirror image of log_sigmoid"),
    ("tanh", "1.5939117670059204", "unit_variance_gain(tanh)", ""),
)
#: Source, name, printed number, exact number.
_ISSUES: tuple[tuple[Source, str, str, str], ...] = (
    (NF_NETS_ISSUE, "elu", "1.2714643478393555", "unit_variance_gain(elu)"),
    (NF_NETS_ISSUE, "sigmoid", "4.806765079498291", "unit_variance_gain(sigmoid)"),
    (NF_NETS_ISSUE, "relu", "1.7130787372589111", "unit_variance_gain(relu)"),
    (TORCH_ISSUE, "sigmoid", "4.809119701385498", "unit_variance_gain(sigmoid)"),
    (TORCH_ISSUE, "tanh", "1.5975916385650635", "unit_variance_gain(tanh)"),
    (TORCH_ISSUE, "relu", "1.7068026065826416", "unit_variance_gain(relu)"),
    (TORCH_ISSUE, "leaky_relu, slope 0.2", "1.5421059131622314", "unit_variance_gain(leaky_relu, negative_slope=0.2)"),
    (TORCH_ISSUE, "selu", "1.0002975463867188", f"unit_variance_gain({SELU})"),
    (TORCH_ISSUE, "elu", "1.2694571018218994", "unit_variance_gain(elu)"),
)


def _issue_id(source: Source, name: str) -> str:
    where = "nfnets" if source is NF_NETS_ISSUE else "torch"
    return f"{where}-issue-{name.split(',')[0].replace('_', '-')}"


CLAIMS: tuple[Claim, ...] = (
    *(
        Claim(
            f"nfnets-{name.replace('_', '-')}",
            NF_NETS,
            "nonlinearities",
            f"gamma of {name}",
            printed,
            exact,
            estimated=True,
            note=note,
        )
        for name, printed, exact, note in _GAMMAS
    ),
    *(
        Claim(_issue_id(source, name), source, "comment", f"gain of {name}", printed, exact, estimated=True)
        for source, name, printed, exact in _ISSUES
    ),
)
