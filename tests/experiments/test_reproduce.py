"""Experiments of the paper: protocol, budget, stopping and going on, verdicts."""

import contextlib
import dataclasses
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from propstats_cli.main import run

from propstats.errors import DomainError, ModelError, UnknownNameError
from propstats.estimate import Estimate, Route
from propstats.experiments.reproduce import plan as plan_module
from propstats.experiments.reproduce import reproduce as module
from propstats.experiments.reproduce.budget import BudgetError, Cost, shorten, whole
from propstats.experiments.reproduce.images import Images
from propstats.experiments.reproduce.protocol import EXPERIMENTS, Run
from propstats.experiments.reproduce.records import Epoch, RunResult, Shortening, Trained
from propstats.experiments.reproduce.reproduce import reproduce
from propstats.experiments.reproduce.training import Training
from propstats.experiments.reproduce.verdicts import judge

RUN = Run("normprop", "global", 4, 0.05, 3, 1)


def _images(train: int = 24, test: int = 8) -> Images:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(train + test, 1, 32, 32, generator=generator)
    labels = torch.randint(3, (train + test,), generator=generator)
    labels[:3] = torch.arange(3)
    return Images("noise", "0", inputs[:train], labels[:train], inputs[train:], labels[train:], "")


PLAN = Shortening(2, 3, 2, 6, 8, 8, 1)


def test_the_schedule_is_the_papers() -> None:
    table = EXPERIMENTS["table1"].runs
    assert {(run.batch, run.rate, run.epochs, run.halve_every) for run in table} == {(50, 0.05, 200, 25)}
    assert {run.rate for run in EXPERIMENTS["fig2"].runs if run.method == "none"} == {0.0001}


@pytest.mark.parametrize("budget", [10.0, 100.0, 1e4])
def test_a_budget_is_kept_and_shared(budget: float) -> None:
    images = _images(2400, 400)
    runs = (RUN, dataclasses.replace(RUN, method="batchnorm"))
    costs = {runs[0]: Cost(0.01, 1e-4), runs[1]: Cost(0.02, 1e-4)}
    plans = shorten(runs, images, seeds=2, budget=budget, costs=costs)
    spent = 2 * sum(
        plan.epochs * (costs[run].step * plan.steps + costs[run].validated * plan.validated)
        for run, plan in plans.items()
    )
    assert spent <= budget * 1.2
    shares = [plan.share for plan in plans.values()]
    assert max(shares) <= 1.0
    assert max(shares) / min(shares) < 1.5


def test_without_a_budget_nothing_is_left_out() -> None:
    plan = whole(RUN, _images(), 3)
    assert not plan.is_short
    assert shorten((RUN,), _images(), seeds=3, budget=None, costs={}) == {RUN: plan}


def test_a_budget_for_less_than_a_step_is_refused() -> None:
    with pytest.raises(DomainError, match="not enough"):
        shorten((RUN,), _images(), seeds=1, budget=1e-3, costs={RUN: Cost(1.0, 0.1)})


@given(budget=st.floats(0.05, 100.0), images=st.integers(100, 3000))
def test_no_epoch_asks_for_more_images_than_there_are(budget: float, images: int) -> None:
    runs = tuple(dataclasses.replace(RUN, batch=batch, epochs=30) for batch in (1, 50, 100))
    train = _images()
    many = dataclasses.replace(train, train=train.train[:1].expand(images, -1, -1, -1))
    with contextlib.suppress(BudgetError):
        for plan in shorten(runs, many, seeds=1, budget=budget, costs=dict.fromkeys(runs, Cost(0.01, 1e-4))).values():
            assert 1 <= plan.steps <= plan.of_steps
            assert plan.epochs <= plan.of_epochs


def test_the_budget_that_is_named_does() -> None:
    runs = tuple(dataclasses.replace(RUN, batch=batch) for batch in (1, 2, 4, 12))
    costs = dict.fromkeys(runs, Cost(1.0, 0.1))
    with pytest.raises(BudgetError, match="one step of normprop-global-12") as refused:
        shorten(runs, _images(), seeds=1, budget=1e-3, costs=costs)
    shorten(runs, _images(), seeds=1, budget=refused.value.seconds * 1.001, costs=costs)


def _finish(training: Training) -> Trained:
    while not training.is_done:
        for _ in training.steps():
            pass
    return training.result


def _without_times(trained: Trained) -> list[Epoch]:
    return [dataclasses.replace(epoch, seconds=0.0) for epoch in trained.epochs]


def test_stopped_and_resumed_is_the_same_as_never_stopped(tmp_path: Path) -> None:
    images, device = _images(), torch.device("cpu")
    straight = _finish(Training(RUN, images, PLAN, 1, device))
    first = Training(RUN, images, PLAN, 1, device)
    for _ in first.steps():
        pass
    first.save(tmp_path / "a.ckpt")
    second = Training(RUN, images, PLAN, 1, device)
    second.resume(tmp_path / "a.ckpt")
    assert len(second.epochs) == 1
    assert _without_times(_finish(second)) == _without_times(straight)


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path) -> None:
    images, device = _images(), torch.device("cpu")
    Training(RUN, images, PLAN, 1, device).save(tmp_path / "a.ckpt")
    other = Training(dataclasses.replace(RUN, rate=0.1), images, PLAN, 1, device)
    with pytest.raises(ModelError, match="another configuration: rate differ"):
        other.resume(tmp_path / "a.ckpt")
    (tmp_path / "b.ckpt").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="damaged"):
        other.resume(tmp_path / "b.ckpt")


