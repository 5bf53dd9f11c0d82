"""Branches are judged by what they join: gates, queries and averages lose nothing that goes another way."""

import copy

import pytest
import torch
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.judging.stream import all_passes
from propstats.auditing.probing import probe


class _Residual(nn.Module):
    def __init__(self, depth: int = 3, scale: float = 1.0) -> None:
        super().__init__()
        self.first = nn.Linear(16, 16)
        branches = [nn.Linear(16, 16) for _ in range(depth)]
        self.branches, self.last = nn.ModuleList(branches), nn.Linear(16, 4)
        nn.init.normal_(self.first.weight, std=1.0 / 4.0)
        for layer in branches:
            nn.init.normal_(layer.weight, std=scale / 4.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for branch in self.branches:
            x = x + torch.tanh(branch(x))
        out: torch.Tensor = self.last(x)
        return out


class _Gated(nn.Module):
    """A gate that is almost the same for all inputs, as those of gated MLPs are when they are drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.gate, self.last = nn.Linear(16, 32), nn.Linear(32, 32), nn.Linear(32, 8)
        nn.init.kaiming_normal_(self.first.weight)
        nn.init.normal_(self.gate.weight, std=1e-5)
        nn.init.ones_(self.gate.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        out: torch.Tensor = self.last(x * self.gate(x))
        return out


class _Pooled(nn.Module):
    """A sound convolutional network whose positions are averaged at the end."""

    def __init__(self) -> None:
        super().__init__()
        convs = [nn.Conv2d(3 if i == 0 else 24, 24, 3, padding=1, bias=False) for i in range(3)]
        self.convs, self.last = nn.ModuleList(convs), nn.Linear(24, 10, bias=False)
        for weight in (*(conv.weight for conv in convs), self.last.weight):
            nn.init.kaiming_normal_(weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for conv in self.convs:
            x = torch.relu(conv(x))
        out: torch.Tensor = self.last(x.mean((2, 3)))
        return out


def _data(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_what_all_of_the_signal_passes() -> None:
    found = probe(_Residual(2), _data(64, 16))
    whole = {call.name for call, all_ in zip(found.calls, all_passes(found.calls, found.result), strict=True) if all_}
    assert whole == {"first", "add", "last"}


@pytest.mark.parametrize("model", [_Residual, lambda: _Residual(scale=0.0), _Gated, _Pooled])
def test_branches_gates_and_averages_are_no_fault(model: type[nn.Module]) -> None:
    data = _data(64, 3, 8, 8) if model is _Pooled else _data(256, 16)
    rules = {finding.rule for finding in audit(model(), data).findings}
    assert not rules & {"forward-vanishing", "backward-vanishing", "rank-collapse"}


@pytest.mark.parametrize("model", [_Residual, _Gated, _Pooled])
@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_what_all_of_the_signal_passes_is_judged(model: type[nn.Module], factor: float) -> None:
    sound = model()
    faulty = copy.deepcopy(sound)
    with torch.no_grad():
        faulty.last.weight.mul_(factor)  # type: ignore[union-attr, operator]
    data = _data(64, 3, 8, 8) if model is _Pooled else _data(256, 16)
    fate = "vanishing" if factor < 1.0 else "exploding"
    rules = {finding.rule for finding in audit(faulty, data).findings}
    assert {f"forward-{fate}", f"backward-{fate}"} <= rules


def test_queries_that_hardly_matter_yet() -> None:
    """Attention is almost uniform when it is drawn: its queries get little, and the residual stream keeps all."""
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True)
    model = nn.Sequential(nn.Linear(8, 32), nn.TransformerEncoder(layer, 3, enable_nested_tensor=False))
    for part in model.modules():
        if isinstance(part, nn.MultiheadAttention) and part.in_proj_weight is not None:
            nn.init.normal_(part.in_proj_weight[:64], std=1e-4)
    assert not audit(model, _data(64, 6, 8)).findings


def test_parametrised_weights_are_looked_at_for_duplicates() -> None:
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(8, 16)), nn.ReLU(), nn.Linear(16, 4))
    assert "identical-units" not in {finding.rule for finding in audit(model, _data(64, 8)).findings}


def test_a_tensor_of_zeros_in_the_shape_of_another_is_no_layer() -> None:
    class Rest(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(8, 16), nn.Linear(16, 16)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x)
            state = torch.zeros_like(x)
            for _ in range(3):
                state = torch.tanh(self.second(state) + x)
            return state + x.new_zeros(x.shape)

    report = audit(Rest(), _data(128, 8))
    assert not {"dead-units", "rank-collapse"} & {finding.rule for finding in report.findings}
