"""What a fix promises, it keeps: measured again, within its error; and the input stays as it was."""

import hashlib
import math
from pathlib import Path

import pytest
import torch
from networks import mlp
from sound import SOUND
from torch import nn

from propstats.auditing.data.load import load_data
from propstats.auditing.fixing.fix import fix
from propstats.auditing.fixing.write import check_name
from propstats.auditing.loading.access import Access
from propstats.auditing.loading.load import read_content
from propstats.auditing.records import Severity
from propstats.errors import DomainError, ModelError, OutputError, UnknownNameError


@pytest.mark.parametrize("act", ["tanh", *(pytest.param(act, marks=pytest.mark.slow) for act in ("relu", "gelu"))])
def test_theory_does_what_it_predicts(act: str) -> None:
    model = mlp(act, depth=12, width=64)
    before = [p.clone() for p in model.parameters()]
    report = fix(model, "digits")
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert not report.before.passed
    assert not report.after.findings
    assert not report.trained
    for check in report.checks:
        assert check.predicted is not None
        assert check.after is not None
        # The prediction tells the fixed network from the broken one, and it holds.
        assert check.before is not None
        assert 5 * check.predicted.error < abs(math.log(check.before))
        assert check.agrees
        assert abs(math.log(check.predicted.value)) < 0.1
    # What the finding promised is what the fix predicted, and came about.
    promised = {f.rule: f.predicted for f in report.before.findings}
    assert report.checks[0].predicted is not None
    assert promised["forward-vanishing"] == report.checks[0].predicted.value
    assert report.checks[1].predicted is not None
    assert promised["backward-vanishing"] == report.checks[1].predicted.value


@pytest.mark.slow
def test_layers_without_biases_get_a_critical_point_without() -> None:
    torch.manual_seed(0)
    layers = [layer for _ in range(12) for layer in (nn.Linear(64, 64, bias=False), nn.Tanh())]
    report = fix(nn.Sequential(nn.Flatten(), *layers), "digits")
    assert [round(change.weight_std * 8, 6) for change in report.changes] == [1.0] * 12
    assert report.after.passed


