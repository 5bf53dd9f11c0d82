"""What holds of networks on another device; `auditing/test_placement.py` runs it."""

import dataclasses

import pytest
import torch
from other_device import DEVICE
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import propstats
from propstats.auditing.placement import on_cpu
from propstats.errors import ModelError
from propstats.nn.init import lsuv_, lsuv_backward_
from propstats.report.jsonable import to_jsonable
from propstats.simulation import network as simulation
from propstats.simulation.stream import Stream


def network(first: int = 0) -> nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    kinds = (
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 48), nn.Tanh(), nn.Linear(48, 10)
    )  # fmt: skip
    layers = nn.Sequential(*kinds[first:])
    for parameter in layers.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter, generator=generator)
        else:
            nn.init.zeros_(parameter)
    return layers


def images(samples: int = 64) -> torch.Tensor:
    return torch.randn(samples, 1, 6, 6, generator=torch.Generator().manual_seed(1))


def test_the_device_tells_when_something_is_not_there() -> None:
    with pytest.raises(RuntimeError, match="same device"):
        network().to(DEVICE)(images())


def test_an_audit_is_the_same_wherever_the_network_and_the_data_are() -> None:
    here, there = network(), network().to(DEVICE)
    expected = dataclasses.replace(propstats.audit(here, images()), data=None)  # type: ignore[arg-type]
    pairs = TensorDataset(images(), torch.zeros(64, dtype=torch.long))
    for data in (images(), images().to(DEVICE), DataLoader(pairs, batch_size=16)):
        found = dataclasses.replace(propstats.audit(there, data), data=None)  # type: ignore[arg-type]
        assert to_jsonable(found) == to_jsonable(expected)
    assert {parameter.device for parameter in there.parameters()} == {DEVICE}


def test_theory_spectrum_and_remedy_of_a_network_elsewhere() -> None:
    there = network().to(DEVICE)
    assert propstats.propagate(there, shape=(1, 6, 6)).layers == propstats.propagate(network(), shape=(1, 6, 6)).layers
    assert propstats.spectrum(there, images(), inputs=2).max == propstats.spectrum(network(), images(), inputs=2).max
    assert propstats.fix(there, images()).passed == propstats.fix(network(), images()).passed


@pytest.mark.parametrize("statistics", ["basic", "full"])
def test_watching_elsewhere_gives_the_same_moments(statistics: str) -> None:
    here, there = network(), network().to(DEVICE)
    seen = []
    for model, x in ((here, images()), (there, images().to(DEVICE))):
        with propstats.Watcher(model, statistics) as watcher:  # type: ignore[arg-type]
            for _ in range(2):
                model(x + 5.0).square().sum().backward()
        seen.append(watcher.collect())
    assert list(seen[0]) == list(seen[1]) == list("0123456")
    for a, b in zip(seen[0].values(), seen[1].values(), strict=True):
        for one, other in ((a.activation, b.activation), (a.gradient, b.gradient)):
            assert one is not None
            assert other is not None
            assert torch.equal(one.mean, other.mean)
            assert torch.equal(one.variance, other.variance)


def test_monitoring_elsewhere_gives_the_same_numbers() -> None:
    histories = []
    for model, x in ((network(), images()), (network().to(DEVICE), images().to(DEVICE))):
        with propstats.monitor(model, every=1) as watching:
            for _ in range(3):
                model(x).square().sum().backward()
        histories.append(watching.history)
    assert len(histories[0]) == 3
    assert histories[0] == histories[1]


class FromCPU(Stream):
    """Draws on the CPU what belongs elsewhere: the device has no generator of its own."""

    def __init__(self, seed: int, draw: int, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(seed, draw, torch.device("cpu"), dtype)
        self._there = device

    def normal(self, *shape: int) -> torch.Tensor:
        return super().normal(*shape).to(self._there)


@pytest.mark.parametrize("precision", ["float32", "float64", "accurate"])
@pytest.mark.parametrize("act", ["relu", "tanh"])
def test_jacobians_are_drawn_elsewhere(act: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = propstats.jacobian(act, depth=3, width=16, draws=2, precision=precision).simulation
    monkeypatch.setattr(simulation, "Stream", FromCPU)
    monkeypatch.setattr(simulation, "resolve_device", lambda name: DEVICE)
    there = propstats.jacobian(act, depth=3, width=16, draws=2, precision=precision).simulation
    rounding = 1e3 * (2.0**-24 if precision == "float32" else 2.0**-53)  # of products of three matrices of width 16
    assert there.mean_square.value == pytest.approx(here.mean_square.value, rel=rounding)


@pytest.mark.parametrize("backward", [False, True])
def test_layers_are_scaled_by_data_elsewhere(backward: bool) -> None:
    scale = lsuv_backward_ if backward else lsuv_
    here, there = network(2), network(2).to(DEVICE)
    x = torch.randn(64, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    found = scale(there, x.to(DEVICE))
    assert found == pytest.approx(scale(here, x), rel=1e-6)  # their digits are of single precision
    for one, other in zip(there.parameters(), here.parameters(), strict=True):
        assert torch.allclose(one.cpu(), other, rtol=1e-6)


class Keeps(nn.Module):
    """Holds a tensor that is no buffer, and a device."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = network()
        self.shifts = [torch.ones(1).to(DEVICE)]
        self.device = DEVICE

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.inside(x.to(self.device) + self.shifts[0])
        return out


def test_a_copy_has_what_modules_hold_besides_parameters() -> None:
    near = on_cpu(Keeps().to(DEVICE))
    assert near(images()).device.type == "cpu"


def test_shared_parameters_stay_shared() -> None:
    tied = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)).to(DEVICE)
    tied[1].weight = tied[0].weight
    near = on_cpu(tied)
    assert isinstance(near, nn.Sequential)
    assert near[0].weight is near[1].weight


def test_refusals() -> None:
    with pytest.raises(ModelError, match="it is on the device meta"):
        propstats.audit(nn.Linear(4, 4, device="meta"), torch.randn(8, 4))

    class Stubborn(nn.Linear):
        def __deepcopy__(self, memo: object) -> "Stubborn":
            raise TypeError("no copies")

    with pytest.raises(ModelError, match="is on elsewhere:0 and cannot be copied: no copies"):
        propstats.audit(Stubborn(4, 4).to(DEVICE), torch.randn(8, 4))
