"""Networks that cannot be traced are run: what `propagate` says of them is what random weights do."""

import math
from collections.abc import Callable

import architectures
import pytest
import torch
from drawn_modules import check_theory
from torch import nn
from torch.nn import functional

import propstats
from propstats.auditing.recorded import recorded_graph
from propstats.errors import ModelError
from propstats.estimate import STANDARD_ERRORS
from propstats.rules.attention import AttentionBetween
from propstats.rules.dropout import Dropout


class _Decoder(nn.Module):
    """Torch's decoder layer, causal, whose memory is the encoded input."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.TransformerEncoderLayer(64, 4, 96, 0.0, batch_first=True)
        self.decode = nn.TransformerDecoderLayer(64, 4, 96, 0.0, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        result: torch.Tensor = self.decode(x, self.encode(x), tgt_mask=mask, tgt_is_causal=True)
        return result


class _Squeezed(nn.Module):
    """A depthwise convolution, squeeze and excitation, and an image that is enlarged."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.deep = nn.Conv2d(3, 64, 1), nn.Conv2d(64, 64, 3, groups=64)
        self.down, self.up, self.last = nn.Conv2d(64, 32, 1), nn.Conv2d(32, 64, 1), nn.Conv2d(64, 32, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.hardswish(self.deep(self.first(x)))
        gate = torch.sigmoid(self.up(functional.relu(self.down(x.mean((2, 3), keepdim=True)))))
        result: torch.Tensor = functional.interpolate(self.last(x * gate), scale_factor=2.0)
        return result


class _Nothing(nn.Module):
    """Rearranges numbers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(x.shape)


@pytest.mark.parametrize(("build", "shape"), [(_Decoder, (8, 64)), (_Squeezed, (3, 6, 6))])
def test_random_modules_do_what_theory_says(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    check_theory(build, shape, 10, scatter=1.0 + 3.0 / math.sqrt(2.0 * 9))


@pytest.mark.parametrize("written", [True, False])
def test_a_causal_transformer_of_tokens(written: bool) -> None:
    torch.manual_seed(1)
    model = architectures.Gpt(written=written)
    graph = recorded_graph(model, (16,))
    assert sum(isinstance(node.rule, AttentionBetween) for node in graph.nodes) == 2
    assert sum(isinstance(node.rule, Dropout) for node in graph.nodes) == 0  # they drop weights of the softmax
    assert (graph.units, graph.positions) == (1, (16,))
    found = propstats.propagate(model, shape=(16,))
    y = model.eval()(torch.randint(50, (256, 16))).detach().double()
    last = found.layers[-1]
    assert abs(float(y.square().mean()) / (last.mean**2 + last.std**2) - 1.0) <= STANDARD_ERRORS * last.error


def test_dropout_counts_in_training_only() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    assert [isinstance(recorded_graph(model, (4,), training=t).nodes[-1].rule, Dropout) for t in (True, False)] == [
        True, False,
    ]  # fmt: skip


def test_what_has_no_rule_is_named() -> None:
    class Sorted(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sort(dim=-1).values

    with pytest.raises(ModelError, match=r"'1.sort': no rule for sort"):
        recorded_graph(nn.Sequential(nn.Linear(4, 4), Sorted()), (4,))
    with pytest.raises(ModelError, match="no layers"):
        recorded_graph(_Nothing(), (4,))


class _Branching(nn.Module):
    """Which way it goes depends on the data, and it has a layer without a rule."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return x.sort().values if x.abs().sum() > 0.0 else x


def test_both_reasons_are_told() -> None:
    both = r"cannot be traced: .* control flow; when it is run instead: .* no rule for sort"
    with pytest.raises(ModelError, match=both):
        propstats.propagate(_Branching(), shape=(4,))
