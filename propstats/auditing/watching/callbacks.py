"""The monitor as a callback of Lightning's and of Hugging Face's trainers; neither is imported."""

from collections.abc import Callable
from typing import Any

from torch import nn

from propstats.auditing.watching.monitor import Monitor, Writer

#: What these trainers call on their callbacks starts like this; what is not of interest does nothing.
_EVENTS = ("on_", "setup", "teardown")


class _Callback:
    """A callback with a monitor that lives as long as the training.

    Args:
        every: Measure each so-manieth step.
        writer: Takes numbers as TensorBoard's `SummaryWriter.add_scalar` does.
        keep: How many steps `monitor.history` remembers.

    Attributes:
        monitor: The monitor of the last training; None before the first.
    """

    def __init__(self, *, every: int = 100, writer: Writer | None = None, keep: int = 1000) -> None:
        self._options: dict[str, Any] = {"every": every, "writer": writer, "keep": keep}
        self.monitor: Monitor | None = None

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith(_EVENTS):
            return lambda *_, **__: None
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _start(self, model: nn.Module, *, manual: bool) -> None:
        self._stop()
        self.monitor = Monitor(model, manual=manual, **self._options)

    def _stop(self) -> None:
        if self.monitor is not None:
            self.monitor.close()


class LightningMonitor(_Callback):
    """Watches a LightningModule: `Trainer(callbacks=[propstats.LightningMonitor(every=100)])`.

    A step is a training batch. The monitor is there from the start of the fit to its end, however it ends.

    Args:
        every: Measure each so-manieth training batch.
        writer: Takes numbers as TensorBoard's `SummaryWriter.add_scalar` does; by default nothing is written.
        keep: How many steps `monitor.history` remembers.

    >>> from torch import nn
    >>> callback, model = LightningMonitor(every=1), nn.Linear(2, 2)
    >>> callback.on_train_start(None, model)  # as lightning.Trainer does
    >>> callback.on_train_end(None, model)
    >>> callback.state_dict()
    {}
    """

    @property
    def state_key(self) -> str:
        """Name for checkpoints, in which nothing of it is kept."""
        return type(self).__qualname__

    @property
    def _legacy_state_key(self) -> type:
        # Lightning asks for it whenever a training goes on from a checkpoint, however new that is.
        return type(self)

    def state_dict(self) -> dict[str, object]:
        """Return what a checkpoint keeps: nothing."""
        return {}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Take back what a checkpoint kept.

        Args:
            state: What `state_dict` returned.
        """

    def on_train_start(self, trainer: Any, pl_module: nn.Module) -> None:
        """Begin to watch."""
        self._start(pl_module, manual=True)

    def on_train_batch_start(self, trainer: Any, pl_module: nn.Module, *_: object) -> None:
        """Measure this batch, if it is its turn."""
        if self.monitor is not None:
            self.monitor.begin()

    def on_before_backward(self, trainer: Any, pl_module: nn.Module, loss: object) -> None:
        """Measure no more on the way back, where checkpointing runs layers again."""
        if self.monitor is not None:
            self.monitor.end()

    def on_train_batch_end(self, trainer: Any, pl_module: nn.Module, *_: object) -> None:
        """Measure no more, whoever ran the backward pass."""
        if self.monitor is not None:
            self.monitor.end()

    def on_train_end(self, trainer: Any, pl_module: nn.Module) -> None:
        """Take everything off the network."""
        self._stop()

    def on_exception(self, trainer: Any, pl_module: nn.Module, exception: BaseException) -> None:
        """Take everything off the network."""
        self._stop()


class TransformersMonitor(_Callback):
    """Watches the model of a Hugging Face `Trainer(callbacks=[propstats.TransformersMonitor(every=100)])`.

    A step is a forward pass in training mode: of a step with gradient accumulation there are several.

    Args:
        every: Measure each so-manieth forward pass.
        writer: Takes numbers as TensorBoard's `SummaryWriter.add_scalar` does; by default nothing is written.
        keep: How many steps `monitor.history` remembers.

    >>> import torch
    >>> callback, model = TransformersMonitor(every=1), torch.nn.Linear(2, 2)
    >>> callback.on_train_begin(None, None, None, model=model)  # as transformers.Trainer does
    >>> y = model(torch.ones(4, 2))
    >>> callback.on_train_end(None, None, None)
    >>> [snapshot.step for snapshot in callback.monitor.history]
    [0]
    """

    def on_train_begin(self, args: object, state: object, control: object, **given: Any) -> None:
        """Begin to watch."""
        model = given.get("model")
        if isinstance(model, nn.Module):
            self._start(model, manual=False)

    def on_train_end(self, args: object, state: object, control: object, **given: Any) -> None:
        """Take everything off the network."""
        self._stop()
