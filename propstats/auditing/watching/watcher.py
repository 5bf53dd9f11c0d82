"""Watch every unit of a network while it trains, at a few per cent of the time of a step."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import torch
from torch import nn

from propstats.auditing.measuring.layout import units_axis
from propstats.auditing.measuring.moments import Moments
from propstats.auditing.watching.tap import Gradient, Tap
from propstats.auditing.watching.unit_sums import UnitSums


@dataclass(frozen=True, slots=True)
class Watched:
    """What the calls of one name carried since the last look.

    Args:
        name: Dotted name of the module; of its second call in a forward pass with ` #1` behind, and so on; and with
            its units, where their number has changed.
        kind: Its class.
        activation: Moments of each unit of its output, None if there was none.
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

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> with Watcher(model) as watcher:
    ...     model(torch.randn(8, 2)).sum().backward()
    >>> seen = watcher.collect()
    >>> list(seen), seen["1"].gradient.mean.tolist()
    (['0', '1'], [1.0, 1.0, 1.0])
    """

    def __init__(self, model: nn.Module, statistics: Literal["basic", "full"] = "basic") -> None:
        self._model = model
        self._summing = _Summing(2 if statistics == "basic" else 4)
        self._tap: Tap | None = None

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._tap = Tap(self._model, self._summing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop watching; nothing stays behind in the network."""
        if self._tap is not None:
            self._tap.remove()
            self._tap = None

    def collect(self) -> Mapping[str, Watched]:
        """Return what was carried since the last time, in the order of the forward pass, and start afresh.

        Raises:
            Exception: What measuring failed with, if it did; the network ran on without it.
        """
        return self._summing.collect()


class _Call:
    """Sums of one call, over forward passes."""

    def __init__(self, name: str, kind: str, powers: int) -> None:
        self.name, self.kind = name, kind
        self.activation, self.gradient = UnitSums(powers), UnitSums(powers)


class _Summing:
    """A meter that sums powers of each unit."""

    def __init__(self, powers: int) -> None:
        self._powers = powers
        self._calls: dict[tuple[str, int], _Call] = {}
        self._error: Exception | None = None

    def begin(self) -> bool:
        return True

    def output(self, call: str, module: nn.Module, tensor: torch.Tensor) -> Gradient:
        if tensor.ndim == 0:  # a loss is one unit
            tensor = tensor.reshape(1)
        axis = units_axis(tensor.ndim, module)
        units = tensor.shape[axis]
        sums = self._calls.get((call, units))
        if sums is None:
            is_first = all(name != call for name, _ in self._calls)
            name = call if is_first else f"{call} ({units} units)"
            sums = self._calls[call, units] = _Call(name, type(module).__name__, self._powers)
        sums.activation.add(tensor, axis)
        gradients = sums.gradient
        return lambda gradient: gradients.add(gradient if gradient.ndim else gradient.reshape(1), axis)

    def end(self) -> None:
        pass

    def failed(self, error: Exception) -> None:
        self._error = error

    def collect(self) -> dict[str, Watched]:
        if self._error is not None:
            raise self._error
        found = {}
        for call in self._calls.values():
            seen = Watched(call.name, call.kind, call.activation.moments(), call.gradient.moments())
            if seen.activation is not None or seen.gradient is not None:
                found[call.name] = seen
            call.activation.restart()
            call.gradient.restart()
        return found
