"""Random weight matrices of a given law."""

import math

import torch

from propstats.simulation.stream import Stream
from propstats.theory.weights.schemes import TRUNCATED_STD, Law


def draw_weights(law: Law, units: int, inputs: int, stream: Stream) -> torch.Tensor:
    """Draw a matrix of shape (units, inputs) whose entries have mean 0 and variance 1/inputs.

    Orthogonal matrices are Haar's (Mezzadri 2007, arXiv:math-ph/0609050); where rows and columns differ in number, as
    many rows and columns of a square one as are needed.
    """
    if law is Law.UNIFORM:
        return stream.uniform(units, inputs).mul_(math.sqrt(3 / inputs))
    if law is Law.TRUNCATED:  # sqrt 2 of an inverse error function is the quantile of N(0, 1), here at most 2
        within = stream.uniform(units, inputs).mul_(math.erf(math.sqrt(2)))
        return torch.erfinv(within).mul_(math.sqrt(2 / inputs) / TRUNCATED_STD)
    if law is Law.ORTHOGONAL:
        return _orthogonal(units, inputs, stream)
    gaussian = stream.normal(units, inputs)
    if law is Law.UNIT_ROWS:
        return gaussian.div_(torch.linalg.vector_norm(gaussian, dim=1, keepdim=True))
    return gaussian.div_(math.sqrt(inputs))


def _orthogonal(units: int, inputs: int, stream: Stream) -> torch.Tensor:
    n = max(units, inputs)
    q: torch.Tensor
    q, r = torch.linalg.qr(stream.normal(n, min(units, inputs)))
    # Signs that make the distribution Haar's.
    q = q * torch.sign(torch.diagonal(r))
    return math.sqrt(n / inputs) * (q if units >= inputs else q.T)
