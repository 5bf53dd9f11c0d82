import logging

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from propstats.auditing.watching.monitor import Monitor, monitor
from propstats.errors import DomainError


def _network() -> nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 1))
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.5, generator=generator)
    return network


def _data() -> torch.Tensor:
    return torch.randn(16, 4, generator=torch.Generator().manual_seed(1))


def _train(network: nn.Module, steps: int = 1, x: torch.Tensor | None = None) -> None:
    for _ in range(steps):
        network(_data() if x is None else x).square().mean().backward()


def _hooks(network: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in network.modules())


def test_the_numbers_are_those_of_autograd() -> None:
    network, x = _network(), _data()
    with monitor(network, every=1) as watch:
        _train(network)
    (snapshot,) = watch.history
    linear, relu, last = network
    first = linear(x).detach().requires_grad_()
    second = relu(first.clone())
    third = last(second)
    gradients = torch.autograd.grad(third.square().mean(), [first, second, third])
    for state, out, gradient in zip(snapshot.layers, (first, second, third), gradients, strict=True):
        out = out.detach()
        assert state.mean == pytest.approx(float(out.mean()), rel=1e-5)
        assert state.rms == pytest.approx(float(out.square().mean().sqrt()), rel=1e-5)
        assert state.spread == pytest.approx(float(out.var(dim=0, correction=0).mean().sqrt()), rel=1e-5)
        assert state.gradient == pytest.approx(float(gradient.square().mean().sqrt()), rel=1e-5)
        assert state.is_finite
    assert [state.layer for state in snapshot.layers] == ["0", "1", "2"]
    assert watch.findings == []


def test_every_so_many_steps_and_only_so_many_are_kept() -> None:
    network = _network()
    with monitor(network, every=3, keep=2) as watch:
        _train(network, 10)
        network.eval()
        _train(network, 5)
        network.train()
    assert watch.step == 9
    assert [snapshot.step for snapshot in watch.history] == [6, 9]


