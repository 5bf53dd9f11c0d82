"""Batch norm: large learning rates, what it does in tests, and why it learns gamma and beta."""

import numpy as np
import torch
from torch import nn

from propstats.estimate import Estimate, Route
from propstats.experiments.keeping import mean_over_networks
from propstats.experiments.lessons.networks import accuracy, dense, digits, gaussian, generator, train
from propstats.experiments.lessons.record import Curve, Lesson, Panel
from propstats.theory.unit import moments

_WIDTH, _DEPTH, _STEPS = 64, 6, 200
_RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


def batch_norm(seed: int) -> Lesson:
    """Batch norm trains at rates at which the plain network diverges."""
    inputs, labels = digits()
    found: dict[str, list[Estimate]] = {"batch norm": [], "plain": []}
    for rate in _RATES:
        for name, results in found.items():
            reached = []
            for own in range(seed, seed + 3):
                model = _network(own, normalised=name == "batch norm")
                for _ in train(model, inputs, labels, steps=_STEPS, rate=rate, seed=own):
                    pass
                reached.append(accuracy(model, inputs, labels))
            results.append(mean_over_networks(reached))
    top = {name: max(_RATES[i] for i, estimate in enumerate(results) if estimate.value > 0.85) if
           any(estimate.value > 0.85 for estimate in results) else 0.0 for name, results in found.items()}  # fmt: skip
    linear = 1.0 - moments("tanh", samples=0, digits=None).scales.nonlinear_share.value
    gap = _gap(seed)
    return Lesson(
        "batch-norm", "Batch norm",
        "batch norm allows much higher learning rates; tests use averages over training; gamma and beta let units be "
        "as nonlinear as they need",
        {"largest_rate_batch_norm": Estimate(top["batch norm"], 0.0, Route.MEASURED),
         "largest_rate_plain": Estimate(top["plain"], 0.0, Route.MEASURED),
         "batch_of_8_error": gap,
         "linear_share_tanh": Estimate(linear, 1e-12, Route.QUADRATURE)},
        top["batch norm"] > top["plain"] and gap.value > 5 * gap.error,
        f"Six tanh layers reach 85 % up to rate {top['batch norm']:g} with batch norm and {top['plain']:g} without. "
        f"Statistics of 8 images are off by {gap.value:.0%} of a standard deviation where those of training are exact, "
        f"which is why tests use the latter. At gamma = 1, beta = 0 a tanh is {linear:.0%} linear: gamma and beta "
        "move it.",
        Panel("accuracy after training", "learning rate", "accuracy", tuple(
            Curve(name, _RATES, tuple(estimate.value for estimate in results)) for name, results in found.items()
        ), log_x=True),
        seed,
    )  # fmt: skip


def _network(seed: int, *, normalised: bool) -> nn.Sequential:
    numbers, layers = generator(seed), list[nn.Module]()
    for position in range(_DEPTH):
        layers.append(dense(64 if position == 0 else _WIDTH, _WIDTH, gaussian(lambda n, _: 1 / n), numbers))
        layers += [nn.BatchNorm1d(_WIDTH), nn.Tanh()] if normalised else [nn.Tanh()]
    return nn.Sequential(*layers, dense(_WIDTH, 10, gaussian(lambda n, _: 1 / n), numbers))


def _gap(seed: int) -> Estimate:
    """Root mean square error of a batch's mean of a unit, in standard deviations over all data."""
    hidden = dense(64, _WIDTH, gaussian(lambda n, _: 1 / n), generator(seed))
    with torch.no_grad():
        h = hidden(digits()[0]).double()
    mean, std = h.mean(dim=0), h.std(dim=0)
    errors = [float(((part.mean(dim=0) - mean) / std).square().mean().sqrt()) for part in h.split(8)[:-1]]
    assert np.isfinite(errors).all()
    return mean_over_networks(errors)
