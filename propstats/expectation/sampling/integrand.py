"""What the sampling route averages, as rows of numbers: an activation and its slope, multiplied in six ways."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from propstats.activations.activation import Activation
from propstats.activations.compile import compiled
from propstats.activations.derivative import differentiate
from propstats.activations.syntax import parse
from propstats.expectation.sampling.delta import AVERAGED, OF_VALUES
from propstats.expectation.sampling.precision import fitted, namespace

Array = NDArray[np.float64]


class Rows:
    """Room for the first k rows at n points.

    Args:
        count: k.
        z: Where to evaluate; how many there are, in which precision and on which device is what counts.
    """

    def __init__(self, count: int, z: torch.Tensor) -> None:
        # With a row to spare: of a matrix and itself BLAS takes the products in a slower way.
        self._whole = torch.empty(count + 1, z.numel(), dtype=z.dtype, device=z.device)
        # Taken apart once: torch's smallest operations take microseconds.
        *self.rows, spare = self._whole.unbind()
        spare.zero_()

    @property
    def averaged(self) -> torch.Tensor:
        """The rows; shape (k, n)."""
        return self._whole[:-1]

    def gram(self) -> Array:
        """Return the sums of all products of the rows, and in the last column their plain sums; shape (k, k + 1).

        On the CPU by numpy, whose BLAS is twice as fast as torch's for so few rows; by `dot`, because `matmul`
        keeps other threads from running. The plain sums are torch's: pairwise, so that a number that comes again and
        again is not rounded the same way each time.
        """
        if self._whole.device.type != "cpu":
            found = (self.averaged @ self._whole.T).double().cpu().numpy()
        else:
            plain = self._whole.numpy()
            found = np.asarray(np.dot(plain[:-1], plain.T), np.float64)
        found[:, -1] = [row.sum().item() for row in self.rows]
        return found


class Integrand:
    """An activation under `x = mu + s z`, with `y = phi(x) - shift` and `d = phi'(x) - slope_shift`.

    The shifts are `phi(mu)` and `phi'(mu)`: they keep the squares from cancelling where s is small. All is done in the
    precision of z.

    Args:
        activation: phi.
        mean: mu.
        std: s; not negative.
        averaged: Which rows: all, or those that do without the slope.
    """

    def __init__(self, activation: Activation, mean: float, std: float, averaged: tuple[str, ...] = AVERAGED) -> None:
        self.mean, self.std, self.size = mean, std, len(averaged)
        self._text, self._names = activation.text, tuple(activation.params)
        self._params = tuple(activation.params.values())
        self._mean = torch.tensor(mean, dtype=torch.float64)
        centre = map(float, self._evaluate(self._mean.reshape(1)))
        # A cusp at mu has no slope to subtract.
        self.shift, self.slope_shift = ([c if math.isfinite(c) else 0.0 for c in centre] + [0.0])[:2]

    def _evaluate(self, x: torch.Tensor) -> tuple[Any, ...]:
        function = _compiled(self._text, self._names, x.dtype, self.size > len(OF_VALUES))
        return function(x, *self._params)

    def fill(self, z: torch.Tensor, room: Rows) -> Rows:
        """Write the rows at z, of shape (n,), into their room; return it."""
        x = z if (self.mean, self.std) == (0.0, 1.0) else torch.add(self._mean, z, alpha=self.std)
        value, *slopes = self._evaluate(x)
        y, yy, *others = room.rows
        _minus(value, self.shift, y)
        torch.mul(y, y, out=yy)
        for slope in slopes:
            d, dd, zd, zdy = others
            _minus(slope, self.slope_shift, d)
            torch.mul(d, d, out=dd)
            torch.mul(z, slope, out=zd)
            torch.mul(zd, y, out=zdy)
        return room

    def at(self, z: torch.Tensor) -> torch.Tensor:
        """Return the rows at z; shape (k, n)."""
        return self.fill(z, Rows(self.size, z)).averaged


def _minus(values: Any, shift: float, out: torch.Tensor) -> None:
    if isinstance(values, torch.Tensor):
        torch.sub(values, shift, out=out)
    else:
        # A constant, such as the slope of the identity.
        out.fill_(values - shift)


@lru_cache(maxsize=256)
def _compiled(text: str, names: tuple[str, ...], dtype: torch.dtype, slope: bool) -> Callable[..., tuple[Any, ...]]:
    """Compile a formula, or it and its derivative, for tensors; what they have in common is computed once."""
    # At its first comparison torch imports itself once more, which compiled formulas, without builtins, cannot.
    torch.gt(torch.zeros(1), 0.0)
    formula = parse(text, {"x", *names})
    formulas = [formula, differentiate(formula, "x")] if slope else [formula]
    return compiled([fitted(f, dtype) for f in formulas], ["x", *names], namespace(dtype))
