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
from propstats.expectation.sampling.delta import AVERAGED, VALUES
from propstats.expectation.sampling.functions import GELU, condensed, gelu, sampling_namespace

Array = NDArray[np.float64]


class Rows:
    """Room for the rows at n points, and below them a row of ones, with which their products are sums.

    Args:
        size: n.
        device: Where they are.
        slopes: Whether there are six rows; otherwise those of phi alone, y and y^2.
    """

    def __init__(self, size: int, device: torch.device, *, slopes: bool = True) -> None:
        self.size, self.slopes = size, slopes
        self.x = torch.empty(size, dtype=torch.float64, device=device)
        self.names = AVERAGED if slopes else VALUES
        # By numpy: torch would wake threads of its own for it, which then spin for a while in the way of those here.
        self.whole = torch.from_numpy(np.ones((len(self.names) + 1, size))).to(device)
        # Taken apart once: torch's smallest operations take microseconds.
        rows = dict(zip(self.names, self.whole.unbind(), strict=False))
        self.y, self.d, self.zd, self.zdy = (rows.get(name, rows["y"]) for name in ("y", "d", "zd", "zdy"))
        count = 2 if slopes else 1
        self.linear, self.squares = self.whole[:count], self.whole[len(self.names) // 2 :][:count]

    @property
    def averaged(self) -> torch.Tensor:
        """The rows; shape (6, n), or (2, n)."""
        return self.whole[:-1]

    def gram(self) -> Array:
        """Return the sums of all products of the rows, and in the last column their plain sums; shape (6, 7) or (2, 3).

        On the CPU by numpy, whose BLAS is twice as fast as torch's for so few rows; by `dot`, because `matmul`
        keeps other threads from running, and not of rows with themselves, for which it takes a slower way.
        """
        if self.whole.device.type != "cpu":
            return np.asarray((self.averaged @ self.whole.T).cpu().numpy())
        plain: Array = self.whole.numpy()
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(np.dot(plain[:-1], plain.T))


class Integrand:
    """An activation under `x = mu + s z`, with `y = phi(x) - shift` and `d = phi'(x) - slope_shift`.

    The shifts are `phi(mu)` and `phi'(mu)`: they keep the squares from cancelling where s is small.

    Args:
        activation: phi.
        mean: mu.
        std: s; not negative.
    """

    def __init__(self, activation: Activation, mean: float, std: float) -> None:
        self.mean, self.std = mean, std
        self._is_standard = mean == 0.0 and std == 1.0
        self._evaluate = _compiled(activation.text, tuple(activation.params), slopes=True)
        # Where x is seldom far below 0, Phi(x) is not small.
        if activation.text == GELU and mean >= -std:
            self._value = gelu
        else:
            self._value = _compiled(activation.text, tuple(activation.params), slopes=False)
        self._params = tuple(activation.params.values())
        self._mean = torch.tensor(mean, dtype=torch.float64)
        centre = self._evaluate(self._mean.reshape(1), *self._params)
        # A cusp at mu has no slope to subtract.
        self.shift, self.slope_shift = (c if math.isfinite(c) else 0.0 for c in map(float, centre))

    def fill(self, z: torch.Tensor, rows: Rows) -> Rows:
        """Write the rows at z, of shape (n,) and in float64, into their room; return it."""
        x = z if self._is_standard else torch.add(self._mean, z, alpha=self.std, out=rows.x)
        if not rows.slopes:
            _minus(self._value(x, *self._params)[0], self.shift, rows.y)
            torch.mul(rows.linear, rows.linear, out=rows.squares)
            return rows
        value, slope = self._evaluate(x, *self._params)
        _minus(value, self.shift, rows.y)
        _minus(slope, self.slope_shift, rows.d)
        torch.mul(rows.linear, rows.linear, out=rows.squares)
        torch.mul(z, slope, out=rows.zd)
        torch.mul(rows.zd, rows.y, out=rows.zdy)
        return rows

    def at(self, z: torch.Tensor) -> torch.Tensor:
        """Return the six rows at z; shape (6, n)."""
        return self.fill(z, Rows(z.numel(), z.device)).averaged


def _minus(values: Any, shift: float, out: torch.Tensor) -> None:
    if isinstance(values, torch.Tensor):
        torch.sub(values, shift, out=out)
    else:
        # A constant, such as the slope of the identity.
        out.fill_(values - shift)


@lru_cache(maxsize=256)
def _compiled(text: str, names: tuple[str, ...], *, slopes: bool) -> Callable[..., tuple[Any, ...]]:
    """Compile a formula, and its derivative, for tensors; what they have in common is computed once."""
    # At its first comparison torch imports itself once more, which compiled formulas, without builtins, cannot.
    torch.gt(torch.zeros(1), 0.0)
    formula = parse(text, {"x", *names})
    formulas = [formula, differentiate(formula, "x")] if slopes else [formula]
    return compiled([condensed(one) for one in formulas], ["x", *names], sampling_namespace())
