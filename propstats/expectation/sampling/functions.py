"""What the functions of a formula mean to the sampling route: the same numbers as torch's, in less time.

Sampling spends as much on the activation as on the random numbers, and on the CPU torch's own ways differ widely: a
choice at random signs takes ten times as long as a rectifier, `tanh` three times as long as numpy's.
"""

import struct
from functools import cache
from typing import Any

import numpy as np
import torch

from propstats.activations.expression import ZERO, Call, Expr, Namespace, map_args, symbols_of
from propstats.activations.namespaces import torch_namespace

#: For which torch has a function of its own.
GELU = "x*Phi(x)"


@cache
def sampling_namespace() -> Namespace:
    """Functions on torch tensors in float64, with `rectify` for what `condensed` finds."""
    plain = torch_namespace()

    def tanh(u: Any) -> Any:
        if isinstance(u, torch.Tensor) and u.device.type == "cpu":
            return torch.from_numpy(np.tanh(u.numpy()))
        return plain["tanh"](u)

    return {**plain, "where": choose, "tanh": tanh, "rectify": rectify}


def condensed(formula: Expr) -> Expr:
    """Write `where(u > 0, u, c*u)` as `rectify(u, c)`, for which torch has instructions without branches.

    >>> from propstats.activations.syntax import parse
    >>> condensed(parse("where(x > 0, x, a*x)", {"x", "a"}))
    Call(function='rectify', args=(Symbol(name='x'), Symbol(name='a')))
    """
    match formula:
        case Call("where", (Call("gt", (u, zero)), then, otherwise)) if zero == ZERO and then == u:
            slope = _multiple(otherwise, u)
            if slope is not None:
                return Call("rectify", (condensed(u), slope))
    return map_args(condensed, formula)


def gelu(u: torch.Tensor) -> tuple[torch.Tensor]:
    """Return `u (1 + erf(u/sqrt 2))/2`, in a tuple as compiled formulas do.

    For Phi it has a rounding of 1e-16, however small Phi is: no loss where Phi is not small for most of the samples.
    """
    return (torch.nn.functional.gelu(u),)


def rectify(u: Any, slope: Any) -> Any:
    """Return u where it is positive, and a multiple of it elsewhere.

    >>> rectify(torch.tensor([-2.0, 3.0]), 0.5).tolist()
    [-1.0, 3.0]
    """
    if not isinstance(u, torch.Tensor):
        return u if u > 0 else slope * u
    return torch.relu(u) if slope == 0 else torch.nn.functional.leaky_relu(u, slope)


def choose(condition: Any, then: Any, otherwise: Any) -> Any:
    """Choose elementwise, by the bits: `torch.where` branches at every element, and at random ones it guesses wrong."""
    if not isinstance(condition, torch.Tensor):
        return then if condition else otherwise
    then, otherwise = _bits(then), _bits(otherwise)
    no_bits = isinstance(otherwise, int) and otherwise == 0
    # True becomes -1, which has all bits.
    chosen = condition.to(torch.int64).neg_().bitwise_and_(then if no_bits else then ^ otherwise)
    return (chosen if no_bits else chosen.bitwise_xor_(otherwise)).view(torch.float64)


def _bits(value: Any) -> Any:
    """Return the bits of float64 numbers as integers."""
    if isinstance(value, torch.Tensor):
        return value.view(torch.int64)
    return int.from_bytes(struct.pack("<d", value), "little", signed=True)


def _multiple(formula: Expr, u: Expr) -> Expr | None:
    """Return c if a formula is `c*u` with a c that does not depend on x."""
    if formula == ZERO:
        return ZERO
    match formula:
        case Call("mul", (a, b)) if b == u and "x" not in symbols_of(a):
            return a
        case Call("mul", (a, b)) if a == u and "x" not in symbols_of(b):
            return b
        case _:
            return None
