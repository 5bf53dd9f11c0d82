"""A network watched while it trains."""

import logging
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, Self

import torch
from torch import nn

from propstats.auditing.records import Finding, Severity
from propstats.auditing.watching.reading import Sampling, Table
from propstats.auditing.watching.tap import Tap
from propstats.errors import DomainError

_log = logging.getLogger("propstats")


class Writer(Protocol):
    """Whatever takes numbers as TensorBoard's `SummaryWriter` does."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> object:
        """Take one number."""


@dataclass(frozen=True, slots=True)
class LayerState:
    """What one layer passed on in one step.

    Args:
        layer: Dotted name; of its second call in the step with ` #1` behind, and so on.
        mean: Mean of its outputs.
        rms: Root of their second moment.
        spread: Root of their variance over the batch, in the mean over units: what is told apart.
        gradient: Root mean square of the loss's gradient at the output; None where none came.
        is_finite: Whether all outputs and gradients, not only those that were averaged, are finite.
    """

    layer: str
    mean: float
    rms: float
    spread: float
    gradient: float | None
    is_finite: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All layers in one step."""

    step: int
    layers: tuple[LayerState, ...]


class Monitor:
    """Watches a network; `monitor` makes one.

    Attributes:
        step: How many times the network was run for training; whoever counts otherwise may set it.
        findings: What went wrong, once each: `non-finite-forward` and `non-finite-backward` with the first layer and
            step, `not-observed` if layers run where no hook is called, `monitor-failed` for a fault of the monitor
            or the writer, which then stops.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        every: int = 100,
        writer: Writer | None = None,
        keep: int = 1000,
        manual: bool = False,
    ) -> None:
        if not isinstance(model, nn.Module):
            what = f"there is no training to watch in a {type(model).__name__}"
            raise DomainError(what, "pass the torch.nn.Module that is trained")
        if not (isinstance(every, int) and isinstance(keep, int)) or every < 1 or keep < 1:
            raise DomainError(
                "every and keep must be whole numbers, at least 1", "every=100 measures each hundredth step"
            )
        self.step = -1
        self.findings: list[Finding] = []
        self._every, self._writer, self._model = every, writer, model
        self._history: deque[Snapshot] = deque(maxlen=keep)
        self._sampling = Sampling(self._start, self._unseen, lambda error: self._failed("the monitor", error))
        self._tap = Tap(model, self._sampling, manual=manual)

    @property
    def history(self) -> Sequence[Snapshot]:
        """The steps that were measured, oldest first; the last ones, if they are more than `keep`."""
        self._tap.guarded(self._collect)
        return tuple(self._history)

    def begin(self) -> None:
        """Note that a training step begins; the network's forward pass does it unless `manual` is set."""
        self._tap.begin()

    def end(self) -> None:
        """Note that the forward pass is over; gradients may still come."""
        self._tap.end()

    def close(self) -> None:
        """Take everything off the network; what was measured stays."""
        self._tap.remove()
        self._tap.guarded(self._collect)
        if self.step < 0:
            self._find(
                "not-observed", Severity.INFO, None, "no forward pass in training mode was seen",
                "of a network compiled in place, call begin() and end() around the forward pass",
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> int | None:
        if not self._model.training:
            return None
        self.step += 1
        self._collect()
        return self.step if self.step % self._every == 0 else None

    def _unseen(self) -> None:
        self._find(
            "not-observed", Severity.INFO, None, "no layer was seen in a forward pass",
            "watch the network before it is compiled, exported or scripted",
        )  # fmt: skip

    def _collect(self) -> None:
        if self._tap.is_open:
            return
        for step, forward, gradient in self._sampling.fetch():
            self._judge(step, forward, "forward", "signal")
            self._judge(step, gradient, "backward", "gradient")
            self._remember(step, forward, gradient)

    def _remember(self, step: int, forward: Table, gradient: Table) -> None:
        if forward:
            layers = tuple(_state(layer, row, gradient.get(layer)) for layer, row in forward.items())
            self._history.append(Snapshot(step, layers))
        else:  # the backward pass came after somebody had looked
            found = next((i for i, snapshot in enumerate(self._history) if snapshot.step == step), None)
            if found is None:
                return
            layers = tuple(_with_gradient(state, gradient.get(state.layer)) for state in self._history[found].layers)
            self._history[found] = Snapshot(step, layers)
        self._write(step, layers)

    def _judge(self, step: int, table: Table, direction: str, what: str) -> None:
        first = next((layer for layer, row in table.items() if row[3]), None)
        if first is not None:
            message = f"the {what} is first not finite at {first} in step {step}"
            remedy = "look at the step before: lower the learning rate, clip gradients, or widen the number format"
            self._find(f"non-finite-{direction}", Severity.ERROR, first, message, remedy)

    def _find(self, rule: str, severity: Severity, layer: str | None, message: str, remedy: str) -> None:
        if all(finding.rule != rule for finding in self.findings):
            self.findings.append(Finding(rule, severity, layer, None, None, None, message, remedy))
            _log.warning("%s: %s -> %s", rule, message, remedy)

    def _write(self, step: int, layers: Sequence[LayerState]) -> None:
        if self._writer is None or not _is_first_process():
            return
        try:
            for state in layers:
                for name in ("mean", "rms", "spread", "gradient"):
                    value = getattr(state, name)
                    if value is not None and math.isfinite(value):
                        self._writer.add_scalar(f"propstats/{state.layer}/{name}", value, step)
        except Exception as error:
            self._failed("the writer", error)
            self._writer = None

    def _failed(self, who: str, error: Exception) -> None:
        message = f"{who} failed and was stopped: {type(error).__name__}: {' '.join(str(error).split())}"
        self._find("monitor-failed", Severity.WARNING, None, message, "training goes on without it")


def monitor(model: nn.Module, *, every: int = 100, writer: Writer | None = None, keep: int = 1000) -> Monitor:
    """Watch a network while it trains: what each layer passes on, and the loss's gradient there.

    Every so many forward passes in training mode, each layer's output and gradient are measured on at most 64 samples
    and 8192 numbers of each; nothing is kept but a few numbers per layer, and they are fetched from the device once
    a step. A number that is not finite becomes a finding and never an exception; the monitor itself fails silently,
    with a finding. `close`, or leaving the `with` block, takes all hooks off.

    It sees through DistributedDataParallel, FSDP2 (`fully_shard`) and activation checkpointing, each process its own
    part of the data; of compiled networks it runs the measured steps uncompiled. What is exported or scripted has no
    hooks, and says `not-observed`.

    Args:
        model: The network; its own loop trains it.
        every: Measure each so-manieth forward pass, from the first one on.
        writer: Takes the numbers as TensorBoard's `SummaryWriter.add_scalar` does; in the first process only.
        keep: How many steps `history` remembers.

    Raises:
        DomainError: If `every` or `keep` is no positive whole number, or there is no module.

    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    >>> with monitor(model, every=1) as watch:
    ...     model(torch.ones(16, 4)).sum().backward()
    >>> [state.layer for state in watch.history[0].layers], watch.findings
    (['0', '1', '2'], [])
    """
    return Monitor(model, every=every, writer=writer, keep=keep)


def _state(layer: str, row: Sequence[float], gradient: Sequence[float] | None) -> LayerState:
    mean, square, spread, wrong = row
    return _with_gradient(LayerState(layer, mean, _root(square), _root(spread), None, not wrong), gradient)


def _with_gradient(state: LayerState, gradient: Sequence[float] | None) -> LayerState:
    if gradient is None:
        return state
    return replace(state, gradient=_root(gradient[1]), is_finite=state.is_finite and not gradient[3])


def _root(square: float) -> float:
    return math.sqrt(square) if square >= 0 else math.nan


def _is_first_process() -> bool:
    distributed = torch.distributed
    return not (distributed.is_available() and distributed.is_initialized()) or distributed.get_rank() == 0
