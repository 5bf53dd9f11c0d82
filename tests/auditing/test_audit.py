"""Verdicts, two-sided: planted faults are found and named, sound networks pass in silence."""

import math
from pathlib import Path

import pytest
import torch
from networks import mlp
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.loading.access import Access
from propstats.auditing.records import AuditReport, Severity
from propstats.errors import DataError, ModelError

#: Samples, where how many there are makes no difference.
_FEW = 256


def rules(report: AuditReport, *severities: Severity) -> set[str]:
    return {f.rule for f in report.findings if not severities or f.severity in severities}


@pytest.mark.parametrize("act", ["relu", "tanh"])
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_default_weights_fail_and_the_remedy_passes(act: str, seed: int) -> None:
    failing = audit(mlp(act, seed=seed), "digits")
    assert not failing.passed
    assert {"forward-vanishing", "backward-vanishing"} <= rules(failing, Severity.ERROR)
    names = {layer.name for layer in failing.layers}
    for finding in failing.findings:
        if finding.rule in ("forward-vanishing", "backward-vanishing"):
            assert finding.layer in names
            assert finding.value is not None
            assert finding.interval is not None
            assert finding.interval[0] < finding.value < finding.interval[1] < 1
            assert finding.expected == 1.0
            assert "/sqrt(fan_in)" in finding.remedy
    # What the remedy asks for is what `critical` draws.
    passing = audit(mlp(act, critical=True, seed=seed), "digits")
    assert passing.passed
    assert not rules(passing, Severity.ERROR, Severity.WARNING)


@pytest.mark.slow
@pytest.mark.parametrize("act", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("critical", [False, True])
def test_theory_predicts_what_is_measured(act: str, critical: bool) -> None:
    report = audit(mlp(act, critical=critical, width=256), "digits")
    assert report.coverage.analysed == len(report.layers)
    for layer in report.layers:
        assert layer.verdict == "ok"
        assert layer.expected is not None
        assert layer.one_step is not None
        # One layer: the finite width allows what `error` says; the activation's own input need not be Gaussian.
        measured = layer.forward.q.value
        assert abs(math.log(measured / layer.one_step.q)) < 5 * math.hypot(layer.one_step.error, 0.05)
    for rate in (report.trend.forward_rate, report.trend.backward_rate):
        assert rate is not None
        assert rate.expected is not None
        # Twenty layers of width 256 move a rate by about 1/sqrt(20 * 256) a layer.
        assert abs(math.log(rate.value / rate.expected)) < 5 / math.sqrt(20 * 256)


def test_one_bad_layer_is_named() -> None:
    model = mlp("relu", critical=True)
    with torch.no_grad():
        model.get_parameter("21.weight").mul_(1e-3)
    report = audit(model, "digits")
    errors = [f for f in report.findings if f.severity is Severity.ERROR]
    assert {f.rule for f in errors} == {"forward-vanishing", "backward-vanishing"}
    assert {f.layer for f in errors} == {"21"}
    for finding in errors:
        factor = float(finding.remedy.split(" by ")[1].split(":")[0])
        assert 500 < factor < 2000


def test_exploding() -> None:
    model = mlp("relu", critical=True)
    with torch.no_grad():
        for layer in model:
            if isinstance(layer, nn.Linear):
                layer.weight.mul_(2)
    assert {"forward-exploding", "backward-exploding"} <= rules(audit(model, "digits", samples=_FEW), Severity.ERROR)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_non_finite_weights_are_a_finding(value: float) -> None:
    model = mlp("relu", critical=True)
    with torch.no_grad():
        model.get_parameter("5.weight")[0, 0] = value
    report = audit(model, "digits")
    assert not report.passed
    first = next(f for f in report.findings if f.rule == "non-finite-forward")
    assert first.layer == "5"
    assert any(f.rule == "non-finite-weights" and f.layer == "5" for f in report.findings)


def test_non_finite_data_are_a_finding() -> None:
    data = torch.randn(100, 64)
    data[3, 5] = math.nan
    report = audit(mlp("relu", critical=True), data)
    assert "non-finite-data" in rules(report, Severity.ERROR)


def test_dead_saturated_identical_uncentred() -> None:
    dead = mlp("relu", depth=4, critical=True)
    with torch.no_grad():
        dead.get_parameter("3.bias").fill_(-100.0)
    finding = next(f for f in audit(dead, "digits").findings if f.rule == "dead-units")
    assert (finding.layer, finding.value, finding.severity) == ("4", 1.0, Severity.ERROR)

    saturated = mlp("tanh", depth=4, critical=True)
    with torch.no_grad():
        saturated.get_parameter("1.weight").mul_(300)
    finding = next(f for f in audit(saturated, "digits").findings if f.rule == "saturated")
    assert finding.layer == "2"

    same = mlp("relu", depth=4, critical=True)
    with torch.no_grad():
        same.get_parameter("3.weight")[1:] = same.get_parameter("3.weight")[0]
    finding = next(f for f in audit(same, "digits").findings if f.rule == "identical-units")
    assert (finding.layer, finding.severity) == ("3", Severity.ERROR)

    shifted = audit(mlp("relu", depth=4, critical=True), torch.rand(200, 64) + 3)
    assert "uncentred-inputs" in rules(shifted, Severity.WARNING)


def test_nothing_to_follow() -> None:
    model = mlp("relu", depth=4, critical=True)
    report = audit(model, torch.ones(20, 64))
    assert rules(report, Severity.ERROR) == {"constant-data"}
    with pytest.raises(DataError, match="one sample"):
        audit(model, torch.randn(1, 64))
    with pytest.raises(DataError, match="no samples"):
        audit(model, torch.zeros(0, 64))
    with pytest.raises(ModelError, match="no layers"):
        audit(nn.Sequential(), "digits")


def test_stale_batch_norm() -> None:
    def network() -> nn.Sequential:
        torch.manual_seed(0)
        convolution = [nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()]
        return nn.Sequential(*convolution, nn.Flatten(), nn.Linear(1024, 10))

    from propstats.auditing.data.load import load_data

    images = load_data("digits").inputs
    fresh = network()
    assert "stale-batch-norm" in rules(audit(fresh, images * 10))
    fresh.train()
    for _ in range(60):
        fresh(images * 10)
    assert "stale-batch-norm" not in rules(audit(fresh, images * 10))


def test_layers_without_a_rule_are_named() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.PixelUnshuffle(2), nn.Flatten(), nn.Linear(144, 10))
    report = audit(model, "digits")
    assert [(s.name, s.reason) for s in report.coverage.skipped] == [("2", "no rule for PixelUnshuffle yet")]
    assert report.coverage.analysed == len(report.layers) - 1
    assert report.layers[2].verdict == "no expectation"
    # There the expectation begins anew, with what was measured.
    assert report.layers[1].expected is not None
    assert report.layers[1].expected.given == "network"
    assert report.layers[4].expected is not None
    assert (report.layers[4].expected.given, report.layers[4].expected.since) == ("restart", ("2",))
    assert report.layers[4].one_step is not None


