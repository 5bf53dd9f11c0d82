"""Inputs: why their mean should be zero, and their variances equal."""

import torch
from torch import nn

from propstats.estimate import Estimate, Route
from propstats.experiments.keeping import mean_over_networks
from propstats.experiments.lessons.networks import dense, digits, gaussian, generator, train, training_part
from propstats.experiments.lessons.record import Curve, Lesson, Panel

_STEPS, _WIDTH, _SMOOTH = 300, 32, 20


def zero_centred(seed: int) -> Lesson:
    """All inputs of one sign force a unit's updates into one direction, and slow training down."""
    raw, labels = digits("none")
    raw = raw / 16.0
    centred = raw - training_part(raw).mean(dim=0)
    agreement = {name: _sign_agreement(x, labels, seed) for name, x in (("raw", raw), ("centred", centred))}
    spread = {name: _condition(training_part(x)) for name, x in (("raw", raw), ("centred", centred))}
    curves = tuple(
        Curve(f"{name} pixels", *_loss(x, labels, seed, rate=0.5 / _largest(training_part(x))))
        for name, x in (("raw", raw), ("centred", centred))
    )
    numbers = {
        "sign_agreement_raw": agreement["raw"],
        "sign_agreement_centred": agreement["centred"],
        "condition_raw": _exact(spread["raw"]),
        "condition_centred": _exact(spread["centred"]),
    }
    return Lesson(
        "zero-centred", "Zero-centred inputs",
        "if every feature is positive, the updates of a unit's weights share one sign, and gradient descent zig-zags",
        numbers,
        agreement["raw"].value > 1 - 1e-12 and agreement["centred"].value < 0.9
        and spread["raw"] > spread["centred"],
        f"For raw pixels {agreement['raw'].value:.0%} of a unit's weights are pushed the same way by each image; for "
        f"centred ones {agreement['centred'].value:.0%}, little more than chance. The largest curvature is "
        f"{spread['raw'] / spread['centred']:.1f} times as far from the others for raw pixels, and the rate must "
        "follow the largest.",
        Panel("training loss, each at half its largest stable rate", "step", "loss", curves, log_y=True),
        seed,
    )  # fmt: skip


def unit_variance(seed: int) -> Lesson:
    """Features of different variance learn at different speeds."""
    raw, labels = digits("none")
    centred = raw - training_part(raw).mean(dim=0)
    scale = 10.0 ** torch.linspace(-1, 1, raw.shape[1])
    stretched = centred / training_part(centred).std().clamp_min(1e-6) * scale
    std = training_part(centred).std(dim=0)
    standard = torch.where(std > 0, centred / std.clamp_min(1e-6), 0.0)
    spread = {name: _condition(training_part(x)) for name, x in (("unequal", stretched), ("equal", standard))}
    curves = tuple(
        Curve(f"{name} variances", *_loss(x, labels, seed, rate=0.5 / _largest(training_part(x))))
        for name, x in (("unequal", stretched), ("equal", standard))
    )
    ends = [curve.y[-1] for curve in curves]
    return Lesson(
        "unit-variance", "Inputs of equal variance",
        "if the variances of two features differ, their weights are updated at different rates",
        {"condition_unequal": _exact(spread["unequal"]), "condition_equal": _exact(spread["equal"])},
        spread["unequal"] > 10 * spread["equal"] and ends[0] > ends[1],
        f"Features whose scales run over two decades have curvatures {spread['unequal'] / spread['equal']:.0f} times "
        f"as uneven as those of equal variance; after {_STEPS} steps, each at half its largest stable rate, the "
        f"loss is {ends[0]:.2f} instead of {ends[1]:.2f}.",
        Panel("training loss, each at half its largest stable rate", "step", "loss", curves, log_y=True),
        seed,
    )  # fmt: skip


def _sign_agreement(inputs: torch.Tensor, labels: torch.Tensor, seed: int) -> Estimate:
    """Share of a first-layer unit's weights whose gradient has the sign of most of them, image by image."""
    numbers = generator(seed)
    first = dense(inputs.shape[1], _WIDTH, gaussian(lambda fan_in, _: 2 / fan_in), numbers)
    last = dense(_WIDTH, 10, gaussian(lambda fan_in, _: 1 / fan_in), numbers)
    found: list[float] = []
    for x, label in zip(inputs[:64], labels[:64], strict=True):
        first.weight.grad = None
        loss = nn.functional.cross_entropy(last(torch.relu(first(x)))[None], label[None])
        loss.backward()  # type: ignore[no-untyped-call]
        gradient = first.weight.grad
        assert gradient is not None
        alive = gradient.ne(0).any(dim=1)
        signs = torch.stack([(gradient[alive] > 0).sum(1), (gradient[alive] < 0).sum(1)]).double()
        found.append(float((signs.max(dim=0).values / signs.sum(dim=0)).mean()))
    return mean_over_networks(found)


def _curvatures(inputs: torch.Tensor) -> torch.Tensor:
    """Curvatures of a linear unit's squared error, up to a common factor, ascending; those of constants left out."""
    design = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1).double()
    values = torch.linalg.eigvalsh(design.T @ design / len(design))
    used: torch.Tensor = values[values > 1e-6 * values[-1]]
    return used


def _condition(inputs: torch.Tensor) -> float:
    """Largest curvature over the typical one."""
    values = _curvatures(inputs)
    return float(values[-1] / values.log().mean().exp())


def _largest(inputs: torch.Tensor) -> float:
    return float(_curvatures(inputs)[-1])


def _exact(value: float) -> Estimate:
    return Estimate(value, 1e-9 * abs(value), Route.MEASURED)


def _loss(
    inputs: torch.Tensor, labels: torch.Tensor, seed: int, *, rate: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Train softmax regression and return the loss over steps, smoothed."""
    model = dense(inputs.shape[1], 10, gaussian(lambda fan_in, _: 0.0), generator(seed))
    losses = torch.tensor(list(train(model, inputs, labels, steps=_STEPS, rate=rate, seed=seed)))
    smooth = losses.unfold(0, _SMOOTH, 1).mean(dim=1)
    return tuple(float(x) for x in range(_SMOOTH, _STEPS + 1)), tuple(smooth.tolist())
