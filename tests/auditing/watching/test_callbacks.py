import pytest
import torch
from torch import nn

from propstats.auditing.watching.callbacks import LightningMonitor, TransformersMonitor


class Module(nn.Module):
    """A LightningModule, as far as a callback can tell: its own forward is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))

    def training_step(self, x: torch.Tensor) -> torch.Tensor:
        loss: torch.Tensor = self.net(x).square().mean()
        return loss


def _hooks(network: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules())


def _fit(module: Module, callback: LightningMonitor, batches: int, *, fail: bool = False) -> None:
    """What Lightning's loop does to a callback, in its order."""
    callback.setup(None, module, stage="fit")
    callback.on_fit_start(None, module)
    callback.on_train_start(None, module)
    for i in range(batches):
        callback.on_train_batch_start(None, module, None, i)
        loss = module.training_step(torch.ones(5, 4))
        if fail:
            callback.on_exception(None, module, RuntimeError())
            return
        callback.on_before_backward(None, module, loss)
        torch.autograd.backward(loss)
        callback.on_after_backward(None, module)
        callback.on_train_batch_end(None, module, loss, None, i)
    callback.on_train_end(None, module)
    callback.teardown(None, module, stage="fit")


def test_lightning() -> None:
    module, callback = Module(), LightningMonitor(every=2)
    _fit(module, callback, 5)
    assert callback.monitor is not None
    assert [s.step for s in callback.monitor.history] == [0, 2, 4]
    assert [state.layer for state in callback.monitor.history[0].layers] == ["net.0", "net.1", "net.2"]
    assert all(state.gradient is not None for s in callback.monitor.history for state in s.layers)
    assert callback.monitor.findings == []
    assert _hooks(module) == 0
    assert (callback.state_key, callback.state_dict()) == ("LightningMonitor", {})
    callback.load_state_dict({})
    before = callback.monitor
    _fit(module, callback, 1)  # once more, with a new monitor
    assert callback.monitor is not before


def test_lightning_that_goes_on_from_a_checkpoint() -> None:
    """Lightning's `_call_callbacks_load_state_dict` asks for the old key whether it needs it or not."""
    assert LightningMonitor()._legacy_state_key is LightningMonitor


def test_lightning_that_fails() -> None:
    module, callback = Module(), LightningMonitor()
    _fit(module, callback, 1, fail=True)
    assert _hooks(module) == 0


def test_transformers() -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    callback = TransformersMonitor(every=1)
    callback.on_init_end(None, None, None, model=network)
    callback.on_train_begin(None, None, None, model=network, optimizer=None)
    for _ in range(3):
        callback.on_step_begin(None, None, None, model=network)
        network(torch.ones(5, 4)).sum().backward()
        callback.on_step_end(None, None, None, model=network)
    callback.on_train_end(None, None, None, model=network)
    assert callback.monitor is not None
    assert len(callback.monitor.history) == 3
    assert _hooks(network) == 0
    without = TransformersMonitor()
    without.on_train_begin(None, None, None)
    without.on_train_end(None, None, None)
    assert without.monitor is None


def test_only_events_are_answered() -> None:
    callback = LightningMonitor()
    assert callback.on_whatever_comes_next(1, 2, three=3) is None
    with pytest.raises(AttributeError, match="'LightningMonitor' object has no attribute 'nonsense'"):
        _ = callback.nonsense
