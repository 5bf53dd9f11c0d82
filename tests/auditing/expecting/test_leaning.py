"""Gradients that reach some positions only, and samples of different scale: what norms hand back."""

import copy

import pytest
import torch
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.expecting.leaning import inverse_variances
from propstats.auditing.measuring.profile import Profile
from propstats.auditing.measuring.statistics import SquareMean
from propstats.auditing.records import AuditReport
from propstats.rules.norm import GroupNorm, Scale


class _ClassToken(nn.Module):
    """A vision transformer in small: a token that stands for the class, small beside the others."""

    def __init__(self, take: int = 0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.take = take
        self.patches, self.token = nn.Linear(12, 32), nn.Parameter(0.02 * torch.randn(1, 1, 32))
        nn.init.kaiming_normal_(self.patches.weight)
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([self.token.expand(len(x), -1, -1), self.patches(x)], dim=1)
        out: torch.Tensor = self.head(self.norm(self.layers(x))[:, self.take])
        return out


def _report(model: nn.Module, scale: torch.Tensor | float = 1.0) -> AuditReport:
    return audit(model, scale * torch.randn(128, 9, 12, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("take", [0, -1])
def test_one_token_has_all_of_the_gradient(take: int) -> None:
    report = _report(_ClassToken(take))
    assert not report.findings
    assert {layer.verdict for layer in report.layers} == {"ok"}


def test_samples_of_different_scale() -> None:
    """Norms divide each sample by its own size: small ones get most of what comes back."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 32, bias=False), nn.LayerNorm(32), nn.Linear(32, 4))
    scale = torch.logspace(-1, 1, 128)[:, None, None]
    norm = _report(model, scale).layers[1]
    assert norm.verdict == "ok"
    assert norm.one_step is not None
    assert norm.one_step.gradient_input is not None
    assert norm.backward.input is not None
    # 32 units and 128 samples: what is left is the chance of projections.
    assert norm.one_step.gradient_input == pytest.approx(norm.backward.input.value, rel=0.2)


def test_a_norm_that_hands_back_too_much_is_found() -> None:
    class Wrong(nn.Module):
        """A norm whose gradient is nine times what it should be."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = nn.functional.layer_norm(x, (32,))
            return y + 8.0 * (y - y.detach())

    model = _ClassToken()
    faulty = copy.deepcopy(model)
    faulty.norm = Wrong()  # type: ignore[assignment]
    assert any(layer.verdict == "departs" for layer in _report(faulty).layers)


def test_profiles_of_parts_merge_to_the_whole() -> None:
    gradients = torch.randn(10, 5, 3, generator=torch.Generator().manual_seed(0))
    whole, first, second, plain = Profile([1]), Profile([1]), Profile([1]), SquareMean()
    for into, part in ((whole, gradients), (first, gradients[:4]), (second, gradients[4:]), (plain, gradients)):
        into.add(part)
    first.merge(second)
    expected = gradients.double().square().sum(dim=(0, 2))
    for found in (whole, first):
        assert found.shares is not None
        assert found.shares.tolist() == pytest.approx((expected / expected.sum()).tolist())
        assert found.running.mean == pytest.approx(plain.running.mean)
    whole.clear()
    assert whole.shares is None


@pytest.mark.parametrize(("units", "positions", "centred"), [(6, 1, True), (6, 1, False), (3, 4, True), (1, 4, True)])
def test_what_norms_divide_by(units: int, positions: int, centred: bool) -> None:
    values = torch.randn(7, 6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5
    found = inverse_variances(values, GroupNorm(units, positions, Scale(), 0.1, centred=centred))
    each, total = torch.zeros(4 if positions == 1 else 1, dtype=torch.float64), 0.0
    groups = 6 // units
    for sample in values:
        for group in sample.split(units):
            for at, part in enumerate([group] if positions > 1 else group.T):
                square = (part - part.mean() if centred else part).square().mean() + 0.1
                each[at] += 1.0 / square / (7 * groups)
                total += float(square) / (7 * groups * len(each))
    assert found is not None
    assert found.each.tolist() == pytest.approx(each.tolist())
    assert found.pooled == pytest.approx(1.0 / total)


def test_norms_of_other_units_are_left_alone() -> None:
    assert inverse_variances(torch.ones(2, 5, 3), GroupNorm(2, 1, Scale(), 0.1)) is None
    assert inverse_variances(torch.ones(2, 4, 3), GroupNorm(2, 1, Scale(), 0.0)) is None  # nothing to divide by
