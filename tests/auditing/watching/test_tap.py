"""The tap shows a meter every call once, by its name, and never gets in the way of the network."""

import copy
import io
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from propstats.auditing.watching.tap import Tap, first_tensor


class Notes:
    """A meter that writes down what it is shown."""

    def __init__(self) -> None:
        self.outputs: dict[str, torch.Tensor] = {}
        self.gradients: dict[str, torch.Tensor] = {}
        self.passes = 0
        self.errors: list[Exception] = []

    def begin(self) -> bool:
        return True

    def output(self, call: str, module: nn.Module, tensor: torch.Tensor) -> Callable[[torch.Tensor], None]:
        assert call not in self.outputs
        assert not tensor.requires_grad
        self.outputs[call] = tensor.clone()

        def gradient(arriving: torch.Tensor) -> None:
            assert call not in self.gradients
            self.gradients[call] = arriving.clone()

        return gradient

    def end(self) -> None:
        self.passes += 1

    def failed(self, error: Exception) -> None:
        self.errors.append(error)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 1))


def data(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def noted(model: nn.Module, x: torch.Tensor) -> Notes:
    notes = Notes()
    tap = Tap(model, notes)
    model(x).square().mean().backward()
    tap.remove()
    assert notes.errors == []
    assert notes.passes == 1
    assert hooks(model) == 0
    return notes


def hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in model.modules())


def same(a: Notes, b: Notes) -> bool:
    return all(
        list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)
        for one, other in ((a.outputs, b.outputs), (a.gradients, b.gradients))
    )


@pytest.mark.parametrize("shape", [(16, 4), (3, 5, 4)])  # of the latter a Linear gives a view, which ReLU overwrites
def test_what_is_shown_is_what_was_made_before_it_was_overwritten(shape: tuple[int, ...]) -> None:
    model, x = network(), data(*shape)
    notes = noted(model, x)
    first = model[0](x).detach().requires_grad_()
    second = model[1](first.clone())
    third = model[2](second)
    gradients = torch.autograd.grad(third.square().mean(), [first, second, third])
    assert list(notes.outputs) == ["0", "1", "2"]
    assert list(notes.gradients) == ["2", "1", "0"]
    for name, out, gradient in zip("012", (first, second, third), gradients, strict=True):
        assert torch.equal(notes.outputs[name], out.detach())
        assert torch.equal(notes.gradients[name], gradient)


def test_calls_of_shared_modules_are_told_apart() -> None:
    shared = nn.Linear(4, 4)
    notes = noted(nn.Sequential(shared, nn.Tanh(), shared), data(16, 4))
    assert list(notes.outputs) == ["0", "1", "0 #1"]
    assert list(notes.gradients) == ["0 #1", "1", "0"]


def test_the_first_tensor_of_anything() -> None:
    x = torch.ones(2)
    assert first_tensor(x) is x
    assert first_tensor({"logits": (torch.ones(2, dtype=torch.long), x)}) is x
    assert first_tensor((None, [torch.ones(0), x])) is x
    for nothing in (None, "text", 3, (), torch.ones(0), torch.ones(2, dtype=torch.bool)):
        assert first_tensor(nothing) is None


@pytest.mark.parametrize("where", ["begin", "output", "gradient", "end"])
def test_a_meter_that_fails_is_taken_off(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("planted fault")

    notes, model, plain = Notes(), network(), network()
    monkeypatch.setattr(notes, *(("output", lambda *_: broken) if where == "gradient" else (where, broken)))
    Tap(model, notes)
    for each in (model, plain):
        each(data(16, 4)).square().mean().backward()
    assert "planted fault" in str(notes.errors[0])
    assert hooks(model) == 0
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(model.parameters(), plain.parameters(), strict=True))  # type: ignore[arg-type]


def test_a_pass_that_fails_is_over() -> None:
    notes, model = Notes(), network()
    tap = Tap(model, notes)
    with pytest.raises(RuntimeError, match="shapes"):
        model(data(16, 5))
    assert not tap.is_open
    model(data(16, 4))
    assert notes.passes == 2
    assert list(notes.outputs) == ["0", "1", "2"]


class Frugal(nn.Module):
    """Keeps nothing for the backward pass."""

    def __init__(self, *, use_reentrant: bool) -> None:
        super().__init__()
        self.inside, self.use_reentrant = network(), use_reentrant

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.requires_grad_()
        return checkpoint(self.inside, x, use_reentrant=self.use_reentrant)  # type: ignore[no-any-return]


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_what_checkpointing_runs_again_does_not_count(use_reentrant: bool) -> None:
    notes = noted(Frugal(use_reentrant=use_reentrant), data(16, 4))
    assert list(notes.outputs) == ["inside.0", "inside.1", "inside.2"]
    # The older kind runs the layers without autograd first: no gradient ever comes to what they gave then.
    assert list(notes.gradients) == ([] if use_reentrant else ["inside.2", "inside.1", "inside.0"])


def test_wrapped_by_checkpointing() -> None:
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

    model = network()
    model[0] = checkpoint_wrapper(model[0])
    assert same(noted(model, data(16, 4)), noted(network(), data(16, 4)))


def test_distributed(one_process: None) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    plain, sharded, x = network(), network(), data(16, 4)
    for layer in (sharded[0], sharded[2], sharded):
        fully_shard(layer, mesh=init_device_mesh("cpu", (1,)))
    expected = noted(plain, x)
    assert same(noted(nn.parallel.DistributedDataParallel(network()), x), expected)
    # FSDP has hooks of its own, which stay.
    notes = Notes()
    Tap(sharded, notes)
    sharded(x).square().mean().backward()
    assert same(notes, expected)


@pytest.mark.slow  # the compiler takes seconds to load
def test_compiled_networks() -> None:
    compiled: nn.Module = torch.compile(network(), backend="eager")  # type: ignore[assignment]  # of a module, a module
    x = data(16, 4)
    for _ in range(2):  # before and after its first run
        assert same(noted(compiled, x), noted(network(), x))
        compiled(x)
    in_place, notes = network(), Notes()
    in_place.compile(backend="eager")
    tap = Tap(in_place, notes, manual=True)
    tap.begin()
    out = in_place(x)
    tap.end()
    out.square().mean().backward()
    assert same(notes, noted(network(), x))


def test_copies_and_files_of_a_watched_network_are_not_watched() -> None:
    """A training loop keeps an average of its network, and saves it whole, while it is watched."""
    model, notes = network(), Notes()
    tap = Tap(model, notes)
    copied = copy.deepcopy(model)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    loaded: nn.Module = torch.load(file, weights_only=False)
    for other in (copied, loaded):
        other(data(16, 4))
    assert notes.passes == 0
    model(data(16, 4))
    assert notes.passes == 1
    tap.remove()
