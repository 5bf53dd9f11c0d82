"""Every call is seen, with what it was called with and where that came from; what is made once is measured once."""

from collections.abc import Callable

import pytest
import torch
from probed import Residual, Tokens, draw, named, untouched
from torch import nn
from torch.nn import functional

from propstats.auditing.measuring.call import INPUT, OUTSIDE, Slot, consumers
from propstats.auditing.probing import probe
from propstats.errors import ModelError

Tensor = torch.Tensor


def test_residual_network() -> None:
    model = Residual()
    found = probe(model, draw(300, 3, 8, 8))
    assert [call.name for call in found.calls] == [
        "stem", "relu", "a.conv", "a.norm", "a.add", "a.relu", "b.conv", "b.norm", "b.add", "b.relu", "mean", "head"
    ]  # fmt: skip
    assert [call.kind for call in found.calls][:5] == ["Conv2d", "relu", "Conv2d", "BatchNorm2d", "add"]
    calls = named(found)
    total = calls["a.add", 0]
    assert (total.sources, total.changed, total.shape) == ((3, 1), (0,), (4, 6, 6))
    assert total.args == (Slot(0), Slot(1))
    assert found.never_called == ("spare",)
    assert found.calls[found.result].name == "head"
    assert consumers(found.calls)[1] == ((2, 0), (4, 1))
    # What is made once is measured once.
    assert calls["a.conv", 0].input is calls["relu", 0].output
    assert calls["a.norm", 0].gradient_output is calls["a.add", 0].gradient_inputs[0]
    # Where a tensor is used twice, gradients through either use add up; a sum hands its own on to both.
    assert calls["a.add", 0].gradient_inputs[1].running.mean == pytest.approx(
        calls["a.add", 0].gradient_output.running.mean, rel=1e-6
    )
    assert untouched(model)


def test_tokens_and_transformers() -> None:
    model = Tokens()
    for parameter in model.parameters():
        parameter.requires_grad_(False)  # gradients are measured all the same
    ids = torch.randint(0, 20, (300, 6), generator=torch.Generator().manual_seed(0))
    found = probe(model, ids)
    calls = named(found)
    assert calls["embed", 0].sources == (INPUT,)
    assert calls["add", 0].sources == (0, OUTSIDE)
    assert calls["add", 0].args[1] is model.place
    for name in ("embed", "body.layers.0.linear1", "body.layers.1.self_attn", "body.layers.1.add"):
        call = calls[name, 0]
        assert call.output.is_finite
        assert call.gradient_output.is_measured, name
    assert calls["body.layers.0.add", 1].sources == (
        found.calls.index(calls["body.layers.0.norm1", 0]), found.calls.index(calls["body.layers.0.dropout2", 0])
    )  # fmt: skip
    # Masks are no signal: their -inf is no fault.
    assert not any(statistics.non_finite for call in found.calls for statistics in call.outputs)
    assert [call.index for call in found.calls if call.name == "head"] == [0, 1]
    assert calls["chunk", 0].output_shapes == ((2, 8),) * 3
    assert calls["setitem", 0].changed == (0,)
    assert calls["mean", 0].source == found.calls.index(calls["setitem", 0])
    # The LSTM's states have their samples on the second axis.
    assert calls["memory", 0].output_shapes == ((6, 8), (1, 8), (1, 8))
    assert untouched(model)


class Views(nn.Module):
    """Samples and positions on one axis, a change through a view, a layer that hands on its input."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.same, self.last = nn.Linear(4, 4), nn.Identity(), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        n, t, c = x.shape
        y = self.same(self.mix(x.reshape(n * t, c))).view(n, t, c)
        y[:, 0].mul_(2)
        result: Tensor = self.last(y.transpose(0, 1))[-1]
        return result


def test_views_and_folded_axes() -> None:
    found = probe(Views(), draw(40, 5, 4))
    calls = named(found)
    assert calls["mix", 0].shape == (5, 4)
    units = calls["mix", 0].output.units
    assert units is not None
    assert units.mean.shape == (4,)
    assert calls["mix", 0].output.count == 40
    assert calls["same", 0].output is calls["mix", 0].output
    transposed = calls["transpose", 0]
    assert transposed.source == found.calls.index(calls["mul", 0])  # which changed it through a view
    assert transposed.input is not calls["mul", 0].output
    assert transposed.input.q == pytest.approx(calls["last", 0].input.q, rel=1e-12)
    assert calls["last", 0].output.count == 40


def test_models_that_take_one_size_of_batch() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 4)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.fc(x.view(32, 2, 3).flatten(1))
            return result

    found = probe(Fixed(), draw(32, 6))
    assert [call.shape for call in found.calls] == [(2, 3), (6,), (4,)]
    assert found.calls[-1].output.count == 32


def test_shared_parameters_are_used_by_functions() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            weight = self.fc.weight / self.fc.weight.norm()
            return functional.linear(functional.linear(x, self.fc.weight), weight, bias=self.fc.bias).tanh()

    model = Tied()
    found = probe(model, draw(20, 6))
    assert [(call.name, call.index) for call in found.calls] == [("linear", 0), ("linear", 1), ("tanh", 0)]
    assert found.never_called == ()
    first, second, _ = found.calls
    assert first.args == (Slot(0), model.fc.weight)
    assert second.sources == (0, OUTSIDE, OUTSIDE)
    assert second.kwargs == {"bias": model.fc.bias}


class Moody(nn.Module):
    """Does something else for some data."""

    def __init__(self, when: Callable[[Tensor], bool]) -> None:
        super().__init__()
        self.when = when
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        result: Tensor = self.b(x) if self.when(x) else x.tanh()
        return result


@pytest.mark.parametrize("size", [2, 100])
def test_control_flow_that_changes_is_said_and_where(size: int) -> None:
    model = Moody(lambda x: len(x) != size)
    with pytest.raises(ModelError, match=r"the model calls (b|tanh) where it calls (b|tanh) for other data"):
        probe(model, draw(256 + size, 3))
    assert untouched(model)
