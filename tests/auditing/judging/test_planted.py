"""A planted fault for each rule, found at the layer where it was planted."""

import math
from collections.abc import Callable
from typing import Final

import pytest
import torch
from networks import mlp
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.data.load import load_data
from propstats.auditing.judging.registry import RULES
from propstats.auditing.records import AuditReport, Severity

Data = str | torch.Tensor
Plant = tuple[nn.Module, Data, str, str | None]  # network, data, policy, layer


def _noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _set(model: nn.Sequential, name: str, change: Callable[[torch.Tensor], object]) -> nn.Sequential:
    with torch.no_grad():
        change(model.get_parameter(name))
    return model


def _sound(depth: int = 4, act: str = "relu") -> nn.Sequential:
    return mlp(act, depth=depth, critical=True)


def _rank_one(weight: torch.Tensor) -> object:
    return weight.copy_(torch.outer(_noise(len(weight)), _noise(weight.shape[1], seed=1)) / math.sqrt(weight.shape[1]))


def _non_finite_data() -> Plant:
    data = _noise(100, 64)
    data[3, 5] = math.nan
    return _sound(), data, "signal", None


def _non_finite_backward() -> Plant:
    model = _sound()
    for name, factor in (("1.weight", 1e-25), ("3.weight", 1e20), ("5.weight", 1e20)):
        _set(model, name, lambda w, factor=factor: w.mul_(factor))  # type: ignore[misc]
    return model, "digits", "signal", "3"  # what it hands back


def _identical_outputs() -> Plant:
    data = _noise(200, 64)
    data[:, 0] = 0.0

    def repeat(weight: torch.Tensor) -> None:
        weight[7] = weight[3]
        weight[7, 0] += 1.0  # of a feature that is always zero

    return _set(_sound(), "1.weight", repeat), data, "signal", "1"


def _fresh_batch_norm() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 10)
    )


def _alike_features() -> Plant:
    data = _noise(400, 1).expand(400, 64) + 0.1 * _noise(400, 64, seed=1)
    return _set(_sound(), "1.weight", lambda w: w.mul_(1.0)), data, "canonical", "1"


def _aligned() -> Plant:
    model, images = _sound(), load_data("digits").inputs
    common = model[:3](images).mean(dim=0)
    return (
        _set(model, "3.weight", lambda w: w.copy_(torch.outer(_noise(len(w)), common / common.norm()) / 8)),
        images,
        "signal",
        "3",
    )


def _scaled(act: str, factor: float) -> nn.Sequential:
    model = _sound(20, act)
    with torch.no_grad():
        for module in model:
            if isinstance(module, nn.Linear):
                module.weight.mul_(factor)
    return model


class Stream(nn.Module):
    """Residual branches behind norms, written out."""

    def __init__(self, blocks: int = 5, width: int = 32) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(blocks))
        self.ups = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(blocks))
        self.downs = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(blocks))
        self.stem, self.head = nn.Linear(64, width), nn.Linear(width, 10)
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    module.weight.normal_(0.0, 1.0 / math.sqrt(module.in_features), generator=generator)
                    module.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x.flatten(1))
        for norm, up, down in zip(self.norms, self.ups, self.downs, strict=True):
            x = x + down(torch.relu(up(norm(x))))
        out: torch.Tensor = self.head(x)
        return out


def _branch(factor: float) -> Stream:
    model = Stream()
    with torch.no_grad():
        model.get_parameter("downs.3.weight").mul_(factor)
    return model


def _unequal() -> Plant:
    data = _noise(500, 64)
    data[:, 7] *= 100.0
    return _sound(), data, "signal", None


