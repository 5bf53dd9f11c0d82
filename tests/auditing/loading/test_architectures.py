"""What weights are put into: factories with arguments, and models of libraries."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from model_files import weights
from refusals import refused
from torch import nn

from propstats.auditing.loading.access import Access
from propstats.auditing.loading.load import load_model


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.save(weights(), tmp_path / "w.pt")
    return tmp_path / "w.pt"


def _net(width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))


def _library(monkeypatch: pytest.MonkeyPatch, name: str, **contents: object) -> None:
    module = ModuleType(name)
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, name, module)


def test_arguments(file: Path, arch: str) -> None:
    factory = arch.replace("make", "sized")
    assert load_model(file, Access(arch=f'{factory}({{"width": 4}})')).info.parameters == 26
    refused(file, "0.weight 4x3 instead of 7x3", arch=f'{factory}({{"width": 7}})')
    refused(file, "TypeError", arch=f'{factory}({{"depth": 7}})')


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_models_of_libraries(file: Path, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    asked: list[tuple[str, dict[str, object]]] = []

    def make(name: str, **arguments: Any) -> nn.Module:
        asked.append((name, arguments))
        if name == "unknown":
            raise ValueError("Unknown model unknown")
        return _net()

    _library(monkeypatch, "torchvision")
    _library(monkeypatch, "torchvision.models", get_model=make)
    _library(monkeypatch, "timm", create_model=make)
    assert load_model(file, Access(arch=f'{library}:net_1.in1k({{"depth": 3}})')).info.parameters == 26
    (name, arguments) = asked[0]
    assert name == "net_1.in1k"
    # Nothing is downloaded.
    assert arguments == {"depth": 3, **({"weights": None} if library == "torchvision" else {"pretrained": False})}
    refused(file, "ValueError: Unknown model unknown", arch=f"{library}:unknown")


@pytest.mark.parametrize(
    ("arch", "library"), [("torchvision:resnet18", "torchvision"), ("timm:x", "timm"), ("hf:.", "transformers")]
)
def test_libraries_that_are_not_there(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arch: str, library: str
) -> None:
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)

    class Absent:
        def find_spec(self, name: str, *_: object) -> None:
            if name.split(".")[0] == library:
                raise ModuleNotFoundError(f"No module named {library!r}", name=library)

    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    for name in [name for name in sys.modules if name.split(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    text = refused(file, f"needs {library}, which is not installed", arch=arch)
    assert f"pip install {library}" in text


def test_a_torchvision_for_another_torch(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, **_: object) -> nn.Module:
        raise RuntimeError("operator torchvision::nms does not exist")

    _library(monkeypatch, "torchvision")
    _library(monkeypatch, "torchvision.models", get_model=broken)
    text = refused(file, "torchvision was built for another torch", arch="torchvision:resnet18")
    assert "nms" not in text


def test_hugging_face(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder's words choose a class of the library, and nothing else; no remote code, no network."""
    seen: list[dict[str, object]] = []

    class PreTrained(nn.Sequential):
        def __init__(self, config: object) -> None:
            super().__init__(*_net().children())

    class Config:
        @staticmethod
        def from_pretrained(folder: str, **arguments: object) -> object:
            seen.append(arguments)
            return SimpleNamespace(architectures=[Path(folder).joinpath("config.json").read_text()])

    class Auto:
        @staticmethod
        def from_config(config: object, **arguments: object) -> nn.Module:
            seen.append(arguments)
            return _net()

    _library(
        monkeypatch, "transformers", AutoConfig=Config, AutoModel=Auto, PreTrainedModel=PreTrained, Net=PreTrained,
        system=lambda _: pytest.fail("called"),
    )  # fmt: skip
    for name, calls in (("Net", 1), ("system", 2), ("os.system", 2), ("", 2)):
        (tmp_path / "config.json").write_text(name)
        seen.clear()
        assert load_model(file, Access(arch=f"hf:{tmp_path}")).info.parameters == 26
        assert len(seen) == calls
        assert all(arguments["trust_remote_code"] is False for arguments in seen)
        assert seen[0]["local_files_only"] is True
    refused(file, "there is no config.json", arch="hf:elsewhere")
