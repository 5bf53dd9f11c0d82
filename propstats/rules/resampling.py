"""Enlarging and shrinking of images and sequences: linear maps between positions, with known weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from propstats.errors import DomainError
from propstats.rules.pooling import AveragePool, Shares

#: What torch calls the same map along one axis, for different numbers of axes.
_ALONG_AN_AXIS = {"linear": "bilinear", "trilinear": "bilinear"}


@dataclass(frozen=True, slots=True)
class Resampling:
    """How positions are resampled, in the words of `torch.nn.functional.interpolate`.

    Args:
        mode: `nearest`, `nearest-exact`, `linear`, `bilinear`, `bicubic`, `trilinear` or `area`.
        size: Positions of the output along each axis, or ...
        scale: ... how many times as many.
        align_corners: Whether the ends of both grids coincide.
        antialias: Whether what shrinks is smoothed.
    """

    mode: str = "nearest"
    size: Sequence[int] | None = None
    scale: Sequence[float] | None = None
    align_corners: bool | None = None
    antialias: bool = False

    def weights(self, inputs: int, axis: int) -> NDArray[np.float64]:
        """Return how much each output takes of each input along one axis, shape (inputs, outputs).

        >>> Resampling("linear", size=(4,)).weights(2, 0).tolist()
        [[1.0, 0.75, 0.25, 0.0], [0.0, 0.25, 0.75, 1.0]]
        """
        import torch
        from torch.nn import functional

        found: NDArray[np.float64] = functional.interpolate(
            torch.eye(inputs, dtype=torch.float64).reshape(1, inputs, inputs, 1),
            size=None if self.size is None else (self.size[axis], 1),
            scale_factor=None if self.scale is None else (self.scale[axis], 1.0),
            mode=_ALONG_AN_AXIS.get(self.mode, self.mode),
            align_corners=self.align_corners,
            antialias=self.antialias,
        )[0, :, :, 0].numpy()
        return found


def resample(sizes: Sequence[int], how: Resampling) -> tuple[AveragePool, tuple[int, ...]]:
    """Return the rule of a resampling, and how many positions there are behind it along each axis.

    With weights a_oi, `q' = (sum_oi a_oi^2 (q - s) + sum_o (sum_i a_oi)^2 s)/outputs`, s the mean product of two
    positions: exact for nearest neighbours, and where all positions are equally alike. Neighbours in images are more
    alike than others: what blends them then keeps more than that, up to q.

    Args:
        sizes: Positions of the input along each axis.
        how: How they are resampled.

    Raises:
        DomainError: If there are no positions.

    >>> from propstats.signals import Positions, Signal
    >>> rule, sizes = resample((2,), Resampling("linear", scale=(2,)))
    >>> sizes, rule.forward(Signal(0.0, 1.0, 1.0, positions=Positions(0.0, 0.0))).q
    ((4,), 0.8125)
    """
    if not sizes:
        raise DomainError("resampling wants positions", "a vector has none")
    weights = [how.weights(size, axis) for axis, size in enumerate(sizes)]
    return AveragePool(Shares.of_weights(weights)), tuple(matrix.shape[1] for matrix in weights)
