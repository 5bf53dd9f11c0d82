"""Modules with random weights beside what theory says of them."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import propstats
from propstats.estimate import STANDARD_ERRORS


def check_theory(build: Callable[[], nn.Module], shape: tuple[int, ...], draws: int, *, scatter: float = 1.0) -> None:
    """In the mean over draws: within standard errors, and what finite width leaves (the square of what is stated).

    Args:
        build: Draws a module.
        shape: Of one input.
        draws: How many modules.
        scatter: By what few draws may understate their standard error.
    """
    torch.manual_seed(0)
    rows = [_gaps(build().train(), shape) for _ in range(draws)]
    order = max(row.pop("order") for row in rows)
    for what in rows[0]:
        sample = torch.tensor([row[what] for row in rows], dtype=torch.float64)
        error = scatter * float(sample.std()) / math.sqrt(draws)
        assert abs(float(sample.mean())) <= STANDARD_ERRORS * error + order, what


def _gaps(module: nn.Module, shape: tuple[int, ...]) -> dict[str, float]:
    theory = propstats.propagate(module, shape=shape)
    x = torch.randn(64, *shape, requires_grad=True)
    y: Any = module(x)
    (gradient,) = torch.autograd.grad(y, x, torch.randn_like(y))
    y, first, last = y.detach().double(), theory.layers[0], theory.layers[-1]
    return {
        "q": float(y.square().mean()) / (last.mean**2 + last.std**2) - 1,
        "var": float(y.var(dim=0).mean()) / last.var - 1,
        "gradient": float(gradient.double().square().mean()) / first.backward_std**2 - 1,
        "order": max(max(layer.error, layer.backward_error) for layer in theory.layers) ** 2,
    }
