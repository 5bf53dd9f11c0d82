"""Seeing what the layers of a network pass on while somebody else runs it."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol, TypeAlias

import torch
from torch import nn

from propstats.auditing.measuring.gradients import watch_gradient
from propstats.auditing.measuring.leaves import layers_of
from propstats.auditing.measuring.trees import tensors_in

#: What looks at a gradient when it arrives.
Gradient: TypeAlias = Callable[[torch.Tensor], None]


class Meter(Protocol):
    """What is measured of tensors, and where it goes."""

    def begin(self) -> bool:
        """Note that a forward pass begins, and say whether to measure it."""
        ...

    def output(self, call: str, module: nn.Module, tensor: torch.Tensor) -> Gradient:
        """Measure what a call gave, and return what measures the gradient there.

        Args:
            call: Name of the layer; of its second call in a forward pass with ` #1` behind, and so on.
            module: The layer.
            tensor: The first tensor of real numbers that it gave, detached; of a sharded one, this process's part.
        """
        ...

    def end(self) -> None:
        """Note that the forward pass that was measured is over; gradients may still come."""
        ...

    def failed(self, error: Exception, /) -> None:
        """Note that measuring has failed; the network is no longer watched."""
        ...


class Tap:
    """Shows a meter the output of every call of every layer, and the gradient there.

    Outputs count from `begin` to `end` (the forward pass of the network, unless `manual` is set): what activation
    checkpointing runs again on the way back does not count again. The network computes exactly what it computes
    without, and no exception of the meter's gets into its run: the tap takes itself off instead.

    Args:
        model: The network.
        meter: What measures.
        manual: Whether `begin` and `end` are called by somebody, and not by the network's own forward pass.
    """

    def __init__(self, model: nn.Module, meter: Meter, *, manual: bool = False) -> None:
        self._model, self._meter = model, meter
        self._is_inside = self.is_open = False
        self._calls: dict[str, int] = {}
        self._eager = ExitStack()
        self._handles = [module.register_forward_hook(self._hook(name)) for name, module in layers_of(model).items()]
        if not manual:
            self._handles += [
                model.register_forward_pre_hook(_Hook(lambda *_: self.begin())),
                model.register_forward_hook(_Hook(lambda *_: self.end()), always_call=True),
            ]

    def begin(self) -> None:
        """Measure from here on, if the meter wants to."""
        self.guarded(self._begin)

    def end(self) -> None:
        """Measure no more; gradients of what was measured still come."""
        self.guarded(self._end)

    def remove(self) -> None:
        """Take everything off the network."""
        self._is_inside = self.is_open = False
        self._eager.close()
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def guarded(self, action: Callable[[], None]) -> None:
        """Do something that must not end a training run."""
        try:
            action()
        except Exception as error:
            self._fail(error)

    def _begin(self) -> None:
        # Whoever calls `begin` himself may run a network whose hooks do so too: that is one pass.
        if self._is_inside:
            return
        self._is_inside = True
        self._calls.clear()
        if self._meter.begin():
            self.is_open = True
            if any(map(_is_compiled, self._model.modules())):
                # It runs as it was written for this one pass: inside of what is compiled no hook is called.
                self._eager.enter_context(torch.compiler.set_stance("force_eager"))

    def _end(self) -> None:
        self._eager.close()
        was_open, self._is_inside, self.is_open = self.is_open, False, False
        if was_open:
            self._meter.end()

    def _hook(self, name: str) -> "_Hook":
        def look(module: nn.Module, args: object, output: object) -> None:
            if self.is_open:
                try:
                    self._show(name, module, args, output)
                except Exception as error:
                    self._fail(error)

        return _Hook(look)

    def _show(self, name: str, module: nn.Module, args: object, output: object) -> None:
        made = first_tensor(output)
        if made is None:
            return
        number = self._calls.get(name, 0)
        self._calls[name] = number + 1
        gradient = self._meter.output(f"{name} #{number}" if number else name, module, _local(made))

        def arrives(tensor: torch.Tensor) -> None:
            try:
                gradient(_local(tensor))
            except Exception as error:
                self._fail(error)

        if made.requires_grad:
            watch_gradient(made, args, arrives)

    def _fail(self, error: Exception) -> None:
        self.remove()
        self._meter.failed(error)


def first_tensor(output: object) -> torch.Tensor | None:
    """Return the first tensor of floating point, with any number in it, in whatever a module returns."""
    return next((tensor for tensor in tensors_in(output) if tensor.is_floating_point() and tensor.numel()), None)


def _local(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor without its history; of a sharded one, this process's part."""
    values: Any = tensor.detach()
    return values if type(values) is torch.Tensor or not hasattr(values, "to_local") else values.to_local()  # type: ignore[no-any-return]


class _Hook:
    """A hook of this process: a copy of the network, and a file of it, have one that does nothing."""

    def __init__(self, action: Callable[..., None]) -> None:
        self._action = action

    def __call__(self, *arguments: object) -> None:
        # Where a compiler reads this, it shall find nothing to do.
        if not torch.compiler.is_compiling():
            self._action(*arguments)

    def __reduce__(self) -> tuple[type["Unwatched"], tuple[()]]:
        return Unwatched, ()


class Unwatched:
    """What is left of a hook in a copy of the network, or in a file that was written while it was watched."""

    def __call__(self, *_: object) -> None:
        """Do nothing."""


def _is_compiled(module: nn.Module) -> bool:
    return hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None
