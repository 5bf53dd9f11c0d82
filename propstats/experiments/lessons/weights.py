"""Weights: too large or small, identical, Glorot's and He's."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from propstats.activations import activation
from propstats.estimate import Estimate, Route
from propstats.expectation import quadrature
from propstats.experiments.keeping import mean_over_networks
from propstats.experiments.lessons.networks import (
    Draw,
    accuracy,
    digits,
    gaussian,
    generator,
    stack,
    train,
    trained_accuracy,
)
from propstats.experiments.lessons.record import Curve, Lesson, Panel

_DEPTH, _WIDTH, _STEPS = 10, 64, 200
_SCALES = (0.1, 0.3, 0.6, 1.0, 1.5, 2.5, 5.0, 10.0)


def scale(seed: int) -> Lesson:
    """Weights that are too large saturate, weights that are too small extinguish; neither learns."""
    widths = [64, *[_WIDTH] * (_DEPTH - 1), 10]

    def build(sigma: float) -> Callable[[int], nn.Module]:
        return lambda s: stack(widths, gaussian(lambda fan_in, _: sigma**2 / fan_in), nn.Tanh, generator(s))

    seeds = range(seed, seed + 3)
    found = [trained_accuracy(build(sigma), seeds=seeds, steps=_STEPS, rate=0.02) for sigma in _SCALES]
    flat = [_flat(build(sigma)(seed)) for sigma in _SCALES]
    best = max(range(len(_SCALES)), key=lambda i: found[i].value)
    small, large = found[0], found[-1]
    clear = all(found[best].value - end.value > 5 * max(found[best].error, end.error) for end in (small, large))
    return Lesson(
        "scale", "Weights too large or too small",
        "weights that push activations to where their slope is near zero cannot learn",
        {"accuracy_smallest": small, "accuracy_best": found[best], "accuracy_largest": large,
         "flat_largest": Estimate(flat[-1], 0.0, Route.MEASURED)},
        clear,
        f"Ten tanh layers with weights of std sigma/sqrt(fan_in) name {found[best].value:.0%} of new digits rightly at "
        f"sigma = {_SCALES[best]:g}, {small.value:.0%} at {_SCALES[0]:g}, and {large.value:.0%} at {_SCALES[-1]:g}, "
        f"where {flat[-1]:.0%} of the activations are flat. Theory puts the edge of chaos at sigma = 1.",
        Panel("accuracy after training, and flat activations before it", "sigma", "share", (
            Curve("new digits named rightly", _SCALES, tuple(estimate.value for estimate in found)),
            Curve("share of flat activations", _SCALES, tuple(flat)),
        ), log_x=True),
        seed,
    )  # fmt: skip


def _flat(model: nn.Module) -> float:
    """Share of activations whose slope is below a hundredth."""
    assert isinstance(model, nn.Sequential)
    x, shares = digits()[0][:256], []
    with torch.no_grad():
        for layer in model:
            x = layer(x)
            if isinstance(layer, nn.Tanh):
                shares.append(float((1 - x.square() < 0.01).double().mean()))
    return float(np.mean(shares))


def identical(seed: int) -> Lesson:
    """Units that begin with the same weights keep the same weights."""
    inputs, labels = digits()
    result = {}
    for name, draw in (("identical", _same), ("random", gaussian(lambda fan_in, _: 2 / fan_in))):
        model = stack([64, _WIDTH, 10], _only_first(draw), nn.ReLU, generator(seed))
        apart = []
        for _ in train(model, inputs, labels, steps=_STEPS, rate=0.05, seed=seed):
            first = model[0]
            assert isinstance(first, nn.Linear)
            apart.append(float(first.weight.detach().std(dim=0).mean()))
        result[name] = (apart, accuracy(model, inputs, labels))
    steps = tuple(float(step) for step in range(1, _STEPS + 1))
    spread = max(result["identical"][0])
    return Lesson(
        "identical", "Identical weights",
        "units that start with identical weights get identical gradients and stay identical",
        {"spread_identical": Estimate(spread, 0.0, Route.MEASURED),
         "accuracy_identical": Estimate(result["identical"][1], 0.0, Route.MEASURED, 297),
         "accuracy_random": Estimate(result["random"][1], 0.0, Route.MEASURED, 297)},
        spread == 0.0 and result["random"][1] > result["identical"][1] + 0.1,
        f"After {_STEPS} steps the {_WIDTH} units that began alike still differ by {spread:g}: they are one unit, and "
        f"name {result['identical'][1]:.0%} of new digits rightly. Drawn at random they reach "
        f"{result['random'][1]:.0%}.",
        Panel("how far units are apart", "step", "standard deviation over units", tuple(
            Curve(f"{name} at the start", steps, tuple(apart)) for name, (apart, _) in result.items()
        )),
        seed,
    )  # fmt: skip


def _same(weight: torch.Tensor, numbers: torch.Generator) -> None:
    row = torch.randn(weight.shape[1], generator=numbers) * (2 / weight.shape[1]) ** 0.5
    weight.copy_(row.expand_as(weight))


def _only_first(draw: Draw) -> Draw:
    """The layer after equal units must treat them equally as well; it starts at 0, as it may."""

    def either(weight: torch.Tensor, numbers: torch.Generator) -> None:
        if weight.shape[0] == 10:
            weight.copy_(torch.randn(10, 1, generator=numbers).expand_as(weight) / weight.shape[1] ** 0.5)
        else:
            draw(weight, numbers)

    return either


def glorot(seed: int) -> Lesson:
    """Where widths differ, one variance cannot keep both directions; the mean of the fans shares the damage."""
    widths = [1024, 512, 256, 128, 64]
    ways: dict[str, Callable[[int, int], float]] = {
        "1/fan_in": lambda fan_in, _: 1 / fan_in,
        "1/fan_out": lambda _, fan_out: 1 / fan_out,
        "2/(fan_in + fan_out)": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    }
    found = {name: _both_ways(widths, variance, seed) for name, variance in ways.items()}
    theory = {name: _expected(widths, variance) for name, variance in ways.items()}
    agree = all(
        abs(np.log(found[name][way].value / theory[name][way])) < 5 * found[name][way].error / found[name][way].value
        for name in ways
        for way in (0, 1)
    )
    worst = {name: max(abs(np.log(pair[0].value)), abs(np.log(pair[1].value))) for name, pair in found.items()}
    best = min(worst, key=lambda name: worst[name])
    curves = (
        *(Curve(name, (0.0, 1.0), (pair[0].value, pair[1].value)) for name, pair in found.items()),
        Curve("theory", (0.0, 1.0) * len(theory), tuple(value for pair in theory.values() for value in pair), True),
    )
    return Lesson(
        "glorot", "Glorot's initialisation",
        "weights of variance 2/(n_in + n_out) compromise between keeping the signal and keeping the gradient",
        {f"{way} {name}": pair[i] for name, pair in found.items() for i, way in enumerate(("forward", "backward"))},
        bool(agree and best == "2/(fan_in + fan_out)"),
        f"Through widths {', '.join(map(str, widths))} the signal's variance is multiplied by "
        + ", ".join(f"{pair[0].value:.3g} ({name})" for name, pair in found.items())
        + " and the gradient's by "
        + ", ".join(f"{pair[1].value:.3g} ({name})" for name, pair in found.items())
        + ", all as theory says: Glorot's is off both ways, but by less.",
        Panel("what four linear layers leave", "", "factor of the mean square", curves, log_y=True,
              ticks=("of the signal, forward", "of the gradient, backward")),
        seed,
    )  # fmt: skip


def _both_ways(widths: list[int], variance: Callable[[int, int], float], seed: int) -> tuple[Estimate, Estimate]:
    forward, backward = [], []
    for draw in range(20):
        numbers = generator(seed, 100 + draw)
        model = stack(widths, gaussian(variance), nn.Identity, numbers)
        x = torch.randn(64, widths[0], generator=numbers, requires_grad=True)
        y = model(x)
        direction = torch.randn(y.shape, generator=numbers)
        (gradient,) = torch.autograd.grad(y, x, direction)
        forward.append(float(y.detach().square().mean() / x.detach().square().mean()))
        backward.append(float(gradient.square().mean() / direction.square().mean()))
    return mean_over_networks(forward), mean_over_networks(backward)


def _expected(widths: list[int], variance: Callable[[int, int], float]) -> tuple[float, float]:
    pairs = list(pairwise(widths))
    forward = np.prod([fan_in * variance(fan_in, fan_out) for fan_in, fan_out in pairs])
    backward = np.prod([fan_out * variance(fan_in, fan_out) for fan_in, fan_out in pairs])
    return float(forward), float(backward)


def he(seed: int) -> Lesson:
    """A ReLU halves the second moment; twice the variance makes up for it."""
    depth, width = 20, 512
    half = quadrature.moments(activation("relu"))["second_moment"].value
    layers = tuple(float(layer) for layer in range(1, depth + 1))
    found, ends = [], {}
    for name, factor in (("1/fan_in", 1.0), ("2/fan_in", 2.0)):
        rows = []
        for draw in range(10):
            numbers = generator(seed, 200 + draw)
            x, row = torch.randn(32, width, generator=numbers), []
            for _ in range(depth):
                weight = torch.randn(width, width, generator=numbers) * (factor / width) ** 0.5
                h = x @ weight.T
                row.append(float(h.square().mean()))
                x = torch.relu(h)
            rows.append(row)
        values = np.array(rows)
        ends[name] = mean_over_networks(list(values[:, -1]))
        found.append(Curve(name, layers, tuple(values.mean(axis=0))))
        theory = tuple(factor * (factor * half) ** (layer - 1) for layer in layers)
        found.append(Curve(f"{name}, theory", layers, theory, is_theory=True))
    expected = {"1/fan_in": half ** (depth - 1), "2/fan_in": 2.0}
    agree = all(abs(ends[name].value - value) < 5 * ends[name].error for name, value in expected.items())
    return Lesson(
        "he", "He's initialisation",
        "a ReLU passes half of the second moment, so weights need variance 2/n instead of 1/n",
        {f"second_moment {name}": estimate for name, estimate in ends.items()},
        agree,
        f"After {depth} ReLU layers of {width} units the second moment of pre-activations is "
        f"{ends['1/fan_in'].value:.2g} with variance 1/n (theory {expected['1/fan_in']:.2g}) and "
        f"{ends['2/fan_in'].value:.3g} with 2/n (theory 2).",
        Panel("second moment of pre-activations", "layer", "mean square", tuple(found), log_y=True),
        seed,
    )  # fmt: skip
