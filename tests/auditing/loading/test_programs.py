"""Programs that the user trusts: every layer is one again, and the network gives what it gave."""

from pathlib import Path

import pytest
import torch
from model_files import save_exported, save_scripted
from refusals import refused
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.loading.access import Access
from propstats.auditing.loading.load import load_model
from propstats.auditing.loading.program import program_of
from propstats.auditing.loading.programs import watchable
from propstats.auditing.propagate import propagate
from propstats.auditing.static.audit import audit_weights
from propstats.errors import ModelError

TRUST = Access(trust=True)
LAYERS = {"stem": nn.Conv2d, "norm": nn.BatchNorm2d, "head": nn.Linear} | {
    f"blocks.{block}.{part}": kind for block in (0, 1) for part, kind in (("norm", nn.LayerNorm), ("linear", nn.Linear))
}


def _same(found: nn.Module, model: nn.Module) -> None:
    images = torch.randn(7, 1, 8, 8, requires_grad=True)
    assert torch.equal(found(images), model(images))
    assert {name: type(module) for name, module in found.named_modules() if name in LAYERS} == LAYERS
    calls: list[str] = []
    for name, module in found.named_modules():
        if name in LAYERS:
            module.register_forward_hook(lambda *_, name=name: calls.append(name))
    found(images).sum().backward()
    assert images.grad is not None
    assert sorted(calls) == sorted([*LAYERS, "blocks.0.norm", "blocks.0.linear"])  # the first block runs twice


def test_exported(tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    model = save_exported(path)
    text = refused(path, "torch.export", unsafe=True)
    assert "--trust" in text
    loaded = load_model(path, TRUST)
    assert (loaded.info.format, loaded.info.tier, loaded.info.trusted) == ("torch export", "trusted", True)
    assert loaded.info.notes[0].startswith("trusted")
    assert isinstance(loaded.model.get_submodule("blocks.1.act"), nn.GELU)
    _same(loaded.model, model)


@pytest.mark.parametrize("traced", [True, False])
def test_scripted(tmp_path: Path, traced: bool) -> None:
    path = tmp_path / "m.bin"
    model = save_scripted(path, traced=traced)
    assert "--trust" in refused(path, "TorchScript", unsafe=True)
    loaded = load_model(path, TRUST)
    assert (loaded.info.format, loaded.info.tier, loaded.info.trusted) == ("TorchScript", "trusted", True)
    _same(watchable(loaded.model, torch.randn(3, 1, 8, 8), name="m"), model)


def test_an_audit_sees_the_layers(tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    model = save_exported(path)
    report = audit(path, torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0)), access=TRUST)
    assert report.model.trusted
    assert LAYERS.keys() <= {layer.name for layer in report.layers}
    original = audit(model, torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    stem = [next(layer for layer in found.layers if layer.name == "stem") for found in (report, original)]
    assert stem[0].forward == stem[1].forward


@pytest.mark.parametrize("kind", ["exported", "scripted"])
def test_weights_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "m.bin"
    _ = save_exported(path) if kind == "exported" else save_scripted(path)
    report = audit_weights(path, TRUST)
    assert {weight.name for weight in report.weights} == {"stem.weight", "head.weight", "blocks.0.linear.weight",
                                                          "blocks.1.linear.weight"}  # fmt: skip


def test_theory_reads_the_layers(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4)).eval()
    expected = propagate(model, shape=(1, 8, 8))
    for traced in (True, False):
        save_scripted(tmp_path / "m.bin", model, traced=traced)
        found = propagate(tmp_path / "m.bin", shape=(1, 8, 8), access=TRUST)
        assert [layer.var for layer in found.layers] == [layer.var for layer in expected.layers]


def test_several_inputs(tmp_path: Path) -> None:
    exported = torch.export.export(nn.Bilinear(2, 3, 4), (torch.ones(5, 2), torch.ones(5, 3)))
    with pytest.raises(ModelError, match="takes 2 inputs"):
        program_of(exported, name="m")


def test_a_network_in_python_is_left_as_it_is() -> None:
    model = nn.Linear(2, 2)
    assert watchable(model, torch.ones(1, 2), name="m") is model


def test_a_program_that_cannot_be_traced(tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    save_scripted(path)
    with pytest.raises(ModelError, match="cannot be watched") as caught:
        watchable(load_model(path, TRUST).model, torch.ones(2, 3), name="m")
    assert len(str(caught.value).splitlines()) == 1


def test_damaged_programs(tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    for save in (save_exported, save_scripted):
        save(path)
        raw = path.read_bytes()
        path.write_bytes(raw[: len(raw) // 2])
        refused(path, "truncated or damaged", TRUST)
        flipped = bytearray(raw)
        flipped[200] ^= 1
        path.write_bytes(flipped)
        refused(path, "", TRUST)


def test_trust_is_for_programs_alone(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "m.pt")
    loaded = load_model(tmp_path / "m.pt", TRUST)
    assert (loaded.info.tier, loaded.info.trusted) == ("safe", False)
    import pickle

    (tmp_path / "m.pt").write_bytes(pickle.dumps({"w": 1}))
    refused(tmp_path / "m.pt", "plain pickle", TRUST, unsafe=True)
