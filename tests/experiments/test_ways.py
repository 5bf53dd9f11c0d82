"""Ways of keeping signal, compared: networks, learning rates, stopping and going on, what is told apart."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from propstats_cli.main import run
from torch import nn

from propstats.errors import DomainError, ModelError
from propstats.experiments.ways.compare import choose_rate, compare_ways
from propstats.experiments.ways.images import FlatImages, Part, flat_images
from propstats.experiments.ways.judging import judge, mean_and_interval
from propstats.experiments.ways.networks import WAYS, network
from propstats.experiments.ways.plan import kept_network, kept_plan
from propstats.experiments.ways.records import Comparison, Trained, WayResult
from propstats.experiments.ways.training import Setting, measure, train
from propstats.report.ways import comparison_figure, comparison_markdown

_CLASSES = 3


def _images(train: int = 300, other: int = 60) -> FlatImages:
    """Three clouds that any network tells apart."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(train + 2 * other) % _CLASSES
    inputs = torch.randn(len(labels), 6, generator=generator) + 4.0 * nn.functional.one_hot(labels, 6)
    parts = [Part(inputs[a:b], labels[a:b]) for a, b in ((0, train), (train, train + other), (train + other, None))]
    return FlatImages("clouds", "0", parts[0], parts[1], parts[2], _CLASSES)


def _setting(way: str, depth: int = 3, width: int = 16) -> Setting:
    return Setting(WAYS[way], depth, width, _images(), torch.device("cpu"))


def _trained(error: float, seed: int = 0, rate: float = 0.01) -> Trained:
    return Trained(seed, rate, (1, 2), (0.9, error), error, 1.0, None)


def _result(way: str, errors: list[float], depth: int = 9) -> WayResult:
    networks = tuple(_trained(error, seed) for seed, error in enumerate(errors))
    return WayResult(way, depth, 0.01, ((0.0025, 0.5), (0.01, 0.2), (0.04, 0.3)), *mean_and_interval(errors), networks)


@pytest.mark.parametrize("way", sorted(WAYS))
def test_every_way_has_the_same_layers_of_weights_and_learns(way: str) -> None:
    model = network(WAYS[way], depth=5, width=8, inputs=6, classes=3, generator=torch.Generator().manual_seed(0))
    assert sum(isinstance(layer, nn.Linear) for layer in model.modules()) == 5
    before = torch.get_rng_state()
    setting = _setting(way)
    found = train(setting, seed=1, rate=0.05, steps=60, judged=setting.images.test)
    assert torch.equal(before, torch.get_rng_state())
    assert found.diverged is None
    # Three clouds at distance 4 sqrt(2): the best classifier is wrong for about one in two hundred.
    assert found.error <= 0.1
    assert found.steps[-1] == 60
    assert train(setting, seed=1, rate=0.05, steps=60, judged=setting.images.test) == found


def test_canonical_ways_differ_in_gradients_only() -> None:
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    models = [
        network(WAYS[way], depth=9, width=32, inputs=6, classes=3, generator=torch.Generator().manual_seed(0))
        for way in ("matched", "separate")
    ]
    assert models[0](x).equal(models[1](x))
    first = []
    for model in models:
        model(x).square().sum().backward()
        first.append(next(parameter for name, parameter in model.named_parameters() if "weight" in name).grad)
    assert first[0] is not None
    assert first[1] is not None
    assert first[1].norm() < first[0].norm()


def test_divergence_counts_as_guessing() -> None:
    setting = _setting("he")
    found = train(setting, seed=0, rate=1e30, steps=20, judged=setting.images.test)
    assert found.diverged is not None
    assert (found.error, found.loss) == (1 - 1 / _CLASSES, math.inf)


def test_what_is_not_finite_names_no_class() -> None:
    class Nothing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.full((len(x), _CLASSES), math.nan)

    assert measure(Nothing(), _images().test, torch.device("cpu")) == (1.0, math.inf)


@pytest.mark.parametrize(
    ("best", "tried"),
    [
        (0.04, [0.01, 0.04, 0.16]),
        (0.01, [0.0025, 0.01, 0.04, 0.16]),
        (0.64, [0.01, 0.04, 0.16, 0.64, 2.56]),
        (0.0, [0.01 / 4**k for k in range(6, 0, -1)] + [0.01, 0.04, 0.16]),
    ],
)
def test_the_best_rate_has_a_worse_one_on_either_side(best: float, tried: list[float]) -> None:
    def trial(rate: float) -> Trained:
        return _trained(abs(math.log2(rate / best)) if best else rate, rate=rate)

    assert [found.rate for found in choose_rate(trial)] == pytest.approx(tried)


