"""Every call is seen, measured once, and leaves no trace; autograd, asked directly, gives the same gradients."""

import copy
import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn
from torch.nn import functional

from propstats.auditing.measuring.call import INPUT, OUTSIDE, Call, Slot, consumers
from propstats.auditing.measuring.probe import Probe, probe
from propstats.errors import DataError, ModelError

Tensor = torch.Tensor


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Block(nn.Module):
    """A residual block with a sum, an activation that is no module, and changes in place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x))
        y += x
        result: Tensor = self.relu(y)
        return result


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 4, 3)
        self.a, self.b = Block(4), Block(4)
        self.head = nn.Linear(4, 5)
        self.spare = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = functional.relu(self.stem(x))
        x = self.b(self.a(x)).mean((2, 3))
        return {"logits": self.head(x), "features": x}


class Tokens(nn.Module):
    """Embeddings, a transformer, an LSTM, slices, a mask."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(20, 8)
        self.place = nn.Parameter(draw(6, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 2)
        self.memory = nn.LSTM(8, 8, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.body(self.embed(ids) + self.place, src_key_padding_mask=ids == 0)
        q, k, _ = x.chunk(3, dim=1)
        z = q + k
        z[:, 0] = 0
        out, _ = self.memory(x)
        result: Tensor = self.head(out[:, -1]) + self.head(z.mean(1))
        return result


def named(found: Probe) -> dict[tuple[str, int], Call]:
    return {(call.name, call.index): call for call in found.calls}


def untouched(model: nn.Module) -> bool:
    hooks = any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in model.modules())
    return not hooks and not torch.overrides.has_torch_function((torch.zeros(1),))


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


def test_gradients_are_those_of_autograd() -> None:
    model = Residual().eval()
    x = draw(64, 3, 8, 8)
    found = probe(model, x, seed=5)
    from propstats.expectation.sampling import block_seed

    leaf = x.clone().requires_grad_()
    stem = model.stem(leaf)
    y = functional.relu(stem)
    a = model.a(y)
    out = model.head(model.b(a).mean((2, 3)))
    direction = torch.randn(out.shape, generator=torch.Generator().manual_seed(block_seed(5, 0)))
    gradients = torch.autograd.grad(out, [leaf, stem, y, a], direction)
    calls = named(found)
    measured = [
        calls["stem", 0].gradient_input, calls["stem", 0].gradient_output,
        calls["relu", 0].gradient_output, calls["a.relu", 0].gradient_output,
    ]  # fmt: skip
    for gradient, statistics in zip(gradients, measured, strict=True):
        # Float32 rounds each of a few dozen operations by 2^-24; the gradients here are sums of thousands of terms.
        assert statistics.running.mean == pytest.approx(float(gradient.double().square().mean()), rel=1e-4)
        assert statistics.running.count == 64


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


def test_gradients_before_changes_in_place() -> None:
    """Sequences through `nn.Linear` come as views, and what follows changes them."""
    torch.manual_seed(0)
    first, last = nn.Linear(4, 8), nn.Linear(8, 2)
    x = draw(30, 5, 4)
    changed = probe(nn.Sequential(first, nn.ReLU(inplace=True), last), x)
    plain = probe(nn.Sequential(first, nn.ReLU(), last), x)
    for a, b in zip(changed.calls, plain.calls, strict=True):
        assert a.gradient_output.is_measured
        assert a.gradient_output.running.mean == b.gradient_output.running.mean
        assert a.gradient_input.running.mean == b.gradient_input.running.mean


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


def test_several_inputs_and_streams() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 6)

        def forward(self, x: Tensor, scale: Tensor) -> Tensor:
            result: Tensor = self.fc(x) * scale
            return result

    x, scale = draw(600, 6), draw(600, 1, seed=1)

    def stream() -> Iterator[dict[str, Tensor]]:
        for first in range(0, 600, 256):
            yield {"x": x[first : first + 256], "scale": scale[first : first + 256]}

    class Batches:
        def batches(self, size: int) -> Iterator[tuple[Tensor, ...]]:
            for first in range(0, 600, size):
                yield (x[first : first + size], scale[first : first + size])

    model = Two()
    wanted = probe(model, (x, scale))
    done: list[int] = []
    for data in (stream(), Batches(), {"x": x, "scale": scale}):
        found = probe(model, data, progress=done.append)
        assert [call.output.q for call in found.calls] == [call.output.q for call in wanted.calls]
        assert [s.running.mean for s in found.calls[1].gradient_inputs] == [
            s.running.mean for s in wanted.calls[1].gradient_inputs
        ]
    assert done == 3 * [256, 256, 88]
    assert (found.samples, len(found.all_inputs)) == (600, 2)
    with pytest.raises(DataError, match="no data"):
        probe(model, iter(()))
    with pytest.raises(DataError, match="samples"):
        probe(model, (x, scale[:5]))


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


