"""What falls out of its like is found; what scatters, or is meant to be different, is not."""

import copy
import itertools
import math
from collections.abc import Callable, Iterable
from typing import Final

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import mlp
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.data.load import load_data
from propstats.auditing.judging.branches import branches
from propstats.auditing.judging.siblings import Member, odd_ones
from propstats.auditing.judging.simultaneous import LEVEL
from propstats.auditing.probing import probe
from propstats.auditing.records import Finding, Severity

RULES: Final = {"odd-gain", "drowning-branch", "silent-branch"}


def _members(logs: Iterable[float]) -> list[Member]:
    return [Member(str(at), ("one kind",), log) for at, log in enumerate(logs)]


@pytest.mark.parametrize("count", [3, 8, 20])
def test_alike_ones_are_passed_as_often_as_promised(count: int) -> None:
    generator, rounds = torch.Generator().manual_seed(count), 3000 // count
    alarms = sum(bool(odd_ones(_members(torch.randn(count, generator=generator).tolist()))) for _ in range(rounds))
    # Four standard errors of a binomial share.
    assert alarms / rounds <= LEVEL + 4 * math.sqrt(LEVEL * (1 - LEVEL) / rounds)


@given(st.lists(st.floats(-1.0, 1.0), min_size=3, max_size=12, unique=True), st.floats(-5.0, 5.0), st.floats(0.1, 10.0))
def test_units_and_signs_make_no_difference(logs: list[float], shift: float, scale: float) -> None:
    logs = [round(log, 3) + at * 0.01 for at, log in enumerate(logs)]
    found = odd_ones(_members(logs))
    assert [one.at for one in odd_ones(_members(-scale * log + shift for log in logs))] == [one.at for one in found]
    for one in found:
        assert one.interval[0] > 0.0 or one.interval[1] < 0.0


def test_too_few_and_two_of_a_kind_are_no_fault() -> None:
    assert not odd_ones(_members([0.0, 9.0]))
    assert not odd_ones(_members([0.0, 0.1, -0.1, 0.05, 9.0, 9.1]))
    assert [one.at for one in odd_ones(_members([0.0, 0.0, 0.0, 3.0]))] == [3]


def test_the_narrowest_kind_of_which_there_are_enough_is_asked() -> None:
    small = [Member(f"s{at}", ("small", "any"), 0.01 * at) for at in range(4)]
    large = [Member(f"l{at}", ("large", "any"), 5.0 + 0.01 * at) for at in range(4)]
    assert not odd_ones([*small, *large])
    assert [one.at for one in odd_ones([*small, *large, Member("l4", ("large", "any"), 0.0)])] == [8]


class Residual(nn.Module):
    """Residual blocks as people write them; the last weights of a branch are made by a function of their own."""

    def __init__(self, kind: str, seed: int = 0, blocks: int = 6, width: int = 32) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.kind, self.stem, self.head = kind, nn.Linear(64, width), nn.Linear(width, 10)
        self.blocks = nn.ModuleList()
        for _ in range(blocks):
            norm = nn.BatchNorm1d(width) if kind == "last gamma" else nn.LayerNorm(width)
            parts = {part: nn.Linear(width, width) for part in ("up", "gate", "down")}
            self.blocks.append(nn.ModuleDict({"norm": norm, **parts}))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
                nn.init.zeros_(module.bias)
        self.alphas = nn.ParameterList(torch.tensor(0.0 if kind == "rezero" else 1.0) for _ in self.blocks)
        if kind == "fixup":
            for at in range(blocks):
                nn.init.zeros_(self.get_parameter(f"blocks.{at}.down.weight"))

    def branch(self, block: nn.ModuleDict, x: torch.Tensor) -> torch.Tensor:
        if self.kind in ("gated", "pre-norm"):
            x = block["norm"](x)
        hidden = (
            nn.functional.silu(block["gate"](x)) * block["up"](x) if self.kind == "gated" else block["up"](x).relu()
        )
        y: torch.Tensor = block["down"](hidden)
        return block["norm"](y) if self.kind == "last gamma" else y

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x.flatten(1))
        for block, alpha in zip(self.blocks, self.alphas, strict=True):
            assert isinstance(block, nn.ModuleDict)
            x = x + alpha * self.branch(block, x)
        out: torch.Tensor = self.head(x)
        return out


