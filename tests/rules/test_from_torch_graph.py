"""Graphs read off torch modules: what is traced, and what is refused."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from drawn_modules import check_theory
from torch import nn
from torch.nn import functional

import propstats
from propstats.errors import ModelError
from propstats.estimate import STANDARD_ERRORS
from propstats.rules.affine import Affine, Flatten, Unchanged
from propstats.rules.attention import Attention
from propstats.rules.batch_norm import BatchNorm
from propstats.rules.dense import Weights
from propstats.rules.dropout import Dropout
from propstats.rules.elementwise import Elementwise
from propstats.rules.embedding import Embedding
from propstats.rules.from_torch_graph import graph_of
from propstats.rules.gate import Gated
from propstats.rules.join import Add, Concatenate
from propstats.rules.norm import GroupNorm
from propstats.rules.pooling import AveragePool

_MODULES: dict[str, tuple[nn.Module, tuple[int, ...], type, tuple[int, tuple[int, ...]]]] = {
    "linear": (nn.Linear(6, 4), (6,), Weights, (4, ())),
    "linear on tokens": (nn.Linear(6, 4), (5, 6), Weights, (4, (5,))),
    "conv": (nn.Conv2d(3, 4, 3, stride=2), (3, 9, 7), Weights, (4, (4, 3))),
    "transposed conv": (nn.ConvTranspose1d(3, 4, 3, stride=2, output_padding=1), (3, 5), Weights, (4, (12,))),
    "batch norm": (nn.BatchNorm2d(3), (3, 4, 4), BatchNorm, (3, (4, 4))),
    "layer norm": (nn.LayerNorm(6), (5, 6), GroupNorm, (6, (5,))),
    "rms norm": (nn.RMSNorm(6), (6,), GroupNorm, (6, ())),
    "group norm": (nn.GroupNorm(2, 6), (6, 4, 4), GroupNorm, (6, (4, 4))),
    "instance norm": (nn.InstanceNorm1d(3), (3, 8), GroupNorm, (3, (8,))),
    "dropout": (nn.Dropout(0.2), (6,), Dropout, (6, ())),
    "dropout of channels": (nn.Dropout2d(0.2), (3, 4, 4), Dropout, (3, (4, 4))),
    "average pool": (nn.AvgPool2d(2, stride=1, padding=1), (3, 4, 4), AveragePool, (3, (5, 5))),
    "global pool": (nn.AdaptiveAvgPool2d(1), (3, 4, 6), AveragePool, (3, (1, 1))),
    "adaptive pool": (nn.AdaptiveAvgPool2d((2, None)), (3, 4, 6), AveragePool, (3, (2, 6))),
    "flatten": (nn.Flatten(), (3, 4, 6), Flatten, (72, ())),
    "flatten positions": (nn.Sequential(nn.Conv2d(3, 3, 1), nn.Flatten(2)), (3, 4, 6), Unchanged, (3, (24,))),
    "glu": (nn.GLU(), (6,), Gated, (3, ())),
    "gelu": (nn.GELU(), (6,), Elementwise, (6, ())),
    "embedding": (nn.Embedding(20, 8), (5,), Embedding, (8, (5,))),
    "attention": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (5, 8), GroupNorm, (8, (5,))),
}


@pytest.mark.parametrize("name", _MODULES)
def test_every_kind_of_module(name: str) -> None:
    module, shape, rule, place = _MODULES[name]
    modes = [part.training for part in module.modules()]
    graph = graph_of(module, shape)
    assert isinstance(graph.output.rule, rule)
    assert (graph.output.units, graph.output.positions) == place
    assert [part.training for part in module.modules()] == modes


class _Own(nn.Module):
    """A network whose forward pass uses functions and methods."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(8, 8)
        self.two = nn.Linear(16, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = functional.gelu(self.one(x)) + 2.0 * x
        h = self.two(torch.cat([h, torch.tanh(h)], dim=-1))
        h = h + self.attention(h, h, h, need_weights=False)[0]
        h = torch.relu(self.one(h)).mean(dim=1)
        return h.flatten(1)


def test_functions_methods_and_modules_that_are_called_twice() -> None:
    graph = graph_of(_Own(), (5, 8), training=False)
    kinds = [type(node.rule) for node in graph.nodes]
    assert kinds == [
        Weights, Elementwise, Affine, Add, Elementwise, Concatenate, Weights, Attention, Add, Weights, Elementwise,
        AveragePool, Unchanged,
    ]  # fmt: skip
    assert [node.name for node in graph.nodes if node.name.startswith("one")] == ["one", "one#1"]
    assert propstats.propagate(_Own(), shape=(5, 8)).passed


def test_dropout_counts_in_training_only() -> None:
    for training, rule in ((True, Dropout), (False, Unchanged)):
        assert isinstance(graph_of(nn.Dropout(0.1), (4,), training=training).nodes[0].rule, rule)


class _Two(nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x + y


class _Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


class _Parameter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.ones(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.shift


@pytest.mark.parametrize(
    ("module", "shape", "words"),
    [
        (nn.Sequential(nn.Linear(4, 4), nn.LSTM(4, 4)), (4,), "layer '1': no rule for LSTM"),
        (
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.FractionalMaxPool2d(2, 2)),
            (1, 8, 8),
            "layer '1': no rule for Fractional",
        ),
        (nn.Conv2d(1, 2, 3), None, "the shape of the input is not known"),
        (nn.Linear(4, 4), (5,), "refuses an input of 5"),
        (_Two(), (4,), "several inputs"),
        (_Branching(), (4,), "cannot be traced"),
        (_Parameter(), (4,), "no rule"),
        (nn.MultiheadAttention(4, 2), (3, 4), "missing 2 required positional arguments"),
        (
            nn.Sequential(nn.AvgPool2d(3, ceil_mode=True, divisor_override=2)),
            (1, 4, 4),
            "divisor_override with ceil_mode",
        ),
    ],
)
def test_what_has_no_rule_is_named(module: nn.Module, shape: tuple[int, ...] | None, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        graph_of(module, shape)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def _block(norm_first: bool) -> nn.Module:
    return nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True, norm_first=norm_first)


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda: _block(True), (6, 64)),
        (lambda: _block(False), (6, 64)),
        (lambda: nn.Sequential(nn.Linear(40, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 30)), (40,)),
        (lambda: nn.Sequential(nn.ConvTranspose2d(8, 6, 3, stride=2), nn.GroupNorm(2, 6), nn.SiLU()), (8, 5, 5)),
        pytest.param(
            lambda: nn.Sequential(
                nn.Conv2d(3, 24, 3, padding="same", padding_mode="circular"),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(24, 32, 3, padding=1, padding_mode="reflect"),
                nn.BatchNorm2d(32),
                nn.ReLU(),
                nn.MaxPool2d(3, 2, ceil_mode=True),
                nn.Flatten(),
                nn.Linear(128, 20),
            ),
            (3, 10, 10),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_random_modules_do_what_theory_says(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    check_theory(build, shape, 25)


class _Decoder(nn.Module):
    """Attention of one signal to another one's tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.memory = nn.Linear(48, 64), nn.Linear(48, 64)
        self.attention = nn.MultiheadAttention(64, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        memory = self.memory(x)
        result: torch.Tensor = self.attention(self.first(x), memory, memory)[0]
        return result


def test_attention_between_two_signals() -> None:
    torch.manual_seed(0)
    gaps: dict[str, list[float]] = {"q": [], "gradient": []}
    order = 0.0
    for _ in range(25):
        module = _Decoder()
        theory = propstats.propagate(module, shape=(8, 48))
        x = torch.randn(32, 8, 48, requires_grad=True)
        y: Any = module(x)
        (gradient,) = torch.autograd.grad(y, x, torch.randn_like(y))
        last = theory.layers[-1]
        gaps["q"].append(float(y.detach().square().mean()) / (last.mean**2 + last.std**2) - 1)
        gaps["gradient"].append(float(gradient.square().mean()) / theory.layers[0].backward_std ** 2 - 1)
        order = max(max(layer.error, layer.backward_error) for layer in theory.layers) ** 2
    for what, values in gaps.items():
        sample = torch.tensor(values, dtype=torch.float64)
        error = float(sample.std()) / math.sqrt(len(values))
        assert abs(float(sample.mean())) <= STANDARD_ERRORS * error + order, what
