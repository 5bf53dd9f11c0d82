"""Watch the layers of a network while it trains, at a few per cent of the time of a step."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from torch import nn

from propstats.auditing.measuring.gradients import watch_gradient
from propstats.auditing.measuring.layout import units_axis
from propstats.auditing.measuring.leaves import layers_of
from propstats.auditing.measuring.moments import Moments
from propstats.auditing.measuring.trees import tensors_in
from propstats.auditing.measuring.unit_sums import UnitSums


@dataclass(frozen=True, slots=True)
class Watched:
    """What a layer carried since the last look.

    Args:
        name: Dotted name of the module.
        kind: Its class.
        activation: Moments of each unit of its output, None if it was not called.
        gradient: Moments of the gradient at its output, None if there was none.
    """

    name: str
    kind: str
    activation: Moments | None
    gradient: Moments | None


class Watcher:
    """Measures mean and variance of each unit of every layer, forwards and backwards, while it is entered.

    Tensors are read once, where they are made, and nothing is stored but sums. The network computes exactly what it
    computes without. Gradients are those of whatever is differentiated.

    Args:
        model: The network, in any mode.
        statistics: `basic` for means and variances, `full` for skewness and kurtosis too.

    >>> import torch
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> with Watcher(model) as watcher:
    ...     model(torch.randn(8, 2)).sum().backward()
    >>> seen = watcher.collect()
    >>> list(seen), seen["1"].gradient.mean.tolist()
    (['0', '1'], [1.0, 1.0, 1.0])
    """

    def __init__(self, model: nn.Module, statistics: Literal["basic", "full"] = "basic") -> None:
        powers = 2 if statistics == "basic" else 4
        self._layers = layers_of(model)
        self._activations = {name: UnitSums(powers) for name in self._layers}
        self._gradients = {name: UnitSums(powers) for name in self._layers}
        self._hooks: ExitStack | None = None

    def __enter__(self) -> "Watcher":
        """Begin to watch."""
        with ExitStack() as stack:
            for name, module in self._layers.items():
                stack.callback(module.register_forward_hook(self._watching(name)).remove)
            self._hooks = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop watching; nothing stays behind in the network."""
        if self._hooks is not None:
            self._hooks.close()
            self._hooks = None

    def collect(self) -> Mapping[str, Watched]:
        """Return what every layer carried since the last time, and start afresh."""
        found = {
            name: Watched(
                name, type(module).__name__, self._activations[name].moments(), self._gradients[name].moments()
            )
            for name, module in self._layers.items()
        }
        for sums in (*self._activations.values(), *self._gradients.values()):
            sums.restart()
        return found

    def _watching(self, name: str) -> Callable[[nn.Module, object, object], None]:
        activation, gradient = self._activations[name], self._gradients[name]

        def watch(module: nn.Module, args: object, output: object) -> None:
            made = next((tensor for tensor in tensors_in(output) if tensor.is_floating_point()), None)
            if made is None or made.ndim == 0:
                return
            axis = units_axis(made.ndim, module)
            activation.add(made, axis)
            if made.requires_grad:
                watch_gradient(made, tensors_in(args), lambda arriving: gradient.add(arriving, axis))

        return watch
