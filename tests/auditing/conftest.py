"""A module of the user that builds networks."""

import sys
from pathlib import Path

import pytest
from model_files import ARCH_SOURCE


@pytest.fixture
def arch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    home = tmp_path / "user"
    home.mkdir()
    (home / "propstats_user_arch.py").write_text(ARCH_SOURCE)
    monkeypatch.chdir(home)
    monkeypatch.delitem(sys.modules, "propstats_user_arch", raising=False)
    return "propstats_user_arch:make"
