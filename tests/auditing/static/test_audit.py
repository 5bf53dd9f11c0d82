"""Weights alone: planted faults are found, and sound weights are left in peace."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from model_files import small, weights
from safetensors.torch import save_file
from torch import nn

from propstats.auditing.loading.access import Access
from propstats.auditing.records import Severity
from propstats.auditing.static.audit import audit_weights
from propstats.handbook.entry import Kind
from propstats.handbook.explain import explain
from propstats.theory.weights.coherence import canonical_error


def _saved(tmp_path: Path, content: object) -> Path:
    torch.save(content, tmp_path / "w.pt")
    return tmp_path / "w.pt"


def test_sound_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 10), nn.Embedding(7, 3), nn.BatchNorm1d(4))
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    report = audit_weights(tmp_path / "w.safetensors")
    assert report.passed
    assert not report.findings
    assert report.model.format == "safetensors"
    assert [weight.name for weight in report.weights] == ["0.weight", "2.weight", "3.weight"]
    assert report.coverage.analysed == 3
    assert report.notes[0].startswith("no signal was measured")
    first, matrix = report.weights[0], model.state_dict()["0.weight"]
    assert (first.units, first.fan_in, first.shape) == (64, 32, (64, 32))
    assert first.sigma_w_squared.value == pytest.approx(32 * float(matrix.double().square().mean()), rel=1e-14)
    assert abs(first.sigma_w_squared.value - 1 / 3) <= 5 * first.sigma_w_squared.error
    assert first.row_lengths.mean == pytest.approx(float(matrix.double().norm(dim=1).mean()), rel=1e-14)
    assert first.canonical == canonical_error(matrix.numpy())
    assert first.fingerprint is not None
    assert "torch" in (first.fingerprint.scheme, *first.fingerprint.alike)


def test_planted_faults(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = {f"{name}.{part}": torch.randn(*shape) for name, part, shape in (
        ("nan", "weight", (8, 8)), ("dead", "weight", (8, 8)), ("twin", "weight", (8, 8)), ("twin", "bias", (8,)),
        ("same", "weight", (8, 8)), ("norm", "bias", (8,)), ("zero", "weight", (8, 8)))}  # fmt: skip
    state["nan.weight"][2, 3] = float("nan")
    state["norm.bias"][:2] = float("inf")
    state["dead.weight"][1:4] = 0.0
    state["twin.weight"][5:] = state["twin.weight"][0]
    state["twin.bias"][5:7] = state["twin.bias"][0]  # the last one differs in its bias
    state["same.weight"][:] = 0.1
    state["zero.weight"][:] = 0.0
    report = audit_weights(_saved(tmp_path, state))
    assert not report.passed
    found = {(finding.rule, finding.layer): finding for finding in report.findings}
    assert found.keys() == {
        ("non-finite", "nan.weight"), ("non-finite", "norm.bias"), ("dead-rows", "dead.weight"),
        ("dead-rows", "zero.weight"), ("identical-units", "twin.weight"), ("identical-units", "same.weight"),
    }  # fmt: skip
    assert found["non-finite", "norm.bias"].value == 2
    for finding in report.findings:
        assert any(entry.kind is Kind.FINDING for entry in explain(finding.rule))
    assert found["dead-rows", "dead.weight"].value == 3 / 8
    assert found["identical-units", "twin.weight"].value == 2 / 8
    assert found["identical-units", "same.weight"].severity is Severity.ERROR
    assert [finding.severity for finding in report.findings] == sorted(
        (finding.severity for finding in report.findings), key=list(Severity).index
    )
    assert [skipped.name for skipped in report.coverage.skipped] == ["nan.weight"]
    zero = next(weight for weight in report.weights if weight.name == "zero.weight")
    assert (zero.fingerprint, zero.sigma_w_squared.value, zero.spectral_norm.value) == (None, 0.0, 0.0)


def test_networks_tell_what_their_layers_are(tmp_path: Path, arch: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.ConvTranspose2d(8, 6, 3, groups=2), nn.Embedding(5, 4))
    report = audit_weights(_saved(tmp_path, model))
    convolution, transposed = report.weights
    assert (convolution.type, convolution.units, convolution.fan_in) == ("Conv2d", 8, 18)
    assert (transposed.type, transposed.units, transposed.fan_in) == ("ConvTranspose2d", 6, 36)
    for weight in report.weights:
        assert weight.fingerprint is not None
        assert "torch" in (weight.fingerprint.scheme, *weight.fingerprint.alike)
    assert "looked up" in report.coverage.skipped[0].reason
    assert report.notes[1:] == ["2 of 2 matrices look freshly drawn: training has not begun, or has not moved them"]
    report = audit_weights(_saved(tmp_path, weights()), Access(arch=arch))
    assert [weight.type for weight in report.weights] == ["Linear", "Linear"]


def test_what_else_holds_weights(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.eye(3))
    assert audit_weights(tmp_path / "w.npy").weights[0].fingerprint is not None
    assert audit_weights(_saved(tmp_path, {"model": small().state_dict(), "epoch": 3})).coverage.analysed == 3
    half = {
        "w": torch.randn(20, 30).bfloat16(),
        "counts": torch.ones(3, 3, dtype=torch.int64),
        "none": torch.ones(0, 3),
    }
    report = audit_weights(_saved(tmp_path, half))
    assert [skipped.name for skipped in report.coverage.skipped] == ["counts", "none"]


def test_too_many_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["propstats.auditing.static.audit"], "_MOST_PRODUCTS", 100.0)
    report = audit_weights(_saved(tmp_path, {"w": torch.randn(20, 30)}))
    assert report.weights[0].canonical is None
    assert "too many pairs" in report.coverage.skipped[0].reason
