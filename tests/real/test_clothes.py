"""The real Fashion-MNIST: a deep network that cannot learn, found before training; its remedy makes it learn."""

import math
import re
from pathlib import Path

import pytest
import torch
from real_networks import clothes_cnn, deep_tanh
from torch import nn
from torch.nn import functional

import propstats
from propstats import Places

pytestmark = pytest.mark.real

STEPS, BATCH = 250, 128
Images = tuple[torch.Tensor, torch.Tensor]


@pytest.fixture(scope="module")
def images(clothes: Path) -> dict[str, Images]:
    found = {}
    for split in ("train", "test"):
        data = propstats.load_data(f"fashion-mnist:{split}", places=Places(clothes, offline=True))
        assert data.labels is not None
        assert data.notes == (f"read from {clothes / 'fashion-mnist'}: the published content",)
        found[split] = data.inputs, data.labels
    return found


def _train(network: nn.Module, images: Images, steps: int, rate: float) -> None:
    inputs, labels = images
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    for _ in range(steps):
        at = torch.randint(len(inputs), (BATCH,), generator=generator)
        optimiser.zero_grad()
        functional.cross_entropy(network(inputs[at]), labels[at]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def _accuracy(network: nn.Module, images: Images) -> float:
    inputs, labels = images
    with torch.no_grad():
        return float((network(inputs).argmax(dim=1) == labels).double().mean())


def test_the_data(images: dict[str, Images]) -> None:
    raw = {split: pair[0] for split, pair in images.items()}
    assert {split: tuple(values.shape) for split, values in raw.items()} == {
        "train": (60_000, 1, 28, 28), "test": (10_000, 1, 28, 28),
    }  # fmt: skip
    for _, labels in images.values():
        assert len(set(torch.bincount(labels).tolist())) == 1


def test_mean_and_deviation_as_published(clothes: Path) -> None:
    data = propstats.load_data("fashion-mnist:train", normalize="none", places=Places(clothes, offline=True))
    pixels = data.inputs.double() / 255
    assert (round(pixels.mean().item(), 4), round(pixels.std().item(), 4)) == (0.2860, 0.3530)


def test_a_convolutional_network_that_was_trained(tmp_path: Path, clothes: Path, images: dict[str, Images]) -> None:
    torch.manual_seed(0)
    network = clothes_cnn()
    _train(network, images["train"], STEPS, rate=2e-3)
    assert _accuracy(network, images["test"]) > 0.75
    torch.save(network, tmp_path / "cnn.pt")
    places = Places(clothes, offline=True)
    report = propstats.audit(tmp_path / "cnn.pt", "fashion-mnist", samples=256, places=places)
    assert report.passed
    assert all(layer.one_step is not None or layer.reason for layer in report.layers)
    assert (report.data.samples, report.data.available) == (256, 10_000)


def test_a_deep_network_fails_before_training_and_its_remedy_makes_it_train(
    tmp_path: Path, clothes: Path, images: dict[str, Images]
) -> None:
    torch.manual_seed(0)
    network = deep_tanh()
    torch.save(network, tmp_path / "deep.pt")
    places = Places(clothes, offline=True)
    report = propstats.audit(tmp_path / "deep.pt", "fashion-mnist", samples=512, places=places)
    assert not report.passed
    failures = [finding for finding in report.findings if finding.rule == "backward-vanishing"]
    assert len(failures) == 1
    assert report.trend.backward_rate is not None
    # One layer of sigma_w^2 = 1/3 near 0 multiplies a gradient by sqrt(1/3) or less.
    assert report.trend.backward_rate.value < math.sqrt(1 / 3) + 0.05

    remedy = failures[0].remedy
    weights = re.search(r"weights with std ([\d.]+)/sqrt\(fan_in\)", remedy)
    assert weights is not None, remedy
    biases = re.search(r"biases with std ([\d.]+)", remedy)
    generator = torch.Generator().manual_seed(0)
    mended = deep_tanh()
    for layer in mended.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=float(weights[1]) / math.sqrt(layer.in_features), generator=generator)
            nn.init.normal_(layer.bias, std=float(biases[1]) if biases else 0.0, generator=generator)
    assert propstats.audit(mended, "fashion-mnist", samples=512, places=places).passed

    for each in (network, mended):
        _train(each, images["train"], STEPS, rate=1e-3)
    # Guessing is right once in ten; five standard errors of 10,000 guesses.
    assert _accuracy(network, images["test"]) < 0.1 + 5 * math.sqrt(0.09 / 10_000) + 0.1
    assert _accuracy(mended, images["test"]) > 0.75
