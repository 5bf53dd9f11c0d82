"""The ReLU that starts elsewhere than at 0, in place, and its moments as tensors."""

import math
from typing import Any

import torch
from torch.nn import functional


class _InPlace(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: torch.Tensor, least: float) -> torch.Tensor:
        ctx.least = least
        ctx.mark_dirty(input)
        functional.threshold(input, least, least, inplace=True)
        ctx.save_for_backward(input)
        ctx.save_for_forward(input)
        return input

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (result,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(gradients[0], result, ctx.least), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> torch.Tensor:
        (result,) = ctx.saved_tensors
        moved: torch.Tensor = tangents[0].mul_(result > ctx.least)
        return moved


def rectified(input: torch.Tensor, least: float) -> torch.Tensor:
    """Return `max(x, least)`, in the memory of x where that is safe.

    What comes out says where the slope is 0, so that x need not be kept: torch's own threshold copies it, because its
    `value` may be any number. In half precision, `least` itself is rounded and says less: there x is kept.

    Args:
        input: The numbers, which nothing else needs any more.
        least: What the ReLU puts out on its flat side.

    >>> rectified(torch.tensor([-1.0, 0.0, 1.0]), -0.5).tolist()
    [-0.5, 0.0, 1.0]
    """
    is_compiled = torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None
    if is_compiled or torch._C._are_functorch_transforms_active() or input.dtype not in (torch.float32, torch.float64):
        return input.clamp_min(least)
    result: torch.Tensor = _InPlace.apply(input, least)  # type: ignore[no-untyped-call]
    return result


def rectified_moments(mean: torch.Tensor, std: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and variance of `max(x, 0)` for `x ~ N(mean, std^2)`, differentiable in both.

    With `t = mean/std`: `E = mean Phi(t) + std phi(t)`, `E2 = (mean^2 + std^2) Phi(t) + mean std phi(t)`.

    Args:
        mean: Means.
        std: Standard deviations, positive, of the same shape.

    References:
        Tallis 1961, JRSS B 23 (moments of the truncated normal distribution).

    >>> zero, one = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    >>> [round(float(moment), 10) for moment in rectified_moments(zero, one)]  # 1/sqrt(2 pi), 1/2 - 1/(2 pi)
    [0.3989422804, 0.3408450569]
    """
    t = mean / std
    above = torch.special.ndtr(t)
    density = torch.exp(-0.5 * t.square()) / math.sqrt(2.0 * math.pi)
    first = mean * above + std * density
    second = (mean.square() + std.square()) * above + mean * std * density
    return first, second - first.square()
