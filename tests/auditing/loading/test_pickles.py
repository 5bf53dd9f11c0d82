"""Pickles that would run code: nothing of them runs."""

import io
import os
import pickle
from pathlib import Path

import pytest
import torch
from model_files import Evil, rezip, weights
from refusals import refused
from torch import nn

from propstats.auditing.loading.pickles import global_names


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


@pytest.mark.parametrize(
    "body",
    [
        # Linear called with sizes, in place or through the memo; made with an argument; an instance called by
        # the tensor rebuilder.
        b"ctorch.nn.modules.linear\nLinear\nM\x00\x40M\x00\x40\x86R.",
        b"ctorch.nn.modules.linear\nLinear\nq\x00)\x81q\x01h\x00M\x00\x40M\x00\x40\x86R.",
        b"ctorch.nn.modules.linear\nLinear\nK\x01\x85\x81.",
        b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch.nn.modules.linear\nIdentity\n)\x81ctorch\nTensor\n))tR.",
    ],
)
def test_a_pickle_may_only_make_empty_instances(tmp_path: Path, body: bytes) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "m.pt")
    refused(rezip(tmp_path / "m.pt", lambda _: b"\x80\x02" + body), "more than rebuild itself", unsafe=True)


def test_calling_an_instance_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "m.pt")
    body = b"\x80\x02ctorch.nn.modules.linear\nLinear\nq\x00)\x81)R."
    refused(rezip(tmp_path / "m.pt", lambda _: body), "more than rebuild itself", unsafe=True)


def test_protocol_four_is_refused_in_one_line(tmp_path: Path) -> None:
    for modern in (True, False):
        torch.save(weights(), tmp_path / "m.pt", pickle_protocol=4, _use_new_zipfile_serialization=modern)
        refused(tmp_path / "m.pt", "was saved with pickle protocol 4")


def test_names_that_are_said_once_and_meant_twice() -> None:
    """From protocol 4 on a module's name is written once and taken from the memo after that."""
    for protocol in (2, 4, 5):
        file = io.BytesIO(pickle.dumps([os.path.join, os.path.split, os.path.join], protocol=protocol))
        assert global_names(file) == {"posixpath.join", "posixpath.split"}
