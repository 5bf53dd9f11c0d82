"""Seeing what the layers of a network pass on while somebody else runs it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

#: Names that wrappers put between those of the modules: torch.compile, FSDP, activation checkpointing.
_WRAPPERS = re.compile(r"\b(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)(\.|$)")
_PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)
#: Modules of torch that call functions with their children's weights, and not the children.
_WHOLE = (nn.MultiheadAttention,)

#: What is measured of a tensor looks at so many samples and so many numbers of each, whatever its size.
SAMPLES = 64
NUMBERS = 8192


@dataclass(frozen=True, slots=True)
class Reading:
    """What was measured of one tensor, still on its device.

    Args:
        step: The step it belongs to.
        layer: Name of the layer.
        is_gradient: Whether it is the gradient at the layer's output instead of the output.
        numbers: Mean, second moment, variance over the batch in the mean over units, and 1 if any number of the whole
            tensor is not finite, else 0; shape (4,).
    """

    step: int
    layer: str
    is_gradient: bool
    numbers: torch.Tensor


def leaves(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the layers of a network, each once, under the names that they have without wrappers.

    >>> [name for name, _ in leaves(nn.DataParallel(nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU()))))]
    ['0', '1.0']
    """
    yield from _leaves("", model, set())


def _leaves(name: str, module: nn.Module, seen: set[int]) -> Iterator[tuple[str, nn.Module]]:
    if id(module) in seen:
        return
    seen.add(id(module))
    if isinstance(module, _PARALLEL):
        yield from _leaves(name, module.module, seen)
        return
    children = {n: c for n, c in module.named_children() if n != "parametrizations"}  # those belong to the weights
    if not children or isinstance(module, _WHOLE):
        yield clean(name), module
        return
    for child, inside in children.items():
        yield from _leaves(f"{name}.{child}" if name else child, inside, seen)


def clean(name: str) -> str:
    """Take out of a module's name what wrappers put into it.

    >>> clean("_orig_mod.encoder._checkpoint_wrapped_module.0")
    'encoder.0'
    """
    return _WRAPPERS.sub("", name).rstrip(".")


class Tap:
    """Measures every output of every layer, and the gradient there, while it is open.

    Args:
        model: The network.
        emit: Called with each reading.
        guard: Runs what a hook does, so that no exception of ours gets into the network's own run.
    """

    def __init__(
        self, model: nn.Module, emit: Callable[[Reading], None], guard: Callable[[Callable[[], None]], None]
    ) -> None:
        self.is_open = False
        self._emit, self._guard, self._step = emit, guard, 0
        self._calls: dict[str, int] = {}
        self._handles = [module.register_forward_hook(self._hook(name)) for name, module in leaves(model)]

    def open(self, step: int) -> None:
        """Measure from here on."""
        self._calls.clear()
        self._step = step
        self.is_open = True

    def close(self) -> None:
        """Measure no more; gradients of what was measured still come."""
        self.is_open = False

    def remove(self) -> None:
        """Take everything off the network."""
        self.close()
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _hook(self, name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            # Where a compiler reads this, it shall find nothing to do.
            if not torch.compiler.is_compiling() and self.is_open:
                self._guard(lambda: self._measure(name, output))

        return hook

    def _measure(self, name: str, output: object) -> None:
        tensor = first_tensor(output)
        if tensor is None:
            return
        step = self._step
        call = self._calls[name] = self._calls.get(name, -1) + 1
        layer = f"{name} #{call}" if call else name
        self._emit(Reading(step, layer, False, measured(tensor)))

        def hook(gradient: torch.Tensor) -> None:
            self._guard(lambda: self._emit(Reading(step, layer, True, measured(gradient))))

        if tensor.requires_grad:
            tensor.register_hook(hook)  # type: ignore[no-untyped-call]  # torch does not annotate it


def first_tensor(output: object) -> torch.Tensor | None:
    """Return the first tensor of floating point in whatever a module returns."""
    if isinstance(output, torch.Tensor):
        return output if output.is_floating_point() and output.numel() else None
    parts = output.values() if isinstance(output, Mapping) else output if isinstance(output, Sequence) else ()
    if isinstance(parts, str):
        return None
    return next((tensor for part in parts if (tensor := first_tensor(part)) is not None), None)


@torch.no_grad()
def measured(tensor: torch.Tensor) -> torch.Tensor:
    """Measure a tensor at a bounded cost, on its device; shape (4,), as `Reading` says.

    >>> measured(torch.tensor([[1.0, 2.0], [3.0, 2.0]])).tolist()
    [2.0, 4.5, 0.5, 0.0]
    """
    values: Any = tensor.detach()
    to_local = getattr(values, "to_local", None)
    if callable(to_local):  # a sharded tensor: this process's part
        values = to_local()
    ends = torch.stack(torch.aminmax(values))  # of all numbers: NaN takes both ends, and no memory is needed
    rows = values[:SAMPLES] if values.ndim > 1 else values.reshape(1, -1)
    rows = rows.reshape(len(rows), -1)
    rows = rows[:, :: max(1, -(-rows.shape[1] // NUMBERS))].float()
    spread = (rows - rows.mean(dim=0)).square().mean()
    return torch.stack([rows.mean(), rows.square().mean(), spread, (~ends.isfinite()).any().float()])
