"""Batch norm divides by running averages when it is evaluated: how far are they from what the data really have?"""

import torch
from torch import nn

from propstats.auditing.layer_statistics import RunningGap
from propstats.auditing.measuring.call import Call

_NORMS = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


def running_gap(call: Call) -> RunningGap | None:
    """Compare a batch norm's running statistics with those of its input; None for other layers.

    `mean` is the root mean square over channels of `(running_mean - mean)/std`, `variance` that of
    `log(running_var/var)`; channels that do not vary, or whose running variance is 0, are left out.

    Args:
        call: A measured call.

    >>> from propstats.auditing.probing import probe
    >>> data = 3 + 2 * torch.randn(4000, 5, generator=torch.Generator().manual_seed(0))
    >>> gap = running_gap(probe(nn.Sequential(nn.BatchNorm1d(5)), data).calls[0])
    >>> round(gap.mean, 1), round(gap.variance, 1)  # 3/2, and log 4
    (1.5, 1.4)
    """
    module, units = call.module, call.input.units
    if not isinstance(module, _NORMS) or module.running_mean is None or module.running_var is None or units is None:
        return None
    running = module.running_var.double()
    known = (units.variance > 0) & (running > 0)
    if not bool(known.any()):
        return None
    variance = units.variance[known]
    shift = (module.running_mean.double() - units.mean)[known] / variance.sqrt()
    ratio = torch.log(running[known] / variance)
    return RunningGap(float(shift.square().mean().sqrt()), float(ratio.square().mean().sqrt()))
