"""Follow a network while it runs: every call of a layer, and of a tensor function outside of layers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from propstats.auditing.measuring.call import INPUT, OUTSIDE
from propstats.auditing.measuring.leaves import is_leaf
from propstats.auditing.measuring.origins import Origin, Origins, version
from propstats.auditing.measuring.trees import tensors_in, with_tensors

Function = Callable[..., object]

#: Functions that take of a tensor its shape and kind, and none of its numbers.
_SHAPED = frozenset(
    ["new_zeros", "new_ones", "new_full", "new_empty"]
    + [f"{kind}_like" for kind in ("zeros", "ones", "full", "empty", "rand", "randn", "randint")]
)


@dataclass(slots=True)
class Site:
    """A call while it happens.

    Args:
        position: Its place in the order of the forward pass.
        name: Its name, as in `Call`.
        module: The module, or None.
        function: The function, or None.
        args: Positional arguments.
        kwargs: Keyword arguments.
        tensors: The tensors among the arguments, in order.
        origins: Who made each of them.
        outputs: The tensors that it gave, once it is done: also those of its inputs that it changed in place.
        changed: Which of its inputs it changed in place.
        versions: What tells whether it did.
    """

    position: int
    name: str
    module: nn.Module | None
    function: Function | None
    args: Sequence[object]
    kwargs: Mapping[str, object]
    tensors: list[torch.Tensor]
    origins: list[Origin]
    outputs: list[torch.Tensor] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)


class Observer(Protocol):
    """Who wants to know."""

    def before(self, site: Site) -> Sequence[torch.Tensor]:
        """Look at the inputs of a call, and return those to call it with."""
        ...

    def after(self, site: Site) -> Sequence[torch.Tensor]:
        """Look at the outputs of a call, and return those to go on with."""
        ...


class Recorder(TorchFunctionMode):
    """Tells an observer of every call, in order, while it is entered; leaves nothing behind.

    Only what depends on the network's input counts: functions of constants and parameters alone are no calls, nor are
    functions that give no tensor.

    Args:
        model: The network.
        observer: Who is told.
    """

    def __init__(self, model: nn.Module, observer: Observer) -> None:
        super().__init__()
        self.model = model
        self.observer = observer
        self.origins = Origins()
        self.position = 0
        self.entered: set[nn.Module] = set()
        self.used: set[nn.Parameter] = set()
        self._names = {module: name for name, module in model.named_modules()}
        self._leaves = {module for module in self._names if is_leaf(module)}
        self._stack: list[nn.Module] = []
        self._inside = 0
        self._open: list[Site] = []
        self._reaching: list[list[Origin]] = []

    @contextmanager
    def recording(self, inputs: Sequence[torch.Tensor]) -> Iterator[None]:
        """Record one forward pass of these inputs."""
        self.origins, self.position, self._inside = Origins(), 0, 0
        self._stack.clear()
        self._open.clear()
        self._reaching.clear()
        for number, tensor in enumerate(inputs):
            self.origins.note(tensor, INPUT, number)
        with ExitStack() as stack:
            for module in self._names:
                # First and last of all: what other hooks do in between (FSDP) is no call of the network.
                reaches = module.register_forward_pre_hook(self._reach, prepend=True, with_kwargs=True)
                stack.callback(reaches.remove)
                enters = module.register_forward_pre_hook(self._enter, with_kwargs=True)
                stack.callback(enters.remove)
                stack.callback(module.register_forward_hook(self._leave).remove)
            stack.enter_context(self)
            yield

    def __torch_function__(
        self, func: Function, types: object, args: tuple[object, ...] = (), kwargs: dict[str, object] | None = None
    ) -> object:
        """Watch one function of tensors."""
        kwargs = kwargs or {}
        if self._inside:
            return func(*args, **kwargs)
        tensors = tensors_in((args, kwargs))
        self.used.update(tensor for tensor in tensors if isinstance(tensor, nn.Parameter))
        origins = [self.origins.of(tensor) for tensor in tensors]
        if not tensors or all(origin.position == OUTSIDE for origin in origins) or function_name(func) in _SHAPED:
            return func(*args, **kwargs)
        scope = self._names[self._stack[-1]] if self._stack else ""
        name = f"{scope}.{function_name(func)}".lstrip(".")
        site = Site(self.position, name, None, func, args, kwargs, tensors, origins)
        self._inside += 1
        try:
            args, kwargs = self._before(site)
            result = func(*args, **kwargs)
            outputs = tensors_in(result)
            if not outputs and site.versions == [version(tensor) for tensor in tensors]:
                return result
            return self._after(site, result)
        finally:
            self._inside -= 1

    def _reach(self, module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        self._reaching.append([self.origins.of(tensor) for tensor in tensors_in((args, kwargs))])
        self._inside += 1

    def _enter(
        self, module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> tuple[tuple[object, ...], dict[str, object]] | None:
        self._inside -= 1
        for tensor, origin in zip(tensors_in((args, kwargs)), self._reaching.pop(), strict=False):
            if self.origins.of(tensor).position == OUTSIDE and origin.position != OUTSIDE:
                self.origins.note(tensor, origin.position, origin.output)  # another hook's view of it
        self._stack.append(module)
        self.entered.add(module)
        if module not in self._leaves:
            return None
        self._inside += 1
        if self._inside > 1:
            return None
        tensors = tensors_in((args, kwargs))
        origins = [self.origins.of(tensor) for tensor in tensors]
        name = self._names[module] or "model"
        site = Site(self.position, name, module, None, args, kwargs, tensors, origins)
        self._open.append(site)
        return self._before(site)

    def _leave(self, module: nn.Module, args: object, result: object) -> object:
        self._stack.pop()
        if module not in self._leaves:
            return None
        try:
            return self._after(self._open.pop(), result) if self._inside == 1 else None
        finally:
            self._inside -= 1

    def _before(self, site: Site) -> tuple[tuple[object, ...], dict[str, object]]:
        site.versions = [version(tensor) for tensor in site.tensors]
        with torch._C.DisableTorchFunction():
            given = self.observer.before(site)
        if all(new is old for new, old in zip(given, site.tensors, strict=True)):
            return tuple(site.args), dict(site.kwargs)
        following = iter(given)
        return with_tensors((tuple(site.args), dict(site.kwargs)), lambda _: next(following))

    def _after(self, site: Site, result: object) -> object:
        site.outputs = tensors_in(result)
        for slot, tensor in enumerate(site.tensors):
            if version(tensor) != site.versions[slot]:
                site.changed.append(slot)
                if not any(tensor is output for output in site.outputs):
                    site.outputs.append(tensor)
        with torch._C.DisableTorchFunction():
            outputs = self.observer.after(site)
        for number, tensor in enumerate(outputs):
            # What is handed on as it came keeps its maker, so that nothing is measured twice.
            self.origins.note(tensor, site.position, number, in_place=bool(site.changed))
        self.position += 1
        if all(new is old for new, old in zip(outputs, site.outputs, strict=True)):
            return result
        following = iter(outputs)
        return with_tensors(result, lambda _: next(following))

    @property
    def where(self) -> nn.Module | None:
        """The innermost module that is running."""
        return self._stack[-1] if self._stack else None


def function_name(function: Function) -> str:
    """Return the name of a function of tensors: `add` for `+`, `getitem` for `[]`, `T` for the attribute."""
    name = str(getattr(function, "__name__", "function"))
    if name == "__get__":
        name = str(getattr(getattr(function, "__self__", None), "__name__", "attribute"))
    return name.strip("_")
