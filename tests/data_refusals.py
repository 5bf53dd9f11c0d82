"""How data have to be refused: in one clear line."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from propstats.auditing.data.load import load_data
from propstats.errors import DataError, PropstatsError


def refused_data(name: str | os.PathLike[str], word: str, kind: type[PropstatsError] = DataError) -> str:
    with pytest.raises(kind) as caught:
        load_data(os.fspath(name))
    text = str(caught.value)
    assert word in text
    assert len(text.splitlines()) == 1
    assert "Traceback" not in text
    return text


def damaged(raw: bytes, *, tries: int, seed: int) -> list[bytes]:
    """Return copies of a file with bits flipped, cut short, or both."""
    rng = np.random.default_rng(seed)
    copies = []
    for _ in range(tries):
        changed = bytearray(raw[: rng.integers(1, len(raw) + 1)] if rng.random() < 0.4 else raw)
        for _ in range(int(rng.integers(0, 5))):
            # Headers are where damage tells.
            at = int(rng.integers(min(len(changed), 300) if rng.random() < 0.7 else len(changed)))
            changed[at] ^= 1 << int(rng.integers(8))
        copies.append(bytes(changed))
    return copies


def survives(raw: bytes, path: Path, *, tries: int, seed: int, read: Callable[[str], object] = load_data) -> None:
    """Read damaged copies of a file: each is data all the same, or refused in one line."""
    lines = []
    for copy in damaged(raw, tries=tries, seed=seed):
        path.write_bytes(copy)
        try:
            read(str(path))
        except PropstatsError as error:
            lines.append(len(str(error).splitlines()))
    assert set(lines) == {1}
