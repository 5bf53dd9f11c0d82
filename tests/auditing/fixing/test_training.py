"""The point of it all: a network that the audit fails does not train, and what the remedy makes of it does."""

import gzip
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import mlp
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.data.load import load_data
from propstats.auditing.fixing.fix import fix
from propstats.auditing.fixing.write import serialised
from propstats.auditing.loading.load import load_model


def _train(model: nn.Module, x: torch.Tensor, y: torch.Tensor, *, steps: int, batch: int, lr: float) -> None:
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(model.parameters(), lr)
    model.train()
    for _ in range(steps):
        some = torch.randint(len(x), (batch,), generator=generator)
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x[some]), y[some]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    model.eval()


def _accuracy(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    with torch.no_grad():
        return float((model(x).argmax(dim=1) == y).double().mean())


def _repaired(model: nn.Module, data: str | torch.Tensor, folder: Path) -> nn.Module:
    """Send a network through a file, as a user does, and return what the fix wrote."""
    (folder / "fresh.pt").write_bytes(serialised(model, "torch module"))
    report = fix(folder / "fresh.pt", data, folder / "fixed.pt")
    assert {"ordered-phase", "forward-vanishing", "backward-vanishing"} <= {f.rule for f in report.before.findings}
    assert report.after.passed
    assert all(check.agrees for check in report.checks)
    return load_model(folder / "fixed.pt").model


@pytest.mark.slow
def test_digits(tmp_path: Path) -> None:
    data = load_data("digits")
    x, y = data.inputs, data.labels
    assert y is not None
    default = mlp("tanh", depth=20, width=64)
    fixed = _repaired(default, "digits", tmp_path)
    for model in (default, fixed):
        _train(model, x[:1200], y[:1200], steps=100, batch=100, lr=1e-3)
    # Of ten classes; the standard error of 597 guesses is 0.012.
    assert _accuracy(default, x[1200:], y[1200:]) < 0.25
    assert _accuracy(fixed, x[1200:], y[1200:]) > 0.6


def _fashion(folder: Path, name: str) -> torch.Tensor:
    """Read an IDX file of Debian's package dataset-fashion-mnist: installed, or fetched and unpacked."""
    home = Path("/usr/share/datasets/fashion-mnist")
    if not home.is_dir():
        home = folder / "usr/share/datasets/fashion-mnist"
    if not home.is_dir():
        subprocess.run(["apt-get", "download", "dataset-fashion-mnist"], cwd=folder, check=True, capture_output=True)
        package = next(folder.glob("*.deb"))
        subprocess.run(["dpkg", "-x", os.fspath(package), os.fspath(folder)], check=True, capture_output=True)
    file = next(home.rglob(f"{name}*"))
    raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    axes = raw[3]
    shape = tuple(int.from_bytes(raw[4 + 4 * k : 8 + 4 * k], "big") for k in range(axes))
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape).copy())


@pytest.mark.slow
def test_fashion_mnist(tmp_path: Path) -> None:
    images, labels = _fashion(tmp_path, "train-images"), _fashion(tmp_path, "train-labels").long()
    tests, answers = _fashion(tmp_path, "t10k-images"), _fashion(tmp_path, "t10k-labels").long()
    mean, std = images.double().mean(), images.double().std()
    x, test = (((part.double() - mean) / std).float()[:, None] for part in (images, tests))
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in in [784, *[128] * 18]:
        layers += [nn.Linear(fan_in, 128), nn.Tanh()]
    default = nn.Sequential(*layers, nn.Linear(128, 10))
    report = audit(default, x[:2000])
    assert not report.passed
    fixed = _repaired(default, x[:2000], tmp_path)
    for model in (default, fixed):
        _train(model, x, labels, steps=250, batch=128, lr=1e-3)
    assert _accuracy(default, test, answers) < 0.2
    assert _accuracy(fixed, test, answers) > 0.75
