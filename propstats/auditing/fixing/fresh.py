"""Are these weights as good as freshly drawn? Rescaling others changes what a network has learned."""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from propstats.auditing.judging.simultaneous import holm
from propstats.auditing.measuring.running import evaluating

#: Weights as drawn are called trained with this chance, over all tensors of a network.
_LEVEL: Final = 1e-3
#: Numbers of a tensor that are looked at: enough to see any distribution that is not one of these.
_NUMBERS: Final = 100_000
#: The largest singular value of drawn weights exceeds the Marchenko-Pastur edge by a few of these at most, in units of
#: Tracy and Widom's scale: beyond six the chance is below 1e-6.
_BEYOND_EDGE: Final = 6.0
#: Entries of an orthogonal matrix times its transpose, off their value, in float32.
_ORTHOGONAL: Final = 1e-4

#: Samples whose labels are asked for, and orders of the outputs that they are compared with.
_ANSWERS: Final = 1_000
_PERMUTATIONS: Final = 5_000

_WEIGHTS: Final = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.Embedding)
_NORMS: Final = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm, nn.GroupNorm)


def signs_of_training(
    network: nn.Module, inputs: torch.Tensor | None = None, labels: torch.Tensor | None = None
) -> tuple[str, ...]:
    """Return why the weights of a network do not look freshly drawn; empty if they do.

    Where there are labels, they decide: the outputs of a network that has learned nothing have no order, so that it
    answers as well under any permutation of them (an exact test; it needs seven classes or more to tell).

    Every common initialiser draws independent numbers from a uniform, a normal or a truncated normal distribution, or
    an orthogonal matrix. Each tensor is compared with the distributions (Kolmogorov and Smirnov, scale fitted, Holm's
    method over the tensors) and its largest singular value with what independent numbers give. Scales and shifts of
    normalisers start at 1 and 0, biases are drawn or all the same. A network without labels that was trained so gently
    that none of this shows passes for fresh.

    Args:
        network: The network.
        inputs: Data that it takes, shape (samples, ...).
        labels: What they are, shape (samples,).

    References:
        Marchenko & Pastur 1967; Johnstone 2001, Annals of Statistics 29, Theorem 1.1 (the largest eigenvalue).

    >>> generator = torch.manual_seed(0)
    >>> signs_of_training(nn.Sequential(nn.Linear(50, 40), nn.ReLU(), nn.Linear(40, 10)))
    ()
    """
    found = [f"{name}: scale or shift is not 1 or 0 everywhere" for name in _learned_norms(network)]
    if inputs is not None and labels is not None and _knows(network, inputs, labels):
        found.insert(0, "it names the data's labels better than its outputs in another order would")
    p_values: list[float] = []
    names: list[str] = []
    for name, weight in _tensors(network):
        values = weight.detach().double()
        flat = values.flatten().numpy()
        if not np.isfinite(flat).all() or flat.std() == 0.0 or (values.ndim > 1 and _is_orthogonal(values)):
            continue
        if values.ndim > 1 and _beyond_edge(values):
            found.append(f"{name}: a singular value is larger than independent weights have")
            continue
        p_values.append(_p_value(flat))
        names.append(name)
    drawn = holm(p_values, _LEVEL)
    found += [
        f"{name}: its numbers follow no distribution that weights are drawn from"
        for name, is_found in zip(names, drawn, strict=True)
        if is_found
    ]
    return tuple(found)


def _knows(network: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> bool:
    """Whether a network names classes better than chance: by permutations of its outputs."""
    with evaluating(network), torch.no_grad():
        step = max(1, len(inputs) // _ANSWERS)
        outputs = network(inputs[::step][:_ANSWERS].clone())
    if not isinstance(outputs, torch.Tensor) or outputs.ndim != 2 or not bool(outputs.isfinite().all()):
        return False
    truth, classes = labels[::step][:_ANSWERS], outputs.shape[1]
    if truth.is_floating_point() or truth.ndim != 1 or int(truth.min()) < 0 or int(truth.max()) >= classes:
        return False
    answers = outputs.argmax(dim=1)
    confusion = torch.zeros(classes, classes).index_put_((truth, answers), torch.ones(len(truth)), accumulate=True)
    generator = torch.Generator().manual_seed(0)
    rows = torch.arange(classes)
    right = float(confusion.diagonal().sum())
    others = [float(confusion[rows, torch.randperm(classes, generator=generator)].sum()) for _ in range(_PERMUTATIONS)]
    return (1 + sum(other >= right for other in others)) / (1 + _PERMUTATIONS) <= _LEVEL


def _tensors(network: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    for name, module in network.named_modules():
        if isinstance(module, _WEIGHTS) and isinstance(module._parameters.get("weight"), torch.Tensor):
            yield f"{name}.weight" if name else "weight", module.weight
            bias = module._parameters.get("bias")
            if bias is not None:
                yield f"{name}.bias" if name else "bias", bias


def _learned_norms(network: nn.Module) -> Iterator[str]:
    for name, module in network.named_modules():
        if isinstance(module, _NORMS) and module.weight is not None:
            # Zeros are set on purpose, at the end of a residual branch.
            scale = module.weight.detach()
            shift = module.bias.detach() if module.bias is not None else torch.zeros(1)
            if not (bool((scale == 1).all()) or bool((scale == 0).all())) or bool((shift != 0).any()):
                yield name


def _is_orthogonal(values: torch.Tensor) -> bool:
    rows = values.flatten(1)
    rows = rows if rows.shape[0] <= rows.shape[1] else rows.T
    gram = rows @ rows.T
    scale = float(gram.diagonal().mean())
    return scale > 0 and float((gram / scale - torch.eye(len(gram), dtype=gram.dtype)).abs().max()) < _ORTHOGONAL


def _beyond_edge(values: torch.Tensor) -> bool:
    """Whether the largest singular value is beyond what independent entries of this size give."""
    rows = values.flatten(1)
    m, n = rows.shape
    if min(m, n) < 2:
        return False
    largest = float(torch.linalg.matrix_norm(rows - rows.mean(), 2)) ** 2 / float(rows.var())
    centre = (math.sqrt(m) + math.sqrt(n)) ** 2
    scale = (math.sqrt(m) + math.sqrt(n)) * (1 / math.sqrt(m) + 1 / math.sqrt(n)) ** (1 / 3)
    return bool(largest > centre + _BEYOND_EDGE * scale)


def _p_value(flat: NDArray[np.float64]) -> float:
    """Return the largest p-value of the distributions that weights are drawn from."""
    from scipy import stats

    values = flat[:: max(1, len(flat) // _NUMBERS)]
    std = float(np.sqrt((values**2).mean()))
    bound = max(float(np.abs(values).max()) * (1 + 1 / len(values)), math.sqrt(3.0) * std)
    shapes = (
        stats.uniform(-math.sqrt(3.0) * std, 2 * math.sqrt(3.0) * std),
        stats.uniform(-bound, 2 * bound),
        stats.norm(0.0, std),
        stats.truncnorm(-2.0, 2.0, 0.0, std / 0.8796256610342397),
    )
    return max(float(stats.kstest(values, shape.cdf).pvalue) for shape in shapes)
