"""Files made to harm: in a process with little memory, nothing runs, nothing hangs, and all is said in a line."""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from model_files import Evil, Writer, rezip, save_scripted, weights
from propstats_cli.main import run
from safetensors.torch import save_file
from torch import nn

import propstats
from propstats.activations.activation import Activation
from propstats.nn import NormPropLinear, ScaleGradient

MEBIBYTE = 1 << 20
ROOM = 400 * MEBIBYTE

CHILD = """
import json, os, resource, sys, time
from pathlib import Path
from propstats.auditing.loading.access import Access
from propstats.auditing.loading.load import load_model
from propstats.auditing.static.audit import audit_weights
from propstats.errors import ModelError

room, folder = int(sys.argv[1]), Path(sys.argv[2])
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + room
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
found = {}
for path in sorted(folder.iterdir()):
    for access in (Access(), Access(arch="collections:OrderedDict"), Access(trust=path.suffix != ".ts")):
        for read in (load_model, audit_weights):
            start = time.process_time()
            try:
                read(path, access)
                outcome = "read"
            except ModelError as error:
                outcome = f"{type(error).__name__}: {error}"
            except BaseException as error:
                outcome = f"! {type(error).__name__}: {error}"
            found.setdefault(path.name, []).append([outcome, time.process_time() - start])
found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps(found))
"""


def _pickles(folder: Path, canary: Path) -> None:
    code = f"open({str(canary)!r}, 'w')"
    evils = {
        "system": Evil(os.system, f"touch {canary}"),
        "eval": Evil(eval, code),
        "exec": Evil(exec, code),
        "nested": Evil(pickle.loads, pickle.dumps(Evil(eval, code))),
        "getattr": Evil(getattr, str, "mro"),
        "popen": Evil(subprocess.Popen, ["touch", str(canary)]),
        "unpickler": Evil(torch.load, str(canary)),
    }
    for name, evil in evils.items():
        for content, where in ((evil, "top"), ({"state_dict": {"w": evil}}, "inside")):
            torch.save(content, folder / f"{name}-{where}.pt")
            torch.save(content, folder / f"{name}-{where}-legacy.pt", _use_new_zipfile_serialization=False)
        for protocol in (2, 4):
            (folder / f"{name}-{protocol}.pkl").write_bytes(pickle.dumps(evil, protocol=protocol))
        torch.save({"w": evil}, folder / f"{name}-protocol4.pt", pickle_protocol=4)


def _bombs(folder: Path) -> None:
    def body(name: str, pickled: bytes) -> None:
        torch.save({"w": torch.ones(3)}, folder / name)
        rezip(folder / name, lambda _: b"\x80\x02" + pickled)

    body("bytearray.pt", b"cbuiltins\nbytearray\n\x8a\x05\x00\xe8\x76\x48\x17\x85R.")
    body("storage.pt", b"ctorch\nFloatStorage\nJ\xff\xff\xff\x7f\x85R.")
    body("untyped.pt", b"ctorch.storage\nUntypedStorage\nJ\xff\xff\xff\x7f\x85R.")
    body("linear.pt", b"ctorch.nn.modules.linear\nLinear\nJ\x00\x00\x10\x00J\x00\x00\x10\x00\x86R.")
    body("hash.pt", b"}(" + b")" + b"q\x00h\x00\x86" * 60 + b"K\x01u.")
    torch.save({"w": torch.ones(3)}, folder / "view.pt")
    rezip(folder / "view.pt", lambda data: data.replace(b"K\x03\x85", b"J\x00\x00\x00\x7f\x85", 1))
    torch.save({"w": torch.ones(1).expand(2**20, 2**20)}, folder / "stride.pt")
    torch.save({"w": torch.ones(9)}, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    raw = (folder / "legacy.pt").read_bytes()
    assert raw.count(b"K\x09Nt") == 1
    (folder / "legacy.pt").write_bytes(raw.replace(b"K\x09Nt", b"J\x00\x00\x00\x7fNt"))
    torch.save({"w": torch.zeros(1000)}, folder / "deflated.pt")
    with zipfile.ZipFile(folder / "deflated.pt") as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(folder / "deflated.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, bytes(200 * MEBIBYTE) if name.endswith("data/0") else data)
    for name, header in (
        ("huge.safetensors", {"w": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}),
        ("overflow.safetensors", {"w": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]}}),
    ):
        text = json.dumps(header).encode()
        (folder / name).write_bytes(struct.pack("<Q", len(text)) + text)
    (folder / "length.safetensors").write_bytes(struct.pack("<Q", 2**63) + b"{}")
    (folder / "deep.safetensors").write_bytes(struct.pack("<Q", 50_000) + b'{"a":' + b"[" * 49_995)


