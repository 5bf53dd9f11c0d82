"""Exported archives that would run code in torch's own loader: refused even where the user trusts the file."""

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from model_files import Evil, save_exported
from refusals import refused

from propstats.auditing.loading.access import Access
from propstats.auditing.loading.load import load_model
from propstats.auditing.loading.screen import _is_formula, _is_guard

TRUST = Access(trust=True)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("exported") / "m.bin"
    save_exported(path)
    return path.read_bytes()


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "marker"


def _rewritten(path: Path, honest: bytes, entry: str, change: Callable[[bytes], bytes], **more: bytes) -> Path:
    path.write_bytes(honest)
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    root = next(iter(content)).split("/")[0]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, change(data) if name == f"{root}/{entry}" else data)
        for name, data in more.items():
            archive.writestr(f"{root}/{name}", data)
    return path


def _edited(path: Path, honest: bytes, entry: str, edit: Callable[[Any], None]) -> Path:
    def change(data: bytes) -> bytes:
        document = json.loads(data)
        edit(document)
        return json.dumps(document).encode()

    return _rewritten(path, honest, entry, change)


def _first(document: Any, key: str) -> dict[str, Any]:
    """Return the first mapping in a document that has a key."""
    stack = [document]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if key in value:
                return value
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
    raise AssertionError(key)


def test_honest_archives_pass_after_being_packed_again(tmp_path: Path, honest: bytes) -> None:
    path = _rewritten(tmp_path / "m.pt2", honest, "byteorder", lambda data: data)
    assert load_model(path, TRUST).model(torch.randn(2, 1, 8, 8)).shape == (2, 5)


def test_formulas_that_run_code(tmp_path: Path, honest: bytes, marker: Path) -> None:
    evil = f"__import__('os').system('touch {marker}')"
    for text in (
        evil,
        f"Max({evil!r}, 1)",
        f"Symbol({evil!r})",
        "().__class__",
        "s0.__class__",
        "9**9**9",
        "Pow(9,Pow(9,9))",
    ):
        path = _edited(
            tmp_path / "m.pt2", honest, "models/model.json",
            lambda document, text=text: _first(document, "expr_str").update(expr_str=text),  # type: ignore[misc]
        )  # fmt: skip
        refused(path, "no formula of sizes", TRUST, unsafe=True)
    assert not marker.exists()


def test_guards_that_run_code(tmp_path: Path, honest: bytes, marker: Path) -> None:
    for code in (f"__import__('os').system('touch {marker}')", "x.__class__", "(lambda: 1)()", 3, "import os"):
        path = _edited(
            tmp_path / "m.pt2", honest, "models/model.json",
            lambda document, code=code: _first(document, "guards_code").update(guards_code=[code]),  # type: ignore[misc]
        )  # fmt: skip
        refused(path, "guards itself by more than sizes", TRUST, unsafe=True)
    assert not marker.exists()


@pytest.mark.parametrize(
    "target",
    ["torch.ops.aten.from_file.default", "torch.hub.load", "torch.serialization.os.system", "_operator.methodcaller",
     "torch.ops.load_library", "torch.ops.higher_order.cond", "#x:y", "torch.load"],
)  # fmt: skip
def test_targets_that_are_no_operations(tmp_path: Path, honest: bytes, target: str) -> None:
    def edit(document: Any) -> None:
        document["graph_module"]["graph"]["nodes"][0]["target"] = target

    path = _edited(tmp_path / "m.pt2", honest, "models/model.json", edit)
    refused(path, "which is no operation on tensors", TRUST, unsafe=True)


def test_pickled_weights(tmp_path: Path, honest: bytes) -> None:
    def edit(document: Any) -> None:
        _first(document, "use_pickle")["use_pickle"] = True

    path = _edited(tmp_path / "m.pt2", honest, "data/weights/model_weights_config.json", edit)
    refused(path, "has pickled weights", TRUST, unsafe=True)


@pytest.mark.parametrize("name", ["../../etc/passwd", "custom_obj_0", "weight_0/../x", 3])
def test_weights_elsewhere(tmp_path: Path, honest: bytes, name: object) -> None:
    def edit(document: Any) -> None:
        _first(document, "path_name")["path_name"] = name

    path = _edited(tmp_path / "m.pt2", honest, "data/weights/model_weights_config.json", edit)
    refused(path, "keeps weights in", TRUST, unsafe=True)


def test_sample_inputs_that_run_code(tmp_path: Path, honest: bytes, marker: Path) -> None:
    evil = Evil(os.system, f"touch {marker}")
    inner = tmp_path / "inner.pt"
    contents: list[object] = [evil, ((evil,), {}), (torch.ones(1), {"a": Evil(pickle.loads, pickle.dumps(evil))})]
    for content in contents:
        torch.save(content, inner)
        path = _rewritten(tmp_path / "m.pt2", honest, "data/sample_inputs/model.pt", lambda _: inner.read_bytes())
        refused(path, "has sample inputs that need", TRUST, unsafe=True)
    torch.save((torch.ones(1), {}), inner, pickle_protocol=4)
    path = _rewritten(tmp_path / "m.pt2", honest, "data/sample_inputs/model.pt", lambda _: inner.read_bytes())
    refused(path, "sample inputs", TRUST, unsafe=True)
    for raw in (b"", b"\x80\x02}.", pickle.dumps(evil)):
        path = _rewritten(tmp_path / "m.pt2", honest, "data/sample_inputs/model.pt", lambda _, raw=raw: raw)  # type: ignore[misc]
        refused(path, "sample inputs that cannot be read", TRUST, unsafe=True)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["data/aotinductor/model/x.so", "extra/x", "data/constants/../x", "models/other.json"])
def test_what_else_is_in_the_archive(tmp_path: Path, honest: bytes, name: str) -> None:
    path = _rewritten(tmp_path / "m.pt2", honest, "", bytes, **{name: b"{}"})
    refused(path, "neither graph nor weights", TRUST, unsafe=True)


def test_descriptions_that_cannot_be_read(tmp_path: Path, honest: bytes) -> None:
    for text in (b"", b"[" * 100_000, b"\xff"):
        path = _rewritten(tmp_path / "m.pt2", honest, "models/model.json", lambda _, text=text: text)  # type: ignore[misc]
        refused(path, "cannot be read", TRUST)
    path = _rewritten(tmp_path / "m.pt2", honest, "models/model.json", lambda _: b"{}")
    refused(path, "torch cannot load it", TRUST)


@pytest.mark.parametrize(
    "text",
    ["s0", "Symbol('s77', positive=True, integer=True)", "Integer(4)", "2*s0 + 1", "Max(1, s0//2)", "Mod(s0, 8)",
     "Mul(Integer(2), Symbol('u3', integer=True))", "Pow(Symbol('s1'), Integer(-1))", "s0**2", "Eq(s0, 3)"],
)  # fmt: skip
def test_formulas_of_sizes(text: str) -> None:
    assert _is_formula(text)


@pytest.mark.parametrize("text", ["L['x'].size()[0] >= 2", "x.shape[1] == 8 and y.ndim == 4", "2 <= x.size()[0]"])
def test_guards_of_sizes(text: str) -> None:
    assert _is_guard(text)