class Functional(nn.Module):
    """Activations that are called as functions."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(64, 64) for _ in range(12))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


@pytest.mark.slow
def test_activations_that_are_functions_count() -> None:
    torch.manual_seed(0)
    report = fix(Functional(), "digits")
    assert [round(change.weight_std**2 * 64, 6) for change in report.changes] == [1.0] + [2.0] * 11
    assert report.after.passed
    assert all(check.agrees for check in report.checks)


@pytest.mark.slow
def test_sigmoid_has_no_critical_point_and_lsuv_mends_its_signal() -> None:
    torch.manual_seed(0)
    layers = [layer for _ in range(10) for layer in (nn.Linear(64, 64), nn.Sigmoid())]
    model = nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10))
    report = fix(model, "digits", method="lsuv")
    for layer in report.after.layers:
        if layer.is_weights:  # variance over data and units, where the fix measured it on some of the data
            spread = layer.forward.q.value - layer.forward.mean.value**2
            assert abs(spread - 1.0) < 5 * math.sqrt(2 / 256)


@pytest.mark.slow
def test_lsuv_gives_unit_variance_with_branches() -> None:
    report = fix(SOUND["pre-norm transformer"](0, 8), "digits", method="lsuv")
    assert report.after.passed
    assert report.changes


@pytest.mark.parametrize("act", ["tanh", pytest.param("relu", marks=pytest.mark.slow)])
def test_backward_gives_gradients_of_one(act: str) -> None:
    report = fix(mlp(act, depth=6, width=64), "digits", method="backward")
    for layer in report.after.layers:
        if layer.is_weights:
            assert layer.backward.input is not None
            # The fix saw 256 samples with directions of its own: its error is that of 256 squared norms.
            error = layer.backward.input.error * math.sqrt(1797 / 256)
            assert abs(layer.backward.input.value - 1.0) < 5 * error + 4e-3
    assert report.checks[1].after is not None
    assert report.after.passed


@pytest.mark.slow
def test_one_bad_layer_is_mended_by_what_its_finding_says() -> None:
    model = mlp("relu", critical=True)
    with torch.no_grad():
        model.get_parameter("21.weight").mul_(1e-3)
    report = fix(model, "digits")
    finding = next(f for f in report.before.findings if f.rule == "backward-vanishing")
    assert finding.severity is Severity.ERROR
    factor = next(change.factor for change in report.changes if change.name == "21")
    said = float(finding.remedy.split(" by ")[1].split(":")[0])
    assert abs(math.log(factor / said)) < math.log(1.5)  # the others' scale is not exactly critical
    assert report.after.passed


@pytest.mark.slow
def test_what_theory_cannot_fix_it_refuses() -> None:
    with pytest.raises(DomainError, match=r"paths join at .*lsuv"):
        fix(SOUND["pre-norm transformer"](0, 4), "digits")
    layers = [layer for _ in range(4) for layer in (nn.Linear(64, 64), nn.Softplus())]
    with pytest.raises(DomainError, match="no weight and bias variance keeps both"):
        fix(nn.Sequential(nn.Flatten(), *layers), "digits")
    torch.manual_seed(0)
    normal = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.LayerNorm(64))
    with pytest.raises(DomainError, match="nothing to scale"):
        fix(normal, "digits")
    with pytest.raises(UnknownNameError, match="theory"):
        fix(normal, "digits", method="theorie")
    broken = mlp("relu", depth=4)
    with torch.no_grad():
        broken.get_parameter("3.weight")[0, 0] = math.nan
    with pytest.raises(ModelError, match="not finite"):
        fix(broken, "digits")
    with pytest.raises(ModelError, match="do not vary"):
        fix(mlp("relu", depth=4, critical=True), torch.zeros(20, 64), method="lsuv")


def test_trained_weights_need_consent() -> None:
    torch.manual_seed(0)
    model, data = mlp("relu", depth=4, critical=True), load_data("digits")
    assert data.labels is not None
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    for start in range(0, 1500, 50):  # one epoch
        part = slice(start, start + 50)
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(data.inputs[part]), data.labels[part]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with pytest.raises(DomainError, match=r"looks trained .*--retrain-ok"):
        fix(model, "digits")
    assert fix(model, "digits", retrain_ok=True).trained


@pytest.mark.slow
def test_files_go_out_as_they_came_and_the_input_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.torch import save_file

    model = mlp("tanh", depth=6)
    torch.save(model, tmp_path / "whole.pt")
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    (tmp_path / "factory_of_a_fix.py").write_text(
        "from networks import mlp\n\ndef make():\n    return mlp('tanh', depth=6)\n"
    )
    monkeypatch.chdir(tmp_path)
    expected = None
    for name, arch in (
        ("whole.pt", None),
        ("weights.pt", "factory_of_a_fix:make"),
        ("weights.safetensors", "factory_of_a_fix:make"),
    ):
        digest = hashlib.sha256(Path(name).read_bytes()).hexdigest()
        report = fix(name, "digits", f"fixed-{name}", access=Access(arch=arch))
        assert hashlib.sha256(Path(name).read_bytes()).hexdigest() == digest
        assert report.path == f"fixed-{name}"
        found = read_content(f"fixed-{name}")
        assert found.info.format == read_content(name).info.format
        state = found.content.state_dict() if isinstance(found.content, nn.Module) else found.content
        weights = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
        expected = expected or weights
        assert weights.keys() == expected.keys()
        assert all(torch.equal(weights[key], expected[key]) for key in expected)
        with pytest.raises(OutputError, match="is the model itself"):
            fix(name, "digits", name, access=Access(arch=arch))
    (tmp_path / "link.pt").symlink_to("whole.pt")
    with pytest.raises(OutputError, match="is the model itself"):
        fix("whole.pt", "digits", "link.pt")


def test_the_name_says_the_form(tmp_path: Path) -> None:
    """What is called .safetensors and is none can be read by nobody: torch.load goes by the name."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    for method in ("theory", "normprop"):
        with pytest.raises(OutputError, match="the result is a torch module"):
            fix(model, "digits", tmp_path / "fixed.safetensors", method=method)
    with pytest.raises(OutputError, match="the result is safetensors"):
        check_name("fixed.PT", "safetensors")
    check_name("fixed", "safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_fix_is_the_same_every_time() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    with torch.no_grad():
        for name in ("1.bias", "3.bias"):
            model.get_parameter(name).zero_()  # has to be drawn
    state = torch.get_rng_state()
    first, again, other = (fix(model, "digits", seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert first.after.layers == again.after.layers
    assert first.after.layers != other.after.layers


def test_layers_that_are_not_scaled_are_named() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), nn.Linear(16, 16), nn.ReLU())
    report = fix(network, "gaussian:4x16", method="lsuv")
    kept = {skipped.name: skipped.reason for skipped in report.left_alone}
    assert kept["0.self_attn"].startswith("MultiheadAttention layers keep their weights")
    assert not {change.name for change in report.changes} & set(kept)