def _disguises(folder: Path, canary: Path) -> None:
    (folder / "lfs.pt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    (folder / "page.pt").write_text("<!DOCTYPE html><script>alert(1)</script>")
    (folder / "empty.pt").write_bytes(b"")
    torch.save(weights(), folder / "whole.pt")
    whole = (folder / "whole.pt").read_bytes()
    (folder / "whole.pt").unlink()
    (folder / "truncated.pt").write_bytes(whole[:-100])
    flipped = bytearray(whole)
    flipped[whole.index(weights()["0.weight"].numpy().tobytes()) + 3] ^= 4
    (folder / "flipped.pt").write_bytes(flipped)
    with warnings.catch_warnings(), zipfile.ZipFile(folder / "double.pt", "w") as archive:
        warnings.simplefilter("ignore")
        for data in (b"\x80\x02}.", pickle.dumps(Evil(eval, f"open({str(canary)!r}, 'w')"), protocol=2)):
            archive.writestr("m/data.pkl", data)
    # A tar archive whose first file is named like the head of an old torch file: torch would unpack it.
    torch.save({}, folder / "tar.pt", _use_new_zipfile_serialization=False)
    magic = (folder / "tar.pt").read_bytes()[:14].decode("latin1")
    with tarfile.open(folder / "tar.pt", "w", format=tarfile.GNU_FORMAT, encoding="latin1") as tar:
        for name in (magic, "storages", "tensors", "../../evil"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    outside = folder / "index"
    outside.mkdir()
    index = {"weight_map": {"w": "../../canary.safetensors"}}
    (outside / "model.safetensors.index.json").write_text(json.dumps(index))
    instantiator = {"_instantiator": "os.system", "_class_path": "os.system", "init_args": f"touch {canary}"}
    torch.save(
        {"pytorch-lightning_version": "2.6.0", "state_dict": weights(), "hyper_parameters": instantiator},
        folder / "harmless-lightning.ckpt",
    )


def _gadgets(folder: Path, canary: Path) -> None:
    hooked = nn.Sequential(nn.Linear(2, 2))
    hooked.register_forward_hook(nn.functional.relu)  # type: ignore[arg-type]
    torch.save(hooked, folder / "hook.pt")
    cyclic = nn.Sequential(nn.Linear(2, 2))
    cyclic._modules["1"] = cyclic
    torch.save(cyclic, folder / "cycle.pt")
    wide: nn.Module = nn.Linear(2, 2)
    for _ in range(40):
        wide = nn.Sequential(wide, wide)
    torch.save(wide, folder / "wide.pt")
    torch.save(torch.fx.symbolic_trace(nn.Sequential(nn.ReLU())), folder / "graph.pt")
    _layers(folder)
    save_scripted(folder / "script.ts", Writer(str(canary)))  # a program that makes a file when it runs


def _layers(folder: Path) -> None:
    """Layers of propstats.nn, honest and not."""
    honest = nn.Sequential(NormPropLinear(4, 3, activation="tanh"), ScaleGradient(0.5))
    torch.save(honest, folder / "harmless-layers.pt")
    for name, text in (
        ("long", "x" + "+x" * 4999),
        ("deep", "exp(" * 150 + "x" + ")" * 150),
        ("bush", "max(" * 60 + "x" + ",x**2)" * 60),
        ("wave", "abs(sin(1e6*x))"),
        ("tower", "((((9**64)**64)**64)**64)**x"),
    ):
        layer = NormPropLinear(4, 3)
        layer.activation = Activation("formula", text)
        torch.save(nn.Sequential(layer), folder / f"formula-{name}.pt")
    for name, value in (("out_features", 2**40), ("weight", torch.ones(9)), ("c1", "1"), ("foreign", 1)):
        layer = NormPropLinear(4, 3)
        layer.__dict__[name] = value
        torch.save(layer, folder / f"layer-{name}.pt")
    many = b"\x80\x02cpropstats.nn.layers\nNormPropLinear\nq\x00(" + b"h\x00)\x81" * 50_000 + b"t."
    torch.save({"w": torch.ones(3)}, folder / "layers.pt")
    rezip(folder / "layers.pt", lambda _: many)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    home = tmp_path_factory.mktemp("attacks")
    folder, canary = home / "files", home / "canary"
    folder.mkdir()
    _pickles(folder, canary)
    _bombs(folder)
    _disguises(folder, canary)
    _gadgets(folder, canary)
    return folder, canary


def test_nothing_runs_and_nothing_hangs(corpus: tuple[Path, Path]) -> None:
    folder, canary = corpus
    package = str(Path(propstats.__file__).parents[1])
    before = subprocess.run(
        [sys.executable, "-c", CHILD, str(ROOM), str(folder)], capture_output=True, text=True, timeout=250,
        env={**os.environ, "PYTHONPATH": package}, cwd=folder.parent,
    )  # fmt: skip
    assert before.returncode == 0, before.stderr[-2000:]
    found: dict[str, Any] = json.loads(before.stdout)
    found.pop("peak")
    assert len(found) == len(list(folder.iterdir())) > 70
    assert not canary.exists()
    assert {path.name for path in folder.parent.iterdir()} == {"files"}
    for name, attempts in found.items():
        for outcome, seconds in attempts:
            assert not outcome.startswith("!"), (name, outcome)
            assert len(outcome.splitlines()) == 1, name
            assert seconds < 10, (name, outcome, seconds)
            assert outcome != "read" or name.startswith("harmless"), name
            assert outcome.isprintable(), name
    for name in (name for name in found if name.startswith(("system", "eval", "exec", "nested", "popen"))):
        assert all("UnsafeModelError" in outcome for outcome, _ in found[name]), (name, found[name])


NAMES = (
    "\x1b[31mred\x1b[0m",
    "::error file=x::boom",
    "<script>alert(1)</script>",
    "a\nb",
    "\u202egnp",
    "##[error]x",
    "[bold]m[/]",
)


def test_names_do_not_command_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences, commands for CI services, right-to-left overrides, markup: shown, not obeyed."""
    save_file({name: torch.full((3, 3), float("nan")) for name in NAMES}, tmp_path / "w.safetensors")
    save_file({name: torch.randn(3, 3) for name in NAMES}, tmp_path / "v.safetensors")
    for file in ("w.safetensors", "v.safetensors"):
        for command in ("audit", "bound"):
            assert run([command, str(tmp_path / file)]) in (0, 1, 3)
            printed = "".join(capsys.readouterr())
            assert all(character.isprintable() or character in "\n" for character in printed)
            assert not any(line.lstrip().startswith(("::", "##[")) for line in printed.splitlines())
    assert run(["bound", str(tmp_path / "v.safetensors")]) == 0
    assert "[bold]m[/]" in capsys.readouterr().out


def test_names_of_modules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in NAMES[:2]:
        model = nn.Sequential(nn.Linear(2, 2))
        model._modules[name] = nn.ReLU()
        torch.save(model, tmp_path / "m.pt")
        assert run(["audit", str(tmp_path / "m.pt")]) == 3
        printed = capsys.readouterr().err
        assert "has a part" in printed
        assert "\x1b" not in printed
