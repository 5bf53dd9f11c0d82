"""How a model file has to be refused: in one clear line."""

from dataclasses import replace
from pathlib import Path

import pytest

from propstats.auditing.loading.access import SAFE, Access
from propstats.auditing.loading.load import load_model
from propstats.errors import ModelError, UnsafeModelError


def refused(path: Path, word: str, access: Access = SAFE, *, arch: str | None = None, unsafe: bool = False) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(path, replace(access, arch=arch) if arch is not None else access)
    text = str(caught.value)
    assert word in text
    assert len(text.splitlines()) == 1
    assert "Traceback" not in text
    assert "weights_only" not in text
    assert isinstance(caught.value, UnsafeModelError) == unsafe
    if unsafe:
        assert "nothing was executed" in text
    return text
