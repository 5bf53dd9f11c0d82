"""Random numbers for one draw of a network."""

import numpy as np
import torch

from propstats.expectation.sampling import block_seed


class Stream:
    """Random numbers that only a seed and the number of a draw decide, not who else draws, or when.

    On the CPU they come from numpy, whose ziggurat is faster than torch's Box-Muller; an accelerator draws its own.

    Args:
        seed: Seed of all draws; at least 0.
        draw: Which draw.
        device: Where the numbers go.
        dtype: Floating-point type.

    >>> Stream(0, 3, torch.device("cpu"), torch.float64).normal(2, 2).shape
    torch.Size([2, 2])
    """

    def __init__(self, seed: int, draw: int, device: torch.device, dtype: torch.dtype) -> None:
        own = block_seed(seed, draw)
        self.device, self.dtype = device, dtype
        self._numpy = np.random.Generator(np.random.SFC64(own)) if device.type == "cpu" else None
        self._torch = torch.Generator(device).manual_seed(own)

    def normal(self, *shape: int) -> torch.Tensor:
        """Return standard normal numbers."""
        out = torch.empty(shape, dtype=self.dtype, device=self.device)
        if self._numpy is None:
            return out.normal_(generator=self._torch)
        self._numpy.standard_normal(out=out.numpy(), dtype=out.numpy().dtype.type)
        return out

    def uniform(self, *shape: int) -> torch.Tensor:
        """Return numbers that are uniform in [-1, 1)."""
        out = torch.empty(shape, dtype=self.dtype, device=self.device)
        if self._numpy is None:
            return out.uniform_(-1, 1, generator=self._torch)
        self._numpy.random(out=out.numpy(), dtype=out.numpy().dtype.type)
        return out.mul_(2).sub_(1)