def test_training_leaves_global_randomness_alone() -> None:
    before = torch.get_rng_state()
    _finish(Training(RUN, _images(), PLAN, 1, torch.device("cpu")))
    assert torch.equal(before, torch.get_rng_state())


def _result(method: str, layer_means: list[list[float]], accuracies: list[list[float]]) -> RunResult:
    networks = [
        Trained(
            f"{method}-batch-50",
            seed,
            tuple(
                Epoch(number + 1, 1.0, accuracy, (mean, mean), (mean, mean), 1.0)
                for number, (mean, accuracy) in enumerate(zip(means, accuracy_of, strict=True))
            ),
            None,
        )
        for seed, (means, accuracy_of) in enumerate(zip(layer_means, accuracies, strict=True))
    ]
    one = Estimate(0.5, 0.01, Route.MEASURED, 3)
    return RunResult(f"{method}-batch-50", one, one, 84.0 if method == "normprop" else 96.0, PLAN, networks)


def test_verdicts_tell_better_from_worse_and_from_unknown() -> None:
    steady = _result("normprop", [[0.1, 0.11], [0.1, 0.12], [0.1, 0.11]], [[0.5, 0.6]] * 3)
    shaky = _result("batchnorm", [[0.3, 0.6], [0.3, 0.7], [0.3, 0.65]], [[0.6, 0.4], [0.6, 0.5], [0.6, 0.45]])
    swapped = {
        "normprop-batch-50": dataclasses.replace(shaky, run="normprop-batch-50"),
        "batchnorm-batch-50": dataclasses.replace(steady, run="batchnorm-batch-50"),
    }
    runs = {"normprop-batch-50": steady, "batchnorm-batch-50": shaky}
    printed = EXPERIMENTS["fig2"].printed
    assert [verdict.holds for verdict in judge("fig2", runs, printed)] == [True, True]
    assert [verdict.holds for verdict in judge("fig2", swapped, printed)] == [False, False]
    same = {"normprop-batch-50": steady, "batchnorm-batch-50": dataclasses.replace(steady, run="batchnorm-batch-50")}
    assert [verdict.holds for verdict in judge("fig2", same, printed)] == [None, None]
    assert judge("fig3", runs, EXPERIMENTS["fig3"].printed)[0].holds is True
    still = _result("normprop", [[0.1, 0.1]] * 3, [[0.4, 0.4]] * 3)
    stuck = {"normprop-batch-50": still, "batchnorm-batch-50": shaky}
    assert [verdict.holds for verdict in judge("fig2", stuck, printed)] == [True, True]
    assert judge("fig1", stuck, EXPERIMENTS["fig1"].printed)[0].holds is None
    (speed,) = judge("speed", runs, EXPERIMENTS["speed"].printed)
    assert speed.holds is True
    assert "0.875" in speed.found


def test_an_unknown_experiment_is_answered_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnknownNameError, match="fig5"):
        reproduce("fig5")
    assert run(["reproduce", "fig5"]) == 2
    assert capsys.readouterr().err.endswith("known: fig1, fig2, fig3, fig4, table1, speed, all)\n")


def test_all_experiments_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = dict.fromkeys(("speed", "fig3"), EXPERIMENTS["speed"])
    few["fig3"] = dataclasses.replace(few["speed"], name="fig3")
    monkeypatch.setattr(module, "EXPERIMENTS", few)
    monkeypatch.setattr(module, "load_images", lambda data, places: _images(400, 8))
    options = ["--thin", "96", "--budget", "2", "--out", str(tmp_path / "kept")]
    assert run(["reproduce", "all", *options, "--write", str(tmp_path / "reports"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["data"]
    assert found["budget"] == 2
    assert [(one["name"], one["budget"]) for one in found["experiments"]] == [("speed", 1), ("fig3", 1)]
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == [
        "fig3.md", "fig3.svg", "speed.md", "speed.svg",
    ]  # fmt: skip


def test_a_budget_too_short_for_all_is_refused_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = {name: dataclasses.replace(EXPERIMENTS["speed"], name=name) for name in ("speed", "fig3")}
    monkeypatch.setattr(module, "EXPERIMENTS", few)
    monkeypatch.setattr(module, "load_images", lambda data, places: _images(400, 8))
    monkeypatch.setattr(plan_module, "measure", lambda run, images, device: Cost(0.1, 1e-4))
    options = ["reproduce", "all", "--thin", "96", "--out", str(tmp_path / "kept"), "--budget"]
    assert run([*options, "0.1"]) == 2
    # A step of both runs is 0.2 s, a fifth more is kept for validation, there are two experiments and a margin.
    assert "not enough for one step" in (said := capsys.readouterr().err)
    assert "(--budget 1)" in said
    assert not list(tmp_path.rglob("*.ckpt"))
    assert run([*options, "1"]) == 0, "the plan that was never begun gives way"


@pytest.mark.slow
def test_an_experiment_on_digits_from_end_to_end(tmp_path: Path) -> None:
    first = reproduce("fig3", "digits", out=tmp_path, budget=40.0, seeds=2)
    again = reproduce("fig3", "digits", out=tmp_path, budget=40.0, seeds=2)
    assert again == first
    assert first.not_run
    with pytest.raises(ModelError, match="seeds differ"):
        reproduce("fig3", "digits", out=tmp_path, budget=40.0, seeds=1)
