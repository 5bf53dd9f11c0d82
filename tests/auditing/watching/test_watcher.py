"""A watched step computes the same, is measured within the stated error, and leaves nothing behind."""

import pytest
import torch
from torch import nn

from propstats.auditing.measuring.moments import Moments
from propstats.auditing.watching.unit_sums import RELATIVE_ERROR, UnitSums
from propstats.auditing.watching.watcher import Watcher


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def reference(values: torch.Tensor, axis: int) -> Moments:
    return Moments.of(values.movedim(axis, 0).flatten(1).T)


def network() -> nn.Module:
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(inplace=True), block, nn.LSTM(8, 4, batch_first=True))


@pytest.mark.parametrize("statistics", ["basic", "full"])
def test_watching_changes_nothing(statistics: str) -> None:
    x = draw(16, 6, 5)
    plain, watched = network(), network()
    plain(x)[0].square().sum().backward()
    with Watcher(watched, "basic" if statistics == "basic" else "full") as watcher:
        watched(x)[0].square().sum().backward()
    for a, b in zip(plain.parameters(), watched.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert torch.equal(a.grad, b.grad)
    assert not any(module._forward_hooks for module in watched.modules())
    seen = watcher.collect()
    assert list(seen)[:3] == ["0", "1", "2.self_attn"]
    assert seen["2.linear1"].kind == "Linear"
    for layer in seen.values():
        assert layer.activation is not None, layer.name
        assert layer.gradient is not None, layer.name
        assert layer.gradient.mean.shape == layer.activation.mean.shape
    assert watcher.collect() == {}


def test_what_is_watched_is_what_autograd_gives() -> None:
    first, second = nn.Linear(5, 8), nn.Linear(8, 3)
    torch.nn.init.normal_(first.weight, generator=torch.Generator().manual_seed(1))
    x = draw(64, 5)
    hidden = first(x)
    out = second(torch.relu(hidden))
    (gradient,) = torch.autograd.grad(out.square().sum(), hidden)
    model = nn.Sequential(first, nn.ReLU(), second)
    with Watcher(model) as watcher:
        model(x).square().sum().backward()
    seen = watcher.collect()["0"]
    for found, truth in ((seen.activation, reference(hidden, 1)), (seen.gradient, reference(gradient, 1))):
        assert found is not None
        assert torch.allclose(found.variance, truth.variance, rtol=RELATIVE_ERROR, atol=0)
    assert seen.activation is not None
    assert torch.allclose(seen.activation.mean, hidden.double().mean(dim=0), atol=1e-6)


def test_hooks_are_gone_whatever_happens() -> None:
    model = nn.Sequential(nn.Linear(5, 8), nn.Linear(9, 3))
    with pytest.raises(RuntimeError, match="shapes"), Watcher(model):
        model(draw(4, 5))
    assert not any(module._forward_hooks for module in model.modules())
    assert Watcher(model).collect() == {}


def test_calls_are_added_up_over_steps_by_name_and_number_of_units() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.soft, self.loss = nn.Softmax(dim=1), nn.MSELoss()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.loss(self.soft(self.soft(x)), x)
            return out

    model, x = Twice(), draw(6, 5)
    with Watcher(model) as watcher:
        for part in (x[:2], x[2:], x[:, :3]):
            model(part)
    seen = watcher.collect()
    assert list(seen) == ["soft", "soft #1", "loss", "soft (3 units)", "soft #1 (3 units)"]
    found, truth = seen["soft #1"].activation, reference(x.softmax(1).softmax(1), 1)
    assert found is not None
    assert seen["soft #1"].gradient is None
    assert torch.allclose(found.variance, truth.variance, rtol=RELATIVE_ERROR, atol=0)
    loss = seen["loss"].activation
    assert loss is not None
    assert (loss.mean.shape, loss.count.item()) == ((1,), 3)


def test_a_fault_is_told_when_the_result_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("planted fault")

    monkeypatch.setattr(UnitSums, "add", broken)
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU())
    with Watcher(model) as watcher:
        assert model(draw(4, 5)).shape == (4, 8)
    with pytest.raises(RuntimeError, match="planted"):
        watcher.collect()