def _found(model: nn.Module) -> list[Finding]:
    return [found for found in audit(model, load_data("digits").inputs[:100]).findings if found.rule in RULES]


def _times(model: nn.Module, name: str, factor: float) -> nn.Module:
    changed = copy.deepcopy(model)
    with torch.no_grad():
        changed.get_parameter(name).mul_(factor)
    return changed


def _chain(seed: int, act: str = "relu", depth: int = 10) -> nn.Module:
    return mlp(act, depth=depth, width=32, critical=True, seed=seed)


def _check_chains(seeds: Iterable[int]) -> None:
    for seed, (act, depth) in itertools.product(seeds, [("relu", 10), ("tanh", 6)]):
        sound = _chain(seed, act, depth)
        assert not _found(sound)
        for factor in (4.0, 0.25):
            (found,) = _found(_times(sound, "5.weight", factor))
            assert (found.rule, found.layer, found.severity) == ("odd-gain", "5", Severity.WARNING)
            assert found.interval is not None
            assert found.interval[0] < factor < found.interval[1]


def _check_branches(kinds: Iterable[str], seeds: Iterable[int]) -> None:
    for kind, seed in itertools.product(kinds, seeds):
        sound = Residual(kind, seed)
        assert not _found(sound)
        for part in ("down", *(["gate"] if kind == "gated" else ["up"])):
            found = _found(_times(sound, f"blocks.3.{part}.weight", 30.0))
            assert {one.rule: one.layer for one in found} == {
                "odd-gain": f"blocks.3.{part}", "drowning-branch": "blocks.3.down",
            }  # fmt: skip
        found = _found(_times(_times(sound, "blocks.3.down.weight", 1e-2), "blocks.3.up.weight", 1e-3))
        assert ("silent-branch", "blocks.3.down", Severity.INFO) in [(f.rule, f.layer, f.severity) for f in found]


def test_one_layer_of_a_chain_is_found() -> None:
    _check_chains(range(1))


def test_one_branch_of_many_is_found() -> None:
    _check_branches(("plain", "gated"), range(1))


@pytest.mark.slow
def test_chains_over_seeds() -> None:
    _check_chains(range(10))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "pre-norm", "gated"])
def test_branches_over_seeds(kind: str) -> None:
    _check_branches((kind,), range(10))


def _renewed(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = None  # a plain average
    with torch.no_grad():
        model.train()(load_data("digits").inputs)
    return model.eval()


def test_branches_that_start_at_zero_or_behind_a_norm_are_no_fault() -> None:
    for kind in ("rezero", "fixup"):
        assert not _found(Residual(kind))
    # What is normalised has no scale.
    assert not _found(_renewed(_times(Residual("last gamma"), "blocks.2.down.weight", 30.0)))
    (found,) = _found(_renewed(_times(Residual("last gamma"), "blocks.2.norm.weight", 30.0)))
    assert (found.rule, found.layer) == ("drowning-branch", "blocks.2.norm")


def test_the_first_and_the_last_layer_are_free() -> None:
    for name in ("1.weight", "19.weight"):
        assert not _found(_times(_chain(0), name, 30.0))


class _Parallel(nn.Module):
    """Two branches of the same stream, as in GPT-J; a projection on the way round; a sum of two parts of one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.round = (nn.Linear(64, 64) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        x = x + self.a(x) + nn.functional.dropout(self.b(torch.tanh(x)), training=self.training)
        y: torch.Tensor = self.round(x) + self.c(x)
        return y + y


def test_which_sums_are_residual() -> None:
    found = list(branches(probe(_Parallel(), load_data("digits").inputs[:50]).calls))
    assert [branch.name for branch in found] == ["a", "b"]
    assert [branch.arriving for branch in found] == [branch.stream for branch in found]
    networks: list[tuple[Callable[[], nn.Module], list[str]]] = [
        (lambda: Residual("pre-norm", blocks=2), ["blocks.0.down", "blocks.1.down"]),
        (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True), ["self_attn", "linear2"]),
        (lambda: nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), ["self_attn", "linear2"]),
    ]
    for make, names in networks:
        network = make()
        found = list(branches(probe(network, load_data("digits").inputs[:50].squeeze(1)).calls))
        assert [branch.name for branch in found] == names
