"""Draw random networks and the singular values of their input-output Jacobians, in batches."""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from propstats.errors import DomainError
from propstats.expectation.sampling import block_seed, resolve_device
from propstats.theory.network import DenseNetwork
from propstats.theory.weights.schemes import TRUNCATED_STD, Law

#: Bytes that one batch of draws may take: small, so that progress shows and Ctrl-C is heard. The results do not depend
#: on it.
_BATCH_BYTES = 1 << 25


@dataclass(frozen=True, slots=True)
class Draws:
    """What a set of random networks gave.

    Args:
        singular_values: Of the Jacobian divided by the theory's root mean square (which keeps deep products in
            range), shape (draws, width), descending.
        ranks: The fewest units with a slope that does not vanish, over the layers, shape (draws,). Generic weights
            lose no more rank than that; counting small singular values would count rounding as well.
        second_moments: Second moment of the signal before the first and after each layer, shape (draws, depth + 1).
    """

    singular_values: NDArray[np.float64]
    ranks: NDArray[np.int64]
    second_moments: NDArray[np.float64]


def draw_jacobians(network: DenseNetwork, *, draws: int, seed: int = 0, device: str = "cpu") -> Iterator[Draws]:
    """Draw networks and one Gaussian input each, batch by batch.

    The slopes are taken where the signal really is: the forward pass runs with the same weights. Each draw has its
    own generator, so draw k is the same however many are drawn, in whatever batches.

    Args:
        network: What to draw.
        draws: How many networks.
        seed: Seed of the draws.
        device: `cpu`, `cuda` or `auto`.

    Raises:
        DomainError: If draws is less than 1, or the device is not there.
    """
    if draws < 1:
        raise DomainError(f"draws must be at least 1, got {draws}")
    where = resolve_device(device)
    bytes_per_draw = 8 * 4 * network.width**2
    _refuse_beyond_memory(bytes_per_draw, network.width)
    batch = max(1, _BATCH_BYTES // bytes_per_draw)
    for start in range(0, draws, batch):
        yield _draw(network, range(start, min(start + batch, draws)), seed, where)


def _refuse_beyond_memory(needed: int, width: int) -> None:
    """Say before allocating, not after, that a draw will not fit."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > 0.8 * total:
        raise DomainError(
            f"a draw of width {width} needs {needed / 2**30:.0f} GiB, this machine has {total / 2**30:.0f} GiB",
            "use a smaller width",
        )


def _draw(network: DenseNetwork, draws: range, seed: int, device: torch.device) -> Draws:
    n = network.width
    generators = [torch.Generator(device).manual_seed(block_seed(seed, draw)) for draw in draws]

    def normal(*shape: int) -> torch.Tensor:
        one_each = [torch.randn(shape, generator=g, dtype=torch.float64, device=device) for g in generators]
        return torch.stack(one_each)

    x = normal(n, 1)
    product: torch.Tensor | None = None
    ranks = torch.full((len(draws),), n, device=device)
    q = [x.square().mean(dim=(1, 2))]
    for law in network.slope_laws:
        weights = _weights(network.scheme.law, generators, normal, n) * network.sigma_w
        h = network.gamma * (weights @ x) + network.beta
        slopes = network.activation.slope(h) * (network.gamma / network.scale / math.sqrt(law.moment(1)))
        ranks = torch.minimum(ranks, (slopes != 0).sum(dim=(1, 2)))
        x = (network.activation(h) - network.shift) / network.scale
        product = slopes * (weights if product is None else weights @ product)
        q.append(x.square().mean(dim=(1, 2)))
    assert product is not None
    values = torch.linalg.svdvals(product)
    return Draws(values.cpu().numpy(), ranks.cpu().numpy(), torch.stack(q, dim=1).cpu().numpy())


def _weights(law: Law, generators: list[torch.Generator], normal: Callable[..., torch.Tensor], n: int) -> torch.Tensor:
    """Draw weights of variance 1/n."""
    if law in (Law.UNIFORM, Law.TRUNCATED):
        device = generators[0].device
        uniform = torch.stack([torch.rand(n, n, generator=g, dtype=torch.float64, device=device) for g in generators])
        if law is Law.UNIFORM:
            return (2 * uniform - 1) * math.sqrt(3 / n)
        cut_off = torch.erfinv((2 * uniform - 1) * math.erf(math.sqrt(2)))  # sqrt 2 of it is at most 2
        return cut_off * (math.sqrt(2 / n) / TRUNCATED_STD)
    gaussian = normal(n, n)
    if law is Law.UNIT_ROWS:
        lengths: torch.Tensor = torch.linalg.vector_norm(gaussian, dim=2, keepdim=True)
        return gaussian / lengths
    if law is Law.ORTHOGONAL:
        q: torch.Tensor
        q, r = torch.linalg.qr(gaussian)
        # Signs that make the distribution Haar's.
        signs: torch.Tensor = torch.sign(torch.diagonal(r, dim1=1, dim2=2)).unsqueeze(1)
        return signs * q
    return gaussian / math.sqrt(n)
