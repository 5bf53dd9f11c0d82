"""Weights that were learned before, or chosen so well that nothing has to be normalised."""

from collections.abc import Callable

import torch
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.records import AuditReport
from propstats.experiments.keeping import mean_over_networks
from propstats.experiments.lessons.networks import accuracy, dense, digits, gaussian, generator, stack, train
from propstats.experiments.lessons.record import Curve, Lesson, Panel
from propstats.nn.init import Residual, fixup_, pretrain_

_WIDTHS = (64, 48, 48, 48, 48, 48, 10)
_LABELLED, _STEPS, _SEEDS = 100, 150, 3
_BRANCHES, _WIDTH, _AUDITED = 25, 32, 500
_RIGHT, _TOO_SMALL = gaussian(lambda fan_in, _: 1 / fan_in), gaussian(lambda fan_in, _: 0.1 / fan_in)


def pretraining(seed: int) -> Lesson:
    """Layers trained to give back their input start from features, where small random ones start from noise."""
    inputs, labels = digits()
    few = torch.cat([inputs[:_LABELLED], inputs[-297:]])  # what is held out stays held out
    names = torch.cat([labels[:_LABELLED], labels[-297:]])
    found: dict[str, list[float]] = {"pre-trained": [], "random, 0.1/n": [], "random, 1/n": []}
    curves: dict[str, list[float]] = {}
    for own in range(seed, seed + _SEEDS):
        for name, reached in found.items():
            model = stack(_WIDTHS, _RIGHT if name == "random, 1/n" else _TOO_SMALL, nn.Tanh, generator(own))
            if name == "pre-trained":
                pretrain_(model, inputs[:-297], steps=150, generator=generator(own, 7))
            losses = list(train(model, few, names, steps=_STEPS, rate=0.02, seed=own))
            curves.setdefault(name, losses)
            reached.append(accuracy(model, few, names))
    scores = {name: mean_over_networks(values) for name, values in found.items()}
    steps = tuple(float(step) for step in range(1, _STEPS + 1))
    gap = scores["pre-trained"].value - scores["random, 0.1/n"].value
    return Lesson(
        "pretraining", "Layer-wise pre-training",
        "weights that layers learn by giving back their input are probably better than random ones",
        {f"accuracy {name}": score for name, score in scores.items()},
        gap > 5 * max(score.error for score in scores.values()),
        f"Five tanh layers with weights that are too small (variance 0.1/n) learn from {_LABELLED} digits with labels "
        f"to name {scores['random, 0.1/n'].value:.0%} of new ones; pre-trained from there on digits without labels, "
        f"{scores['pre-trained'].value:.0%}. Random weights of the right size (1/n) reach "
        f"{scores['random, 1/n'].value:.0%}: that is why nobody pre-trains like this any more.",
        Panel("training loss", "step", "loss", tuple(
            Curve(name, steps, tuple(losses)) for name, losses in curves.items()
        ), log_y=True),
        seed,
    )  # fmt: skip


def fixup(seed: int) -> Lesson:
    """Fixup trains a residual network of fifty layers without normalisation, where default weights diverge or stall."""
    inputs, labels = digits()
    ways: dict[str, Callable[[nn.Sequential, int], object]] = {
        "Fixup": lambda model, own: fixup_(model, generator=generator(own, 8)),
        "He": lambda model, own: None,
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    curves: dict[str, list[float]] = {}
    audits: dict[str, AuditReport] = {}
    for own in range(seed, seed + _SEEDS):
        for name, initialise in ways.items():
            model = residual(own)
            initialise(model, own)
            if name not in audits:
                audits[name] = audit(model, inputs[:_AUDITED])
            losses = list(train(model, inputs, labels, steps=_STEPS, rate=0.05, seed=own))
            curves.setdefault(name, losses)
            found[name].append(accuracy(model, inputs, labels))
    scores = {name: mean_over_networks(values) for name, values in found.items()}
    steps = tuple(float(step) for step in range(1, _STEPS + 1))
    warned = next((finding for finding in audits["He"].findings if finding.rule == "forward-exploding"), None)
    rate = audits["He"].trend.forward_rate
    return Lesson(
        "fixup", "Fixup",
        "with good initialisation a deep residual network needs no normalisation",
        {f"accuracy {name}": score for name, score in scores.items()},
        scores["Fixup"].value > 0.85 and scores["Fixup"].value - scores["He"].value > 0.3
        and warned is not None and "Fixup" in warned.remedy and audits["Fixup"].passed,
        f"A residual network of {2 * _BRANCHES} layers, without normalisation, reaches {scores['Fixup'].value:.0%} "
        f"with Fixup after {_STEPS} steps and {scores['He'].value:.0%} with He's weights, whose branches add up to "
        f"2^{_BRANCHES} times the signal's variance. An audit before training "
        + (f"finds that the signal explodes, x{rate.total:.2g}, and names Fixup as a remedy" if warned and rate
           else "does not find it")
        + f"; the network that Fixup made {'passes' if audits['Fixup'].passed else 'fails'}.",
        Panel("training loss", "step", "loss", tuple(
            Curve(name, steps, tuple(losses)) for name, losses in curves.items()
        ), log_y=True),
        seed,
    )  # fmt: skip


def residual(seed: int) -> nn.Sequential:
    """Return a residual network without normalisation, with He's weights."""
    numbers = generator(seed)
    he = gaussian(lambda fan_in, _: 2 / fan_in)
    branches = [
        Residual(nn.Sequential(dense(_WIDTH, _WIDTH, he, numbers), nn.ReLU(), dense(_WIDTH, _WIDTH, he, numbers)))
        for _ in range(_BRANCHES)
    ]
    return nn.Sequential(dense(64, _WIDTH, he, numbers), nn.ReLU(), *branches, dense(_WIDTH, 10, he, numbers))
