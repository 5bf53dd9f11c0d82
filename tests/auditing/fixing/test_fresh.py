"""Fresh weights pass for fresh, whoever drew them; trained ones do not."""

import pytest
import torch
from networks import mlp
from sound import SOUND
from torch import nn

from propstats.auditing.data.load import load_data
from propstats.auditing.fixing.fresh import signs_of_training


def _network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(400, 64), nn.Linear(64, 10)
    )


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(
    "draw",
    [
        None, nn.init.xavier_uniform_, nn.init.xavier_normal_, nn.init.kaiming_normal_, nn.init.kaiming_uniform_,
        nn.init.orthogonal_, lambda w: nn.init.trunc_normal_(w, std=0.02, a=-0.04, b=0.04),
    ],
)  # fmt: skip
def test_initialisers_are_fresh(draw: object, seed: int) -> None:
    torch.manual_seed(seed)
    model = _network()
    if callable(draw):
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                draw(module.weight)
    assert signs_of_training(model) == ()


@pytest.mark.parametrize("name", SOUND)
def test_sound_networks_are_fresh(name: str) -> None:
    assert signs_of_training(SOUND[name](0, 10)) == ()


@pytest.mark.parametrize("seed", range(10))
def test_fresh_networks_know_no_labels(seed: int) -> None:
    data = load_data("digits")
    assert signs_of_training(mlp("relu", depth=4, seed=seed), data.inputs, data.labels) == ()


def test_a_little_training_shows_in_the_labels() -> None:
    model, data = mlp("relu", depth=4, critical=True), load_data("digits")
    assert data.labels is not None
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    for start in range(0, 1000, 50):
        part = slice(start, start + 50)
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(data.inputs[part]), data.labels[part]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert not signs_of_training(model)  # gentle steps: the weights alone do not show it
    assert "labels" in signs_of_training(model, data.inputs, data.labels)[0]


def test_signs_of_training() -> None:
    torch.manual_seed(0)
    model = _network()
    with torch.no_grad():
        model.get_parameter("1.weight")[3] = 0.7
    assert signs_of_training(model) == ("1: scale or shift is not 1 or 0 everywhere",)
    model = _network()
    with torch.no_grad():
        model.get_parameter("4.weight").add_(0.05 * torch.outer(torch.randn(64), torch.randn(400)))
    assert signs_of_training(model) == ("4.weight: a singular value is larger than independent weights have",)
    model = _network()
    with torch.no_grad():
        model.get_parameter("4.weight").pow_(3)
    assert signs_of_training(model) == ("4.weight: its numbers follow no distribution that weights are drawn from",)
