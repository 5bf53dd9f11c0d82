import io
import json
import os
import pickle
import struct
import sys
import threading
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from refusals import refused
from safetensors.torch import save_file
from torch import nn

from propstats.auditing.load import load_model
from propstats.errors import DomainError, PropstatsError


class Evil:
    """Runs a function when it is unpickled."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def small() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.GELU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 8),
        nn.Tanh(),
        nn.Dropout(),
        nn.LayerNorm(8),
        nn.Linear(8, 2),
    )


ARCH_SOURCE = """
import sys
from torch import nn
print("hello from the user's module")
def make():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
def wrapped():
    return nn.ModuleDict({"module": make()})
def broken():
    raise RuntimeError("first\\nsecond")
def quits():
    sys.exit("enough")
def number():
    return 3
def meta():
    return nn.Linear(2, 2, device="meta")
def wide():
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2), nn.Linear(2, 2))
ready = nn.Linear(2, 2)
class Space:
    make = staticmethod(make)
"""


@pytest.fixture
def arch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    home = tmp_path / "user"
    home.mkdir()
    (home / "propstats_user_arch.py").write_text(ARCH_SOURCE)
    monkeypatch.chdir(home)
    monkeypatch.delitem(sys.modules, "propstats_user_arch", raising=False)
    return "propstats_user_arch:make"


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).state_dict()


def rezip(path: Path, change: Callable[[bytes], bytes], *, entry: str = "data.pkl") -> Path:
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, change(data) if name.endswith(f"/{entry}") else data)
    return path


# --- what loads


def test_a_pickled_network_of_torch_nn(tmp_path: Path) -> None:
    path, model = tmp_path / "model.bin", small()
    next(model.parameters()).requires_grad_(False)
    torch.save(model, path)
    loaded = load_model(path)
    assert (loaded.format, loaded.trusted, loaded.parameters) == ("torch module", False, 378)
    assert len(loaded.sha256) == 64
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


@pytest.mark.parametrize(
    "wrap",
    [
        lambda w: w,
        lambda w: {"state_dict": w, "epoch": 1},
        lambda w: {"model_state_dict": w, "optimizer": {"lr": 0.1}},
        lambda w: {"model_state": w},
        lambda w: {"model": {"state_dict": w, "model_args": {"width": 4}}},
        lambda w: {f"module.{key}": value for key, value in w.items()},
        lambda w: {"state_dict": {f"_orig_mod.module.{key}": value for key, value in w.items()}},
    ],
)
@pytest.mark.parametrize("modern", [True, False])
def test_weights(tmp_path: Path, arch: str, wrap: Callable[[dict[str, torch.Tensor]], object], modern: bool) -> None:
    path = tmp_path / "w.pt"
    torch.save(wrap(weights()), path, _use_new_zipfile_serialization=modern)
    loaded = load_model(path, arch=arch)
    assert loaded.format == ("torch state_dict" if modern else "torch legacy state_dict")
    assert loaded.parameters == 26
    assert all(torch.equal(loaded.model.state_dict()[key], value) for key, value in weights().items())
    assert not loaded.model.training
    assert str(Path.cwd()) not in sys.path
    refused(path, "holds weights only (4 tensors, 26 parameters), no network to run")


def test_safetensors(tmp_path: Path, arch: str) -> None:
    path = tmp_path / "w.pt"
    save_file(weights(), path)
    loaded = load_model(path, arch=arch)
    assert loaded.format == "safetensors"
    assert torch.equal(loaded.model.state_dict()["2.bias"], weights()["2.bias"])
    refused(path, "(4 tensors, 26 parameters)")
    raw = path.read_bytes()
    path.write_bytes(raw[:-5])
    refused(path, "damaged or truncated", arch=arch)
    path.write_bytes(raw[:40])
    refused(path, "damaged or truncated", arch=arch)
    header = json.dumps({"w": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    refused(path, "damaged or truncated", arch=arch)


def test_a_prefix_that_belongs_to_the_network_stays(tmp_path: Path, arch: str) -> None:
    path = tmp_path / "w.pt"
    torch.save({f"module.{key}": value for key, value in weights().items()}, path)
    assert "module.0.weight" in load_model(path, arch="propstats_user_arch:wrapped").model.state_dict()


# --- weights and factories that do not fit


def test_the_factory(tmp_path: Path, arch: str, capsys: pytest.CaptureFixture[str]) -> None:
    path, module = tmp_path / "w.pt", arch.partition(":")[0]
    torch.save(weights(), path)
    load_model(path, arch=f"{module}:Space.make")
    refused(path, "ModuleNotFoundError", arch="propstats_no_such_module:make")
    refused(path, "AttributeError", arch=f"{module}:absent")
    refused(path, "RuntimeError: first", arch=f"{module}:broken")
    refused(path, "SystemExit: enough", arch=f"{module}:quits")
    refused(path, "gave a int, not a module", arch=f"{module}:number")
    refused(path, "is a module, not a factory", arch=f"{module}:ready")
    refused(path, "meta device", arch=f"{module}:meta")
    for form in ("", "make", ":make", f"{module}:", f"{module}:make()", "a b:c"):
        with pytest.raises(DomainError, match=r"package\.module:factory"):
            load_model(path, arch=form)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "hello" in printed.err


def test_weights_that_do_not_fit(tmp_path: Path, arch: str) -> None:
    path = tmp_path / "w.pt"
    torch.save({**weights(), "extra\n": torch.ones(1)}, path)
    text = refused(path, "1 unexpected (extra\\n)", arch=arch)
    assert "missing" not in text
    text = refused(path, "2 missing (3.weight, 3.bias)", arch=arch.replace("make", "wide"))
    assert "3 of another shape (0.weight 4x3 instead of 5x3, 0.bias 4 instead of 5, " in text
    torch.save({f"k{i}": torch.ones(1) for i in range(9)}, path)
    refused(path, "9 unexpected (k0, k1, k2, k3, k4, ...)", arch=arch)


def test_a_whole_module_needs_no_factory(tmp_path: Path, arch: str) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "m.pt")
    refused(tmp_path / "m.pt", "drop --arch", arch=arch)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ([1, 2], "holds a list"),
        (torch.ones(2), "holds a Tensor"),
        ({}, "holds no weights that can be told from its keys (nothing)"),
        ({"epoch": 1}, "holds no weights that can be told from its keys (epoch)"),
        ({"state_dict": {}}, "holds no weights"),
        ({1: torch.ones(1)}, "not all named by text"),
    ],
)
def test_files_without_weights(tmp_path: Path, arch: str, content: object, word: str) -> None:
    torch.save(content, tmp_path / "m.pt")
    refused(tmp_path / "m.pt", word)
    refused(tmp_path / "m.pt", word, arch=arch)


# --- files that would run code


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_pickles_that_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modern: bool, force: bool, nested: bool
) -> None:
    if force:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    path, marker = tmp_path / "m.pt", tmp_path / "marker"
    code = f"open({str(marker)!r}, 'w')"
    for evil, name in (
        (Evil(os.system, f"touch {marker}"), "posix.system"),
        (Evil(eval, code), "builtins.eval"),
        (Evil(pickle.loads, pickle.dumps(Evil(eval, code))), "pickle.loads"),
    ):
        torch.save({"state_dict": {"w": evil}} if nested else evil, path, _use_new_zipfile_serialization=modern)
        refused(path, name, unsafe=True)
        refused(path, name, unsafe=True, arch="os:getcwd")
        path.write_bytes(pickle.dumps(evil))
        refused(path, "plain pickle", unsafe=True)
    assert not marker.exists()


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


def test_protocol_four_is_refused_in_one_line(tmp_path: Path) -> None:
    for modern in (True, False):
        torch.save(weights(), tmp_path / "m.pt", pickle_protocol=4, _use_new_zipfile_serialization=modern)
        refused(tmp_path / "m.pt", "torch cannot read it")


@pytest.mark.parametrize(
    "body",
    [
        # Linear called with sizes, in place or through the memo; made with an argument; an instance called by
        # the tensor rebuilder; a class put into a list.
        b"ctorch.nn.modules.linear\nLinear\nM\x00\x40M\x00\x40\x86R.",
        b"ctorch.nn.modules.linear\nLinear\nq\x00)\x81q\x010h\x00M\x00\x40M\x00\x40\x86R.",
        b"ctorch.nn.modules.linear\nLinear\nK\x01\x85\x81.",
        b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch.nn.modules.linear\nIdentity\n)\x81ctorch\nTensor\n))tR.",
        b"]ctorch.nn.modules.linear\nLinear\na.",
    ],
)
def test_a_pickle_may_only_make_empty_instances(tmp_path: Path, body: bytes) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "m.pt")
    refused(rezip(tmp_path / "m.pt", lambda _: b"\x80\x02" + body), "more than rebuild itself", unsafe=True)


def test_calling_an_instance_is_refused_by_torch(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "m.pt")
    body = b"\x80\x02ctorch.nn.modules.linear\nLinear\nq\x00)\x81)R."
    refused(rezip(tmp_path / "m.pt", lambda _: body), "torch cannot read it")


def test_stride_zero_in_weights(tmp_path: Path, arch: str) -> None:
    torch.save({"w": torch.ones(1).expand(2**20, 2**20)}, tmp_path / "w.pt")
    refused(tmp_path / "w.pt", "4 are there")
    refused(tmp_path / "w.pt", "4 are there", arch=arch)
    torch.save({"w": torch.ones(1, 5).expand(1, -1)}, tmp_path / "w.pt")
    refused(tmp_path / "w.pt", "weights only (1 tensor, 5 parameters)")


# --- damage


def test_sundry_refusals(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    refused(path, "no such file")
    refused(tmp_path, "directory")
    path.write_text("<html></html>")
    refused(path, "web page")
    torch.save(weights(), path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data/99", b"\0" * 10_000_000)
    refused(path, "compressed")
    torch.save(weights(), path)
    raw = bytearray(path.read_bytes())
    raw[raw.index(weights()["0.weight"].numpy().tobytes()) + 3] ^= 4
    path.write_bytes(raw)
    refused(path, "checksum")
    torch.save(weights(), path)
    refused(rezip(path, lambda data: data[: len(data) // 2], entry="data/0"), "torch cannot read it")
    path.write_bytes(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.")
    refused(path, "torch cannot read it")


def test_mutations_raise_nothing_else(tmp_path: Path, arch: str) -> None:
    rng = np.random.default_rng(20)
    sources: list[tuple[bytes, str | None]] = []
    for content, factory in ((weights(), arch), (small(), None)):
        buffer = io.BytesIO()
        torch.save(content, buffer)
        sources.append((buffer.getvalue(), factory))
    buffer = io.BytesIO()
    torch.save(OrderedDict(weights()), buffer, _use_new_zipfile_serialization=False)
    sources.append((buffer.getvalue(), arch))
    save_file(weights(), tmp_path / "w.safetensors")
    sources.append(((tmp_path / "w.safetensors").read_bytes(), arch))

    def mutate(raw: bytes) -> bytes:
        changed = bytearray(raw)
        for _ in range(rng.integers(1, 5)):
            place = int(rng.integers(len(changed)))
            kind = rng.integers(8)
            if kind == 0 and len(changed) > 2:
                del changed[max(place, 1) :]
            elif kind == 1:
                other = int(rng.integers(len(raw)))
                changed[place : place + 16] = raw[other : other + int(rng.integers(32))]
                changed = changed or bytearray(b"\0")
            else:
                changed[place] ^= 1 << int(rng.integers(8))
        return bytes(changed)

    path, outcomes, lines = tmp_path / "m.pt", {True: 0, False: 0}, [1]

    def attempt(factory: str | None) -> None:
        try:
            load_model(path, arch=factory)
            outcomes[True] += 1
        except PropstatsError as error:
            outcomes[False] += 1
            lines.append(len(str(error).splitlines()))

    for raw, factory in sources:
        for _ in range(300):
            path.write_bytes(mutate(raw))
            attempt(factory)
        if raw.startswith(b"PK"):
            for _ in range(150):  # and past the checksums
                path.write_bytes(raw)
                rezip(path, mutate)
                attempt(factory)
    assert outcomes[True] > 0
    assert outcomes[False] > 500
    assert set(lines) == {1}


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
