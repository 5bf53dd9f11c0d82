"""Every kind of rule, in random settings, against torch with random weights."""

import json
import math
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from random_networks import NETWORKS, RULES, Setting
from simulated import Simulation

import propstats
from propstats.estimate import STANDARD_ERRORS
from propstats.rules.dense import Weights
from propstats.rules.elementwise import Elementwise
from propstats.rules.join import Add
from propstats.signals import Signal

_NUMBERS = 300_000
_INPUTS = 8


def _gaps(setting: Setting, folder: Path) -> Iterator[tuple[str, float, float]]:
    """Yield how far theory is from simulation, and how far it may be: standard errors, and what finite width leaves.

    Theory is right to first order in 1/width; the relative variance that it states is that order.
    """
    path = folder / "network.json"
    # Batch norm is told how many inputs there are.
    text = json.dumps(setting.description).replace('"batch": 16', f'"batch": {_INPUTS}')
    path.write_text(text, encoding="utf-8")
    found = propstats.propagate(path)
    draws = max(30, _NUMBERS // setting.numbers(_INPUTS))
    measured = Simulation(json.loads(text), draws, _INPUTS, torch.Generator().manual_seed(1)).run()
    names = [layer.name for layer in found.layers if layer.name in measured]
    start, end = (next(layer for layer in found.layers if layer.name == name) for name in (names[0], names[-1]))
    gradient = measured[names[0]].gradient
    assert gradient is not None
    worst = max(max(layer.error, layer.backward_error) for layer in found.layers)
    for what, theory, sample in (
        ("q", end.mean**2 + end.std**2, measured[names[-1]].q),
        ("var", end.var, measured[names[-1]].var),
        ("gradient", start.backward_std**2, gradient),
    ):
        error = float(sample.std()) / math.sqrt(draws)
        # The error of a standard error, for few draws: chi-square.
        sure = 1.0 + 3.0 / math.sqrt(2.0 * (draws - 1))
        allowed = STANDARD_ERRORS * sure * error + worst**2 * theory
        yield what, abs(theory - float(sample.mean())), allowed


@pytest.mark.parametrize("name", [*RULES, *NETWORKS])
def test_theory_is_what_random_networks_do(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    make = {**RULES, **NETWORKS}[name]
    for _ in range(2):
        for what, gap, allowed in _gaps(make(rng), tmp_path):
            assert gap <= allowed, (what, gap, allowed)


def _doubled(signal: Signal) -> Signal:
    return replace(signal, q=2 * signal.q, var=2 * signal.var)


@pytest.mark.parametrize(("name", "rule"), [("dense", Weights), ("relu", Elementwise), ("residual sum", Add)])
def test_a_planted_fault_is_found(name: str, rule: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method = "join" if rule is Add else "forward"
    right = getattr(rule, method)
    monkeypatch.setattr(rule, method, lambda *arguments: _doubled(right(*arguments)))
    setting = RULES[name](np.random.default_rng(3))
    gaps = {what: gap / allowed for what, gap, allowed in _gaps(setting, tmp_path)}
    assert gaps["q"] > 1
    assert gaps["var"] > 1


@pytest.mark.parametrize("act", ["relu", "tanh", "gelu"])
def test_stated_errors_cover_the_spread_over_draws(act: str, tmp_path: Path) -> None:
    """One input, one position: the relative spread of q and of the gradient is what the rules say, to its square."""
    layers: list[dict[str, Any]] = []
    for _ in range(3):
        layers += [{"kind": "dense", "units": 64}, {"kind": act}]
    description = {"input": [64], "layer": layers}
    path = tmp_path / "network.json"
    path.write_text(json.dumps(description), encoding="utf-8")
    found = {layer.name: layer for layer in propstats.propagate(path).layers}
    draws = 3_000
    # Two inputs, of which the statistics of both average away some of the spread: their first is looked at alone.
    simulation = Simulation(description, draws, 2, torch.Generator().manual_seed(0))
    simulation.run()
    for name, layer in found.items():
        q = simulation.values[name].detach()[:, 0].square().mean(dim=1, dtype=torch.float64)
        spread = float(q.std() / q.mean())
        noise = STANDARD_ERRORS * spread * math.sqrt(float(((q - q.mean()) ** 4).mean() / q.var() ** 2) / draws)
        assert abs(spread - layer.error) <= noise + layer.error**2, (name, spread, layer.error)
