"""What can be seen in the weights alone."""

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from propstats.auditing.measuring.call import Call


def _once(calls: Sequence[Call]) -> Iterator[tuple[str, nn.Module]]:
    """Yield each module once, however often it was called."""
    seen: set[int] = set()
    for call in calls:
        if call.module is not None and id(call.module) not in seen:
            seen.add(id(call.module))
            yield call.name, call.module


def non_finite_parameters(calls: Sequence[Call]) -> Iterator[tuple[str, int]]:
    """Yield the names of parameters and buffers that hold NaN or infinity, with how many."""
    for name, module in _once(calls):
        for part, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            if tensor.is_floating_point():
                count = tensor.numel() - int(torch.isfinite(tensor.detach()).sum())
                if count:
                    yield f"{name}.{part}", count


def duplicate_units(calls: Sequence[Call]) -> Iterator[tuple[str, int, int]]:
    """Yield layers in which units repeat each other's weights and bias: name, repeats, units."""
    for name, module in _once(calls):
        if not isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            continue
        rows = module.weight.detach().flatten(1)
        if module.bias is not None:
            rows = torch.cat([rows, module.bias.detach()[:, None]], dim=1)
        if rows.isfinite().all():
            repeats = len(rows) - len(torch.unique(rows, dim=0))
            if repeats:
                yield name, repeats, len(rows)