def test_training_is_the_same_with_and_without() -> None:
    results = []
    for watched in (False, True):
        network = _network()
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        watch = monitor(network, every=1) if watched else None
        for _ in range(5):
            optimizer.zero_grad()
            _train(network)
            optimizer.step()
        if watch is not None:
            watch.close()
        results.append([parameter.detach().clone() for parameter in network.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_it_removes_itself() -> None:
    network = _network()
    state = torch.get_rng_state()
    watch = monitor(network, every=1)
    assert _hooks(network) > 0
    _train(network)
    watch.close()
    watch.close()
    assert _hooks(network) == 0
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(ZeroDivisionError), monitor(network):
        raise ZeroDivisionError
    assert _hooks(network) == 0


def test_not_finite_is_a_finding_and_no_exception(caplog: pytest.LogCaptureFixture) -> None:
    network = _network()
    with caplog.at_level(logging.WARNING, "propstats"), monitor(network, every=1) as watch:
        _train(network)
        with torch.no_grad():
            network.get_parameter("2.weight")[0, 0] = torch.nan
        _train(network, 3)
    forward, backward = watch.findings
    assert (forward.rule, forward.layer, backward.rule, backward.layer) == (
        "non-finite-forward", "2", "non-finite-backward", "2",
    )  # fmt: skip
    assert "first not finite at 2 in step 1" in forward.message
    assert len(caplog.records) == 2  # said once each, not in every step
    assert [state.is_finite for state in watch.history[1].layers] == [False] * 3  # the gradient is NaN everywhere
    x = _data()
    x[3, 1] = torch.inf
    with monitor(_network(), every=1) as watch:
        _train(watch._model, x=x)
    assert watch.findings[0].layer == "0"


def test_an_exploding_gradient_is_found_where_it_starts() -> None:
    class Boom(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x - x.detach()).sqrt() + x  # whose slope is infinite, and whose value is not

    network = nn.Sequential(nn.Linear(4, 4), Boom(), nn.Linear(4, 1))
    with monitor(network, every=1) as watch:
        _train(network)
    assert [(f.rule, f.layer) for f in watch.findings] == [("non-finite-backward", "0")]


class _Writer:
    def __init__(self) -> None:
        self.seen: list[tuple[str, float, int]] = []

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        self.seen.append((tag, scalar_value, global_step))


def test_a_writer_gets_the_finite_numbers() -> None:
    network, writer = _network(), _Writer()
    with monitor(network, every=2, writer=writer):
        _train(network, 3)
        with torch.no_grad():
            network.get_parameter("2.weight").fill_(torch.nan)
        _train(network, 2)
    assert {step for _, _, step in writer.seen} == {0, 2, 4}
    assert {tag for tag, _, step in writer.seen if step == 0} == {
        f"propstats/{layer}/{name}" for layer in "012" for name in ("mean", "rms", "spread", "gradient")
    }
    assert all(value == value for _, value, _ in writer.seen)
    assert not [tag for tag, _, step in writer.seen if step == 4 and tag.startswith("propstats/2/")]


def test_a_writer_that_fails_is_left_alone() -> None:
    class Full:
        calls = 0

        def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
            self.calls += 1
            raise OSError("No space left on device")

    network, writer = _network(), Full()
    with monitor(network, every=1, writer=writer) as watch:
        _train(network, 3)
    assert writer.calls == 1
    assert [f.rule for f in watch.findings] == ["monitor-failed"]
    assert len(watch.history) == 3


def test_a_fault_of_ours_never_ends_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(tensor: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("planted\nfault")

    monkeypatch.setattr("propstats.auditing.watching.reading.measured", broken)
    network = _network()
    watch = monitor(network, every=1)
    _train(network, 2)
    assert [f.rule for f in watch.findings] == ["monitor-failed"]
    assert "planted fault" in watch.findings[0].message
    assert _hooks(network) == 0


def test_an_exception_of_the_network_is_its_own() -> None:
    network = _network()
    with monitor(network, every=1) as watch:
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            network(torch.ones(2, 3))
        _train(network)
    assert [snapshot.step for snapshot in watch.history] == [1]
    assert len(watch.history[0].layers) == 3


def test_looking_between_forward_and_backward_loses_nothing() -> None:
    network = _network()
    with monitor(network, every=1) as watch:
        loss = network(_data()).square().mean()
        assert watch.history[0].layers[0].gradient is None
        loss.backward()
        assert watch.history[0].layers[0].gradient is not None
        losses = [network(_data()).square().mean() for _ in range(2)]
        for loss in losses:
            loss.backward()
    assert [[state.gradient is not None for state in s.layers] for s in watch.history] == [[True] * 3] * 3


def test_a_layer_called_twice_and_dictionaries() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"out": self.layer(self.layer(x))}

    network = Twice()
    with monitor(network, every=1) as watch:
        network(_data())["out"].sum().backward()
    assert [state.layer for state in watch.history[0].layers] == ["layer", "layer #1"]


def test_through_activation_checkpointing() -> None:
    class Frugal(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = _network()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return checkpoint(self.inside, x, use_reentrant=False)  # type: ignore[no-any-return]

    network = Frugal()
    with monitor(network, every=1) as watch:
        _train(network)
    # Layers that run again on the way back are not counted again.
    assert [state.layer for state in watch.history[0].layers] == ["inside.0", "inside.1", "inside.2"]


@pytest.mark.slow  # the compiler takes seconds to load
def test_compiled_networks() -> None:
    network = _network()
    compiled: nn.Module = torch.compile(network, backend="eager")  # type: ignore[assignment]  # of a module, a module
    for _ in range(2):  # before and after its first run
        with monitor(compiled, every=2) as watch:
            _train(compiled, 3)
        assert [(s.step, [state.layer for state in s.layers]) for s in watch.history] == [
            (0, ["0", "1", "2"]), (2, ["0", "1", "2"]),
        ]  # fmt: skip
    in_place = _network()
    in_place.compile(backend="eager")
    with monitor(in_place, every=1) as watch:
        _train(in_place, 2)
    assert [f.rule for f in watch.findings] == ["not-observed"]
    with monitor(in_place, every=2) as watch:
        for _ in range(3):
            watch.begin()
            out = in_place(_data())
            watch.end()
            out.sum().backward()
    assert [s.step for s in watch.history] == [0, 2]


def test_distributed(one_process: None) -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    wrapped = nn.parallel.DistributedDataParallel(_network())
    network = _network()
    for layer in (network[0], network[2], network):
        fully_shard(layer, mesh=init_device_mesh("cpu", (1,)))
    histories = []
    for model in (_network(), wrapped, network):
        with monitor(model, every=1) as watch:
            _train(model)
        histories.append(watch.history)
        assert watch.findings == []
    assert histories[0] == histories[1] == histories[2]


def test_wrong_use() -> None:
    with pytest.raises(DomainError, match="at least 1"):
        monitor(_network(), every=0)
    with pytest.raises(DomainError, match="at least 1"):
        monitor(_network(), keep=0)


def test_a_network_that_never_trains_says_so() -> None:
    with monitor(_network()) as watch:
        pass
    assert [f.rule for f in watch.findings] == ["not-observed"]
    assert isinstance(watch, Monitor)
