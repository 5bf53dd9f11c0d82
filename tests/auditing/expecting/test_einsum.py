"""Products that are written as sums over indices expect what products of matrices do."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.expecting.einsum import Equation
from propstats.auditing.expecting.places import Place
from propstats.auditing.records import AuditReport
from propstats.rules.from_torch import NoRuleError

_TOKENS, _HEADS, _EACH = 6, 2, 8


class _Attention(nn.Module):
    def __init__(self, attend: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        units = _HEADS * _EACH
        self.first, self.all, self.out = nn.Linear(8, units), nn.Linear(units, 3 * units), nn.Linear(units, 4)
        self.attend = attend

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        samples, units = len(x), _HEADS * _EACH
        parts = self.all(self.first(x)).chunk(3, dim=-1)
        q, k, v = (part.view(samples, _TOKENS, _HEADS, _EACH) for part in parts)
        out: torch.Tensor = self.out(self.attend(q, k, v).reshape(samples, _TOKENS, units))
        return out


def _matmul(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    q, k, v = (part.transpose(1, 2) for part in (q, k, v))
    return ((q @ k.transpose(-1, -2) / math.sqrt(_EACH)).softmax(-1) @ v).transpose(1, 2)


def _einsum(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    weights = (torch.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(_EACH)).softmax(-1)
    return torch.einsum("bhqk,bkhd->bqhd", weights, v)


def _turned(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    weights = torch.einsum("...jhd, ...ihd -> ...hij", k, q / math.sqrt(_EACH)).softmax(-1)
    return torch.einsum("...jhd, ...hij -> ...ihd", v, weights)


def _baddbmm(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    q, k, v = (part.transpose(1, 2).reshape(-1, _TOKENS, _EACH) for part in (q, k, v))
    nothing = torch.empty(len(q), _TOKENS, _TOKENS)
    logits = torch.baddbmm(nothing, q, k.transpose(1, 2), beta=0, alpha=1 / math.sqrt(_EACH))
    return torch.bmm(logits.softmax(-1), v).view(-1, _HEADS, _TOKENS, _EACH).transpose(1, 2)


def _report(model: nn.Module) -> AuditReport:
    return audit(model, torch.randn(64, _TOKENS, 8, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("attend", [_einsum, _turned, _baddbmm])
def test_attention_is_the_same_however_it_is_written(attend: Callable[..., torch.Tensor]) -> None:
    one, two = _report(_Attention(_matmul)), _report(_Attention(attend))
    assert not two.coverage.skipped
    first, second = ({layer.name: layer for layer in report.layers} for report in (one, two))
    for name in ("out", "softmax", "all"):
        for kind in ("one_step", "expected"):
            a, b = getattr(first[name], kind), getattr(second[name], kind)
            assert (b.q, b.var, b.gradient_input or 0.0) == pytest.approx(
                (a.q, a.var, a.gradient_input or 0.0),
                rel=1e-4,  # float32
            )
    # The product of queries and keys, and that of weights and values.
    products = [
        [layer.one_step.q for layer in report.layers if layer.one_step and layer.type in ("matmul", "einsum")]
        for report in (one, two)
    ]
    if attend is not _baddbmm:  # which multiplies at once what is multiplied later otherwise
        assert len(products[0]) == 2
        ratio = _EACH if attend is _turned else 1
        assert products[1] == pytest.approx([products[0][0] / ratio, products[0][1]], rel=1e-4)


class _Weighted(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.weight, self.function = nn.Linear(8, 16), nn.Parameter(torch.randn(12, 16) / 4), function
        self.register_buffer("fixed", torch.randn(12, 16) / 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.function(self, self.first(x))
        return out


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: torch.einsum("bti,oi->bto", x, m.weight),
        lambda m, x: torch.einsum("oi,...i->...o", m.weight, x),
        lambda m, x: x @ m.weight.T,
    ],
)
def test_weights_are_those_of_a_linear_layer(function: Callable[..., Any]) -> None:
    one = _report(_Weighted(lambda m, x: nn.functional.linear(x, m.weight))).layers[-1]
    two = _report(_Weighted(function)).layers[-1]
    assert one.one_step is not None
    assert two.one_step is not None
    assert two.is_weights
    assert two.one_step.q == pytest.approx(one.one_step.q, rel=1e-6)
    assert two.one_step.gradient_input == pytest.approx(one.one_step.gradient_input, rel=1e-6)


def test_a_sum_over_units_and_positions_has_the_fan_in_of_both() -> None:
    """Weights for each token and unit: as a linear layer behind a flattening."""

    def function(m: _Weighted, x: torch.Tensor) -> torch.Tensor:
        weight = m.weight.repeat(1, _TOKENS).view(12, 16, _TOKENS)
        return torch.einsum("bti,oit->bo", x, weight)

    layer = _report(_Weighted(function)).layers[-1]
    assert layer.one_step is not None
    assert layer.verdict == "ok"
    assert layer.shape == (12,)


def test_what_multiplies_by_a_buffer_is_no_layer_of_weights() -> None:
    assert not _report(_Weighted(lambda m, x: x @ m.fixed.T)).layers[-1].is_weights


def test_neighbours_of_a_graph_are_added_up() -> None:
    """With independent tokens of mean square q, `A x` has the mean square `q sum_ij A_ij^2/n`."""
    adjacency = (torch.arange(_TOKENS)[:, None] - torch.arange(_TOKENS)).abs().le(1).float() / 3.0

    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.first = nn.Linear(8, 64, bias=False)
            self.register_buffer("adjacency", adjacency)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.adjacency @ self.first(x)
            return out

    first, second = _report(Graph()).layers
    assert second.one_step is not None
    assert second.verdict == "ok"
    share = float(adjacency.square().sum()) / _TOKENS
    # Tokens are independent but for chance.
    assert second.one_step.q == pytest.approx(first.forward.q.value * share, rel=5 / math.sqrt(64))


@pytest.mark.parametrize(
    ("text", "dims", "word"),
    [("bii,bi->b", (3, 2), "diagonal"), ("bi,bi", (2, 2), "no rule"), ("a,b,c->abc", (1, 1), "no rule")],
)
def test_equations_that_are_not_read(text: str, dims: tuple[int, int], word: str) -> None:
    with pytest.raises(NoRuleError, match=word):
        Equation.of(text, *dims)


def test_units_are_where_their_letters_are() -> None:
    terms = Equation.of("bhqk,bkhd->bqhd", 4, 4)
    behind = terms.place_behind(terms.right, Place((6, 2, 8), frozenset([1, 2])), (5, 2, 8))
    assert behind == Place((5, 2, 8), frozenset([1, 2]))
    assert terms.summed == {"k"}
