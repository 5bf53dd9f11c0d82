"""NormProp in torch's machinery: export, compilation, transformations, other types, several processes."""

import copy
import pickle
import socket
from typing import Any

import pytest
import torch
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from propstats.nn import NormPropConv2d, NormPropLinear, ScaleGradient, fold

# torch loads and traces parts of itself by what it deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def _model(**options: Any) -> nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    return nn.Sequential(
        NormPropConv2d(2, 4, 3, padding=1, generator=generator, **options), nn.MaxPool2d(2), nn.Flatten(),
        NormPropLinear(16, 3, generator=generator, **options),
    )  # fmt: skip


_MATCHED: dict[str, Any] = {"constants": "matched", "gamma": 1.0, "beta": 0.5}
_OPTIONS: list[dict[str, Any]] = [{}, {"activation": "tanh"}, {"activation": "prelu"}, _MATCHED]


@pytest.mark.parametrize("options", _OPTIONS, ids=str)
def test_export(options: dict[str, Any]) -> None:
    model = _model(**options).eval()
    x = torch.randn(5, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    for exported in (model, fold(model)):
        program = torch.export.export(exported, (x,))
        torch.testing.assert_close(program.module()(x), model(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("options", _OPTIONS, ids=str)
def test_copies_and_types(options: dict[str, Any]) -> None:
    model = _model(**options)
    x = torch.randn(5, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    for same in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(same(x), model(x))
    for dtype in (torch.float64, torch.float16, torch.bfloat16):
        other = copy.deepcopy(model).to(dtype)
        output = other(x.to(dtype))
        output.sum().backward()
        assert output.dtype == dtype
        assert all(p.grad is not None and p.grad.dtype == dtype and p.grad.isfinite().all() for p in other.parameters())


@pytest.mark.parametrize("options", _OPTIONS, ids=str)
def test_derivatives_of_other_kinds(options: dict[str, Any]) -> None:
    """Of one example each, of derivatives, along a direction, and with recomputed layers: all are those of autograd."""
    model = _model(**options).double()
    x = torch.randn(3, 2, 4, 4, dtype=torch.double, generator=torch.Generator().manual_seed(1), requires_grad=True)
    parameters = {name: value.detach() for name, value in model.named_parameters()}
    output = model(x).square().sum()
    expected = torch.autograd.grad(output, [x, *model.parameters()])

    def loss(parameters: dict[str, torch.Tensor], example: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = torch.func.functional_call(model, parameters, (example[None],)).square().sum()
        return result

    each = torch.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, x.detach())
    for found, gradient in zip(each.values(), expected[1:], strict=True):
        torch.testing.assert_close(found.sum(dim=0), gradient)

    middle: Any = checkpoint(model[:2], x, use_reentrant=False)
    recomputed = model[2:](middle).square().sum()
    for found, gradient in zip(torch.autograd.grad(recomputed, [x, *model.parameters()]), expected, strict=True):
        torch.testing.assert_close(found, gradient)

    along = torch.func.jvp(lambda x: model(x).square().sum(), (x.detach(),), (x.detach(),))[1]
    torch.testing.assert_close(along, (expected[0] * x).sum().detach())
    assert torch.autograd.gradgradcheck(model, (x,), fast_mode=True)


def test_traces() -> None:
    trace: Any = torch.jit.trace
    model, x = _model(), torch.randn(5, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(trace(model, x)(x), model(x))


def test_scaled_gradients_under_transformations() -> None:
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    scale = ScaleGradient(0.25)
    each = torch.vmap(torch.func.grad(lambda x: scale(x).square().sum()))(x)
    assert torch.equal(each, 0.5 * x)
    assert torch.equal(torch.func.jvp(scale, (x,), (x,))[1], x)  # what goes forwards is not scaled


@pytest.mark.slow
@pytest.mark.parametrize("options", _OPTIONS, ids=str)
@pytest.mark.filterwarnings("ignore")  # what the compiler says of itself
def test_compile(options: dict[str, Any]) -> None:
    model, judge = _model(**options), _model(**options)
    compiled: Any = torch.compile(model)
    x = torch.randn(5, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    for network in (compiled, judge):
        network(x).square().sum().backward()
    torch.testing.assert_close(compiled(x), judge(x), rtol=1e-5, atol=1e-6)
    for own, other in zip(model.parameters(), judge.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad, rtol=1e-4, atol=1e-5)


def _gradients(rank: int, port: int, results: Any) -> None:
    distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    try:
        model = DistributedDataParallel(_model())
        x = torch.randn(6, 2, 4, 4, generator=torch.Generator().manual_seed(1))
        model(x[rank * 3 : rank * 3 + 3]).square().sum().backward()
        if rank == 0:
            results.put([parameter.grad.numpy() for parameter in model.parameters() if parameter.grad is not None])
    finally:
        distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_have_the_gradient_of_one() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    results: Any = context.SimpleQueue()
    workers = [context.Process(target=_gradients, args=(rank, port, results)) for rank in range(2)]
    for worker in workers:
        worker.start()
    found = results.get()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    model = _model()
    x = torch.randn(6, 2, 4, 4, generator=torch.Generator().manual_seed(1))
    model(x).square().sum().backward()
    for gradient, parameter in zip(found, model.parameters(), strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(torch.from_numpy(gradient) * 2, parameter.grad, rtol=1e-5, atol=1e-5)
