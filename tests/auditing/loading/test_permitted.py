"""Networks of the user's own classes: what has to be allowed, and what cannot be."""

import sys
from pathlib import Path

import pytest
import torch
from model_files import rezip
from refusals import refused
from torch import nn

from propstats.auditing.loading.access import Access
from propstats.auditing.loading.load import load_model

SOURCE = """
import dataclasses, enum, subprocess
from torch import nn
class Mode(enum.Enum):
    FAST = "fast"
@dataclasses.dataclass
class Sizes:
    width: int = 4
class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear, self.act, self.norm_layer = nn.Linear(width, width), nn.functional.silu, nn.BatchNorm1d
        self.mode = Mode.FAST
    def forward(self, x):
        return x + self.act(self.linear(x))
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.sizes = Sizes()
        self.blocks = nn.Sequential(Block(4), Block(4))
    def forward(self, x):
        return self.blocks(x)
class Plain:
    pass
def function():
    raise SystemExit("executed")
"""
CLASSES = ("Net", "Block", "Sizes", "Mode")


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "propstats_user_nets.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "propstats_user_nets", raising=False)
    import propstats_user_nets  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]

    torch.save(propstats_user_nets.Net(), tmp_path / "net.pt")
    return tmp_path / "net.pt"


def test_classes_that_are_allowed(saved: Path) -> None:
    text = refused(saved, "--allow propstats_user_nets:Block", unsafe=True)
    assert "propstats_user_nets.Net" in text
    loaded = load_model(saved, Access(allow=tuple(f"propstats_user_nets:{name}" for name in CLASSES)))
    assert loaded.info.tier == "allowed"
    assert loaded.info.allowed == tuple(sorted(f"propstats_user_nets.{name}" for name in CLASSES))
    assert loaded.info.torch == torch.__version__
    assert not loaded.info.trusted
    assert loaded.model(torch.randn(2, 4)).shape == (2, 4)
    assert not torch.serialization.get_safe_globals()


def test_one_that_is_missing_is_named(saved: Path) -> None:
    allow = Access(allow=("propstats_user_nets:Net", "propstats_user_nets:Block", "propstats_user_nets:Sizes"))
    text = refused(saved, "--allow propstats_user_nets:Mode", allow, unsafe=True)
    assert "propstats_user_nets.Net" not in text


def test_classes_of_a_notebook(saved: Path) -> None:
    rezip(saved, lambda data: data.replace(b"cpropstats_user_nets\n", b"c__main__\n"))
    refused(saved, "--class __main__.Net=package.module:Net", unsafe=True)
    access = Access(classes=tuple(f"__main__.{name}=propstats_user_nets:{name}" for name in CLASSES))
    loaded = load_model(saved, access)
    assert type(loaded.model).__name__ == "Net"
    assert loaded.info.allowed == tuple(sorted(f"__main__.{name}" for name in CLASSES))


def test_a_tame_network_stays_safe_whatever_is_allowed(saved: Path) -> None:
    torch.save(nn.Sequential(nn.Linear(2, 2)), saved)
    loaded = load_model(saved, Access(allow=("propstats_user_nets:Net",)))
    assert (loaded.info.tier, loaded.info.allowed) == ("safe", ())


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("propstats_user_nets:function", "neither a network module nor a dataclass or enum"),
        ("propstats_user_nets:Plain", "neither a network module nor a dataclass or enum"),
        ("subprocess:Popen", "neither a network module nor a dataclass or enum"),
        ("os:system", "neither a network module nor a dataclass or enum"),
        ("propstats_user_nets:Absent", "AttributeError"),
        ("propstats_absent:Net", "ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_allowed(saved: Path, name: str, word: str) -> None:
    refused(saved, word, Access(allow=(name,)))
    refused(saved, word, Access(classes=(f"__main__.Net={name}",)))


def test_names_that_are_no_networks_are_not_proposed(saved: Path) -> None:
    for evil in (b"subprocess\nPopen", b"torch.jit\nload", b"numpy\nload", b"builtins\neval"):
        torch.save(nn.Linear(2, 2), saved)
        rezip(saved, lambda _, evil=evil: b"\x80\x02c" + evil + b"\n.")  # type: ignore[misc]
        assert "--allow" not in refused(saved, "nothing was executed", unsafe=True)


def test_an_allowed_class_may_not_be_called(saved: Path) -> None:
    body = b"\x80\x02cpropstats_user_nets\nBlock\nM\x00\x40\x85R."
    torch.save(nn.Linear(2, 2), saved)
    refused(rezip(saved, lambda _: body), "more than rebuild itself", Access(allow=("propstats_user_nets:Block",)),
            unsafe=True)  # fmt: skip
