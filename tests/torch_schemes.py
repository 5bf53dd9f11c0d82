"""How torch draws the weights of each scheme."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's own generator, which its initialisers draw from, and leave it as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def _truncated(w: torch.Tensor, variance: float) -> torch.Tensor:
    """As Keras draws it: cut off at two, then divided by the standard deviation that is left."""
    std = math.sqrt(variance) / 0.87962566103423978
    return nn.init.trunc_normal_(w, std=std, a=-2 * std, b=2 * std)


def _fans(w: torch.Tensor) -> tuple[int, int]:
    return nn.init._calculate_fan_in_and_fan_out(w)


def _plain_truncated(w: torch.Tensor) -> torch.Tensor:
    std = _fans(w)[0] ** -0.5
    return nn.init.trunc_normal_(w, std=std, a=-2 * std, b=2 * std)


def _uniform(w: torch.Tensor) -> torch.Tensor:
    bound = _fans(w)[0] ** -0.5
    return nn.init.uniform_(w, -bound, bound)


#: For each scheme, how torch draws it (or, for Keras, the same formula on torch's generators).
DRAWN: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "he": lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"),
    "he_uniform": lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu"),
    "he_truncated": lambda w: _truncated(w, 2 / _fans(w)[0]),
    "he_fan_out": lambda w: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"),
    "lecun": lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear"),
    "lecun_uniform": lambda w: nn.init.kaiming_uniform_(w, nonlinearity="linear"),
    "lecun_truncated": lambda w: _truncated(w, 1 / _fans(w)[0]),
    "glorot": nn.init.xavier_normal_,
    "glorot_uniform": nn.init.xavier_uniform_,
    "glorot_truncated": lambda w: _truncated(w, 2 / sum(_fans(w))),
    "orthogonal": nn.init.orthogonal_,
    "truncated": _plain_truncated,
    "uniform": _uniform,
    "torch": lambda w: nn.init.kaiming_uniform_(w, a=math.sqrt(5)),
    "keras": nn.init.xavier_uniform_,
    # The authors' code: sqrt(2/(out_channels prod(kernel))) L^(-1/2).
    "fixup": lambda w: nn.init.normal_(w, 0, math.sqrt(2 / (w.shape[0] * math.prod(w.shape[2:]))) * 7**-0.5),
    "mup": lambda w: nn.init.normal_(w, 0, _fans(w)[0] ** -0.5),
}
