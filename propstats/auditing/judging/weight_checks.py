"""What can be seen in the weights alone, and in what units give."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from propstats.auditing.measuring.call import Call
from propstats.rules.from_torch_parts import whole

_WEIGHTS = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


@dataclass(frozen=True, slots=True)
class Repeats:
    """Units of a layer that repeat others.

    Args:
        name: The layer.
        repeats: How many repeat the incoming weights of another.
        units: Of how many.
        for_ever: How many repeat its outgoing weights as well, so that their gradients are equal.
    """

    name: str
    repeats: int
    units: int
    for_ever: int


def modules_once(calls: Sequence[Call]) -> Iterator[tuple[str, nn.Module]]:
    """Yield each module once, however often it was called."""
    seen: set[int] = set()
    for call in calls:
        if call.module is not None and id(call.module) not in seen:
            seen.add(id(call.module))
            yield call.name, call.module


def non_finite_parameters(calls: Sequence[Call]) -> Iterator[tuple[str, int]]:
    """Yield the names of parameters and buffers that hold NaN or infinity, with how many."""
    for name, module in modules_once(calls):
        for part, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            if tensor.is_floating_point():
                count = tensor.numel() - int(torch.isfinite(whole(tensor)).sum())
                if count:
                    yield f"{name}.{part}", count


def duplicate_units(calls: Sequence[Call]) -> Iterator[Repeats]:
    """Yield layers in which units repeat each other's weights and bias; rows of zeros are set on purpose."""
    layers = [(name, module) for name, module in modules_once(calls) if isinstance(module, _WEIGHTS)]
    for position, (name, module) in enumerate(layers):
        rows = _rows(module)
        if not rows.isfinite().all():
            continue
        repeats = _repeats(rows)
        if repeats:
            after = layers[position + 1][1] if position + 1 < len(layers) else None
            outgoing = _outgoing(after, len(rows))
            for_ever = _repeats(torch.cat([rows, outgoing], dim=1)) if outgoing is not None else 0
            yield Repeats(name, repeats, len(rows), for_ever)


def duplicate_outputs(values: torch.Tensor) -> tuple[int, int]:
    """Return how many units repeat another's outputs, and of how many; constant units do not count as repeats.

    Args:
        values: Shape (samples, units).

    >>> duplicate_outputs(torch.tensor([[1.0, 1.0, 2.0], [3.0, 3.0, 5.0]]))
    (1, 3)
    """
    varying = values.T[(values != values[0]).any(dim=0)].float().numpy()
    return len(varying) - len({row.tobytes() for row in varying}), values.shape[1]


def _rows(module: nn.Module) -> torch.Tensor:
    weight = _weight(module).flatten(1)
    bias = module.bias
    return torch.cat([weight, whole(bias)[:, None]], dim=1) if isinstance(bias, torch.Tensor) else weight


def _weight(module: nn.Module) -> torch.Tensor:
    """Return the weights of a layer; a parametrisation (weight norm) computes them."""
    weight = module.weight
    assert isinstance(weight, torch.Tensor)
    return whole(weight)


def _repeats(rows: torch.Tensor) -> int:
    set_on_purpose = (rows == 0).all(dim=1)
    kept = rows[~set_on_purpose]
    return len(kept) - len({row.tobytes() for row in kept.float().numpy()})


def _outgoing(after: nn.Module | None, units: int) -> torch.Tensor | None:
    """Return the weights that lead on from each unit, shape (units, ...), if the next layer takes just these units."""
    if after is None:
        return None
    weight = _weight(after)
    if weight.shape[1] != units:
        return None
    return weight.transpose(0, 1).flatten(1)