def test_what_is_told_apart() -> None:
    results = [
        _result("batchnorm", [0.20, 0.21, 0.22, 0.21]),
        _result("matched", [0.10, 0.11, 0.10, 0.11]),
        _result("separate", [0.10, 0.11, 0.11, 0.105]),
        _result("he", [0.9, 0.9, 0.9, 0.9]),
        _result("normprop-1", [0.20, 0.22, 0.21, 0.215]),
    ]
    found = {(j.way, j.against): j for j in judge(results)}
    words = {pair: judgement.word for pair, judgement in found.items()}
    assert words == {
        ("matched", "batchnorm"): "better",
        ("separate", "batchnorm"): "better",
        ("separate", "matched"): "not told apart",
        ("he", "batchnorm"): "worse",
        ("normprop-1", "batchnorm"): "not told apart",
    }
    # Welch's test as scipy has it
    from scipy import stats

    errors = [[network.error for network in result.trained] for result in results[:2]]
    expected: Any = stats.ttest_ind(errors[1], errors[0], equal_var=False)
    judgement = found["matched", "batchnorm"]
    assert judgement.p == pytest.approx(expected.pvalue)
    assert judgement.interval == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_one_network_or_no_spread_tells_nothing() -> None:
    lone = judge([_result("batchnorm", [0.2]), _result("he", [0.9])])
    assert [(j.p, j.word) for j in lone] == [(None, "not told apart")]
    stuck = judge([_result("batchnorm", [0.9, 0.9]), _result("he", [0.9, 0.9])])
    assert [(j.p, j.word) for j in stuck] == [(1.0, "not told apart")]


def test_a_finished_network_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    first = kept_network(path, lambda: dataclasses.replace(_trained(0.2), loss=math.inf, diverged=3))
    assert kept_network(path, lambda: _trained(0.9)) == first
    path.write_text("{}")
    with pytest.raises(ModelError, match="damaged"):
        kept_network(path, lambda: _trained(0.9))


def test_a_plan_is_kept_and_another_refused(tmp_path: Path) -> None:
    settings = [_setting("he"), _setting("matched")]
    plan = kept_plan(tmp_path, settings, seeds=2, seed=0, budget=None)
    assert plan.steps == plan.of_steps == 30
    assert kept_plan(tmp_path, settings, seeds=2, seed=0, budget=None) == plan
    (tmp_path / "he-seed0.json").touch()  # begun
    with pytest.raises(ModelError, match="another comparison: seeds differ"):
        kept_plan(tmp_path, settings, seeds=3, seed=0, budget=None)
    with pytest.raises(DomainError, match="not enough for 50 steps"):
        kept_plan(tmp_path / "other", settings, seeds=2, seed=0, budget=1e-3)


def test_images_come_normalised_and_apart() -> None:
    images = flat_images("digits")
    assert float(images.train.inputs.mean()) == pytest.approx(0.0, abs=1e-5)
    assert torch.allclose(images.train.inputs.std(dim=0, correction=0), torch.ones(61), atol=1e-4)
    assert len(images.train) + len(images.held_out) + len(images.test) == 1797


@pytest.mark.parametrize(
    "arguments",
    [
        {"depths": (1,)},
        {"depths": ()},
        {"depths": (3, 3)},
        {"width": 0},
        {"seeds": 0},
        {"budget": 0.0},
        {"steps": 0},
        {"steps": 9, "budget": 1.0},
    ],
)
def test_bad_input_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(DomainError):
        compare_ways("digits", **arguments)  # type: ignore[arg-type]


def _comparison() -> Comparison:
    results = tuple(
        _result(way, [0.1 + 0.1 * k, 0.11 + 0.1 * k], depth) for depth in (9, 20) for k, way in enumerate(WAYS)
    )
    return Comparison(
        "clouds", "0", "cpu", 0, 2, 60.0, (9, 20), 16, 100, 50, 100, 17, results, judge(results), ("as it was",)
    )


def test_the_report_says_who_is_better_at_each_depth() -> None:
    result = _comparison()
    text = comparison_markdown(result, "ways.svg")
    assert "propstats ways --data clouds --depth 9,20 --width 16 --seeds 2 --seed 0 --steps 50" in text
    assert all(f"| `{way}` |" in text for way in WAYS)
    assert text.count("than batch norm") + text.count("from batch norm") >= 2
    panels = comparison_figure(result).axes
    assert [axes.get_title(loc="left") for axes in panels] == ["9 layers", "20 layers"]
    assert all(len(axes.lines) == len(WAYS) for axes in panels)


def test_a_wrong_depth_is_a_usage_of_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ways", "--depth", "9,many"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_a_comparison_on_digits_from_end_to_end(tmp_path: Path) -> None:
    first = compare_ways("digits", depths=(2, 12), width=32, seeds=2, out=tmp_path, device="cpu")
    assert compare_ways("digits", depths=(2, 12), width=32, seeds=2, out=tmp_path, device="cpu") == first
    assert {(j.depth, j.way) for j in first.judgements} >= {(2, "he"), (12, "separate")}