PLANTED: Final[dict[str, Callable[[], Plant]]] = {
    "non-finite-data": _non_finite_data,
    "non-finite-weights": lambda: (_set(_sound(), "3.weight", lambda w: w[0].fill_(math.nan)), "digits", "signal", "3"),
    "non-finite-forward": lambda: (_set(_sound(), "3.bias", lambda b: b[:1].fill_(math.inf)), "digits", "signal", "3"),
    "non-finite-backward": _non_finite_backward,
    "constant-data": lambda: (_sound(), torch.ones(20, 64), "signal", None),
    "uncentred-inputs": lambda: (_sound(), torch.rand(200, 64) + 3, "signal", None),
    "unequal-variances": _unequal,
    "zig-zag": lambda: (_sound(), torch.rand(200, 64) + 3, "signal", None),
    "ordered-phase": lambda: (mlp("tanh"), "digits", "signal", None),
    "chaotic-phase": lambda: (_scaled("tanh", 3.0), "digits", "signal", None),
    "forward-vanishing": lambda: (_set(_sound(20), "21.weight", lambda w: w.mul_(1e-3)), "digits", "signal", "21"),
    "backward-vanishing": lambda: (_set(_sound(20), "21.weight", lambda w: w.mul_(1e-3)), "digits", "signal", "21"),
    "forward-exploding": lambda: (_set(_sound(20), "21.weight", lambda w: w.mul_(1e3)), "digits", "signal", "21"),
    "backward-exploding": lambda: (_set(_sound(20), "21.weight", lambda w: w.mul_(1e3)), "digits", "signal", "21"),
    "odd-gain": lambda: (_set(_sound(10), "9.weight", lambda w: w.mul_(4.0)), "digits", "signal", "9"),
    "drowning-branch": lambda: (_branch(30.0), "digits", "signal", "downs.3"),
    "silent-branch": lambda: (_branch(1e-4), "digits", "signal", "downs.3"),
    "rank-collapse": lambda: (_set(_sound(), "3.bias", lambda b: b.add_(1000.0)), "digits", "signal", "3"),
    "low-rank": lambda: (_set(_sound(), "5.weight", _rank_one), "digits", "signal", "5"),
    "dead-units": lambda: (_set(_sound(), "3.bias", lambda b: b.fill_(-100.0)), "digits", "signal", "4"),
    "saturated": lambda: (_set(_sound(act="tanh"), "1.weight", lambda w: w.mul_(300)), "digits", "signal", "2"),
    "identical-units": lambda: (_set(_sound(), "3.weight", lambda w: w[1:].copy_(w[:1])), "digits", "signal", "3"),
    "identical-outputs": _identical_outputs,
    "stale-batch-norm": lambda: (_fresh_batch_norm(), load_data("digits").inputs * 10, "signal", "1"),
    "train-eval-gap": lambda: (_fresh_batch_norm(), load_data("digits").inputs * 10, "signal", None),
    "non-canonical-mean": lambda: (_set(_sound(), "3.bias", lambda b: b.add_(5.0)), _noise(500, 64), "canonical", "3"),
    "non-canonical-variance": lambda: (
        _set(_sound(), "1.weight", lambda w: w.mul_(3.0)), _noise(500, 64), "canonical", "1",
    ),
    "correlated-units": lambda: (_set(_sound(), "5.weight", _rank_one), _noise(500, 64), "canonical", "5"),
    "incoherence": _alike_features,
    "departs": _aligned,
}  # fmt: skip


def test_every_rule_has_a_planted_fault_and_texts() -> None:
    assert PLANTED.keys() == RULES.keys()
    for name, rule in RULES.items():
        assert rule.id == name
        texts = (rule.title, rule.explanation, rule.derivation, rule.source, rule.uncertainty)
        assert all(text.strip() == text and len(text) > 4 for text in texts)


@pytest.mark.parametrize("rule", PLANTED)
def test_a_planted_fault_is_found_where_it_is(rule: str) -> None:
    model, data, policy, layer = PLANTED[rule]()
    report = audit(model, data, policy=policy)
    finding = next(f for f in report.findings if f.rule == rule)
    assert finding.layer == layer
    assert finding.value is not None
    assert finding.derivation == RULES[rule].derivation
    assert finding.message
    assert finding.remedy
    if finding.interval is not None:
        low, high = finding.interval
        assert low <= finding.value <= high


def severities(report: AuditReport, rule: str) -> list[Severity]:
    return [f.severity for f in report.findings if f.rule == rule]


def test_too_few_units_that_live_fail_and_the_rest_warns() -> None:
    def some(model: nn.Sequential, count: int) -> nn.Sequential:
        return _set(model, "3.bias", lambda b: b[:count].fill_(-100.0))

    # 10 outputs need 10 of the 128 units.
    assert severities(audit(some(_sound(), 100), "digits"), "dead-units") == [Severity.WARNING]
    assert severities(audit(some(_sound(), 125), "digits"), "dead-units") == [Severity.ERROR]
    # Half of the units, and some more by chance, are off in sound networks whose inputs are alike.
    assert severities(audit(some(_sound(), 64), "digits"), "dead-units") == []


def test_repeated_units_that_stay_so_are_told_from_those_that_part() -> None:
    model = _set(_sound(), "3.weight", lambda w: w[1].copy_(w[0]))
    part = next(f for f in audit(model, "digits").findings if f.rule == "identical-units")
    assert "until their outgoing weights part them" in part.message
    assert part.severity is Severity.WARNING
    _set(model, "5.weight", lambda w: w[:, 1].copy_(w[:, 0]))
    stay = next(f for f in audit(model, "digits").findings if f.rule == "identical-units")
    assert "1 of them for ever" in stay.message


def test_layers_that_start_at_zero_on_purpose_are_no_repeats() -> None:
    model = _set(_sound(), "7.weight", lambda w: w.zero_())
    assert severities(audit(model, "digits"), "identical-units") == []


def test_one_bad_layer_is_no_phase() -> None:
    model = _set(_sound(20), "21.weight", lambda w: w.mul_(1e-3))
    assert severities(audit(model, "digits"), "ordered-phase") == []
