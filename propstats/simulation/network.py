"""Draw random networks and the singular values of their input-output Jacobians."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from propstats.errors import DomainError, unknown_name
from propstats.expectation.sampling import resolve_device
from propstats.simulation.product import singular_values
from propstats.simulation.stream import Stream
from propstats.simulation.weights import draw_weights
from propstats.simulation.workers import in_order
from propstats.theory.network import DenseNetwork

#: How exactly a draw is computed: in single or double precision, or in double precision with singular values that are
#: right down to the smallest.
PRECISIONS = {"float32": torch.float32, "float64": torch.float64, "accurate": torch.float64}
#: Matrices of the largest size that a draw holds at once: weights, what of them is active, the product before and
#: after, and what a decomposition takes.
_MATRICES = 6


@dataclass(frozen=True, slots=True)
class Draw:
    """What one random network gave.

    Args:
        singular_values: Of the Jacobian divided by the root mean square slope of each layer in theory (which keeps
            deep products in range), descending.
        rank: The fewest units of a layer with a slope that does not vanish: what generic weights leave of the rank.
        second_moments: Second moment of the signal before the first and after each layer.
    """

    singular_values: NDArray[np.float64]
    rank: int
    second_moments: NDArray[np.float64]


def draw_jacobians(
    network: DenseNetwork, *, draws: int, seed: int = 0, device: str = "cpu", precision: str = "float64"
) -> Iterator[Draw]:
    """Draw networks and one Gaussian input each, in the order of their numbers.

    The slopes are taken where the signal really is: the forward pass runs with the same weights. Draw k is the same
    however many are drawn, by however many threads, or processes under torchrun.

    Args:
        network: What to draw.
        draws: How many networks.
        seed: Seed of the draws.
        device: `cpu`, `cuda` or `auto`.
        precision: `float32`, `float64`, or `accurate` for small singular values that are right, too.

    Raises:
        DomainError: If draws is less than 1, the device is not there, or a draw does not fit into memory.
        UnknownNameError: If the precision is not known.
    """
    if draws < 1:
        raise DomainError(f"draws must be at least 1, got {draws}")
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, list(PRECISIONS))
    where = resolve_device(device)
    if where.type == "cpu":
        _refuse_beyond_memory(network, PRECISIONS[precision].itemsize)
    network.slope_laws  # noqa: B018 - computed once, before the threads ask for it
    yield from in_order(
        lambda draw: _draw(network, Stream(seed, draw, where, PRECISIONS[precision]), precision), draws, where
    )


def _refuse_beyond_memory(network: DenseNetwork, itemsize: int) -> None:
    """Say before allocating, not after, that a draw will not fit."""
    needed = _MATRICES * itemsize * max(network.widths) ** 2
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > 0.8 * total:
        raise DomainError(
            f"a draw of width {max(network.widths)} needs {needed / 2**30:.0f} GiB, this machine has "
            f"{total / 2**30:.0f} GiB",
            "use a smaller width, or a model file, whose Jacobian is never formed",
        )


def _draw(network: DenseNetwork, stream: Stream, precision: str) -> Draw:
    x = stream.normal(network.widths[0])
    second_moments = [_second_moment(x)]

    def layers() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        nonlocal x
        for layer, (law, (inputs, units)) in enumerate(zip(network.slope_laws, pairwise(network.widths), strict=True)):
            weights = draw_weights(network.scheme.law, units, inputs, stream).mul_(network.sigma_w[layer])
            h = network.gamma * (weights @ x) + network.beta
            if network.bias_stds[layer]:
                h += network.bias_stds[layer] * stream.normal(units)
            slopes = network.activation.slope(h) * (network.gamma / network.scale / math.sqrt(law.moment(1)))
            x = (network.activation(h) - network.shift) / network.scale
            second_moments.append(_second_moment(x))
            yield weights, slopes

    values, rank = singular_values(layers(), accurate=precision == "accurate")
    return Draw(values.double().cpu().numpy(), rank, np.array(second_moments))


def _second_moment(x: torch.Tensor) -> float:
    return float(x.double().square().mean())