def test_whatever_is_raised_nothing_stays_behind() -> None:
    class Breaks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.calls = nn.Linear(3, 3), 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            if self.calls > 3:
                raise KeyboardInterrupt
            return torch.relu(self.fc(x))

    model = Breaks()
    with pytest.raises(KeyboardInterrupt):
        probe(model, draw(20, 3))
    assert untouched(model)
    assert model.training
    assert torch.backends.mha.get_fastpath_enabled()


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 2))
    model[1].eval()
    model[0].weight.grad = torch.ones(8, 6)
    model[3].bias.requires_grad_(False)
    before = copy.deepcopy(model)
    data = draw(50, 6)
    kept, state = data.clone(), torch.get_rng_state()
    probe(model, data)
    for (name, a), (_, b) in zip(model.named_parameters(), before.named_parameters(), strict=True):
        assert a.requires_grad == b.requires_grad
        assert torch.equal(a, b), name
    assert [p.grad is None for p in model.parameters()] == [False, True, True, True, True, True]
    assert torch.equal(model[0].weight.grad, torch.ones(8, 6))
    assert all(torch.equal(a, b) for a, b in zip(model.buffers(), before.buffers(), strict=True))
    assert [m.training for m in model.modules()] == [m.training for m in before.modules()]
    assert torch.equal(data, kept)
    assert torch.equal(state, torch.get_rng_state())
    assert untouched(model)


def test_outputs_that_change_from_run_to_run_are_refused() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.runs = nn.Linear(3, 3), 0

        def forward(self, x: Tensor) -> Tensor:
            self.runs += 1
            result: Tensor = self.fc(x) * self.runs
            return result

    with pytest.raises(ModelError, match="changes from run to run"):
        probe(Noisy(), draw(20, 3))


def test_shares_of_the_batches_are_the_whole() -> None:
    model, data = Residual(), draw(700, 3, 8, 8)
    whole = probe(model, data, seed=1)
    shares = [probe(model, data, seed=1, rank=rank, world=2) for rank in range(2)]
    assert [share.samples for share in shares] == [256 + 188, 256]
    for call, left, right in zip(whole.calls, shares[0].calls, shares[1].calls, strict=True):
        left.output.merge(right.output)
        room = 64 * data.numel() * 2.0**-52
        assert left.output.q == pytest.approx(call.output.q, rel=room)
        assert torch.equal(left.output.quantiles.counts, call.output.quantiles.counts)
        left.gradient_output.merge(right.gradient_output)
        assert left.gradient_output.running.mean == pytest.approx(call.gradient_output.running.mean, rel=room)


def test_memory_does_not_grow_with_the_data() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))

    def numbers(found: Probe) -> int:
        """Count the numbers in everything that is kept."""
        seen: set[int] = set()

        def count(value: object) -> int:
            if id(value) in seen or isinstance(value, nn.Module | type) or callable(value):
                return 0
            seen.add(id(value))
            if isinstance(value, torch.Tensor):
                return value.numel()
            if isinstance(value, list | tuple):
                return sum(map(count, value))
            names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
            slots = [getattr(value, name, None) for name in names]
            return sum(map(count, [*getattr(value, "__dict__", {}).values(), *slots]))

        return count(found)

    assert numbers(probe(model, draw(512, 4))) == numbers(probe(model, draw(4096, 4)))


def test_infinite_signal_is_measured_as_such() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    with torch.no_grad():
        model.get_parameter("0.weight").fill_(math.inf)
    found = probe(model, draw(30, 3))
    assert found.calls[0].output.non_finite > 0
    assert not found.calls[0].output.is_finite