class Shared(nn.Module):
    """One activation module, used twice; a sum that is no module."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.act = nn.Linear(64, 64), nn.Linear(64, 64), nn.ReLU(inplace=True)
        self.unused = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        y: torch.Tensor = self.act(self.a(x))
        z: torch.Tensor = self.act(self.b(y))
        return y + z


def test_shared_and_functional() -> None:
    model = Shared()
    report = audit(model, "digits")
    assert [(layer.name, layer.call) for layer in report.layers] == [
        ("a", 0),
        ("act", 0),
        ("b", 0),
        ("act", 1),
        ("add", 0),
    ]
    assert [s.name for s in report.coverage.skipped] == ["unused"]
    # Gradients through one module only, also where its input is used twice.
    b = next(layer for layer in report.layers if layer.name == "b")
    assert b.one_step is not None
    assert b.backward.input is not None
    assert b.one_step.gradient_input is not None
    assert abs(math.log(b.backward.input.value / b.one_step.gradient_input)) < 5 * b.one_step.error


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 2))
    model[2].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    audit(model, "digits")
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in model.modules())
    assert torch.equal(torch.get_rng_state(), state)


def test_hooks_are_gone_after_a_failure() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Linear(9, 2))
    with pytest.raises(DataError, match=r"layer 2 \(Linear\) refuses an input of shape \(256, 8\)"):
        audit(model, "digits")
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_repeatable_and_seeded() -> None:
    model = mlp("tanh", depth=5)
    first, again, other = (audit(model, "digits", seed=seed) for seed in (3, 3, 4))
    assert first.layers == again.layers
    assert first.layers[1].forward == other.layers[1].forward
    assert first.layers[1].backward != other.layers[1].backward


def test_formats_give_the_same_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.torch import save_file

    model = mlp("relu", depth=4)
    torch.save(model, tmp_path / "whole.pt")
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    (tmp_path / "factory_of_the_user.py").write_text(
        "from torch import nn\n\ndef make():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(),"
        " nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))\n"
    )
    monkeypatch.chdir(tmp_path)
    whole = audit("whole.pt", "digits", samples=_FEW)
    for name in ("weights.pt", "weights.safetensors"):
        with pytest.raises(ModelError, match="holds weights only"):
            audit(name, "digits")
        found = audit(name, "digits", samples=_FEW, access=Access(arch="factory_of_the_user:make"))
        assert found.layers == whole.layers


def test_data_are_flattened_only_where_that_fits_and_it_is_said() -> None:
    flat = nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 2))
    assert audit(flat, "digits").data.layout == "flattened to 64"
    assert audit(nn.Sequential(nn.Flatten(), *flat), "digits").data.layout == "as it is"
    with pytest.raises(DataError, match=r"layer 0 \(Linear\) refuses an input of shape"):
        audit(nn.Sequential(nn.Linear(65, 8)), "digits")


def test_whole_numbers_are_numbers_where_nothing_looks_them_up() -> None:
    counts = torch.randint(0, 9, (64, 4), generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    dense = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    found = audit(dense, counts).layers
    assert [layer.forward.q.value for layer in found] == [
        layer.forward.q.value for layer in audit(dense, counts.float()).layers
    ]
    tokens = audit(nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2)), counts)
    assert tokens.layers[0].name == "0"
