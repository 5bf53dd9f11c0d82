"""A layer is blamed for what it does itself, and not for what is done around it."""

import copy
import math

import pytest
import torch
from networks import mlp
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.data.load import load_data
from propstats.auditing.records import Finding


class _Sine(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(30.0 * x)


def _siren(seed: int, inputs: int = 2, width: int = 64, hidden: int = 4) -> nn.Sequential:
    """Sitzmann et al. 2020, arXiv:2006.09661, section 3.2, with omega_0 = 30."""
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = []
    for fan_in in [inputs, *[width] * hidden]:
        linear = nn.Linear(fan_in, width)
        bound = 1.0 / fan_in if fan_in == inputs else math.sqrt(6.0 / fan_in) / 30.0
        nn.init.uniform_(linear.weight, -bound, bound, generator=generator)
        layers += [linear, _Sine()]
    last, bound = nn.Linear(width, 1), math.sqrt(6.0 / width) / 30.0
    nn.init.uniform_(last.weight, -bound, bound, generator=generator)
    return nn.Sequential(*layers, last)


def _places(inputs: int = 2) -> torch.Tensor:
    return 2.0 * torch.rand(256, inputs, generator=torch.Generator().manual_seed(0)) - 1.0


def _rules(model: nn.Module, data: torch.Tensor) -> dict[str, Finding]:
    return {found.rule: found for found in audit(model, data).findings}


def test_a_network_of_sines_as_its_authors_draw_it() -> None:
    assert not _rules(_siren(0), _places())


@pytest.mark.slow
def test_networks_of_sines_over_seeds() -> None:
    for seed in range(20):
        assert not _rules(_siren(seed, 2 + seed % 2), _places(2 + seed % 2))


def test_a_layer_of_sines_that_is_drawn_too_small_is_found() -> None:
    model = _siren(0)
    with torch.no_grad():
        model.get_parameter("6.weight").mul_(1e-3)
    # What comes after is levelled by no sine: it stays small.
    assert {"forward-vanishing", "odd-gain"} <= _rules(model, _places()).keys()


def test_a_layer_that_bounds_what_is_too_loud_weakens_nothing() -> None:
    model = mlp("tanh", depth=6, critical=True)
    with torch.no_grad():
        model.get_parameter("1.weight").mul_(100.0)
    found = _rules(model, load_data("digits").inputs[:200])
    assert "saturated" in found
    assert "forward-vanishing" not in found


class _WaveNet(nn.Module):
    """Gated dilated convolutions with residual and skip connections (van den Oord et al. 2016, arXiv:1609.03499)."""

    def __init__(self, blocks: int = 5, width: int = 16) -> None:
        super().__init__()
        self.stem, self.hidden, self.last = nn.Conv1d(1, width, 1), nn.Conv1d(width, width, 1), nn.Conv1d(width, 8, 1)
        self.filters, self.gates, self.rounds, self.skips = (nn.ModuleList() for _ in range(4))
        for at in range(blocks):
            spread = 2 ** (at % 3)
            for into in (self.filters, self.gates):
                into.append(nn.Conv1d(width, width, 2, dilation=spread, padding=spread))
            for into in (self.rounds, self.skips):
                into.append(nn.Conv1d(width, width, 1))
        generator = torch.Generator().manual_seed(0)
        for module in self.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.normal_(module.weight, 0.0, 1.0 / math.sqrt(module.weight[0].numel()), generator=generator)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        total = torch.zeros(())
        for f, gate, back, skip in zip(self.filters, self.gates, self.rounds, self.skips, strict=True):
            y = torch.tanh(f(x)[..., : x.shape[-1]]) * torch.sigmoid(gate(x)[..., : x.shape[-1]])
            total, x = total + skip(y), x + back(y)
        out: torch.Tensor = self.last(torch.relu(self.hidden(torch.relu(total))))
        return out


def _scaled(factor: float) -> dict[str, Finding]:
    model = copy.deepcopy(_WaveNet())
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv1d):
                module.weight.mul_(factor)
    return _rules(model, torch.randn(32, 1, 32, generator=torch.Generator().manual_seed(0)))


@pytest.mark.slow
def test_gated_convolutions_with_weights_of_the_wrong_size() -> None:
    assert not _scaled(1.0)
    small = _scaled(0.1)
    assert {"forward-vanishing", "backward-vanishing"} <= small.keys()
    # Inputs do not become alike: what differs is small because all is small.
    assert "rank-collapse" not in small
    assert {"backward-exploding", "saturated"} <= _scaled(10.0).keys()
    # No layer alone is to blame for what a stack with ways round does.
    part = _scaled(3.0)["backward-exploding"]
    assert "where paths part and join" in part.message
    assert "multiply the weights of" not in part.remedy


def test_what_has_no_weights_departs_without_a_finding() -> None:
    class Steps(nn.Module):
        """Mamba's step sizes: their biases are spread over decades, which no Gaussian is."""

        def __init__(self) -> None:
            super().__init__()
            generator = torch.Generator().manual_seed(0)
            self.first, self.last = nn.Linear(64, 128), nn.Linear(128, 10)
            steps = torch.exp(math.log(1e-3) + math.log(100.0) * torch.rand(128, generator=generator))
            self.steps = nn.Parameter(steps + torch.log(-torch.expm1(-steps)))
            nn.init.normal_(self.first.weight, 0.0, 1e-2, generator=generator)
            nn.init.normal_(self.last.weight, 0.0, 1.0, generator=generator)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.last(nn.functional.softplus(self.first(x.flatten(1)) + self.steps))
            return out

    report = audit(Steps(), load_data("digits").inputs[:200])
    assert [layer.verdict for layer in report.layers if layer.type == "softplus"] == ["departs"]
    assert "departs" not in {found.rule for found in report.findings}
