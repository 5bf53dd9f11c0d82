import sys
from pathlib import Path

import pytest
import torch
from data_refusals import refused_data

from propstats.auditing.data.load import load_data

SOURCE = """
import torch
from torch.utils.data import DataLoader, TensorDataset

print("a word on stdout")
x, y = torch.randn(30, 4), torch.arange(30) % 3

def tensor():
    return x

def pair():
    return x, y

def array():
    return x.numpy()

def loader():
    return DataLoader(TensorDataset(x, y), batch_size=8)

def dataset():
    return TensorDataset(x, y)

def generator():
    print("another word")
    for start in range(0, 30, 9):
        yield x[start:start + 9], y[start:start + 9]

def tokens():
    return [{"input_ids": torch.randint(0, 50, (5, 7)), "labels": torch.zeros(5, dtype=torch.int64)}] * 3

class Space:
    @staticmethod
    def inside():
        return x

def fails():
    raise RuntimeError("no such corpus\\nat all")

def leaves():
    raise SystemExit(3)

def nothing():
    return None

ready = x
"""


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "propstats_user_data.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "propstats_user_data", raising=False)


@pytest.mark.parametrize("name", ["tensor", "pair", "array", "loader", "dataset", "generator", "Space.inside", "ready"])
@pytest.mark.parametrize("normalize", [None, "feature"])
def test_factories(name: str, normalize: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    data = load_data(f"propstats_user_data:{name}", normalize=normalize)
    x = sys.modules["propstats_user_data"].x
    expected = x if normalize is None else (x - x.mean(dim=0)) / x.std(dim=0, correction=0)
    assert torch.allclose(data.inputs, expected, atol=1e-6)
    if name in ("pair", "loader", "dataset", "generator"):
        assert data.labels is not None
        assert data.labels.tolist() == [i % 3 for i in range(30)]
    assert capsys.readouterr().out == ""


def test_tokens() -> None:
    data = load_data("propstats_user_data:tokens", samples=12)
    assert data.inputs.dtype == torch.int64
    assert data.inputs.shape == (12, 7)
    refused = "tokens, which have no mean"
    with pytest.raises(Exception, match=refused):
        load_data("propstats_user_data:tokens", normalize="batch")


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("propstats_user_data:fails", "RuntimeError: no such corpus"),
        ("propstats_user_data:leaves", "SystemExit"),
        ("propstats_user_data:nothing", "a NoneType is no data"),
        ("propstats_user_data:absent", "AttributeError"),
        ("propstats_no_such_module:make", "ModuleNotFoundError"),
    ],
)
def test_factories_that_fail(name: str, word: str) -> None:
    refused_data(name, word)
