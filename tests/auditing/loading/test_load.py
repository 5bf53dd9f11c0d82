"""What loads, and that loading leaves the process as it was."""

import hashlib
import sys
import threading
import warnings
from pathlib import Path

import pytest
import torch
from model_files import small
from refusals import refused
from torch import nn

from propstats.auditing.loading.load import load_model
from propstats.errors import PropstatsError


def test_a_pickled_network_of_torch_nn(tmp_path: Path) -> None:
    path, model = tmp_path / "model.bin", small()
    next(model.parameters()).requires_grad_(False)
    torch.save(model, path)
    loaded = load_model(path)
    assert (loaded.info.format, loaded.info.trusted, loaded.info.parameters) == ("torch module", False, 378)
    assert loaded.info.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not any(module.training for module in loaded.model.modules())
    assert [p.requires_grad for p in loaded.model.parameters()] == [p.requires_grad for p in model.parameters()]
    images = torch.randn(3, 1, 8, 8)
    assert torch.equal(loaded.model(images), model.eval()(images))
    loaded.model(images).sum().backward()


@pytest.mark.parametrize(
    "model",
    [
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
        nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True), 2),
        nn.LSTM(8, 4, num_layers=2, bidirectional=True),
        nn.GRU(8, 4),
        nn.ModuleDict({"a": nn.MultiheadAttention(8, 2), "b": nn.Embedding(5, 8)}),
        nn.ModuleDict({"c": nn.ParameterList([torch.ones(2)])}),
        nn.Sequential(nn.ConvTranspose2d(1, 2, 3), nn.InstanceNorm2d(2), nn.PReLU(), nn.AdaptiveAvgPool2d(1)),
        nn.Sequential(nn.GroupNorm(2, 4), nn.RMSNorm(4), nn.SiLU(), nn.Identity(), nn.Unflatten(1, (2, 2))),
    ],
    ids=lambda model: type(model).__name__,
)
def test_common_layers(tmp_path: Path, model: nn.Module) -> None:
    torch.save(model, tmp_path / "model.pt")
    loaded = load_model(tmp_path / "model.pt")
    assert loaded.model.state_dict().keys() == model.state_dict().keys()
    if isinstance(model, nn.LSTM | nn.GRU | nn.TransformerEncoder | nn.TransformerEncoderLayer):
        loaded.model(torch.randn(2, 3, 8))


def test_a_module_used_twice_and_a_module_in_a_checkpoint(tmp_path: Path) -> None:
    shared = nn.Linear(3, 3)
    torch.save({"model": nn.Sequential(shared, nn.Tanh(), shared), "epoch": 3}, tmp_path / "m.pt")
    loaded = load_model(tmp_path / "m.pt").model
    assert loaded[0] is loaded[2]  # type: ignore[index]


def test_weights_that_are_not_finite_load(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    nn.init.constant_(model.weight, float("nan"))
    torch.save(model, tmp_path / "m.pt")
    assert torch.cat([p.flatten() for p in load_model(tmp_path / "m.pt").model.parameters()]).isnan().any()


def test_a_whole_module_needs_no_factory(tmp_path: Path, arch: str) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "m.pt")
    refused(tmp_path / "m.pt", "drop --arch", arch=arch)


def test_classes_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.pt"

    class Net(nn.Linear):
        pass

    Net.__module__, Net.__qualname__ = "__main__", "Net"
    monkeypatch.setattr(sys.modules["__main__"], "Net", Net, raising=False)
    torch.save(Net(2, 2), path)
    assert "--arch package.module:factory" in refused(path, "__main__.Net", unsafe=True)
    # Not even if somebody vouched for the class in this process.
    with torch.serialization.safe_globals([Net]):
        refused(path, "__main__.Net", unsafe=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(Net(2, 2), path, _use_new_zipfile_serialization=False)
    refused(path, "__main__.Net", unsafe=True)


def test_modules_in_other_disguises(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(small(), path, _use_new_zipfile_serialization=False)
    refused(path, "before 1.6", unsafe=True)
    torch.save(torch.fx.symbolic_trace(nn.Sequential(nn.ReLU())), path)
    refused(path, "FX GraphModule", unsafe=True)
    torch.save(nn.LazyLinear(2), path)
    refused(path, "run the lazy layers once", unsafe=True)


def test_programs(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), str(path))
    refused(path, "TorchScript", unsafe=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.ones(3, 2),)), tmp_path / "m.pt2")
    (tmp_path / "m.pt2").rename(path)
    refused(path, "torch.export", unsafe=True)


def test_loading_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    torch.save(small(), tmp_path / "m.pt")
    torch.serialization.add_safe_globals([nn.Linear])
    try:
        before = set(torch.serialization.get_safe_globals())
        failures: list[BaseException] = []

        def load() -> None:
            try:
                load_model(tmp_path / "m.pt")
            except PropstatsError as error:
                failures.append(error)

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert set(torch.serialization.get_safe_globals()) == before
    finally:
        torch.serialization.clear_safe_globals()
