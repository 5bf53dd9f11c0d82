"""`--fix --method normprop`: other layers, the same directions, and signal that survives."""

from pathlib import Path

import pytest
import torch
from propstats_cli.main import run
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.fixing.conversion import normprop
from propstats.auditing.fixing.fix import fix
from propstats.auditing.loading.load import load_model
from propstats.errors import ModelError
from propstats.nn import NormPropLinear


def _deep(depth: int = 12, *, batch_norm: bool = False) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(64, 64), *([nn.BatchNorm1d(64)] if batch_norm else []), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10))


def test_a_network_that_loses_its_signal_keeps_it_afterwards() -> None:
    model = _deep()
    before = [parameter.clone() for parameter in model.parameters()]
    report = fix(model, "digits", method="normprop")
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert not report.before.passed
    assert not report.after.findings
    assert len(report.changes) == 12
    assert report.format == "torch module"
    forward, backward = report.checks
    assert forward.before is not None
    assert backward.before is not None
    assert max(forward.before, backward.before) < 0.5
    assert forward.after is not None
    assert backward.after is not None
    # Signal stays; gradients grow by J(beta = 1) = 1.058 at most.
    assert 0.9 < forward.after.value < 1.1
    assert 0.95 < backward.after.value < 1.15


def test_directions_are_kept_and_the_last_layer_stays() -> None:
    model = _deep(3)
    converted, changes, stayed = normprop(model)
    layers = [layer for layer in converted if isinstance(layer, NormPropLinear)]
    for plain, own in zip((model[1], model[3], model[5]), layers, strict=True):
        assert isinstance(plain, nn.Linear)
        unit = plain.weight / plain.weight.norm(dim=1, keepdim=True)
        torch.testing.assert_close(own.effective_weight(), unit)
    assert [change.name for change in changes] == ["1", "3", "5"]
    assert [skipped.name for skipped in stayed] == ["7"]


def test_an_audit_sees_rates_in_a_normprop_network() -> None:
    generator = torch.Generator().manual_seed(0)
    layers = [NormPropLinear(64, 64, gamma=0.1, generator=generator) for _ in range(12)]
    report = audit(nn.Sequential(nn.Flatten(), *layers), "digits")
    assert report.trend.forward_rate is not None
    assert {finding.rule for finding in report.findings} >= {"backward-vanishing"}


@pytest.mark.slow
def test_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(_deep(batch_norm=True), "bn.pt")
    assert run(["audit", "bn.pt", "--fix", "np.pt", "--method", "normprop"]) == 0
    out = capsys.readouterr().out
    assert "12 layers converted" in out
    assert "PASS after the fix" in out
    again = load_model("np.pt").model
    assert isinstance(again, nn.Sequential)
    assert sum(isinstance(layer, NormPropLinear) for layer in again) == 12
    assert audit(again, "digits").passed


@pytest.mark.parametrize(
    ("layers", "named"),
    [
        ([nn.Linear(64, 64), nn.Dropout(), nn.ReLU(), nn.Linear(64, 10)], r"2 \(Dropout\)"),
        ([nn.LayerNorm(64), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)], r"1 \(LayerNorm\)"),
        ([nn.Linear(64, 64), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)], r"1 \(Linear\)"),
    ],
)
def test_what_cannot_be_honoured_is_named(layers: list[nn.Module], named: str) -> None:
    with pytest.raises(ModelError, match=named):
        fix(nn.Sequential(nn.Flatten(), *layers), "digits", method="normprop")
