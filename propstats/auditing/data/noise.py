"""Gaussian noise as data: what networks are analysed with when there are no data."""

import math
import re
from typing import Final

import torch

from propstats.auditing.data.rows import Array
from propstats.errors import DomainError
from propstats.text import printable

_SAMPLES: Final = 1_000
_SEED: Final = 0
_MAX: Final = 1 << 28


def read_gaussian(name: str, samples: int | None) -> Array:
    """Draw independent samples of N(0, 1).

    Args:
        name: `gaussian:SHAPE`, for example `gaussian:3x32x32`.
        samples: How many; 1,000 if None.

    Raises:
        DomainError: If there is no shape, or the noise would not fit into memory.
    """
    text = name.partition(":")[2]
    if not re.fullmatch(r"[1-9]\d{0,8}(x[1-9]\d{0,8}){0,7}", text):
        raise DomainError(f"{printable(name, limit=120)!r} gives no shape", "e.g. gaussian:64 or gaussian:3x32x32")
    shape = tuple(int(size) for size in text.split("x"))
    count = samples or _SAMPLES
    if math.prod(shape) * count > _MAX:
        limit = f"{_MAX // count:,} values"
        raise DomainError(f"a sample of {text} is too large", f"up to {limit} in one sample, for {count:,} samples")
    generator = torch.Generator().manual_seed(_SEED)
    return Array.of(torch.randn((count, *shape), generator=generator).numpy(), None)
